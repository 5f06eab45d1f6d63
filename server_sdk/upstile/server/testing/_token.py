"""Tokens of the embedded server for tests, signed with its own key."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from secrets import token_urlsafe
from typing import Any, TypeVar

from cryptography.hazmat.primitives.asymmetric import ec

from upstile.protocol import base64url_decode, es256_jwk, json_object, jwk_thumbprint
from upstile.server._errors import ConfigurationError
from upstile.server._step_up import StepUpVerbs
from upstile.server.authorization._acr import MFA, PHR
from upstile.server.authorization._lives import LONGEST_TOKEN_LIFE
from upstile.server.authorization._possession import Possession
from upstile.server.deployment._authority import Authority
from upstile.server.deployment._deployment import Deployment
from upstile.server.deployment._help_desk import deployment_of
from upstile.server.storage import User
from upstile.server.testing._credentials import Credentials

T = TypeVar("T")
_AMR = {MFA: ("pwd", "otp", "mfa"), PHR: ("hwk", "user", "mfa")}
"""What a real ceremony of each class writes into its token."""


def token_for(
    server: StepUpVerbs,
    subject: str,
    *,
    acr: str | None = None,
    age: float = 0,
    scope: str | Iterable[str] | None = None,
    client_id: str | None = None,
    amr: Sequence[str] | None = None,
    single_use: bool = False,
    bound: bool | None = None,
) -> Credentials:
    """A real token of a user, as their app would hold it after a sign-in or a confirmation; hand it to `auth=`.

    It is signed with the server's own key, and the real guard judges it. The user is signed in for it, so that a token
    without `acr` is the base token of that sign-in. It works for an hour of the server's clock, and ends earlier where
    the user's sign-ins end.

    NOTE: this is no back door. The key is in this process already, and a token names its server: one of
    `http://localhost` is good at no `https` address, and one of an `https` address is not made.

    Args:
        server: what `StepUp.embedded(...)` returned, for an address of this machine; its storage is opened.
        subject: the user.
        acr: what they confirmed with, `mfa` or `phr`; by default they are only signed in.
        age: seconds since then.
        scope: what the token may do; by default all that the app may.
        client_id: the app; may be left out where one is registered.
        amr: the methods that were used (RFC 8176), by default those that reach `acr`.
        single_use: it serves one call, as a `max_age=0` route asks.
        bound: whether it is bound to a key (DPoP), so that each call needs a proof; by default as the server asks.

    Raises:
        ConfigurationError: the server is none of this machine, or has no authorization server of its own; or it could
            give no such token.
        AuthorizationError: there is no such app.
    """
    deployment = deployment_of(server)
    authority = deployment.own
    _check(deployment, acr, age)
    key = ec.generate_private_key(ec.SECP256R1()) if _is_bound(authority, bound) else None
    jkt = None if key is None else jwk_thumbprint(es256_jwk(key.public_key()))

    async def made() -> str:
        await deployment.prepare()
        base = await authority.sign_in.start_session(
            subject,
            amr=("pwd",) if amr is None else amr,
            now=authority.clock(),
            possession=Possession(jkt=jkt),
            client_id=client_id,
            auth_time=authority.clock() - age,
        )
        if acr is None and not single_use and scope is None:
            return base.access_token
        claims = _claims_of(base.access_token)
        proofs = (await authority.storage.durable.account(User(authority.issuer.identifier, subject))).proofs
        return _elevated(authority, claims, proofs, acr=acr, scope=scope, amr=amr, single_use=single_use)

    return Credentials(_run(made), url=deployment.url, key=key, clock=authority.clock)


def _check(deployment: Deployment, acr: str | None, age: float) -> None:
    offered = deployment.own.issuer.acr_values_supported or ()
    if not deployment.is_loopback:
        raise ConfigurationError(
            f"token_for makes no tokens of {deployment.url}: they would be good where people work. In the tests, build"
            " the server with url='http://localhost:8000', storage=':memory:' and allow_insecure_loopback=True"
        )
    if acr is not None and acr not in offered:
        raise ConfigurationError(f"acr={acr!r}: this server gives {' or '.join(offered)}")
    if isinstance(age, bool) or not isinstance(age, int | float) or not 0 <= age < float("inf"):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigurationError(f"age={age!r} must be the seconds since the person confirmed, 0 or more")


def _is_bound(authority: Authority, bound: bool | None) -> bool:
    return authority.possession.required if bound is None else bound


def _elevated(
    authority: Authority,
    claims: dict[str, Any],
    proofs: int,
    *,
    acr: str | None,
    scope: str | Iterable[str] | None,
    amr: Sequence[str] | None,
    single_use: bool,
) -> str:
    """The token of a confirmation, from the claims of the sign-in (upstile profile §4)."""
    now = int(authority.clock())
    claims |= {"jti": f"{proofs}.{token_urlsafe(16)}", "iat": now, "exp": now + LONGEST_TOKEN_LIFE}
    if acr is not None:
        claims |= {"acr": acr, "amr": list(_AMR[acr] if amr is None else amr)}
    if single_use:
        claims["single_use"] = True
    if scope is not None:
        asked = scope.split() if isinstance(scope, str) else list(scope)
        unknown = sorted(set(asked) - authority.scopes)
        if unknown:
            raise ConfigurationError(f"scope={unknown[0]!r}: none of the clients may have it")
        claims["scope"] = " ".join(sorted(asked))
    return authority.signing.sign(claims, now)


def _claims_of(token: str) -> dict[str, Any]:
    return json_object(base64url_decode(token.split(".")[1]))


def _run(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run it to its end in a thread: the caller's may have an event loop, or one of another library."""
    with ThreadPoolExecutor(1, "upstile token_for") as threads:
        return threads.submit(lambda: asyncio.run(work())).result()
