"""What a method is given by the deployment that it becomes a part of."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from upstile.protocol import base64url_decode, base64url_encode
from upstile.server.keys._seal import SEALED, Seal
from upstile.server.storage import User


class Secrets:
    """Encrypts what a method keeps in `AuthenticatorRecord.data` and must be able to read again.

    Each value is bound to its place and opens nowhere else. `upstile-server keys reseal` knows these members.

    Args:
        seal: the deployment's keys.
    """

    def __init__(self, seal: Seal) -> None:
        self._seal = seal

    def close(self, secret: bytes, user: User, id: str, member: str = "secret") -> str:
        """Encrypt a member of the data of the user's authenticator `id`.

        Args:
            secret: what to encrypt.
            user: whose authenticator.
            id: which one.
            member: the name of the member: `secret`, or one of our own methods' `seed`, `destination` and `codes`.
        """
        return base64url_encode(self._seal.close(secret, label=SEALED[member], bound=(*user, id, member)))

    def open(self, sealed: object, user: User, id: str, member: str = "secret") -> bytes:
        """Decrypt it.

        Raises:
            ConfigurationError: its key is not configured, or it was changed or moved.
        """
        return self._seal.open(base64url_decode(str(sealed)), label=SEALED[member], bound=(*user, id, member))


@dataclass(frozen=True, kw_only=True, slots=True)
class MethodContext:
    """A deployment, as far as its methods need to know it.

    Attributes:
        issuer: the issuer identifier.
        name: what people are shown.
        rp_id, webauthn_origins: the WebAuthn relying party, and the origins that its client data may name.
        secrets: encrypts.
    """

    issuer: str
    name: str
    rp_id: str
    webauthn_origins: Sequence[str]
    secrets: Secrets = field(repr=False)
