"""Security keys over USB, through python-fido2: the key signs, we find it, ask for its PIN and say when to touch it."""

import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from fido2.client import (
    AssertionSelection,
    ClientError,
    DefaultClientDataCollector,
    Fido2Client,
    PinRequiredError,
    UserInteraction,
    WebAuthnClient,
)
from fido2.ctap import CtapDevice, CtapError
from fido2.ctap2.base import Ctap2
from fido2.ctap2.pin import ClientPin
from fido2.hid import CtapHidDevice
from fido2.rpid import verify_rp_id
from fido2.webauthn import (
    PublicKeyCredentialCreationOptions,
    PublicKeyCredentialRequestOptions,
    UserVerificationRequirement,
)

from upstile.client._errors import CeremonyFailed, StepUpCancelled
from upstile.client.methods._method import MethodUnavailable, Moment
from upstile.client.methods._registration import known_ways, registration_json, ways_of
from upstile.client.methods._which_key import can_verify, likely, reads_a_finger, touched, without
from upstile.client.methods._windows import asked_of_windows, windows_client
from upstile.client.prompts import missing
from upstile.client.words import said
from upstile.protocol import EnrollResponse, Offer

T = TypeVar("T")
Options = TypeVar("Options", PublicKeyCredentialRequestOptions, PublicKeyCredentialCreationOptions)

_OPTIONS = frozenset(
    {"challenge", "rpId", "allowCredentials", "userVerification"}
    | {"rp", "user", "pubKeyCredParams", "excludeCredentials", "authenticatorSelection", "attestation"}
)
_LISTS = frozenset({"allowCredentials", "excludeCredentials"})

_LAST_TRY = 1
"""A key is asked for its PIN while it has more than this many tries left; the last one is the owner's to risk."""

_WRONG_PIN = frozenset({CtapError.ERR.PIN_INVALID, CtapError.ERR.PIN_AUTH_INVALID})
_BLOCKED = frozenset({CtapError.ERR.PIN_BLOCKED, CtapError.ERR.PIN_AUTH_BLOCKED})

Devices = Callable[[], Iterable[CtapDevice]]
System = Callable[[DefaultClientDataCollector], WebAuthnClient]


class SecurityKeys:
    """The keys of this machine; `WebAuthn` says what the arguments are."""

    def __init__(self, devices: Devices | None, system: System | None) -> None:
        self._devices = devices or CtapHidDevice.list_devices
        self._system = system or (windows_client() if devices is None and sys.platform == "win32" else None)

    def unavailable(self) -> MethodUnavailable | None:
        """What is in the way of the keys."""
        if self._system is not None:
            return None
        try:
            self._connected()
        except MethodUnavailable as error:
            return error
        return None

    def look(self, offer: Offer, moment: Moment) -> None:
        """Whether the offer is for this site, and one of the connected keys may answer it, without a touch."""
        request = _requested(offer, moment)
        if self._system is None:
            devices = self._likely(request)
            _may_ask_for_pins(devices, request.user_verification, moment)

    def look_at_new(self, pending: EnrollResponse, moment: Moment) -> None:
        """Whether a new key would be made for this site, and one is connected that is not enrolled."""
        creation = _creation(pending, moment)
        if self._system is None:
            devices = self._new(creation)
            _may_ask_for_pins(devices, UserVerificationRequirement.REQUIRED, moment)

    def answer(self, offer: Offer, moment: Moment) -> Mapping[str, str]:
        """Let the right key sign the challenge."""
        request = _requested(offer, moment)
        if self._system is not None:
            client = self._system(DefaultClientDataCollector(moment.webauthn_origin))
            return {"authn_response": _json(asked_of_windows(moment, lambda end: client.get_assertion(request, end)))}
        for device in self._likely(request):
            try:
                return {"authn_response": _signed(device, request, moment)}
            except _NotThisKey:
                continue
        raise MethodUnavailable(**said("key-not-enrolled"))

    def enroll(self, pending: EnrollResponse, moment: Moment) -> Mapping[str, Any]:
        """Let a key make a new credential."""
        creation = _creation(pending, moment)
        if self._system is not None:
            client = self._system(DefaultClientDataCollector(moment.webauthn_origin))
            made = asked_of_windows(moment, lambda end: client.make_credential(creation, end))
            return {"registration_response": registration_json(made, ())}  # Windows does not say how it reached it
        device = touched(self._new(creation), moment)
        try:
            response = _asking(device, moment, lambda client: client.make_credential(creation, moment.cancel))
        except _NotThisKey as error:
            raise MethodUnavailable(**said("key-enrolled-already")) from error
        return {"registration_response": registration_json(response, ways_of(device))}

    def _connected(self) -> list[CtapDevice]:
        try:
            devices = list(self._devices())
        except OSError:
            devices = []
        if not devices:
            raise _nothing_here()
        return devices

    def _likely(self, request: PublicKeyCredentialRequestOptions) -> list[CtapDevice]:
        found = likely(self._connected(), request.rp_id or "", request.allow_credentials or ())
        if not found:
            raise MethodUnavailable(**said("key-not-enrolled"))
        return found

    def _new(self, creation: PublicKeyCredentialCreationOptions) -> list[CtapDevice]:
        found = without(self._connected(), creation.rp.id or "", creation.exclude_credentials or ())
        if not found:
            raise MethodUnavailable(**said("key-enrolled-already"))
        return found


