"""After a reset some things stay closed for a day, whoever is there, on every node (docs/decisions/0021)."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import pytest
from fastapi import Depends

from support.cooling import DAY, PATH, cooling, enrolled, is_closed, reset, reset_and_enrolled, tried
from support.lost import lost
from support.nodes import Shared
from support.own_app import OwnApp
from support.wire_driver import error_of, new_key, problem_of
from upstile.server import Authentication, ConfigurationError, SecurityEvent
from upstile.server.deployment import _keeper
from upstile.server.storage import User

pytestmark = pytest.mark.anyio


async def test_after_a_reset_it_is_closed_for_a_day_and_then_open(tmp_path: Path) -> None:
    async with cooling(tmp_path) as app:
        await enrolled(app)
        assert (await tried(app)).status_code == 200
        began = app.clock.now
        await reset_and_enrolled(app)
        reply = await tried(app)
        assert is_closed(reply)
        assert reply.json()["detail"] == (
            "It opens on 16 Jan 2027, 08:01 UTC. If you did not ask for a reset, tell the people who run the service"
            " at once."
        )
        assert began + DAY - 120 < app.clock.now + int(reply.headers["retry-after"]) <= began + DAY + 120
        assert "www-authenticate" not in reply.headers  # nobody is asked to confirm in vain
        app.clock.now = began + DAY - 60
        await app.sign_in()
        assert is_closed(await tried(app))
        app.clock.now += 120
        await app.sign_in()
        assert (await tried(app)).status_code == 200


@pytest.mark.parametrize("bound", [True, False])  # each has a quick way of its own, with what it remembers
async def test_one_token_opens_what_does_not_ask_for_it_and_nothing_else(tmp_path: Path, bound: bool) -> None:
    async with cooling(tmp_path, dpop="optional") as before:
        code = await reset(await enrolled(before))
        app = replace(before, bound=bound)
        await app.sign_in()
        assert (await app.enroll_totp(enrolment_code=code)).status_code == 200
        token = await app.elevate()
        for _ in range(3):
            assert (await tried(app, "/transfer", token)).status_code == 200
            assert is_closed(await tried(app, "/payout", token))
            assert is_closed(await tried(app, "/limits", token))


async def test_an_optional_guard_keeps_it_closed_for_whoever_has_a_token_of_ours(tmp_path: Path) -> None:
    async with cooling(tmp_path) as app:
        optional = app.server.optional(acr="mfa", settled=True)

        @app.api.post("/anybody")
        async def anybody(auth: Annotated[Authentication | None, Depends(optional)]) -> str:
            return "nobody of ours" if auth is None else auth.subject

        await reset_and_enrolled(await enrolled(app))
        assert is_closed(await tried(app, "/anybody", await app.elevate()))
        assert (await app.http.post("/anybody")).json() == "nobody of ours"


async def test_a_sign_in_after_the_reset_is_refused_before_anybody_is_asked_to_confirm(tmp_path: Path) -> None:
    async with cooling(tmp_path) as app:
        await reset(await enrolled(app))
        await app.sign_in()
        assert is_closed(await tried(app, token=app.token))
        assert error_of(await tried(app, "/transfer", app.token)) == "insufficient_user_authentication"


async def test_what_was_begun_or_had_before_the_reset_does_not_get_round_it(tmp_path: Path) -> None:
    async with cooling(tmp_path) as app:
        await enrolled(app)
        token, started, answered = await app.elevate(), await app.start(), await app.start()
        app.clock.now += 30
        right = await app.answer(answered, otp=app.code())
        base = app.token
        await reset(app)
        assert error_of(await tried(app, token=token)) == "invalid_token"
        assert error_of(await tried(app, token=base)) == "invalid_token"
        assert (await app.redeem(answered, right.json()["authorization_code"])).status_code == 400
        app.clock.now += 30
        assert (await app.answer(started, otp=app.code())).status_code == 400


async def test_a_code_that_is_used_late_begins_it_anew_and_ends_the_proofs_of_before(tmp_path: Path) -> None:
    async with cooling(tmp_path) as app:
        await reset(await enrolled(app))
        app.clock.now += DAY + 60
        generations = (await app.server.export_user("ada"))["generations"]
        code = await app.server.enrolment_code("ada")
        await app.sign_in()
        assert not is_closed(await tried(app, token=app.token))
        assert (await app.enroll_totp(enrolment_code=code)).status_code == 200
        app.clock.now += 30
        assert is_closed(await tried(app))  # the sign-in goes on, and its proofs know
        assert (await app.server.export_user("ada"))["generations"]["proofs"] == generations["proofs"] + 1


async def test_a_node_that_has_not_read_the_log_refuses_all_the_same(
    tmp_path: Path, shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_keeper, "PERIOD", 3600)
    async with cooling(tmp_path, shared) as here, cooling(tmp_path, shared) as late:
        await enrolled(here)
        late.clock.now = here.clock.now
        assert (await tried(replace(here, http=late.http))).status_code == 200
        await reset_and_enrolled(here)
        late.clock.now = here.clock.now
        assert is_closed(await tried(replace(here, http=late.http)))
        assert is_closed(await tried(here))
        here.clock.now = late.clock.now = here.clock.now + DAY
        await here.sign_in()
        assert (await tried(replace(here, http=late.http))).status_code == 200


Act = Callable[[OwnApp], Awaitable[Any]]


async def _removes_and_begins_anew(app: OwnApp) -> None:
    token = await app.elevate(scope="authenticators", max_age="60")
    assert (await app.enroll_passkey(token)).status_code == 200
    for entry in (await app.call("GET", PATH)).json()["authenticators"]:
        if entry["method"] == "totp":
            app.clock.now += 30
            token = await app.elevate(scope="authenticators", max_age="60", acr_values="phr")
            assert (await app.call("DELETE", f"{PATH}/{entry['id']}", token=token)).status_code == 204


async def _signs_in_anew(app: OwnApp) -> None:
    app.key = new_key()
    await app.sign_in()


ACTS: dict[str, Act] = {
    "removes what tells of it": _removes_and_begins_anew,
    "signs in on a new device": _signs_in_anew,
    "ends all sessions": lambda app: app.server.end_sessions("ada"),
    "is unlocked": lambda app: app.server.unlock("ada"),
    "is reset again": reset_and_enrolled,
}


@pytest.mark.parametrize("act", ACTS)
async def test_nobody_lifts_or_shortens_it(tmp_path: Path, act: str) -> None:
    async with cooling(tmp_path) as app:
        await reset_and_enrolled(await enrolled(app))
        until = app.clock.now + int((await tried(app)).headers["retry-after"])
        app.clock.now += 3600
        await app.sign_in()
        await ACTS[act](app)
        await app.sign_in()
        app.clock.now += 30
        proved = {"acr_values": "phr"} if app.passkey else {}
        reply = await tried(app, token=await app.elevate(**proved))
        assert is_closed(reply)
        assert app.clock.now + int(reply.headers["retry-after"]) >= until - 1


async def test_whoever_has_the_name_of_a_forgotten_user_waits_too(tmp_path: Path) -> None:
    async with cooling(tmp_path) as app:
        await enrolled(app)
        await app.server.forget_user("ada")
        await app.sign_in()
        assert (await app.enroll_totp()).status_code == 200
        app.clock.now += 30
        assert is_closed(await tried(app))


async def test_a_shorter_time_does_not_shorten_one_that_runs(tmp_path: Path) -> None:
    async with cooling(tmp_path) as app:
        await reset(await enrolled(app))
    async with cooling(tmp_path, cooling_off=60) as later:
        await reset_and_enrolled(later)
        later.clock.now += 3600
        await later.sign_in()
        assert is_closed(await tried(later))


async def test_strangers_and_new_users_begin_none(tmp_path: Path) -> None:
    told: list[SecurityEvent] = []
    async with cooling(tmp_path, notify=told.append) as app:
        await enrolled(app)
        thief = replace(app, key=new_key())
        await thief.sign_in()
        started = await thief.start()
        for _ in range(4):
            assert (await thief.answer(started, otp="wrong")).status_code == 403
        body = {"method": "totp", "name": "mine", "enrolment_code": "0000-0000-0000-0000"}
        assert problem_of(await thief.call("POST", PATH, json=body)) == "first-enrolment"
        right = {**body, "enrolment_code": await app.server.enrolment_code("ada")}  # for nothing: nothing is disabled
        assert (await thief.call("POST", PATH, json=right)).status_code == 401
        await app.sign_in()
        assert (await tried(app)).status_code == 200
        code = await app.server.enrolment_code("eve")
        await app.server.disable_authenticators("eve")  # which had nothing to lose
        await app.sign_in("eve")
        assert (await app.enroll_totp(enrolment_code=await app.server.enrolment_code("eve"))).status_code == 200
        assert code
        app.clock.now += 30
        assert (await tried(app)).status_code == 200
        assert "cooling-off-begun" not in {event.kind for event in told}


async def test_a_way_back_by_mail_begins_it_when_it_ends_and_not_when_it_is_asked_for(tmp_path: Path) -> None:
    async with lost(tmp_path, deployment={"cooling_off": DAY}) as ada:
        code = await ada.mailed()
        settled = ada.app.server._deployment.own.storage.durable.settled_at
        user = User(ada.app.url, "ada")
        assert await settled(user, ada.app.clock.now) is None
        assert (await ada.confirm(await ada.begin(code))).status_code == 200
        assert await settled(user, ada.app.clock.now) == ada.app.clock.now + DAY
        (begun,) = [event for event in ada.told if event.kind == "cooling-off-begun"]
        assert (begun.user, begun.detail) == (user, str(int(ada.app.clock.now + DAY)))


async def test_without_the_option_nothing_is_noted(tmp_path: Path) -> None:
    async with lost(tmp_path) as ada:
        await ada.app.server.disable_authenticators("ada")
        store = ada.app.server._deployment.own.storage.durable
        assert await store.settled_at(User(ada.app.url, "ada"), 0) is None
        assert "cooling-off-begun" not in {event.kind for event in ada.told}


async def test_an_author_who_forgets_half_of_it_is_told_at_start_up(tmp_path: Path) -> None:
    async with cooling(tmp_path) as app:
        with pytest.raises(ConfigurationError, match="settled=True needs acr="):
            app.server.require(settled=True)
        with pytest.raises(TypeError, match="settled must be True or False"):
            app.server.require(acr="mfa", settled=DAY)  # type: ignore[arg-type]
    for wrong in (0, -1, 59, 10**9, True, "1 day"):
        with pytest.raises(ConfigurationError, match="cooling_off="):
            async with cooling(tmp_path, cooling_off=wrong):
                pass
    with pytest.raises(ConfigurationError, match="cooling_off=SECONDS"):
        async with cooling(tmp_path, cooling_off=None):
            pass
