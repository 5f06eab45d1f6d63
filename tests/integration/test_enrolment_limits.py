"""Who may finish an enrolment, how many there may be, and what an enrolment code is good for (upstile profile §8)."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest

from support.audited import rows
from support.own_app import OwnApp, own_app
from support.tokens import mint
from support.totp import seed_in
from support.wire_driver import URL, bank_app, new_key, problem_of, thumbprint
from upstile.server.authorization.enrolment._changes import BEGUN, BEGUN_IN
from upstile.server.authorization.user._account import MOST_DISABLED
from upstile.server.storage import Account, User
from upstile.server.storage.sqlite import SqliteStore

pytestmark = pytest.mark.anyio
PATH = "/stepup/authenticators"
PHONE = {"method": "totp", "name": "phone"}


async def test_the_key_that_began_an_enrolment_in_another_login_does_not_finish_it(tmp_path: Path) -> None:
    async with own_app(tmp_path) as app:
        begun_by = await app.sign_in()
        pending = await _begin(app)
        await app.sign_in()
        assert problem_of(await _finish(app, pending)) == "not-found"
        app.token = begun_by
        assert (await _finish(app, pending)).status_code == 200


async def test_the_login_that_began_an_enrolment_does_not_finish_it_with_another_key(tmp_path: Path) -> None:
    async with own_app(tmp_path) as app:
        claims = _claims(await app.sign_in())
        pending, own = await _begin(app), (app.key, app.token)
        app.key = new_key()
        app.token = await mint(tmp_path, {**claims, "cnf": {"jkt": thumbprint(app.key)}})
        assert problem_of(await _finish(app, pending)) == "not-found"
        app.key, app.token = own
        assert (await _finish(app, pending)).status_code == 200


async def test_a_user_has_at_most_twenty_authenticators_and_pending_ones_take_nobodys_place(tmp_path: Path) -> None:
    async with bank_app(tmp_path) as app:
        await app.sign_in()
        assert (await app.enroll_totp()).status_code == 200
        token = await app.elevate(scope="authenticators", max_age="60")
        for _ in range(5):
            assert (await app.call("POST", PATH, json=PHONE, token=token)).status_code == 201
        await _fill_up(tmp_path, 20)
        reply = await app.call("POST", PATH, json=PHONE, token=token)
        assert (reply.status_code, problem_of(reply)) == (400, "invalid-request")
        pending = next(e for e in (await app.call("GET", PATH)).json()["authenticators"] if e["state"] == "pending")
        reply = await app.call("POST", f"{PATH}/{pending['id']}/verify", token=token, json={"otp": "000000"})
        assert problem_of(reply) == "verification-failed"


async def test_whoever_filled_all_places_has_not_blocked_the_help_desks_way_back(tmp_path: Path) -> None:
    async with own_app(tmp_path) as app:
        await app.sign_in()
        assert (await app.enroll_totp()).status_code == 200
        await _fill_up(tmp_path, 20)
        assert (await app.server.disable_authenticators("ada")).authenticators == 20
        code = await app.server.enrolment_code("ada")
        await app.sign_in()
        assert (await app.enroll_totp("new phone", enrolment_code=code)).json()["state"] == "active"
        states = [entry["state"] for entry in (await app.call("GET", PATH)).json()["authenticators"]]
        assert states == ["disabled"] * MOST_DISABLED + ["active"]


async def test_where_all_are_disabled_a_fresh_login_enrols_nothing_and_an_enrolment_code_does(tmp_path: Path) -> None:
    async with own_app(tmp_path) as app:
        await app.sign_in()
        await _disable(tmp_path, (await app.enroll_totp()).json()["id"])
        await app.sign_in()
        refused = await app.enroll_totp("new phone")
        assert (refused.status_code, problem_of(refused)) == (403, "first-enrolment")
        code = await app.server.enrolment_code("ada")
        assert (await app.enroll_totp("new phone", enrolment_code=code)).json()["state"] == "active"


async def test_a_disabled_authenticator_answers_no_ceremony_that_began_before(tmp_path: Path) -> None:
    async with own_app(tmp_path) as app:
        await app.sign_in()
        authenticator = (await app.enroll_totp()).json()["id"]
        started = await app.start()
        await _disable(tmp_path, authenticator)
        reply = await app.answer(started, otp=app.code())
        assert (reply.status_code, reply.json()["error"]) == (400, "unmet_authentication_requirements")
        assert (await app.start()).reply.json()["error"] == "unmet_authentication_requirements"


async def test_a_disabled_authenticator_is_not_asked_for_before_a_change(tmp_path: Path) -> None:
    async with own_app(tmp_path) as app:
        await app.sign_in()
        await app.enroll_totp()
        key = await app.enroll_passkey(await app.elevate(scope="authenticators", max_age="60"))
        await _disable(tmp_path, key.json()["id"])
        reply = await app.call("POST", PATH, json=PHONE)
        assert (reply.status_code, reply.json()["acr_values"]) == (401, ["mfa"])


async def test_an_enrolment_code_begins_one_enrolment(tmp_path: Path) -> None:
    async with own_app(tmp_path) as app:
        await app.sign_in()
        app.clock.now += 601  # the login is not fresh any more: only the code helps
        code = await app.server.enrolment_code("ada")
        replies = [await app.call("POST", PATH, json={**PHONE, "enrolment_code": code}) for _ in range(2)]
        assert [reply.status_code for reply in replies] == [201, 403]
        assert problem_of(replies[1]) == "first-enrolment"


@pytest.mark.parametrize(("age", "status"), [(599, 201), (600, 403)])
async def test_an_enrolment_code_is_good_for_ten_minutes(tmp_path: Path, age: int, status: int) -> None:
    async with own_app(tmp_path) as app:
        await app.sign_in()
        app.clock.now += 601
        code = await app.server.enrolment_code("ada")
        app.clock.now += age
        assert (await app.call("POST", PATH, json={**PHONE, "enrolment_code": code})).status_code == status


async def test_a_registration_nested_as_deeply_as_can_be_read_is_refused_and_crashes_nothing(tmp_path: Path) -> None:
    async with own_app(tmp_path) as app:
        await app.sign_in()
        path = f"{PATH}/{await _begin(app)}/verify"
        for depth in (200, *range(900, 1000, 7)):
            body = b'{"registration_response":{"a":' + b"[" * depth + b"]" * depth + b"}}"
            headers = {
                "Authorization": f"DPoP {app.token}",
                "DPoP": app.proof("POST", path, app.token),
                "Content-Type": "application/json",
            }
            assert (await app.http.post(path, content=body, headers=headers)).status_code == 400


async def _begin(app: OwnApp) -> str:
    """Begin to enrol an authenticator app; its seed is kept."""
    reply = (await app.call("POST", PATH, json=PHONE)).json()
    app.seed = seed_in(parse_qs(urlsplit(reply["otpauth_uri"]).query)["secret"][0])
    return str(reply["id"])


async def _finish(app: OwnApp, id: str) -> Any:
    """Verify it with the right code."""
    return await app.call("POST", f"{PATH}/{id}/verify", json={"otp": app.code()})


async def _fill_up(folder: Path, number: int) -> None:
    """Enrol copies until there are so many."""

    def filled(account: Account) -> tuple[Account, None]:
        records = list(account.authenticators)
        active = [record for record in records if record.state == "active"]
        copies = [replace(active[0], id=f"copy-{n}") for n in range(number - len(active))]
        return replace(account, authenticators=(*records, *copies)), None

    await _change(folder, filled)


async def _disable(folder: Path, id: str) -> None:
    """What the help desk does, to one authenticator."""

    def disabled(account: Account) -> tuple[Account, None]:
        records = [replace(r, state="disabled") if r.id == id else r for r in account.authenticators]
        return replace(account, authenticators=tuple(records)), None

    await _change(folder, disabled)


async def _change(folder: Path, decide: Callable[[Account], tuple[Account, None]]) -> None:
    store = SqliteStore(folder / "bank.db", URL)
    await store.prepare()
    await store.change_account(User(URL, "ada"), decide)
    await store.aclose()


def _claims(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


async def test_who_begins_again_and_again_is_slowed_down_and_nobody_is_told_of_more(tmp_path: Path) -> None:
    """A row and a mail for each would fill the table and the mailbox of the owner."""
    async with own_app(tmp_path) as app:
        await app.sign_in()
        replies = [await app.call("POST", PATH, json=PHONE) for _ in range(BEGUN + 5)]
        assert [reply.status_code for reply in replies] == [201] * BEGUN + [429] * 5
        assert problem_of(replies[-1]) == "slow-down"
        assert 0 < int(replies[-1].headers["retry-after"]) <= BEGUN_IN
        assert Counter(row.kind for row in rows(tmp_path))["enrolment-begun"] == BEGUN
        await app.sign_in()
        assert (await app.call("POST", PATH, json=PHONE)).status_code == 201
        assert (await app.call("POST", PATH, json=PHONE)).json()["state"] == "pending"


async def test_who_renames_again_and_again_is_slowed_down_and_the_same_name_is_no_change(tmp_path: Path) -> None:
    async with own_app(tmp_path) as app:
        await app.sign_in()
        id = (await app.enroll_totp()).json()["id"]
        token = await app.elevate(scope="authenticators", max_age="60")

        async def rename(name: str) -> int:
            return (await app.call("PATCH", f"{PATH}/{id}", token=token, json={"name": name})).status_code

        assert [await rename("phone") for _ in range(BEGUN + 1)] == [200] * (BEGUN + 1)
        assert Counter(row.kind for row in rows(tmp_path))["authenticator-renamed"] == 0
        replies = [await rename(f"phone {number}") for number in range(BEGUN + 1)]
        assert replies.count(200) >= BEGUN - 1
        assert replies[-1] == 429