class _Person(UserInteraction):
    """What python-fido2 asks of the person, handed to the prompter."""

    def __init__(self, moment: Moment, device: CtapDevice, *, again: bool) -> None:
        self._moment = moment
        self._device = device
        self._label = "That was not its PIN; PIN of your security key" if again else "PIN of your security key"

    def prompt_up(self) -> None:
        self._moment.prompter.touch("Touch your security key now")

    def request_pin(self, permissions: Any, rp_id: str | None) -> str | None:
        retries, _ = ClientPin(Ctap2(self._device)).get_pin_retries()
        if retries <= _LAST_TRY:
            raise MethodUnavailable(**said("one-pin-try"))
        return self._moment.prompter.pin(self._label, retries, self._moment.cancel)


class _NotThisKey(MethodUnavailable):
    """A key that holds none of the credentials, or, where a new one is made, one of those that are enrolled."""


def _signed(device: CtapDevice, request: PublicKeyCredentialRequestOptions, moment: Moment) -> str:
    """What a key signs, as `AuthenticationResponseJSON`."""
    mute = missing(moment.prompter, "PIN") is not None and not reads_a_finger(device)
    if request.user_verification == UserVerificationRequirement.PREFERRED and (mute or not can_verify(device)):
        # python-fido2 would refuse a key whose PIN is not set, and ask for one that is
        request = replace(request, user_verification=UserVerificationRequirement.DISCOURAGED)
    selection = _asking(device, moment, lambda client: client.get_assertion(request, moment.cancel))
    return _json(selection)


def _json(selection: AssertionSelection) -> str:
    """What was signed, as `AuthenticationResponseJSON`."""
    return json.dumps(dict(selection.get_response(0)))


def _asking(device: CtapDevice, moment: Moment, work: Callable[[Fido2Client], T]) -> T:
    """Do something with a key, and again when the PIN was wrong."""
    collector, again = DefaultClientDataCollector(moment.webauthn_origin), False
    while True:
        if moment.cancel.is_set():
            raise StepUpCancelled(**said("cancelled"))
        try:
            return work(Fido2Client(device, collector, _Person(moment, device, again=again)))
        except PinRequiredError as error:
            raise StepUpCancelled(**said("no-pin-given")) from error
        except OSError as error:
            raise MethodUnavailable(**said("key-gone", why=error)) from error
        except ClientError as error:
            if _cause(error) not in _WRONG_PIN:
                raise _meaning(error, moment) from error
            again = True


def _meaning(error: ClientError, moment: Moment) -> Exception:
    """A fido2 error in our words; a cancellation and a time-out look the same to it, so we keep our own record."""
    code = _cause(error)
    if error.code == ClientError.ERR.DEVICE_INELIGIBLE:
        return _NotThisKey(**said("key-not-enrolled"))
    if moment.cancel.is_set():
        return StepUpCancelled(**said("cancelled"))
    if code == CtapError.ERR.OPERATION_DENIED:
        return StepUpCancelled(**said("declined"))
    if code in _BLOCKED:
        return MethodUnavailable(**said("pin-blocked"))
    if error.code == ClientError.ERR.TIMEOUT:
        return MethodUnavailable(**said("not-touched"))
    if error.code == ClientError.ERR.CONFIGURATION_UNSUPPORTED and code is None:
        return MethodUnavailable(**said("no-pin"))
    if code == CtapError.ERR.KEY_STORE_FULL:
        return MethodUnavailable(**said("key-full"))
    return MethodUnavailable(**said("key-cannot", why=error.code.name))


def _cause(error: ClientError) -> object:
    """The key's own error code behind a fido2 error, if there is one."""
    return getattr(vars(error).get("cause"), "code", None)


def _read(kind: type[Options], options: Mapping[str, Any] | None) -> Options:
    """The server's options: what we know of them, and nothing else.

    No `timeout`: python-fido2 would start a timer that sets our cancel event, and `human_timeout` is the only limit. No
    `extensions`: some make a key compute secrets for whoever asks.
    """
    known: dict[str, Any] = {name: value for name, value in (options or {}).items() if name in _OPTIONS}
    try:
        for name in known.keys() & _LISTS:
            known[name] = [{**each, "transports": known_ways(each.get("transports"))} for each in known[name]]
        return kind.from_dict(known)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise CeremonyFailed(**said("key-options", why=error)) from error


def _requested(offer: Offer, moment: Moment) -> PublicKeyCredentialRequestOptions:
    """What an offer asks to be signed; for this site only."""
    request = _read(PublicKeyCredentialRequestOptions, offer.options)
    _must_be_ours(request.rp_id, moment)
    return request


def _creation(pending: EnrollResponse, moment: Moment) -> PublicKeyCredentialCreationOptions:
    """What a new credential is to be made of; for this site only."""
    creation = _read(PublicKeyCredentialCreationOptions, pending.options)
    _must_be_ours(creation.rp.id, moment)
    return creation


def _must_be_ours(rp_id: str | None, moment: Moment) -> None:
    if rp_id is None or not verify_rp_id(rp_id, moment.webauthn_origin):
        raise CeremonyFailed(**said("another-site", rp_id=rp_id, origin=moment.webauthn_origin))


def _may_ask_for_pins(
    devices: Sequence[CtapDevice], verification: UserVerificationRequirement | None, moment: Moment
) -> None:
    """Raise `MethodUnavailable` where each of the keys wants its PIN, and the app cannot ask for it."""
    lacking = missing(moment.prompter, "PIN")
    if lacking is None or verification != UserVerificationRequirement.REQUIRED:
        return
    if not any(reads_a_finger(device) for device in devices):
        raise MethodUnavailable(**said("cannot-ask", what="PIN", lacking=lacking))


def _nothing_here() -> MethodUnavailable:
    unreadable = [path for path in Path("/dev").glob("hidraw*") if not os.access(path, os.R_OK | os.W_OK)]
    if sys.platform == "linux" and unreadable:
        return MethodUnavailable(**said("key-unreadable", path=unreadable[0]))
    return MethodUnavailable(**said("no-key"))
