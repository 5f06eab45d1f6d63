"""Security keys and passkeys (W3C WebAuthn Level 3); py_webauthn does the checking."""

import re
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from secrets import token_bytes
from typing import Any, ParamSpec, TypeVar

from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import (
    base64url_to_bytes,
    options_to_json_dict,
    parse_authentication_credential_json,
)
from webauthn.helpers.structs import (
    AuthenticationCredential,
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from upstile.protocol import (
    AnswerRequest,
    MalformedMessage,
    Offer,
    VerifyRequest,
    base64url_decode,
    base64url_encode,
    bound_challenge,
    json_object,
)
from upstile.server.authorization._acr import Factor, Proof
from upstile.server.authorization.methods._context import MethodContext
from upstile.server.authorization.methods._method import (
    Confirmed,
    Enrolled,
    Offered,
    Purpose,
    Traits,
    Verified,
    Wanted,
)
from upstile.server.authorization.methods.webauthn._cbor import check_attestation, check_authenticator_data
from upstile.server.authorization.methods.webauthn._slow_keys import check_keys
from upstile.server.storage import AuthenticatorRecord, User

P = ParamSpec("P")
T = TypeVar("T")

_TIMEOUT = 300_000  # milliseconds, a hint for the client: the life of a step
_way = re.compile(r"[a-z0-9-]{1,32}")
_MOST_WAYS = 8
_VERIFICATION = {True: UserVerificationRequirement.REQUIRED, False: UserVerificationRequirement.PREFERRED}


class WebAuthn:
    """Assertions whose challenge is bound to issuer, app, key and resource, so that a relayed one is worthless."""

    traits = Traits(name="webauthn", guessable=False)
    _context: MethodContext

    def bind(self, context: MethodContext) -> "WebAuthn":
        """The method of one deployment."""
        bound = WebAuthn()
        bound._context = context
        return bound

    def potential(self, *, user_verification: bool, now: float) -> Proof:
        """Possession; with user verification (PIN or biometrics) a second factor, and phishing-resistant."""
        factors, amr = {Factor.POSSESSION}, ["swk", "user"]
        if user_verification:
            factors, amr = {*factors, Factor.INHERENCE}, [*amr, "mfa"]
        return Proof(
            method=self.traits.name,
            factors=frozenset(factors),
            amr=tuple(amr),
            phishing_resistant=user_verification,
            at=int(now),
        )

    def offer(
        self,
        authenticators: Sequence[AuthenticatorRecord],
        purpose: Purpose,
        *,
        user_verification: bool,
        before: Mapping[str, Any],
    ) -> Offered:
        """A fresh challenge for the user's keys."""
        nonce = base64url_encode(token_bytes(32))
        challenge = bound_challenge(
            nonce=nonce,
            iss=self._context.issuer,
            client_id=purpose.client_id,
            jkt=purpose.jkt,
            resource=purpose.resource,
        )
        options = generate_authentication_options(
            rp_id=self._context.rp_id,
            challenge=challenge,
            timeout=_TIMEOUT,
            allow_credentials=_descriptors(authenticators),
            user_verification=_VERIFICATION[user_verification],
        )
        state = {"challenge": base64url_encode(challenge), "user_verification": user_verification}
        shown = _hinted(options_to_json_dict(options), "allowCredentials", authenticators)
        return Offered(offers=(Offer(method=self.traits.name, nonce=nonce, options=shown),), state=state)

    def read(self, answer: AnswerRequest) -> AuthenticationCredential:
        """The `AuthenticationResponseJSON`."""
        if answer.authn_response is None:
            raise MalformedMessage("authn_response is missing")
        members = _understood(_judged(json_object, answer.authn_response) or {})
        response = _judged(parse_authentication_credential_json, members)
        if response is None:
            raise MalformedMessage("authn_response is not an AuthenticationResponseJSON")
        return response

    async def verify(
        self,
        response: AuthenticationCredential,
        state: Mapping[str, Any],
        user: User,
        authenticators: Sequence[AuthenticatorRecord],
        now: float,
    ) -> Verified | None:
        """Judge an assertion by one of the user's own keys."""
        record = next((known for known in authenticators if known.data["id"] == response.id), None)
        if record is None or not _same_user(response, user) or _framed(response.response.client_data_json):
            return None
        if not _plain(check_authenticator_data, response.response.authenticator_data):
            return None
        verified = _judged(
            verify_authentication_response,
            credential=response,
            expected_challenge=base64url_decode(str(state["challenge"])),
            expected_rp_id=self._context.rp_id,
            expected_origin=list(self._context.webauthn_origins),
            credential_public_key=base64url_decode(str(record.data["public_key"])),
            credential_current_sign_count=0,  # NOTE: one that went back is told apart below
            require_user_verification=bool(state["user_verification"]),
        )
        if verified is None or verified.credential_device_type.value != record.data["device_type"]:
            return None  # whether a key may be backed up never changes (WebAuthn §7.2)
        proof = self.potential(user_verification=verified.user_verified, now=now)
        backed_up = verified.credential_backed_up
        data = None if backed_up == record.data["backed_up"] else {**record.data, "backed_up": backed_up}
        count = verified.new_sign_count
        went_back = count <= record.counter and (count, record.counter) != (0, 0)  # 0: it does not count
        back_from = record.counter if went_back else None
        return Verified(authenticator=record, proof=proof, counter=count, back_from=back_from, data=data)

    async def enroll(self, wanted: Wanted) -> Enrolled:
        """Creation options with a random challenge; user verification is required from the beginning."""
        challenge = token_bytes(32)
        options = generate_registration_options(
            rp_id=self._context.rp_id,
            rp_name=self._context.name,
            user_id=user_handle(wanted.user),
            user_name=wanted.account,
            challenge=challenge,
            timeout=_TIMEOUT,
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.PREFERRED,
                user_verification=UserVerificationRequirement.REQUIRED,
            ),
            exclude_credentials=_descriptors(wanted.existing),
        )
        shown = _hinted(options_to_json_dict(options), "excludeCredentials", wanted.existing)
        return Enrolled(data={"challenge": base64url_encode(challenge)}, members={"options": shown})

    def read_first(self, proof: VerifyRequest) -> dict[str, Any]:
        """The new key's `RegistrationResponseJSON`."""
        if proof.registration_response is None:
            raise MalformedMessage("registration_response is missing")
        return proof.registration_response

    async def confirm(
        self, user: User, record: AuthenticatorRecord, response: dict[str, Any], now: float
    ) -> Confirmed | None:
        """Judge the registration, by its attestation object and client data.

        NOTE: what repeats a part of the attestation object (`authenticatorData`, `publicKey`, `publicKeyAlgorithm`) is
        for servers that cannot read CBOR; here it is not looked at, so that a lie in it changes nothing.
        """
        if _framed(_judged(_client_data, response)):
            return None
        attestation = _judged(_attestation_object, response)
        if not (_plain(check_attestation, attestation) and _plain(check_keys, attestation)):
            return None
        verified = _judged(
            verify_registration_response,
            credential=_understood(response),
            expected_challenge=base64url_decode(str(record.data["challenge"])),
            expected_rp_id=self._context.rp_id,
            expected_origin=list(self._context.webauthn_origins),
            require_user_verification=True,
        )
        if verified is None:
            return None
        data = {
            "id": base64url_encode(verified.credential_id),
            "public_key": base64url_encode(verified.credential_public_key),
            "aaguid": verified.aaguid,
            "device_type": verified.credential_device_type.value,
            "backed_up": verified.credential_backed_up,
        }
        return Confirmed(data=data, counter=verified.sign_count, transports=_transports(response))


