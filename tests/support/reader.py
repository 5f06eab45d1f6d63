"""A person who reads what a scripted server sends them, and calls the API."""

from collections.abc import Sequence
from threading import Event
from typing import Any

from support.desk import Desk
from support.several_ways import SeveralWays
from upstile.client import (
    Occasion,
    Otp,
    Password,
    RecoveryCode,
    Totp,
    Way,
)
from upstile.client.testing import ScriptedPrompter

METHODS = [Totp(), Otp(), Password(), RecoveryCode()]


class Reader(ScriptedPrompter):
    """A person who reads what was sent last; what they do first stands in a script."""

    def __init__(self, *script: str | Exception, **options: Any) -> None:
        super().__init__(self._next, **options)
        self._script = list(script)
        self.server: SeveralWays | None = None
        self.offered: list[tuple[str, ...]] = []

    def begin(self, occasion: Occasion, way: Way, others: Sequence[Way], cancel: Event) -> Way:
        """Note what they may choose from."""
        self.offered.append((way.id, *(other.id for other in others)))
        return super().begin(occasion, way, others, cancel)

    def _next(self) -> str:
        if self._script:
            planned = self._script.pop(0)
            if isinstance(planned, Exception):
                raise planned
            return planned
        assert self.server is not None
        return self.server.last_code


def desk_for(person: ScriptedPrompter, *offers: dict[str, Any]) -> tuple[Desk, SeveralWays]:
    """A desk of a server that offers this, in front of which the person is."""
    desk = Desk()
    desk.person = person
    server = SeveralWays(desk, offers)
    if isinstance(person, Reader):
        person.server = server
    return desk, server
