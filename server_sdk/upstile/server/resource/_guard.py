"""One call at the resource server, judged in the order of the upstile profile §1; the first failure answers.

credentials → token → proof → requirement → what serves once

Nothing is used up before all else is judged, with one exception: the proof of a call that only reads is noted by this
node when it is verified.
"""

from collections.abc import Callable
from copy import copy
from hashlib import sha256
from typing import Literal
from weakref import WeakValueDictionary

from upstile.protocol import DPoPProof, Requirement
from upstile.server._errors import ConfigurationError, IssuerUnavailable, Rejection, StorageUnavailable
from upstile.server._http import HttpRequest
from upstile.server._public_url import PublicUrl
from upstile.server.resource._admission import Admission
from upstile.server.resource._evaluate import Cause, Challenge, Satisfied, Unmet, evaluate
from upstile.server.resource._guarded_call import GuardedCall, yes
from upstile.server.resource._presented import credentials_of, proof_of
from upstile.server.resource._refusal import Refusals
from upstile.server.resource._replay import MEMORY, ReplaySet
from upstile.server.resource._revocation_list import RevocationList
from upstile.server.resource._single_use import used_by_one_call
from upstile.server.resource.tokens._access_token import AccessToken
from upstile.server.resource.tokens._verifier import InvalidToken, Unseen, Verifier
from upstile.server.storage._names import Names
from upstile.server.storage._records import OneTimeKey
from upstile.server.storage._stores import OneTimeStore, use_once

_READS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})  # RFC 9110 §9.2.1


