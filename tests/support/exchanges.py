"""What an app sent, and in which order."""

import re

import pytest

_SENT = re.compile(r"HTTP Request: [A-Z]+ http://[^/ ]+/(?:\S*/)?([^/ ?]*)[? ]")
_OF_THE_APP = ("MainThread", "upstile exchange")


def exchanges_of_the_app(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The last part of each address that the client called, as httpx logged it on the level INFO."""
    said = [record.getMessage() for record in caplog.records if record.threadName in _OF_THE_APP]
    return [found[1] for text in said if (found := _SENT.match(text))]
