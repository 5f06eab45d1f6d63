"""One token about which the issuer says something odd, or nothing, takes no other with it."""

import asyncio
import logging
import time
from typing import Any

import pytest

from support.external_api import external_api, told
from support.issuer_server import NOW, URL, IssuerServer
from upstile.server.issuers import IntrospectionVerifier, _http, _introspected

pytestmark = pytest.mark.anyio
ACTIVE = {"active": True, "sub": "ada", "client_id": "cli", "aud": URL, "token_type": "Bearer", "exp": NOW + 300}
MFA = {**ACTIVE, "acr": "mfa", "auth_time": NOW, "iat": NOW}
REFUSED, LATER = (401, "invalid_token"), (503, "temporarily-unavailable")


def verifier(issuer: IssuerServer, **options: Any) -> IntrospectionVerifier:
    return IntrospectionVerifier(**{"issuer": issuer.url, "client_id": "api", "client_secret": "s", **options})


class Runs:
    """A clock that is never the same twice."""

    now = float(NOW)

    def __call__(self) -> float:
        self.now += 0.001
        return self.now


@pytest.fixture(autouse=True)
def standing_for(issuer: IssuerServer) -> None:
    """The issuer stands for every token, unless a test says otherwise."""
    issuer.introspect = lambda form: MFA


@pytest.mark.parametrize("status", [400, 413, 414, 422])
async def test_a_token_that_the_issuer_does_not_want_to_be_asked_about_is_refused_and_others_are_not(
    issuer: IssuerServer, status: int
) -> None:
    issuer.odd = {"odd": status}
    async with external_api(verifier(issuer)) as api:
        for _ in range(2):
            reply = await api.call("odd")
            assert told(reply) == REFUSED
            assert f"the issuer refuses to be asked about it ({status})" in reply.headers["www-authenticate"]
            assert told(await api.call("good")) == (200, "")
        assert [form["token"] for form in issuer.forms] == ["odd", "good"]  # for a second nobody asks again


