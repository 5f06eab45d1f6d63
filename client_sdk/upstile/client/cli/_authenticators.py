"""`upstile authenticators`: what you prove yourself with."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from upstile.client.cli._ending import CANCELLED, PROBLEM, Ending
from upstile.client.cli._here import Here
from upstile.client.cli._time import ago, at

if TYPE_CHECKING:
    from upstile.client import Authenticator, Client, Method

_KINDS = (
    "totp (an authenticator app), webauthn (a security key), otp (codes that are sent by mail or text message) or"
    " recovery_code (codes for when nothing else is at hand)."
)
Which = Annotated[str, typer.Argument(metavar="NAME", help="Its name, or its id where two have the same name.")]
Kind = Annotated[str, typer.Argument(metavar="KIND", help=_KINDS)]
Where = Annotated[
    str | None, typer.Option("--to", metavar="DESTINATION", help="otp: the address or number that codes are sent to.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask whether you are sure.")]
EnrolmentCode = Annotated[
    bool, typer.Option("--enrolment-code", help="You have a code of the help desk, and are asked for it.")
]


def list_all(here: Here) -> None:
    """List your authenticators.

    \b
    Examples:
      upstile authenticators list
      upstile authenticators list --json | jq -r '.[].name'
    """
    with here.client() as client:
        found = client.authenticators.list()
    rows = [("NAME", "KIND", "STATE", "ADDED", "LAST USED", "ID"), *(_row(one) for one in found)]
    text = _table(rows) if found else "You have none yet. Run `upstile authenticators add totp`."
    here.show(text, [one.to_members() for one in found])
    for one in found:
        if one.question is not None:
            here.note(f'"{_clean(one.name)}" is closed to new devices. See `upstile authenticators open`.')


def add(
    here: Here,
    kind: Kind,
    name: Annotated[str | None, typer.Option("--name", help="What you call it; the kind by default.")] = None,
    to: Where = None,
    enrolment_code: EnrolmentCode = False,
) -> None:
    """Add an authenticator: an app that shows codes, a security key, an address, or recovery codes.

    What the app has to scan, and recovery codes, are shown on the terminal only, never on standard output.

    \b
    Examples:
      upstile authenticators add totp --name "my phone"
      upstile authenticators add webauthn --name "blue key"
      upstile authenticators add otp --to ada@example.com
      upstile authenticators add recovery_code
    """
    method = _method(kind, to)
    code = here.asks("Enrolment code") if enrolment_code else None
    with here.client() as client:
        added = client.authenticators.enroll(method, name or kind, enrolment_code=code)
    _done(here, f'"{_clean(added.name)}" is added.', added)


def regenerate(here: Here, which: Which, yes: Yes = False) -> None:
    """Replace your recovery codes: the old ones are good no more, the new ones are shown once.

    \b
    Example:
      upstile authenticators regenerate recovery_code
    """
    with here.client() as client:
        one = _found(client, which)
        if one.method != "recovery_code":
            step = "See the kinds with `upstile authenticators list`."
            raise Ending(f'"{_clean(one.name)}" is no set of recovery codes', step, code=PROBLEM)
        _be_sure(here, yes, f'Replace the codes of "{_clean(one.name)}"? The old ones are good no more.')
        made = client.authenticators.regenerate(one.id)
    _done(here, f'"{_clean(made.name)}" has new codes.', made)


def rename(here: Here, which: Which, new: Annotated[str, typer.Argument(metavar="NEW_NAME")]) -> None:
    """Give an authenticator another name.

    \b
    Example:
      upstile authenticators rename totp "my phone"
    """
    with here.client() as client:
        renamed = client.authenticators.rename(_found(client, which).id, new)
    _done(here, f'It is called "{_clean(renamed.name)}" now.', renamed)


def open_again(here: Here, which: Which, yes: Yes = False) -> None:
    """Let new devices try an authenticator again that a hundred wrong codes have closed to them.

    \b
    Example:
      upstile authenticators open "my phone"
    """
    with here.client() as client:
        one = _found(client, which)
        if one.question is None:
            raise Ending(f'"{_clean(one.name)}" is open', code=PROBLEM)
        _be_sure(here, yes, _clean(one.question))
        opened = client.authenticators.open(one.id)
    _done(here, f'"{_clean(opened.name)}" is open again.', opened)


def remove(here: Here, which: Which, yes: Yes = False) -> None:
    """Remove an authenticator; the last one stays.

    \b
    Examples:
      upstile authenticators remove "old phone"
      upstile authenticators remove "old phone" --yes
    """
    with here.client() as client:
        entries = client.authenticators.list()
        one = _named(entries, which)
        if one.state != "pending" and not any(other.state == "active" for other in entries if other.id != one.id):
            step = "Add another first, with `upstile authenticators add`."
            raise Ending(f'"{_clean(one.name)}" is the last one, and stays', step, code=PROBLEM)
        _be_sure(here, yes, f'Remove "{_clean(one.name)}" ({one.method})?')
        client.authenticators.remove(one.id)
    _done(here, f'"{_clean(one.name)}" is removed.', one)


def restore(here: Here, which: Which, yes: Yes = False) -> None:
    """Ask for a code by mail, if you have lost everything that you confirm with. You get it a day later.

    NAME is an address that codes are mailed to. Sign in right before, and again a day later; then the same command has
    the code mailed. Set up a new authenticator with it: `upstile authenticators add totp --enrolment-code`.

    \b
    Example:
      upstile authenticators restore "my mail"
    """
    with here.client() as client:
        one = _found(client, which)
        if one.channel != "email":
            step = "See the addresses with `upstile authenticators list`: their kind is otp."
            raise Ending(f'"{_clean(one.name)}" is no address that a code can be mailed to', step, code=PROBLEM)
        _be_sure(here, yes, "Have you lost everything that you confirm with? All your addresses are told that you ask.")
        asked = client.authenticators.restore(one.id)
    here.note(asked.sentences)
    if asked.state == "sent":
        here.note("Run `upstile authenticators add totp --enrolment-code`, then sign in again.")
    if here.options.as_json:
        here.show("", asked.to_members())


def _method(kind: str, to: str | None) -> "Method":
    from upstile.client import ConfigurationError, Otp, RecoveryCode, Totp, WebAuthn

    kinds: dict[str, Callable[[], Method]] = {"totp": Totp, "webauthn": WebAuthn, "recovery_code": RecoveryCode}
    if (kind == "otp") != (to is not None):
        step = "Write `upstile authenticators add otp --to DESTINATION`."
        raise Ending("Codes are sent to an address or a number, and --to says which", step)
    if to is not None:
        try:
            return Otp(to)
        except ConfigurationError as error:
            raise Ending(f"{_clean(to)!r} is no destination", f"{error.hint.capitalize()}.") from error
    if kind not in kinds:
        raise Ending(f"{kind!r} is no kind of authenticator", f"There are {_KINDS}")
    return kinds[kind]()


def _found(client: "Client", which: str) -> "Authenticator":
    return _named(client.authenticators.list(), which)


def _named(entries: "Sequence[Authenticator]", which: str) -> "Authenticator":
    found = [one for one in entries if one.id == which] or [one for one in entries if one.name == which]
    if len(found) == 1:
        return found[0]
    step = "See them with `upstile authenticators list`."
    raise Ending(f"{'Two of them are' if found else 'None of them is'} called {which!r}", step, code=PROBLEM)


def _be_sure(here: Here, yes: bool, question: str) -> None:
    if not yes and here.asks(f"{question} [y/N]").strip().lower() not in ("y", "yes"):
        raise Ending("Nothing was done", code=CANCELLED)


def _done(here: Here, text: str, one: "Authenticator") -> None:
    here.note(text)
    if here.options.as_json:
        here.show("", one.to_members())


def _row(one: "Authenticator") -> tuple[str, ...]:
    used = "never" if one.last_used is None else ago(one.last_used)
    state = f"{one.state}, closed" if one.closed else one.state
    return _clean(one.name), _clean(one.method), state, at(one.created), used, _clean(one.id)


def _table(rows: list[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines: list[Any] = ["  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)) for row in rows]
    return "\n".join(line.rstrip() for line in lines)


def _clean(text: str) -> str:
    """A text of the server's, without what a terminal would obey."""
    from upstile.client import harmless

    return harmless(text) or ""