def user_handle(user: User) -> bytes:
    """The user's handle: the same for all their keys, and nothing that names the person (WebAuthn §14.6.1)."""
    return sha256(f"upstile user\x00{user.issuer} {user.subject}".encode()).digest()


def _same_user(response: AuthenticationCredential, user: User) -> bool:
    handle = response.response.user_handle
    return not handle or handle == user_handle(user)  # NOTE: some browsers write "" where there is none


def _framed(client_data: bytes | None) -> bool:
    """Whether a page of another site asked, which held ours in a frame (WebAuthn §7.1, §7.2); or nobody can tell."""
    members = _judged(json_object, client_data or b"")
    return members is None or bool(members.get("crossOrigin")) or "topOrigin" in members


def _judged(judge: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
    """What the library makes of bytes that the other side made; `None` for whatever it does not like.

    It parses JSON, CBOR and COSE keys, and names no closed list of errors for them: whatever it raises is a refusal,
    never a crash that an answer could provoke.
    """
    try:
        return judge(*args, **kwargs)
    except Exception:
        return None


def _understood(credential: Mapping[str, Any]) -> dict[str, Any]:
    """A credential without a hint on which nothing depends: a value that is empty or new is as none (WebAuthn §5.1)."""
    return {name: value for name, value in credential.items() if name != "authenticatorAttachment"}


def _client_data(response: dict[str, Any]) -> bytes:
    return base64url_to_bytes(str(response["response"]["clientDataJSON"]))


def _attestation_object(response: dict[str, Any]) -> bytes:
    return base64url_to_bytes(str(response["response"]["attestationObject"]))


def _plain(check: Callable[[bytes], None], data: bytes | None) -> bool:
    """Whether bytes are what an authenticator writes, before the library interprets them."""
    try:
        check(data or b"")
    except Exception:  # as for `_judged`: the other side made these bytes
        return False
    return True


def _transports(response: Mapping[str, Any]) -> tuple[str, ...]:
    """How a new key says that it can be reached, known ways and others (WebAuthn §5.8.4); a hint, so no more than that.

    What has no such form is left out: it comes back to every app of this user.
    """
    given: Any = response.get("response", {}).get("transports")
    listed: list[Any] = given if isinstance(given, list) else []  # pyright: ignore[reportUnknownVariableType]
    ways = dict.fromkeys(way for way in listed if isinstance(way, str) and _way.fullmatch(way))
    return tuple(ways)[:_MOST_WAYS]


def _descriptors(authenticators: Sequence[AuthenticatorRecord]) -> list[PublicKeyCredentialDescriptor]:
    keys = [record for record in authenticators if "id" in record.data]
    return [PublicKeyCredentialDescriptor(id=base64url_decode(str(record.data["id"]))) for record in keys]


def _hinted(options: dict[str, Any], name: str, authenticators: Sequence[AuthenticatorRecord]) -> dict[str, Any]:
    """Options that say of each of their credentials how its key can be reached, where that is known.

    The library knows the ways of its own time only, and the standard wants new ones to come back, too (§7.1).
    """
    ways = {record.data["id"]: list(record.transports) for record in authenticators if record.transports}
    each = options.get(name, ())
    hinted = [{**one, "transports": ways[one["id"]]} if one["id"] in ways else one for one in each]
    return {**options, name: hinted} if ways else options
