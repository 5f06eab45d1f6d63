"""WebAuthn on this machine: what needs python-fido2 is imported when a key is first looked for.

python-fido2 takes longer to import than an HTTP library, and most runs of an app need none.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fido2.client import DefaultClientDataCollector, WebAuthnClient
    from fido2.ctap import CtapDevice

    from upstile.client.methods._method import MethodUnavailable, Moment
    from upstile.client.methods._security_keys import SecurityKeys
    from upstile.protocol import EnrollResponse, Offer


class WebAuthn:
    """Security keys (CTAP 2.1 under WebAuthn Level 3).

    Args:
        devices: lists the keys that are connected; USB keys by default.
        system: python-fido2's client of the operating system, which finds and asks for keys itself; by default that of
            Windows where this is Windows, and none where `devices` is given.
    """

    name = "webauthn"

    def __init__(
        self,
        devices: "Callable[[], Iterable[CtapDevice]] | None" = None,
        *,
        system: "Callable[[DefaultClientDataCollector], WebAuthnClient] | None" = None,
    ) -> None:
        self._given = devices, system
        self._found: SecurityKeys | None = None

    def available(self) -> bool:
        """Whether a key is connected and can be read, or the system asks for one."""
        return self.unavailable() is None

    def unavailable(self) -> "MethodUnavailable | None":
        """What is in the way of the keys."""
        return self._keys.unavailable()

    def look(self, offer: "Offer", moment: "Moment") -> None:
        """Whether the offer is for this site, and one of the connected keys may answer it, without a touch."""
        self._keys.look(offer, moment)

    def look_at_new(self, pending: "EnrollResponse", moment: "Moment") -> None:
        """Whether a new key would be made for this site, and one is connected that is not enrolled."""
        self._keys.look_at_new(pending, moment)

    def answer(self, offer: "Offer", moment: "Moment") -> Mapping[str, str]:
        """Let the right key sign the challenge."""
        return self._keys.answer(offer, moment)

    def enroll(self, pending: "EnrollResponse", moment: "Moment") -> Mapping[str, Any]:
        """Let a key make a new credential."""
        return self._keys.enroll(pending, moment)

    @property
    def _keys(self) -> "SecurityKeys":
        if self._found is None:
            from upstile.client.methods._security_keys import SecurityKeys

            self._found = SecurityKeys(*self._given)
        return self._found
