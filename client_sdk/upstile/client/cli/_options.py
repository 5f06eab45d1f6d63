"""The options that every command takes, before or behind its name."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import wraps
from inspect import Parameter, signature
from typing import Annotated, Any, Concatenate, ParamSpec

import typer

from upstile.client.cli._here import Here, Options, profile_names

P = ParamSpec("P")


@dataclass(frozen=True, kw_only=True)
class _Shared:
    """One such option; those that are `rare` are shown in the help of `upstile` only."""

    flags: tuple[str, ...]
    help: str
    kind: type = str
    metavar: str | None = None
    envvar: str | None = None
    rare: bool = False
    completed: Callable[[str], list[str]] | None = None

    def parameter(self, name: str, *, root: bool) -> Parameter:
        """As typer reads it."""
        is_flag = self.kind is bool
        option = typer.Option(
            *self.flags,
            metavar=self.metavar,
            help=self.help if self.envvar is None or root else f"{self.help} [{self.envvar}]",
            envvar=self.envvar if root else None,
            hidden=self.rare and not root,
            autocompletion=self.completed,
            show_default=False,
        )
        kind: Any = bool if is_flag else str | None
        default = False if is_flag else None
        return Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, option])


_SHARED = {
    "profile": _Shared(
        flags=("--profile", "-p"),
        metavar="NAME",
        help="Which of your accounts and APIs; any name.",
        envvar="UPSTILE_PROFILE",
        completed=profile_names,
    ),
    "api": _Shared(
        flags=("--api",), metavar="URL", help="The API's address; `login` remembers it.", envvar="UPSTILE_API"
    ),
    "client_id": _Shared(
        flags=("--client-id",),
        metavar="NAME",
        help="The name under which the API knows this app; `login` remembers it.",
        envvar="UPSTILE_CLIENT_ID",
    ),
    "issuer": _Shared(
        flags=("--issuer",),
        metavar="URL",
        help="The authorization server, where it is not the API's own; `login` remembers it.",
        envvar="UPSTILE_ISSUER",
        rare=True,
    ),
    "store": _Shared(
        flags=("--store",),
        metavar="KIND",
        help="Where sign-ins are kept: file, or keyring (needs upstile[keyring]); `login` remembers it.",
        envvar="UPSTILE_STORE",
        rare=True,
    ),
    "interaction": _Shared(
        flags=("--interaction",),
        metavar="auto|never|required",
        help="`never` asks nobody, as in CI: what needs a person ends with 4. `required` asks for each such call.",
        envvar="UPSTILE_INTERACTION",
        rare=True,
    ),
    "no_browser": _Shared(
        flags=("--no-browser",),
        help="Open no browser at an identity provider's page: its address is shown.",
        kind=bool,
        rare=True,
    ),
    "paste": _Shared(
        flags=("--paste",),
        help="Ask for the address that the browser ended at, too: over SSH, when it runs on another machine.",
        kind=bool,
        rare=True,
    ),
    "quiet": _Shared(flags=("--quiet", "-q"), help="Say nothing but results and errors.", kind=bool),
    "verbose": _Shared(
        flags=("--verbose", "-v"), help="Say what is done, and what developers want to know.", kind=bool
    ),
}
_JSON = _Shared(flags=("--json",), help="Print results and errors as JSON.", kind=bool)


def reading_options(context: typer.Context, **given: Any) -> None:
    """What the group does: it reads what stands before the command."""
    context.obj = given


def before_the_command(work: Callable[..., None], *own: Parameter) -> Callable[..., None]:
    """Give the group its options."""
    return _with(work, [*own, *(shared.parameter(name, root=True) for name, shared in _SHARED.items())])


def working(
    group: typer.Typer, name: str | None = None, *, prints_json: bool = True
) -> Callable[[Callable[Concatenate[Here, P], None]], Callable[Concatenate[Here, P], None]]:
    """Make a function a command of `group`: its first argument is what the options say, its errors end in sentences."""
    shared = {**_SHARED, "as_json": _JSON} if prints_json else _SHARED

    def made(work: Callable[Concatenate[Here, P], None]) -> Callable[Concatenate[Here, P], None]:
        own = list(signature(work).parameters.values())[1:]

        @wraps(work)
        def run(context: typer.Context, **given: Any) -> None:
            behind = {name: given.pop(name) for name in shared}
            before: dict[str, Any] = context.find_root().obj or {}
            here = Here(Options(**{field.name: _said(field.name, before, behind) for field in fields(Options)}))
            with here.to_its_end():
                work(here, **given)  # type: ignore[call-arg]

        parameters = [*own, *(option.parameter(name, root=False) for name, option in shared.items())]
        group.command(name=name)(_with(run, parameters))
        return work

    return made


def _said(name: str, before: dict[str, Any], behind: dict[str, Any]) -> Any:
    return behind.get(name) or before.get(name) or None


def _with(work: Callable[..., None], parameters: list[Parameter]) -> Callable[..., None]:
    context = Parameter("context", Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
    keywords = [parameter.replace(kind=Parameter.KEYWORD_ONLY) for parameter in parameters]
    work.__signature__ = signature(work).replace(parameters=[context, *keywords])  # type: ignore[attr-defined]
    work.__annotations__ = {}
    return work
