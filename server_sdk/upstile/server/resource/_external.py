"""What a deployment does with the issuers that are not its own, beside verifying their tokens."""

from collections.abc import Sequence
from typing import Protocol

from upstile.server.resource._external_logins import LoginsAt
from upstile.server.resource._issuer import Issuer
from upstile.server.resource.tokens._verifier import Verifier


class External(Verifier, Protocol):
    """A verifier that has to ask somebody else: for keys, or about each token."""

    @property
    def takes_opaque(self) -> bool:
        """Whether its tokens may be texts that say nothing to us."""
        ...

    @property
    def logins(self) -> LoginsAt | None:
        """What makes its sign-ins base logins of the embedded server, if they are to be."""
        ...

    def stepped_up_by(self, issuer: Issuer) -> None:
        """Know that its users are stepped up at another issuer: the challenge is in the words of that one."""
        ...

    @property
    def is_ready(self) -> bool:
        """Whether its tokens can be judged now."""
        ...

    async def prepare(self) -> None:
        """Find out what has to be known before the first token.

        Raises:
            ConfigurationError: what the issuer publishes contradicts what is configured.
            IssuerUnavailable: it does not answer, and calls may not wait for it.
        """
        ...

    def tick(self, now: float) -> None:
        """Look whether anything has changed, if it is time. For a thread: it may wait.

        Raises:
            IssuerUnavailable: the issuer does not answer.
        """
        ...

    def forked(self) -> None:
        """Be usable in a forked process, whoever held a lock in its parent."""
        ...

    async def aclose(self) -> None:
        """Close connections."""
        ...


class ExternalOptions(Protocol):
    """An external issuer as the author of an API configures it."""

    def opened(self, url: str, *, allow_insecure_loopback: bool) -> External:
        """The verifier of its tokens at one API; nothing is asked yet.

        Args:
            url: the resource identifier of the API.
            allow_insecure_loopback: the issuer may be on this machine, without TLS.

        Raises:
            ConfigurationError: an option makes no sense.
        """
        ...


def opened(
    options: ExternalOptions | Sequence[ExternalOptions], url: str, *, allow_insecure_loopback: bool
) -> tuple[External, ...]:
    """The verifiers of one or several issuers at one API.

    Raises:
        ConfigurationError: an option makes no sense.
    """
    each = options if isinstance(options, Sequence) else (options,)
    return tuple(one.opened(url, allow_insecure_loopback=allow_insecure_loopback) for one in each)
