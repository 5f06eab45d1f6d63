"""What the command prints: results on standard output, progress and problems on standard error."""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

from rich.box import SIMPLE
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn
from rich.table import Table

from upstile.server.keys._rotation import KeyLife
from upstile.server.keys._seal import SEALED, SIGNING_KEY, Seal
from upstile.server.keys._sealed import Needs, Resealed

Told = Callable[[Resealed], None]

_NARROWEST = 120
_EVERY = 500
_SHOWN = 20
_LABELS = {
    SIGNING_KEY: "signing keys",
    SEALED["seed"]: "TOTP seeds",
    SEALED["destination"]: "destinations",
    SEALED["codes"]: "recovery codes",
    SEALED["code"]: "sent codes",
    SEALED["secret"]: "secrets of other methods",
}
_ALWAYS = (SIGNING_KEY, SEALED["seed"])


def signing_keys(issuer: str, keys: Sequence[KeyLife], now: float) -> None:
    """The signing keys of an issuer, each with where it is in its life."""
    table = Table(box=SIMPLE, title=f"Signing keys of {issuer}", title_justify="left")
    table.add_column("kid", overflow="fold")  # cut off, it would name nothing
    table.add_column("made")
    table.add_column("state")
    for key in keys:
        table.add_row(key.record.kid, time_of(key.record.created), _state(key))
    console().print(table if keys else f"{issuer} has no signing key yet: the server makes one when it starts")


def secret_keys(seal: Seal, found: Needs) -> None:
    """Which secret key how many sealed values need."""
    there = {label for label, _ in found.counts}
    labels = {label: of for label, of in _LABELS.items() if label in there or label in _ALWAYS}
    table = Table("secret key", "configured", *labels.values(), box=SIMPLE, title="Sealed values", title_justify="left")
    configured = seal.names
    for name in (*configured, *sorted(found.keys - set(configured))):
        table.add_row(name, _role(name, seal), *(str(found.counts[label, name]) for label in labels))
    shown = console()
    if configured or found.keys:
        shown.print(table)
    for sentence in _advice(seal, found):
        shown.print(sentence, soft_wrap=True)


@contextmanager
def progress() -> Generator[Told]:
    """Shows how far sealing anew is: a line that changes on a terminal, else one from time to time."""
    shown_on = console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=shown_on, transient=True, disable=not shown_on.is_terminal) as shown:
        task = shown.add_task("sealing anew")

        def told(work: Resealed) -> None:
            looked_at = work.done + work.current + len(work.failed)
            if shown_on.is_terminal:
                shown.update(task, description=f"{looked_at} values looked at, {work.done} sealed anew")
            elif looked_at % _EVERY == 0:
                shown_on.print(f"{looked_at} values looked at, {work.done} sealed anew")

        yield told


def resealed(work: Resealed) -> None:
    """What sealing anew did."""
    shown = console()
    shown.print(f"{work.done} values were sealed anew, {work.current} needed nothing", soft_wrap=True)
    for what, why in list(work.failed.items())[:_SHOWN]:
        shown.print(f"{what} was left as it is: {why}", soft_wrap=True, markup=False)
    if len(work.failed) > _SHOWN:
        shown.print(f"and {len(work.failed) - _SHOWN} more")


def _advice(seal: Seal, found: Needs) -> Generator[str]:
    older = [name for name in seal.names if name != seal.current]
    for name in older:
        number = found.of(name)
        if number:
            yield f"{name} is still needed by {number} values: run `upstile-server keys reseal` before you remove it"
        else:
            yield f"{name} is needed by nothing: remove it from secret_keys"
    for name in sorted(found.keys - set(seal.names)):
        yield f"{name} is needed by {found.of(name)} values and is not configured: put it back behind the newest one"
    for label, number in found.unreadable.items():
        yield f"{number} of the {_LABELS[label]} are in no form that this release reads: run `upstile-server db check`"


def _role(name: str, seal: Seal) -> str:
    if name not in seal.names:
        return "MISSING"
    return "seals and opens" if name == seal.current else "opens"


def _state(key: KeyLife) -> str:
    if key.phase == "published":
        return f"published; signs from {time_of(key.record.signs_from)}"
    if key.until is None:
        return "signs"
    return f"verifies until {time_of(key.until)}"


def time_of(at: float) -> str:
    """A time as an operator reads it."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")


def console(*, stderr: bool = False) -> Console:
    """Where it is printed."""
    shown = Console(stderr=stderr, highlight=False)
    if shown.width < _NARROWEST and not shown.is_terminal:
        shown.width = _NARROWEST  # into a file or another program, where a row belongs into one line
    return shown
