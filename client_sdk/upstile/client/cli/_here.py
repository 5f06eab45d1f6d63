"""What a command works with: the profile, the client that it makes of it, and where it writes."""

import json
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from types import ModuleType
from typing import TYPE_CHECKING, Any

import typer

from upstile.client.cli._ending import (
    BROKEN_PIPE,
    INTERRUPTED,
    NOT_SIGNED_IN,
    SIGN_IN,
    STEP_UP,
    Ending,
    NothingKnown,
    ending_of,
    tell,
)
from upstile.client.cli._mistyped import check_address, check_interaction
from upstile.client.cli._profiles import APP, Profile, Profiles, store_kind

if TYPE_CHECKING:
    from upstile.client import BaseToken, Client, Event, Requirement, Store

TOKEN = "UPSTILE_TOKEN"  # noqa: S105 - a name
_NEVER = "This needs you: run it in a terminal"


@dataclass(frozen=True, kw_only=True)
class Options:
    """What every command may be told."""

    profile: str | None = None
    api: str | None = None
    client_id: str | None = None
    issuer: str | None = None
    store: str | None = None
    interaction: str | None = None
    no_browser: bool | None = None
    paste: bool | None = None
    quiet: bool | None = None
    verbose: bool | None = None
    as_json: bool | None = None


class Here:
    """One command's surroundings.

    Args:
        options: what was said; what was not, the profile says.
    """

    def __init__(self, options: Options) -> None:
        self.options = options
        self.name = options.profile or "default"
        self._http: ModuleType | None = None

    @contextmanager
    def to_its_end(self) -> Generator[None]:
        """End with an exit code and a sentence, whatever happens."""
        try:
            yield
            sys.stdout.flush()
        except typer.Exit:
            raise
        except KeyboardInterrupt:
            sys.stderr.write("\nupstile: stopped.\n")
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:
            raise typer.Exit(BROKEN_PIPE) from None
        except Exception as error:
            ending = ending_of(error, self._http, self.login_command)
            tell(ending, as_json=bool(self.options.as_json), verbose=bool(self.options.verbose))
            raise typer.Exit(ending.code) from None

    @property
    def login_command(self) -> str:
        """What to type to sign in with this profile."""
        profile = "" if self.name == "default" else f" --profile {self.name}"
        return f"upstile login{profile}"

    @cached_property
    def remembered(self) -> Profile | None:
        """What `login` has remembered."""
        return Profiles().find(self.name)

    @property
    def profile(self) -> Profile:
        """What is said, and where nothing is said what is remembered.

        Raises:
            Ending: not all that is needed is known.
        """
        said, known = self.options, self.remembered
        api, client_id = said.api or (known and known.api), said.client_id or (known and known.client_id)
        if not api or not client_id:
            lacking = [flag for flag, value in (("--api", api), ("--client-id", client_id)) if not value]
            raise self._unknown(lacking)
        base = known or Profile(api=api, client_id=client_id)
        store = base.store if said.store is None else store_kind(said.store)
        return replace(base, api=api, client_id=client_id, issuer=said.issuer or base.issuer, store=store)

    def _unknown(self, lacking: list[str]) -> NothingKnown:
        flags = " and ".join(lacking)
        step = f"Sign in first, or say {flags}. Run `upstile login --help`."
        if os.environ.get(TOKEN):
            step = f"Say {flags}, too: {TOKEN} is a token alone."
        others = ", ".join(name for name in Profiles().all() if name != self.name)
        known_ones = f" There are profiles: {others}." if others else ""
        said = f"Nothing is known of the profile {self.name!r} yet"
        return NothingKnown(said, step + known_ones, code=SIGN_IN, error=NOT_SIGNED_IN)

    @property
    def token(self) -> "BaseToken | None":
        """The token of the environment, which goes before what is kept."""
        text = os.environ.get(TOKEN)
        if not text:
            return None
        return base_token(text, f"What {TOKEN} holds")

    def client(self, profile: Profile | None = None) -> "Client":
        """A client for an API, as it is signed in; for that of the profile where no other is given."""
        from upstile.client import Browser, Client, TerminalPrompter

        profile, token, said = profile or self.profile, self.token, self.options
        check_address("--api", profile.api)
        check_address("--issuer", profile.issuer)
        check_interaction(self.options.interaction)
        options: dict[str, Any] = {"store": self._store(profile)} if token is None else {"token": token}
        if self.options.interaction is not None:
            options["interaction"] = self.options.interaction
        if self.options.verbose:
            options["on_event"] = self._report
        client = Client(
            profile.api,
            client_id=profile.client_id,
            issuer=profile.issuer,
            profile=self.name,
            prompter=TerminalPrompter(),
            browser=Browser(
                opens=not said.no_browser, pastes=bool(said.paste), scope=profile.scope, audience=profile.audience
            ),
            **options,
        )
        self._http = client.http
        return client

    def asks(self, label: str, *, hidden: bool = False) -> str:
        """What the person types on the terminal.

        Raises:
            Ending: nobody may be asked.
        """
        from upstile.client import TerminalPrompter

        if self.options.interaction == "never":
            hint = "UPSTILE_INTERACTION=never, or --interaction never"
            raise Ending(_NEVER, code=STEP_UP, hint=hint, error="step_up_required")
        return TerminalPrompter().ask(label, hidden=hidden)

    def note(self, text: str) -> None:
        """Say something that is no result, on standard error."""
        if not self.options.quiet and not self.options.as_json:
            sys.stderr.write(f"{text}\n")

    def show(self, text: str, members: Any) -> None:
        """Print a result: the text for people, or the members as JSON."""
        typer.echo(json.dumps(members, indent=2) if self.options.as_json else text)

    def _store(self, profile: Profile) -> "Store":
        from upstile.client import FileStore, KeyringStore

        try:
            return KeyringStore(APP) if profile.store == "keyring" else FileStore(APP)
        except ImportError as error:
            raise Ending(str(error)) from None

    def _report(self, event: "Event") -> None:
        seconds = "" if event.seconds is None else f" in {event.seconds:.1f} s"
        sys.stderr.write(f"upstile: {event.kind}: {event.requirement}{seconds}\n")


def base_token(text: str, what: str, subject: str | None = None) -> "BaseToken":
    """A token that somebody has handed over as text.

    Raises:
        Ending: it could not be one; the message does not show it.
    """
    from upstile.client import BaseToken

    try:
        return BaseToken(access_token=text, subject=subject)
    except ValueError:
        raise Ending(f"{what} is no token", "A token is one line, without blanks or quotation marks.") from None


def requirement(acr: list[str] | None, max_age: int | None, scope: list[str] | None) -> "Requirement | None":
    """What the options `--acr`, `--max-age` and `--scope` ask; `None` where none was given."""
    from upstile.client import Requirement

    if not acr and max_age is None and not scope:
        return None
    try:
        return Requirement(acr=acr or (), max_age=max_age, scope=scope or ())
    except (TypeError, ValueError) as error:
        raise Ending(f"--acr, --max-age or --scope cannot be asked for: {error}") from None


def profile_names(incomplete: str) -> list[str]:
    """For a shell that completes."""
    with suppress(Exception):  # a shell shows nothing, and a traceback would disturb what is typed
        return [name for name in Profiles().all() if name.startswith(incomplete)]
    return []
