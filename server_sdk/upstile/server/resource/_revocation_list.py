"""What a guard asks of the list of revoked tokens: plain questions, answered from memory."""

from typing import Protocol

from upstile.server.resource.tokens._access_token import AccessToken


class RevocationList(Protocol):
    """The revocations that this process knows of. A guarded call never waits for it."""

    @property
    def usable(self) -> bool:
        """Whether the list is recent enough to be relied on; while it is not, guarded calls are answered 503."""
        ...

    def covers(self, token: AccessToken) -> bool:
        """Whether a token ended before its time: by itself, with its base login, or with all that its user had."""
        ...


class NothingRevoked:
    """The list of an API without an authorization server of its own: what ended before its time, its issuer knows."""

    usable = True

    def covers(self, token: AccessToken) -> bool:
        """Never."""
        return False
