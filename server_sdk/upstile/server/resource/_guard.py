"""One call at the resource server, judged in the order of the upstile profile §1; the first failure answers.

credentials → token → proof → requirement → single use
"""

from collections.abc import Callable
from dataclasses import dataclass

from upstile.protocol import InvalidProof, Requirement, verify_proof
from upstile.server._errors import Rejection, StorageUnavailable
from upstile.server._http import HttpRequest
from upstile.server._replay import ReplaySet
from upstile.server.resource._access_token import AccessToken
from upstile.server.resource._evaluate import Cause, Challenge, Satisfied, Unmet, evaluate
from upstile.server.resource._jwt import InvalidToken, Verifier
from upstile.server.resource._refusal import Refusals
from upstile.server.storage import Names, OneTimeStore, Revocations, use_once

_SCHEMES = frozenset({"bearer", "dpop"})


def _yes() -> bool:
    return True


def _no() -> bool:
    return False


@dataclass(slots=True)
class GuardedCall:
    """A call whose token was verified, with what later requirements on the same call need to know.

    Attributes:
        token: what the token says.
        scheme: `bearer` or `dpop`; challenges answer in the same scheme.
        asks_once: whether any requirement of the call asks for an authentication for this very call.
        consumed: the single-use token was used up for this call already.
    """

    token: AccessToken
    scheme: str
    asks_once: Callable[[], bool] = _no
    consumed: bool = False


class Guard:
    """Decides whether a call may go on.

    Args:
        verifier: for the tokens of the issuer.
        url: the configured public base URL, which `htu` is compared with: never with Host or forwarded headers.
        refusals: writes the responses.
        replays: the DPoP proofs seen.
        revocations: the tokens that were revoked.
        store: where single-use tokens are consumed.
    """

    def __init__(
        self,
        *,
        verifier: Verifier,
        url: str,
        refusals: Refusals,
        replays: ReplaySet,
        revocations: Revocations,
        store: OneTimeStore,
        names: Names,
        replay: object = None,
    ) -> None:
        self._verifier = verifier
        self._url = url
        self._replays = replays
        self._revocations = revocations
        self._store = store
        self._names = names
        self.refusals = refusals

    async def authenticate(self, request: HttpRequest, now: float) -> GuardedCall:
        """Verify token and proof; nothing about any requirement is revealed before this succeeded.

        Raises:
            Rejection: rows 1 and 2.
        """
        scheme, text = self._credentials(request)
        try:
            token = self._verifier.verify(text, now)
        except InvalidToken as error:
            raise self.refusals.invalid_token(scheme, str(error)) from error
        except StorageUnavailable as error:
            raise self.refusals.unavailable(error) from error
        if not self._revocations.usable:
            raise self.refusals.unavailable(StorageUnavailable("revocations"))
        if self._revocations.covers(token):
            raise self.refusals.invalid_token(scheme, "revoked", token)
        if scheme == "dpop" or token.jkt is not None:
            self._check_binding(request, scheme, text, token, now)
        return GuardedCall(token, scheme)

    async def require(
        self, call: GuardedCall, requirement: Requirement, now: float, *, once_in_handler: bool = False
    ) -> None:
        """Judge a verified call against a requirement, and use a single-use token up.

        Args:
            call: the call.
            requirement: what is asked.
            now: epoch seconds.
            once_in_handler: the handler may ask for an authentication for this very call.

        Raises:
            Rejection: rows 3 and 4, or 503 where the token cannot be consumed.
        """
        if once_in_handler or requirement.max_age == 0:
            call.asks_once = _yes
        token = call.token
        # What serves once is used up by the first guard that it passes, whatever comes after that guard.
        consumes = self.judge(call, requirement, now) or token.single_use
        if not consumes or call.consumed:
            return
        try:
            key = self._names("used", f"{token.issuer} {token.jti}")
            call.consumed = await use_once(self._store, [key], token.expires_at + 1, now) is None
        except StorageUnavailable as error:
            raise self.refusals.unavailable(error) from error
        if not call.consumed:
            raise self.refusals.step_up(call.scheme, requirement, token, used=True)

    def judge(self, call: GuardedCall, requirement: Requirement, now: float) -> bool:
        """Whether the token, which suffices, has to be used up for this call.

        Raises:
            Rejection: the token does not suffice.
        """
        once = call.token.single_use and call.asks_once()
        verdict = evaluate(requirement, call.token, issuer=self._verifier.issuer, now=now, once=once)
        if isinstance(verdict, Satisfied):
            return verdict.consumes
        raise self._refusal(verdict, call.scheme, requirement, call.token)

    @property
    def marks_single_use(self) -> bool:
        """Whether a token tells that it serves one call; then every guard of the call has to expect it."""
        return self._verifier.issuer.marks_single_use

    def _refusal(
        self, verdict: Challenge | Unmet, scheme: str, requirement: Requirement, token: AccessToken
    ) -> Rejection:
        if isinstance(verdict, Challenge):
            return self.refusals.step_up(scheme, requirement, token, scope_missing=verdict.scope_missing)
        if verdict.cause is Cause.SCOPE:
            return self.refusals.insufficient_scope(scheme, requirement, token)
        if verdict.cause is Cause.ACR_NOT_OFFERED:
            return self.refusals.acr_not_offered(requirement, token)
        return self.refusals.invalid_token(scheme, "this token serves one call of another kind", token)

    def _credentials(self, request: HttpRequest) -> tuple[str, str]:
        lines = request.lines(b"authorization")
        if len(lines) > 1:
            raise self.refusals.invalid_request("More than one Authorization header")
        scheme, _, token = (lines[0] if lines else "").partition(" ")
        scheme, token = scheme.lower(), token.strip(" ")
        if not token or scheme not in _SCHEMES or (scheme == "dpop" and not self.refusals.dpop):
            raise self.refusals.missing_token()
        return scheme, token

    def _check_binding(self, request: HttpRequest, scheme: str, text: str, token: AccessToken, now: float) -> None:
        if scheme != "dpop" or token.jkt is None:
            bound = "bound to a key and was sent as Bearer" if token.jkt else "not bound and was sent as DPoP"
            raise self.refusals.invalid_token(scheme, f"the token is {bound}", token)
        proofs = request.lines(b"dpop")
        if len(proofs) != 1:
            raise self.refusals.invalid_proof("exactly one DPoP header is needed")
        try:
            proof = verify_proof(
                proofs[0],
                expected_htm=request.method,
                expected_htu=self._url + request.path,
                expected_access_token=text,
                now=now,
            )
            first = self._replays.first_use(proof)
        except InvalidProof as error:
            raise self.refusals.invalid_proof(str(error)) from error
        except StorageUnavailable as error:
            raise self.refusals.unavailable(error) from error
        if proof.jkt != token.jkt:
            raise self.refusals.invalid_token("dpop", "the proof is by another key than the token's", token)
        if not first:
            raise self.refusals.invalid_proof("the proof was used before")
