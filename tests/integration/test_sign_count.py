"""A sign count that goes back: there may be a copy of the key (WebAuthn §7.2). It is told, and refused or accepted."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from support.own_app import OwnApp, own_app
from upstile.server import SecurityEvent

pytestmark = pytest.mark.anyio


class Watched:
    """A deployment's events."""

    def __init__(self) -> None:
        self.told: list[SecurityEvent] = []

    def __call__(self, event: SecurityEvent) -> None:
        self.told.append(event)

    def went_back(self) -> list[str]:
        """What was said of sign counts."""
        return [str(event.reason).partition(": ")[2] for event in self.told if event.kind == "sign-count-went-back"]


async def with_key(app: OwnApp, count: int) -> None:
    """Enrol a key and use it until its count is this."""
    await app.sign_in()
    await app.enroll_passkey()
    assert (await answer(app, count)).status_code == 200


async def answer(app: OwnApp, count: int) -> httpx.Response:
    """A ceremony in which the key, or its copy, says this count."""
    app.clock.now += 61
    return await app.assert_passkey(await app.start(acr_values="phr"), count=count)


@pytest.mark.parametrize("count", [6, 7, 0], ids=["lower", "the same", "none any more"])
async def test_an_answer_of_a_copied_key_is_refused_and_told(tmp_path: Path, count: int) -> None:
    watched = Watched()
    async with own_app(tmp_path, notify=watched) as app:
        await with_key(app, 7)
        reply = await answer(app, count)
        assert (reply.status_code, reply.json()["result"], reply.json()["attempts_left"]) == (403, "rejected", 4)
        assert watched.went_back() == [f"{count} after 7"]
        assert watched.told[-1].kind == "answer-rejected"
        event = next(event for event in watched.told if event.kind == "sign-count-went-back")
        (entry,) = (await app.call("GET", "/stepup/authenticators")).json()["authenticators"]
        assert (event.method, event.client_id, event.user and event.user.subject) == ("webauthn", "bank-cli", "ada")
        assert str(event.reason).startswith(entry["id"])
        assert (await answer(app, 8)).status_code == 200  # the key itself goes on
        assert watched.went_back() == [f"{count} after 7"]


async def test_a_deployment_may_have_it_only_reported(tmp_path: Path) -> None:
    watched = Watched()
    async with own_app(tmp_path, notify=watched, sign_count="report") as app:
        await with_key(app, 7)
        for count in (3, 3, 4):
            assert (await answer(app, count)).status_code == 200
        assert (await answer(app, 8)).status_code == 200
        assert watched.went_back() == ["3 after 7", "3 after 3"]


async def test_a_key_that_does_not_count_is_no_copy(tmp_path: Path) -> None:
    watched = Watched()
    async with own_app(tmp_path, notify=watched) as app:
        await with_key(app, 0)
        assert (await answer(app, 0)).status_code == 200
        assert watched.went_back() == []


async def test_a_false_signature_with_a_low_count_is_not_told_as_a_copy(tmp_path: Path) -> None:
    watched = Watched()
    async with own_app(tmp_path, notify=watched, sign_count="report") as app:
        await with_key(app, 7)
        app.clock.now += 61
        reply = await app.assert_passkey(await app.start(acr_values="phr"), count=3, challenge="AAAA")
        assert (reply.json()["result"], watched.went_back()) == ("rejected", [])


@pytest.mark.parametrize(("policy", "status"), [("refuse", 403), ("report", 200)])
async def test_a_copy_that_answers_at_the_same_moment_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, policy: str, status: int
) -> None:
    watched = Watched()
    async with own_app(tmp_path, notify=watched, sign_count=policy) as app:
        await with_key(app, 5)
        app.clock.now += 61
        original, copy = await app.start(acr_values="phr"), await app.start(acr_values="phr")
        store: Any = app.server._deployment.own.storage.one_time
        update_many, replies = store.update_many, list[httpx.Response]()

        async def overtaken(*arguments: Any) -> Any:
            monkeypatch.undo()  # the copy's answer has read the count 5
            replies.append(await app.assert_passkey(original, count=8))
            return await update_many(*arguments)

        monkeypatch.setattr(store, "update_many", overtaken)
        replies.append(await app.assert_passkey(copy, count=6))
        assert [reply.status_code for reply in replies] == [200, status]
        assert watched.went_back() == ["6 after 8"]
