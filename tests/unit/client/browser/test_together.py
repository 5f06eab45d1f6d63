"""Many who wait for one trip to the browser: its end is theirs."""

from threading import Event as Flag
from threading import Thread

import httpx
import pytest

from support.false_issuer import ISSUER, FalseIssuer, Params
from upstile.client import (
    StepUpCancelled,
)

PAY = "/pay?acr=mfa"


@pytest.fixture
def issuer() -> FalseIssuer:
    return FalseIssuer()


def test_ten_calls_at_once_are_one_trip(issuer: FalseIssuer) -> None:
    statuses: list[int] = []
    with issuer.client() as client:
        calls = [Thread(target=lambda: statuses.append(client.post(PAY).status_code)) for _ in range(10)]
        for call in calls:
            call.start()
        for call in calls:
            call.join()
    assert statuses == [200] * 10
    assert len(issuer.asked) == 1


def test_a_refusal_is_shared_by_all_who_wait(issuer: FalseIssuer) -> None:
    arrived = Flag()
    ends: list[str] = []

    def answers(asked: Params) -> Params:
        assert arrived.wait(5)
        return {"error": "access_denied", "state": asked["state"], "iss": ISSUER}

    issuer.answers = answers
    with issuer.client() as client:

        def call() -> None:
            try:
                client.post(PAY)
            except StepUpCancelled as error:
                ends.append(str(error))

        calls = [Thread(target=call) for _ in range(4)]
        for one in calls:
            one.start()
        while len(issuer.calls) < 4:
            pass
        arrived.set()
        for one in calls:
            one.join()
    assert ends == ["You declined in the browser"] * 4
    assert len(issuer.asked) == 1


def test_a_client_that_is_closed_listens_no_more(issuer: FalseIssuer) -> None:
    there = Flag()

    def answers(asked: Params) -> None:
        there.set()

    issuer.answers = answers
    ends: list[BaseException] = []
    client = issuer.client()

    def call() -> None:
        try:
            client.post(PAY)
        except StepUpCancelled as error:
            ends.append(error)

    calling = Thread(target=call)
    calling.start()
    assert there.wait(5)
    client.close()
    calling.join(5)
    assert len(ends) == 1
    with pytest.raises(httpx.ConnectError):
        httpx.get(issuer.asked[0]["redirect_uri"])