@pytest.mark.parametrize("status", [404, 405, 500, 501, 302])
async def test_a_status_that_says_nothing_about_a_token_is_503_for_it_alone_and_is_logged_once(
    issuer: IssuerServer, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    issuer.odd = {"odd": status}
    async with external_api(verifier(issuer)) as api:
        for _ in range(2):
            assert told(await api.call("odd")) == LATER
        assert told(await api.call("good")) == (200, "")
    said = [record.message for record in caplog.records if record.levelno == logging.ERROR]
    assert len(said) == 1
    assert f"answered {status}" in said[0]
    assert "odd" not in said[0]


@pytest.mark.parametrize("answer", [{"active": "yes"}, {}, {"active": True, "groups": "x" * 300_000}], ids=str)
async def test_an_answer_that_cannot_be_read_is_503_for_its_token_alone(issuer: IssuerServer, answer: Any) -> None:
    issuer.introspect = lambda form: answer if form["token"] == "odd" else MFA
    async with external_api(verifier(issuer)) as api:
        assert told(await api.call("odd")) == LATER
        assert told(await api.call("good")) == (200, "")


@pytest.mark.parametrize("status", [401, 403, 429, 502, 503, 504])
async def test_an_issuer_that_does_not_let_this_api_ask_is_away_for_all_and_is_not_pressed(
    issuer: IssuerServer, status: int
) -> None:
    issuer.odd = {"one": status}
    async with external_api(verifier(issuer)) as api:
        assert told(await api.call("one")) == LATER
        assert told(await api.call("two")) == LATER
        assert [form["token"] for form in issuer.forms] == ["one"]


async def test_a_client_that_the_issuer_does_not_know_is_no_fault_of_a_token(issuer: IssuerServer) -> None:
    issuer.odd, issuer.introspect = {"one": 400}, lambda form: {"error": "invalid_client"}
    async with external_api(verifier(issuer)) as api:
        assert told(await api.call("one")) == LATER
        assert told(await api.call("two")) == LATER
        assert len(issuer.forms) == 1


async def test_a_token_that_gets_no_answer_while_others_do_is_the_only_one_without(
    issuer: IssuerServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_introspected, "TAKES", 0.3)
    issuer.odd = {"hangs": 0}
    async with external_api(verifier(issuer)) as api:
        hanging = asyncio.ensure_future(api.call("hangs"))
        await asyncio.sleep(0.1)
        assert told(await api.call("good")) == (200, "")
        assert told(await hanging) == LATER
        assert told(await api.call("another")) == (200, "")


async def test_who_waits_in_vain_for_a_connection_of_ours_does_not_call_the_issuer_away(
    issuer: IssuerServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_http, "CONNECTIONS", 1)
    monkeypatch.setattr(_introspected, "TAKES", 0.3)

    def slowly(form: dict[str, str]) -> dict[str, Any]:
        time.sleep(0.2)
        return MFA

    issuer.introspect, crowd = slowly, [f"odd {number}" for number in range(6)]
    issuer.odd = dict.fromkeys(crowd, 500)
    async with external_api(verifier(issuer)) as api:
        assert {told(reply) for reply in await asyncio.gather(*(map(api.call, crowd)))} == {LATER}
        assert len(issuer.forms) < len(crowd)  # some never got a connection
        assert told(await api.call("another")) == (200, "")


@pytest.mark.parametrize("clock", [Runs(), lambda: NOW, time.time], ids=["runs", "stands", "real"])
async def test_where_nothing_is_remembered_those_who_wait_for_one_answer_all_get_it(
    issuer: IssuerServer, clock: Any
) -> None:
    issuer.introspect = lambda form: {**MFA, "exp": clock() + 300}
    async with external_api(verifier(issuer, remembered_for=0), clock=clock) as api:
        replies = await asyncio.gather(*(api.call("opaque") for _ in range(16)))
        assert [told(reply) for reply in replies] == [(200, "")] * 16
        asked = len(issuer.forms)
        await asyncio.sleep(0.001)
        issuer.introspect = lambda form: {"active": False}
        if clock() != NOW:
            assert told(await api.call("opaque")) == REFUSED
            assert len(issuer.forms) == asked + 1


async def test_an_answer_that_is_remembered_lives_no_longer_because_many_waited(issuer: IssuerServer) -> None:
    clock = Runs()
    async with external_api(verifier(issuer, remembered_for=5), clock=clock) as api:
        await asyncio.gather(*(api.call("opaque") for _ in range(16)))
        (external,) = api.server._deployment.external
        ((_, at),) = external._answers._young.values()  # type: ignore[attr-defined]
        assert at < NOW + 0.01


async def test_a_clock_that_is_set_back_while_an_answer_is_on_its_way_refuses_nobody(issuer: IssuerServer) -> None:
    class SetBack:
        now = NOW + 10.0

        def __call__(self) -> float:
            return self.now

    clock, asked = SetBack(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def later(form: dict[str, str]) -> dict[str, Any]:
        loop.call_soon_threadsafe(asked.set)
        time.sleep(0.1)
        return MFA

    issuer.introspect = later
    async with external_api(verifier(issuer), clock=clock) as api:
        first = asyncio.ensure_future(api.call("opaque"))
        await asked.wait()
        clock.now = NOW + 5.0
        assert told(await api.call("opaque")) == (200, "")
        assert told(await first) == (200, "")
        assert len(issuer.forms) == 1


async def test_each_event_loop_of_a_process_keeps_its_own_connections(issuer: IssuerServer) -> None:
    http = _http.IssuerHttp()
    loops = [asyncio.new_event_loop() for _ in range(2)]
    form = {"token": "opaque"}
    for _ in range(5):
        for loop in loops:
            await asyncio.to_thread(loop.run_until_complete, http.post(f"{issuer.url}/introspect", form, {}))
    assert issuer.ever == 2
    for loop in loops:
        await asyncio.to_thread(loop.run_until_complete, http.aclose())
        loop.close()
    await http.get(f"{issuer.url}/jwks")
    assert list(http._kept) == [asyncio.get_running_loop()]
    await http.aclose()


async def test_metadata_that_turn_out_wrong_are_503_and_a_line_of_the_log(
    issuer: IssuerServer, caplog: pytest.LogCaptureFixture
) -> None:
    issuer.metadata = {"introspection_endpoint": None}
    issuer.stop()
    async with external_api(verifier(issuer, lazy=True), clock=time.time) as api:
        issuer.start()
        assert told(await api.call("opaque")) == LATER
        assert "pass introspection_endpoint=" in caplog.text


@pytest.mark.parametrize("error", ["x\nERROR forged", "x\x1b[2J", "\u202ex", "x" * 100_000, 5], ids=list("abcde"))
async def test_what_an_issuer_calls_its_error_forges_no_line_of_the_log(
    issuer: IssuerServer, caplog: pytest.LogCaptureFixture, error: object
) -> None:
    async with external_api(verifier(issuer), clock=Runs()) as api:
        issuer.odd, issuer.introspect = {"one": 401}, lambda form: {"error": error}
        assert told(await api.call("one")) == LATER
    (line,) = [record.getMessage() for record in caplog.records if "cannot be asked" in record.getMessage()]
    assert line.endswith(" answered 401")
