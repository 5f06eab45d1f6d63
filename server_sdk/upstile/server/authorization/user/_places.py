"""What is counted for a place that first codes are sent to, whoever asks: strangers are not to be flooded."""

from dataclasses import dataclass

from upstile.server.authorization._json import Json
from upstile.server.authorization.user._sends import SENDS, SENDS_WINDOW, recent, wait_for
from upstile.server.storage import Record


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """An e-mail address or a phone number, which the key of its record hides.

    Attributes:
        sends: when first codes went there, the oldest first (epoch seconds).
    """

    sends: tuple[float, ...] = ()

    @classmethod
    def read(cls, record: Record | None) -> "Place":
        """The place in a record; to one without a record nothing was sent."""
        return cls() if record is None else _json.read(record.value)

    def wait(self, now: float) -> int:
        """Seconds until another first code may go there; 0 where it may now."""
        return wait_for(self.sends, SENDS, now)

    def sent(self, now: float) -> Record:
        """The record to keep once one more is on its way."""
        sends = (*recent(self.sends, now), now)
        return Record(value=_json.write(Place(sends=sends)), expires_at=now + SENDS_WINDOW)


_json = Json(Place)
