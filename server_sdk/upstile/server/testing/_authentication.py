"""What a guard hands to a handler, without a call: for `app.dependency_overrides`."""

from collections.abc import Callable, Iterable, Sequence
from secrets import token_urlsafe
from time import time

from upstile.server._errors import ConfigurationError
from upstile.server.authorization._acr import SATISFIES
from upstile.server.authorization._lives import LONGEST_TOKEN_LIFE
from upstile.server.authorization._sign_in import check_subject
from upstile.server.resource._authentication import Authentication
from upstile.server.resource._guard import Guard
from upstile.server.resource._guarded_call import GuardedCall, yes
from upstile.server.resource._issuer import Issuer
from upstile.server.resource._refusal import Refusals
from upstile.server.resource._replay import ReplaySet
from upstile.server.resource._revocation_list import NothingRevoked
from upstile.server.resource.tokens._access_token import AccessToken
from upstile.server.resource.tokens._verifier import InvalidToken, Known
from upstile.server.storage import Names

_URL = "http://localhost"
_ISSUER = Issuer(identifier=_URL, satisfies=SATISFIES, marks_single_use=True)


class _NoTokens:
    """Verifies nothing: there is no call, and so no token."""

    issuers = (_ISSUER,)

    def issuer_of(self, token: AccessToken) -> Issuer:
        return _ISSUER

    def verify(self, token: str, now: float, digest: bytes | None = None) -> AccessToken:
        raise InvalidToken("there are no tokens here")

    def has_expired(self, token: AccessToken, now: float) -> bool:
        return now >= token.expires_at

    def known(self, digest: bytes, now: float) -> Known | None:
        return None


def authentication(
    subject: str,
    *,
    acr: str | Iterable[str] | None = None,
    age: float = 0,
    scope: str | Iterable[str] = (),
    client_id: str = "test",
    amr: Sequence[str] = (),
    single_use: bool = False,
    clock: Callable[[], float] = time,
) -> Authentication:
    """What a handler is given, for tests of what it does with it: no token, no key, no storage.

    ```python
    app.dependency_overrides[RECENT_MFA] = lambda: authentication("ada", acr="mfa")
    ```

    The guard is gone with that. So test the handler's work this way, and with `token_for` that the route is guarded.
    What the handler itself asks for (`auth.require(...)`) is judged as ever. An application whose `url` is `https` does
    not start with an overridden guard.

    Args:
        subject: the user.
        acr: what the authentication satisfies; `phr` stands for `mfa` as well.
        age: seconds since the user authenticated.
        scope: what the token may do.
        client_id: the app.
        amr: the methods that were used (RFC 8176).
        single_use: it serves one call, as `auth.require(max_age=0)` asks.
        clock: the time in epoch seconds.

    Raises:
        ConfigurationError: `subject` names nobody, or `age` is no number of seconds.
    """
    check_subject(subject)
    if not 0 <= age < float("inf"):
        raise ConfigurationError(f"age={age!r} must be the seconds since the user authenticated, 0 or more")
    now = clock()
    values = () if acr is None else (acr,) if isinstance(acr, str) else tuple(acr)
    token = AccessToken(
        issuer=_URL,
        subject=subject,
        client_id=client_id,
        audience=(_URL,),
        scope=frozenset(scope.split() if isinstance(scope, str) else scope),
        acr=_ISSUER.satisfied_by(values),
        amr=tuple(amr),
        auth_time=now - age,
        issued_at=now,
        expires_at=now + LONGEST_TOKEN_LIFE,
        jti=token_urlsafe(16),
        sid=None,
        jkt=None,
        single_use=single_use,
        authorization_details=(),
    )
    # There is no storage in which it could be used up, and nobody who could use it twice.
    call = GuardedCall(token, "bearer", yes, consumed=True)
    return Authentication(_guard(), token, "bearer", yes, clock, call)


def _guard() -> Guard:
    return Guard(
        verifier=_NoTokens(),
        url=_URL,
        refusals=Refusals(realm="localhost", resource_metadata=_URL),
        replays=ReplaySet(),
        revocations=NothingRevoked(),
        store=None,
        names=Names(_URL),
    )
