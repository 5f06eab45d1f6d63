"""The store of an app that forgets who is signed in when it ends."""

from threading import Lock

from upstile.client.stores._store import EntryName, Rule


class MemoryStore:
    """Keeps sign-ins in this process only. Two clients that are given the same one share a sign-in."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._texts: dict[EntryName, str] = {}

    def read(self, name: EntryName) -> str | None:
        """The text of an entry."""
        return self._texts.get(name)

    def change(self, name: EntryName, rule: Rule) -> None:
        """Replace it."""
        with self._lock:
            text = rule(self._texts.get(name))
            if text is None:
                self._texts.pop(name, None)
            else:
                self._texts[name] = text

    def where(self, name: EntryName) -> str:
        """In memory."""
        return "the memory of this process"
