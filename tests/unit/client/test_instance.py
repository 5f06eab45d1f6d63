"""The correlation id of a challenge goes to its ceremony, for the server's log; nothing else of that place does."""

import json
from uuid import uuid4

import pytest

from support.desk import API, Desk, challenged

pytestmark = pytest.mark.usefixtures("library")

INSTANCE = uuid4().urn


def _problem(instance: object) -> bytes:
    return json.dumps({"type": "x", "title": "t", "status": 401, "instance": instance}).encode()


def _started(desk: Desk, body: bytes) -> dict[str, str]:
    desk.first("call", challenged(content=body))
    with desk.client() as client:
        assert client.get("/transfers").status_code == 200
    (start,) = desk.at("start")
    return start.form


def test_the_instance_of_the_challenge_goes_with_the_start() -> None:
    assert _started(Desk(), _problem(INSTANCE))["instance"] == INSTANCE


OTHERS = (None, 7, f"{API}/problems/7", INSTANCE + "\r\nx: y")


@pytest.mark.parametrize("body", [b"", b"nonsense", *map(_problem, OTHERS)])
def test_what_is_no_instance_of_the_one_form_is_not_sent(body: bytes) -> None:
    assert "instance" not in _started(Desk(), body)
