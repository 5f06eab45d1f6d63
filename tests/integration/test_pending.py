"""Pending enrolments: five for each beginner, and what an enrolment code let begin goes first (upstile profile §8)."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from support.audited import rows
from support.own_app import OwnApp, own_app
from support.stores import authenticator
from support.totp import seed_in
from support.wire_driver import Passkey, new_key, problem_of
from upstile.server import SecurityEvent, StorageUnavailable
from upstile.server.authorization.enrolment._enrolment_rights import EnrolmentRights
from upstile.server.storage import Account, User

pytestmark = pytest.mark.anyio
PATH = "/stepup/authenticators"
PHONE = {"method": "totp", "name": "phone"}
CHANGE = {"scope": "authenticators", "max_age": "60"}


async def _thief(app: OwnApp, client: str = "bank-cli") -> OwnApp:
    """Somebody who knows the password, with a key of their own."""
    thief = app.as_client(client)
    thief.key = new_key()
    await thief.sign_in()
    return thief


async def _begin(app: OwnApp, **extra: Any) -> Any:
    reply = await app.call("POST", PATH, json={**PHONE, **extra})
    if reply.status_code == 201:
        app.seed = _seed(reply.json())
    return reply


def _seed(begun: dict[str, Any]) -> bytes:
    return seed_in(str(begun["otpauth_uri"]).partition("secret=")[2].partition("&")[0])


async def _finish(app: OwnApp, id: str) -> Any:
    return await app.call("POST", f"{PATH}/{id}/verify", json={"otp": app.code()})


async def _entries(app: OwnApp) -> list[Any]:
    entries: list[Any] = (await app.call("GET", PATH)).json()["authenticators"]
    return entries


async def test_twenty_pending_entries_of_a_thief_do_not_keep_the_owner_from_enrolling(tmp_path: Path) -> None:
    async with own_app(tmp_path) as app:
        thief = await _thief(app)
        for number in range(20):
            if number % 7 == 0:
                await thief.sign_in()
            assert (await _begin(thief)).status_code == 201
        await app.sign_in()
        begun = await _begin(app)
        assert begun.status_code == 201
        assert (await _finish(app, begun.json()["id"])).status_code == 200


async def test_the_sixth_replaces_its_beginners_oldest_and_nobody_elses(tmp_path: Path) -> None:
    async with own_app(tmp_path) as app:
        await app.sign_in()
        owners = (await _begin(app)).json()["id"]
        thief, begun = await _thief(app), list[str]()
        for _ in range(7):
            app.clock.now += 1
            begun.append((await _begin(thief)).json()["id"])
        assert [entry["id"] for entry in await _entries(app)] == [owners, *begun[2:]]
        assert problem_of(await _finish(thief, begun[1])) == "not-found"
        assert (await _finish(app, owners)).status_code == 200


async def test_who_signs_in_again_and_again_begins_a_hundred_at_the_most(tmp_path: Path) -> None:
    async with own_app(tmp_path) as app:
        thief = await _thief(app)
        for number in range(108):
            if number % 5 == 0:
                await thief.sign_in()
            assert (await _begin(thief)).status_code == 201
        assert len(await _entries(thief)) <= 100


async def test_each_beginning_is_notified(tmp_path: Path) -> None:
    told: list[SecurityEvent] = []
    async with own_app(tmp_path, notify=told.append) as app:
        await app.sign_in()
        await _begin(app)
        event = told[-1]
        user = event.user.subject if event.user else None
        assert (event.kind, event.method, event.client_id, user) == ("enrolment-begun", "totp", "bank-cli", "ada")
        assert (await _begin(app, enrolment_code="wrong")).status_code == 403
        assert [event.kind for event in told].count("enrolment-begun") == 1


async def test_an_enrolment_code_clears_what_others_began(tmp_path: Path) -> None:
    async with own_app(tmp_path) as app:
        thief = await _thief(app)
        theirs = [(await _begin(thief)).json()["id"] for _ in range(3)]
        await app.sign_in()
        own = (await _begin(app)).json()["id"]
        begun = (await _begin(app, enrolment_code=await app.server.enrolment_code("ada"))).json()["id"]
        assert {entry["id"] for entry in await _entries(app)} == {own, begun}
        assert problem_of(await _finish(thief, theirs[-1])) == "not-found"
        assert (await _finish(app, begun)).status_code == 200


async def test_while_what_a_code_began_is_pending_a_thief_begins_and_finishes_nothing(tmp_path: Path) -> None:
    async with own_app(tmp_path) as app:
        await app.sign_in()
        own = (await _begin(app)).json()["id"]
        own_seed = app.seed
        begun = (await _begin(app, enrolment_code=await app.server.enrolment_code("ada"))).json()["id"]
        code_seed = app.seed
        thief = await _thief(app)
        refused = await _begin(thief)
        assert (refused.status_code, problem_of(refused)) == (403, "first-enrolment")
        app.seed = own_seed  # not even the owner, by the rule
        assert problem_of(await _finish(app, own)) == "verification-failed"
        app.seed = code_seed
        app.clock.now += 30
        assert (await _finish(app, begun)).status_code == 200


async def test_what_a_code_began_is_finished_also_when_another_one_is_active_by_then(tmp_path: Path) -> None:
    """A thief with a fresh login who was first in the moment before the code came."""
    async with own_app(tmp_path) as app:
        await app.sign_in()
        code = await app.server.enrolment_code("ada")
        begun = (await _begin(app, enrolment_code=code)).json()["id"]
        await _make_another_one_active(app)
        assert (await _finish(app, begun)).status_code == 200


async def test_when_what_a_code_began_has_expired_the_rule_holds_again(tmp_path: Path) -> None:
    async with own_app(tmp_path) as app:
        await app.sign_in()
        await _begin(app, enrolment_code=await app.server.enrolment_code("ada"))
        app.clock.now += 600
        await app.sign_in()
        begun = await _begin(app)
        assert begun.status_code == 201
        assert (await _finish(app, begun.json()["id"])).status_code == 200


async def _make_another_one_active(app: OwnApp) -> None:
    def more(account: Account) -> tuple[Account, None]:
        return replace(account, authenticators=(*account.authenticators, authenticator("thief's"))), None

    await app.server._deployment.own.storage.durable.change_account(User(app.url, "ada"), more)


@pytest.mark.requirement("profile-8-ends")
async def test_what_a_lost_phone_let_begin_goes_with_the_phone(tmp_path: Path) -> None:
    """Whoever found it has begun a security key; what the owner and an enrolment code began stays."""
    async with own_app(tmp_path) as app:
        await app.sign_in()
        await app.enroll_totp()
        lost = (await _entries(app))[0]["id"]
        thief, phone = await _thief(app), app.seed
        thief.seed = phone
        stolen = await thief.elevate(**CHANGE)
        key = (await thief.call("POST", PATH, token=stolen, json={"method": "webauthn", "name": "key"})).json()
        app.clock.now += 60
        token = await app.elevate(**CHANGE)
        new = (await app.call("POST", PATH, token=token, json=PHONE)).json()
        app.seed = _seed(new)
        assert (await _finish(app, new["id"])).status_code == 200
        app.clock.now += 30
        own = (await app.call("POST", PATH, token=token, json=PHONE)).json()["id"]
        assert (await app.call("DELETE", f"{PATH}/{lost}", token=token)).status_code == 204
        response = Passkey().register(key["options"])
        refused = await thief.call("POST", f"{PATH}/{key['id']}/verify", json={"registration_response": response})
        assert problem_of(refused) == "not-found"
        assert {entry["id"] for entry in await _entries(app)} == {new["id"], own}


async def test_what_a_code_began_goes_first_also_when_the_node_dies_before_it_has_cleared_what_others_began(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The code is used up, and its holder got no reply."""
    async with own_app(tmp_path) as app:
        thief = await _thief(app)
        theirs = (await _begin(thief)).json()["id"]
        await app.sign_in()
        code, real = await app.server.enrolment_code("ada"), EnrolmentRights.use_code

        async def dies(self: EnrolmentRights, *args: Any) -> None:
            await real(self, *args)
            raise StorageUnavailable("gone")

        with monkeypatch.context() as dying:
            dying.setattr(EnrolmentRights, "use_code", dies)
            assert (await _begin(app, enrolment_code=code)).status_code == 503
        assert problem_of(await _begin(app, enrolment_code=code)) == "first-enrolment"
        assert problem_of(await _finish(thief, theirs)) == "verification-failed"
        assert problem_of(await _begin(thief)) == "first-enrolment"
        begun = (await _begin(app, enrolment_code=await app.server.enrolment_code("ada"))).json()["id"]
        assert (await _finish(app, begun)).status_code == 200


