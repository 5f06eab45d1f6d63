"""How the client speaks with the person: the app may bring its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from threading import Event
from typing import Protocol

from upstile.protocol import Requirement


@dataclass(frozen=True, kw_only=True, slots=True)
class Occasion:
    """Why the person is asked.

    Attributes:
        server: the API, by its origin.
        app: the `client_id`.
        account: the masked name of the account, as the authorization server sent it.
        reason: the API's words, with control and bidirectional characters removed; show them as the API's.
        requirement: what is asked.
    """

    server: str
    app: str
    account: str | None
    reason: str | None
    requirement: Requirement


@dataclass(frozen=True, kw_only=True, slots=True)
class Way:
    """One way to prove who one is, among those that a person may choose from. As text it is its words.

    Attributes:
        id: names it as long as the ceremony lasts: its method, and where a method has several destinations, that, too.
        method: the name on the wire, such as `totp`.
        words: what it is called, such as "an authenticator app"; harmless on a terminal.
    """

    id: str
    method: str
    words: str

    def __str__(self) -> str:
        return self.words


class Prompter(Protocol):
    """The human moments of a ceremony. Every method may block; it must return soon after `cancel` is set.

    Raise `StepUpCancelled` when the person says no.
    """

    def begin(self, occasion: Occasion, way: Way, others: Sequence[Way], cancel: Event) -> Way | str:
        """Say why, and which way is about to be used; return it, or one of `others` to change, or the id of one."""
        ...

    def code(self, label: str, cancel: Event) -> str:
        """Ask for a one-time code."""
        ...

    def pin(self, label: str, retries: int | None, cancel: Event) -> str:
        """Ask for the PIN of a security key."""
        ...

    def touch(self, label: str) -> None:
        """Say that the security key waits for a touch; returns at once."""
        ...

    def show_key_uri(self, uri: str) -> None:
        """Show the key URI of a new authenticator app, best as a QR code."""
        ...

    def rejected(self, attempts_left: int) -> None:
        """Say that the answer was wrong."""
        ...

    def finished(self, accepted: bool) -> None:
        """The ceremony is over."""
        ...
