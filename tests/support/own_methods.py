"""Methods of a deployment, driven by a test without one."""

from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

from support.wire_driver import URL
from upstile.server.authorization.methods import MethodContext, Purpose, Secrets, Wanted
from upstile.server.keys._seal import Seal
from upstile.server.keys._secret_keys import new_key
from upstile.server.storage import AuthenticatorRecord, User

ADA = User(URL, "ada")
PURPOSE = Purpose(client_id="cli", jkt=None, resource=URL)
T = TypeVar("T")


def context() -> MethodContext:
    """What the bank would give to its methods."""
    secrets = Secrets(Seal([new_key().decode()]))
    return MethodContext(issuer=URL, name="Bank", rp_id="localhost", webauthn_origins=(URL,), secrets=secrets)


def wanted(id: str = "a", existing: Sequence[AuthenticatorRecord] = (), destination: str | None = None) -> Wanted:
    """What Ada wants to enrol."""
    return Wanted(user=ADA, id=id, account="ada@example.com", existing=existing, destination=destination)


def done(work: Coroutine[Any, Any, T]) -> T:
    """What a method says that asks nobody, so that it never waits."""
    try:
        work.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    work.close()
    raise AssertionError("the method waited for something")