async def test_of_two_that_begin_with_one_code_at_once_one_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with own_app(tmp_path) as app:
        await app.sign_in()
        code, real, both = await app.server.enrolment_code("ada"), EnrolmentRights.use_code, asyncio.Barrier(2)

        async def together(self: EnrolmentRights, *args: Any) -> None:
            await both.wait()
            await real(self, *args)

        monkeypatch.setattr(EnrolmentRights, "use_code", together)
        replies = await asyncio.gather(*(_begin(app, enrolment_code=code) for _ in range(2)))
        won, lost = sorted(replies, key=lambda reply: int(reply.status_code))
        assert (won.status_code, problem_of(lost)) == (201, "first-enrolment")
        assert [entry["id"] for entry in await _entries(app)] == [won.json()["id"]]
        app.seed = _seed(won.json())
        assert (await _finish(app, won.json()["id"])).status_code == 200


@pytest.mark.requirement("profile-8-bar")
async def test_what_was_begun_with_a_code_is_not_finished_once_a_security_key_is_asked_for(tmp_path: Path) -> None:
    """A thief with one code of the phone has begun a security key; what the owner began beside stays."""
    async with own_app(tmp_path) as app:
        await app.sign_in()
        await app.enroll_totp()
        thief = await _thief(app)
        stolen = await thief.elevate(**CHANGE)
        key = (await thief.call("POST", PATH, token=stolen, json={"method": "webauthn", "name": "key"})).json()
        app.clock.now += 60
        token = await app.elevate(**CHANGE)
        own = (await app.call("POST", PATH, token=token, json=PHONE)).json()["id"]
        assert (await app.enroll_passkey(token)).status_code == 200
        response = Passkey().register(key["options"])
        refused = await thief.call("POST", f"{PATH}/{key['id']}/verify", json={"registration_response": response})
        assert problem_of(refused) == "not-found"
        entries = {(entry["method"], entry["state"]) for entry in await _entries(app)}
        assert entries == {("totp", "active"), ("totp", "pending"), ("webauthn", "active")}
        assert own in {entry["id"] for entry in await _entries(app)}


