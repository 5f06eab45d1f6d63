"""`upstile-server keys`: signing keys, and the secret keys that seal what is at rest."""

import sys
from functools import partial

import typer

from upstile.server._errors import ConfigurationError
from upstile.server.audit import EventKind, SecurityEvent
from upstile.server.cli import _report
from upstile.server.cli._operated import Operated
from upstile.server.cli._running import PROBLEM, deployment, opened
from upstile.server.keys._rotation import Keys, lives
from upstile.server.keys._sealed import Needs, Resealed, needs, reseal, signing_keys
from upstile.server.storage._records import User

command = typer.Typer(
    help="Signing keys, and the secret keys that seal what is at rest.", no_args_is_help=True, rich_markup_mode=None
)


@command.command()
def status(context: typer.Context) -> None:
    """Show signing keys, and what needs which secret key.

    Nothing is opened or changed. It ends with 1 where a value needs a secret key that is not configured.

    \b
    Example, to see whether an old secret key may go:
      upstile-server --app bank:server keys status
    """
    with deployment(context) as operated:
        records, found = opened(operated, _look)
        _report.signing_keys(operated.issuer.identifier, lives(records, operated.clock()), operated.clock())
        _report.secret_keys(operated.seal, found)
        if found.unreadable or not found.keys <= set(operated.seal.names):
            raise typer.Exit(PROBLEM)


@command.command()
def rotate(context: typer.Context) -> None:
    """Publish a new signing key.

    It signs ten minutes later, and the old one goes when its last token is dead. Servers that run see it by
    themselves. While a new key waits for its turn, no other one is made.

    \b
    Example:
      upstile-server --app bank:server keys rotate
    """
    with deployment(context) as operated:
        records = opened(operated, _rotate)
        _report.signing_keys(operated.issuer.identifier, lives(records, operated.clock()), operated.clock())


@command.command(name="reseal")
def reseal_all(context: typer.Context) -> None:
    """Seal anew what needs an older secret key.

    Servers may run meanwhile. A run that was cut off is begun again; it goes on with what is left.

    \b
    To retire a secret key:
      1. UPSTILE_SECRET_KEYS="OLD NEW", and restart all servers; now all can open what the new one seals
      2. UPSTILE_SECRET_KEYS="NEW OLD", and restart all servers
      3. upstile-server --app bank:server keys reseal
      4. upstile-server --app bank:server keys status
      5. UPSTILE_SECRET_KEYS="NEW", once nothing needs the old one, and restart all servers
    """
    with deployment(context) as operated, _report.progress() as told:
        work = opened(operated, partial(_reseal, told=told))
    _report.resealed(work)
    if work.failed:
        raise typer.Exit(PROBLEM)


async def _look(operated: Operated) -> tuple[Keys, Needs]:
    records = await signing_keys(operated.storage.durable)
    if records:  # else the key of a development server may not be made yet
        operated.seal.load(anything_sealed=True)
    return records, await needs(operated.storage.durable, operated.seal)


async def _rotate(operated: Operated) -> Keys:
    now = operated.clock()
    await _loaded(operated)
    before = {record.kid for record in await signing_keys(operated.storage.durable)}
    records = await operated.signing.rotate(now)
    if all(record.kid in before for record in records):
        sys.stderr.write("upstile-server: a new key waits for its turn already, so none was made\n")
    else:
        await _tell(operated, "signing-key-rotated")
    return records


async def _reseal(operated: Operated, told: _report.Told) -> Resealed:
    await _loaded(operated)
    work = await reseal(operated.storage.durable, operated.seal, operated.issuer.identifier, told)
    if work.done:
        await _tell(operated, "secrets-resealed")
    return work


async def _loaded(operated: Operated) -> None:
    if not await signing_keys(operated.storage.durable):
        raise ConfigurationError("the storage holds no signing key yet: the server makes the first when it starts")
    operated.seal.load(anything_sealed=True)


async def _tell(operated: Operated, kind: EventKind) -> None:
    nobody = User(operated.issuer.identifier, "")
    await operated.events.tell(SecurityEvent(kind=kind, user=nobody, at=operated.clock()))
