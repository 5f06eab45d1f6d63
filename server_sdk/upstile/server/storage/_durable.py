"""What outlives a restart: authenticators and signing keys."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol


class User(NamedTuple):
    """A user: an issuer's `sub` means nothing without the issuer."""

    issuer: str
    subject: str

    def __str__(self) -> str:
        """One text for keys of records; an issuer identifier holds no blank."""
        return f"{self.issuer} {self.subject}"


@dataclass(frozen=True, kw_only=True)
class AuthenticatorRecord:
    """One enrolled, or not yet verified, credential of a user.

    Attributes:
        id: random, unique.
        data: what its method keeps; secrets in it are sealed.
        begun_by: for a pending one: which base login and key began it.
        first: for a pending one: it was begun because none was active, so it may become active only while that is so.
        expires_at: for a pending one: when it is forgotten (epoch seconds).
        created, last_used: epoch seconds.
    """

    id: str
    user: User
    method: str
    name: str
    state: Literal["pending", "active", "disabled"]
    created: int
    data: Mapping[str, Any]
    last_used: int | None = None
    begun_by: str | None = None
    first: bool = False
    expires_at: int | None = None


@dataclass(frozen=True, kw_only=True)
class SigningKeyRecord:
    """A key of the authorization server; `sealed` is its private half, encrypted."""

    generation: int
    kid: str
    sealed: bytes


class DurableStore(Protocol):
    """Authenticators and signing keys. Every method raises `StorageUnavailable` when the store cannot be reached."""

    async def prepare(self) -> None:
        """Make the store ready; called once before anything else, harmless when called again."""
        ...

    async def authenticators(self, user: User) -> list[AuthenticatorRecord]:
        """All of a user's authenticators, the oldest first, expired pending ones included."""
        ...

    async def add_authenticator(self, record: AuthenticatorRecord) -> None:
        """Keep a new authenticator."""
        ...

    async def activate(self, user: User, id: str, data: Mapping[str, Any], now: int) -> bool:
        """Turn a pending authenticator into an active one.

        One caller succeeds, with a credential that is new to all users; a `first` one only while it would be the first.
        """
        ...

    async def touch(self, user: User, id: str, data: Mapping[str, Any], now: int) -> None:
        """Note a use, with what the method learnt from it."""
        ...

    async def rename(self, user: User, id: str, name: str) -> bool:
        """Give an authenticator another name; whether there is one."""
        ...

    async def disable(self, user: User, id: str) -> None:
        """Take an authenticator out of use; it still counts as enrolled."""
        ...

    async def remove(self, user: User, id: str) -> bool:
        """Remove an authenticator if another active one remains, or if it is pending. Whether it was removed."""
        ...

    async def discard_pending(self, user: User, id: str) -> None:
        """Forget an authenticator that was never active."""
        ...

    async def disable_all(self, user: User) -> None:
        """Take all authenticators of a user out of use; those that were never active are forgotten."""
        ...

    async def signing_keys(self) -> list[SigningKeyRecord]:
        """All signing keys, the newest first."""
        ...

    async def add_signing_key(self, record: SigningKeyRecord) -> bool:
        """Add a key; False if its generation exists already, made by another process."""
        ...

    async def ping(self) -> None:
        """Whether the store can be read; raises if not."""
        ...

    async def aclose(self) -> None:
        """Give back what the store holds."""
        ...