async def test_what_an_enrolment_code_let_begin_is_nobody_elses_to_remove_or_rename(tmp_path: Path) -> None:
    """A thief who knows the password would take its place."""
    async with own_app(tmp_path) as app:
        await app.sign_in()
        begun = (await _begin(app, enrolment_code=await app.server.enrolment_code("ada"))).json()["id"]
        thief = await _thief(app)
        for verb, body in (("DELETE", None), ("PATCH", {"name": "x"})):
            refused = await thief.call(verb, f"{PATH}/{begun}", json=body)
            assert (refused.status_code, problem_of(refused)) == (403, "first-enrolment")
        assert (await _finish(app, begun)).status_code == 200


async def test_nor_is_what_anybody_else_began_by_the_rule_for_first_ones(tmp_path: Path) -> None:
    async with own_app(tmp_path) as app:
        await app.sign_in()
        begun = (await _begin(app)).json()["id"]
        thief = await _thief(app)
        assert problem_of(await thief.call("DELETE", f"{PATH}/{begun}")) == "first-enrolment"
        assert (await app.call("DELETE", f"{PATH}/{begun}")).status_code == 204


async def test_giving_up_what_one_began_is_no_removal_that_anybody_is_told_of(tmp_path: Path) -> None:
    """Or a thief, who begins and gives up again and again, would make noise before a change that is to go unheard."""
    told: list[SecurityEvent] = []
    async with own_app(tmp_path, notify=told.append) as app:
        await app.sign_in()
        id = (await app.call("POST", PATH, json={"method": "totp", "name": "phone"})).json()["id"]
        replies = await asyncio.gather(*(app.call("DELETE", f"{PATH}/{id}") for _ in range(4)))
        assert sorted(reply.status_code for reply in replies) == [204, 404, 404, 404]
    kinds = [row.kind for row in rows(tmp_path)]
    assert kinds.count("enrolment-dropped") == 1
    assert "authenticator-removed" not in kinds
    assert "enrolment-dropped" not in {event.kind for event in told}