class Guard:
    """Decides whether a call may go on.

    Args:
        verifier: for the tokens of all issuers.
        url: the configured public base URL, which `htu` is compared with: never with Host or forwarded headers.
        refusals: writes the responses.
        replays: the DPoP proofs that this node has seen.
        revocations: the tokens that were revoked.
        store: where single-use tokens and proofs are used up, for all nodes; without it a node remembers all proofs
            itself, and nothing can serve one call.
        names: the keys of `store`.
        replay: where proofs are remembered: by this `node`, or `shared` by all in `store`. By default the node
            remembers those of calls that only read, and the store those of all others.
    """

    def __init__(
        self,
        *,
        verifier: Verifier,
        url: str,
        refusals: Refusals,
        replays: ReplaySet,
        revocations: RevocationList,
        store: OneTimeStore | None,
        names: Names,
        replay: Literal["node", "shared"] | None = None,
    ) -> None:
        self._verifier = verifier
        self._public = PublicUrl(url)
        self.replays = replays
        self._revocations = revocations
        self._store = store
        self._names = names
        self._noted = {None: _READS, "node": None, "shared": frozenset[str]()}[replay if store else "node"]
        self._admissions: WeakValueDictionary[object, Admission] = WeakValueDictionary()
        self.refusals = refusals

    def accepting(self, verifier: Verifier) -> "Guard":
        """A guard that takes other tokens, and knows the same proofs and revocations."""
        other = copy(self)
        other._verifier = verifier
        other._admissions = WeakValueDictionary()
        return other

    def admission(self, requirement: Requirement, is_told: Callable[[AccessToken], bool]) -> Admission:
        """The quick way through for one requirement; those who ask the same share what it remembers.

        Args:
            requirement: what is asked.
            is_told: whether nothing has to be told of a call that is let in with a token; the same for all of them.
        """
        known = self._admissions.get(requirement.asks)
        if known is None:
            known = self._admissions[requirement.asks] = Admission(
                requirement,
                verifier=self._verifier,
                revocations=self._revocations,
                public=self._public,
                replays=self.replays,
                noted=self._noted if self.refusals.dpop else frozenset(),
                is_told=is_told,
            )
        return known

    def authenticate(self, request: HttpRequest, now: float) -> GuardedCall:
        """Verify token and proof; nothing about any requirement is revealed before this succeeded.

        Raises:
            Rejection: rows 1 and 2.
        """
        scheme, text = credentials_of(request, self.refusals)
        digest = sha256(text.encode()).digest()
        try:
            token = self._verifier.verify(text, now, digest)
        except InvalidToken as error:
            raise self.refusals.invalid_token(scheme, str(error)) from error
        self._refuse_ended(scheme, token)
        if scheme == "dpop" or token.jkt is not None:
            return GuardedCall(token, scheme, proof=self._proof(request, scheme, digest, token, now))
        return GuardedCall(token, scheme)

    def look_again(self, call: GuardedCall, now: float) -> None:
        """See that the token of a call under way is still good, by what this node has in memory.

        A connection that stays open outlives keys and an issuer's answers: its token is verified as if it came now.

        Raises:
            Rejection: it has expired or ended since it was verified, or what tells is too old: the list of what ended,
                or the issuer's answer.
        """
        if call.opened_by is not None:
            call.token = self._verified_again(call, call.opened_by, now)
        elif self._verifier.has_expired(call.token, now):
            raise self.refusals.invalid_token(call.scheme, "expired")
        self._refuse_ended(call.scheme, call.token)

    async def look_again_or_ask(self, call: GuardedCall, now: float) -> None:
        """The same; where this node cannot tell any more, the issuer is asked.

        Raises:
            Rejection: as `look_again`; or 503 where the issuer could not be asked.
        """
        try:
            self.look_again(call, now)
        except Rejection as refusal:
            if not await self._looked(refusal, now):
                raise
            self.look_again(call, now)

    async def authenticate_or_look(self, request: HttpRequest, now: float) -> GuardedCall:
        """Verify token and proof; what this node cannot judge yet, for want of a key, is judged again after a look.

        Raises:
            Rejection: rows 1 and 2; or 503 where the issuer could not be asked.
            StorageUnavailable: there was nowhere to look.
        """
        try:
            return self.authenticate(request, now)
        except Rejection as refusal:
            if not await self._looked(refusal, now):
                raise
        return self.authenticate(request, now)

    async def _looked(self, refusal: Rejection, now: float) -> bool:
        """Whether something was found that a refusal was for want of."""
        unseen = refusal.__cause__
        if not isinstance(unseen, Unseen):
            return False
        try:
            return await unseen.look(now)
        except IssuerUnavailable as error:
            raise self.refusals.unavailable() from error

    def _verified_again(self, call: GuardedCall, opened_by: HttpRequest, now: float) -> AccessToken:
        _, text = credentials_of(opened_by, self.refusals)
        try:
            token = self._verifier.verify(text, now)
        except InvalidToken as error:
            raise self.refusals.invalid_token(call.scheme, str(error), call.token) from error
        if (token.issuer, token.subject) != (call.token.issuer, call.token.subject):
            raise self.refusals.invalid_token(call.scheme, "of another user than before", call.token)
        return token

    async def require(
        self, call: GuardedCall, requirement: Requirement, now: float, *, once_in_handler: bool = False
    ) -> None:
        """Judge a verified call against a requirement; then use up what serves once, all of it or nothing.

        Args:
            call: the call.
            requirement: what is asked.
            now: epoch seconds.
            once_in_handler: the handler may ask for an authentication for this very call.

        Raises:
            Rejection: rows 3 and 4, or 503 where what serves once cannot be used up.
        """
        consumes = self.consumes(call, requirement, now, once_in_handler=once_in_handler)
        if consumes or call.proof is not None:
            await self._use_up(call, requirement, now, consumes=consumes)
        if requirement.max_age == 0:
            call.served = True

    def consumes(self, call: GuardedCall, requirement: Requirement, now: float, *, once_in_handler: bool) -> bool:
        """Judge a verified call: whether `require` has a token to use up for it. Raises `Rejection`, rows 3 and 4."""
        if once_in_handler or requirement.max_age == 0:
            call.asks_once = yes
        # What serves once is used up by the first guard that it passes, whatever comes after that guard.
        return (self.judge(call, requirement, now) or call.token.single_use) and not call.consumed

    async def use_up_proof(self, call: GuardedCall, requirement: Requirement, now: float) -> None:
        """Use up the proof of a call, and leave what serves once for later. Raises `Rejection`."""
        # NOTE: it cannot wait for the end of a slow body: the store remembers it from its use on, and not for ever.
        if call.proof is not None:
            await self._use_up(call, requirement, now, consumes=False)

    def judge(self, call: GuardedCall, requirement: Requirement, now: float) -> bool:
        """Whether the token, which suffices, has to be used up for this call. Raises `Rejection`."""
        once = call.token.single_use and call.asks_once()
        verdict = evaluate(requirement, call.token, issuer=self._verifier.issuer_of(call.token), now=now, once=once)
        if isinstance(verdict, Satisfied):
            return verdict.consumes
        raise self._refusal(verdict, call.scheme, requirement, call.token, now)

    @property
    def marks_single_use(self) -> bool:
        """Whether a token tells that it serves one call; then every guard of the call has to expect it."""
        return any(issuer.marks_single_use for issuer in self._verifier.issuers)

    def challenge(
        self,
        scheme: str,
        requirement: Requirement,
        token: AccessToken,
        *,
        scope_missing: bool = False,
        used: bool = False,
    ) -> Rejection:
        """Row 4, in the words of the token's issuer; `used` is the token that served."""
        asked = self._verifier.issuer_of(token).in_its_words(requirement)
        return self.refusals.step_up(scheme, asked, token, scope_missing=scope_missing, used=used)

    async def _use_up(self, call: GuardedCall, requirement: Requirement, now: float, *, consumes: bool) -> None:
        if self._store is None:
            raise ConfigurationError("max_age=0 needs storage=: what serves one call has to be remembered as used")
        token, proof = call.token, call.proof
        keys: list[OneTimeKey] = []
        expires_at = 0.0  # what is used up together is kept together, until the later of the two ends
        if proof is not None:
            keys.append(self._names("proof", f"{proof.jkt}\x00{proof.jti}"))
            expires_at = now + MEMORY
        if consumes:
            served, until = used_by_one_call(token, self._verifier.issuer_of(token), self._names)
            keys.extend(served)
            expires_at = max(expires_at, until)
        try:
            used = await use_once(self._store, keys, expires_at, now)
        except StorageUnavailable as error:
            raise self.refusals.unavailable(error) from error
        if used is None:
            call.proof, call.consumed = None, call.consumed or consumes
        elif proof is not None and used == keys[0]:
            raise self.refusals.invalid_proof("the proof was used before")
        else:
            raise self.challenge(call.scheme, requirement, token, used=True)

    def _refuse_ended(self, scheme: str, token: AccessToken) -> None:
        if not self._revocations.usable:
            raise self.refusals.unavailable(StorageUnavailable("the revocations could not be read for too long"))
        if self._revocations.covers(token):
            raise self.refusals.invalid_token(scheme, "revoked", token)

    def _refusal(
        self, verdict: Challenge | Unmet, scheme: str, requirement: Requirement, token: AccessToken, now: float
    ) -> Rejection:
        if isinstance(verdict, Challenge):
            return self.challenge(scheme, requirement, token, scope_missing=verdict.scope_missing)
        if verdict.cause is Cause.SCOPE:
            return self.refusals.insufficient_scope(scheme, requirement, token)
        if verdict.cause is Cause.ACR_NOT_OFFERED:
            return self.refusals.acr_not_offered(requirement, token)
        if verdict.cause is Cause.RESET:
            return self.refusals.recently_reset(requirement, token, now)
        return self.refusals.invalid_token(scheme, "this token serves one call of another kind", token)

    def _proof(
        self, request: HttpRequest, scheme: str, digest: bytes, token: AccessToken, now: float
    ) -> DPoPProof | None:
        """Verify the call's proof: the proof if it is still to be used up, `None` if this node has noted it."""
        proof = proof_of(request, scheme, digest, token, public=self._public, refusals=self.refusals, now=now)
        if self._noted is not None and request.method not in self._noted:
            return proof
        self._note(proof)
        return None

    def _note(self, proof: DPoPProof) -> None:
        try:
            first = self.replays.first_use(proof)
        except StorageUnavailable as error:
            raise self.refusals.unavailable(error) from error
        if not first:
            raise self.refusals.invalid_proof("the proof was used before")
