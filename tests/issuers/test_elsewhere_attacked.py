"""What a thief of a sign-in at another issuer gets here, and what ends it (upstile profile §3, §7, §8)."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from support.clocks import SettableClock
from support.elsewhere import Elsewhere, elsewhere, guess
from support.issuer_server import IssuerServer
from support.mailbox import ADDRESS, Mailbox
from support.nodes import Shared
from support.tokens import claims_of
from support.wire_driver import WireApp, error_of, new_key, problem_of
from upstile.server.methods import EmailCode, Totp

pytestmark = pytest.mark.anyio
PATH = "/stepup/authenticators"
NEW = {"method": "totp", "name": "phone"}


@pytest.fixture
async def here(issuer: IssuerServer, tmp_path: Path) -> AsyncGenerator[Elsewhere]:
    """One issuer, whose passwords count."""
    async with elsewhere(f"sqlite:///{tmp_path / 'own.db'}", issuer) as here:
        yield here


@pytest.fixture
async def anywhere(issuer: IssuerServer, shared: Shared) -> AsyncGenerator[Elsewhere]:
    """The same on each kind of storage."""
    async with node(issuer, shared) as here:
        yield here


def node(issuer: IssuerServer, shared: Shared) -> Any:
    """A node of one deployment."""
    return elsewhere(
        shared.storage, issuer, one_time=shared.one_time, clock=shared.clock, secret_keys=[shared.secret_keys]
    )


async def as_bearer(here: Elsewhere, verb: str, path: str, token: str, **body: Any) -> Any:
    headers = {"Authorization": f"Bearer {token}"}
    return await here.api.http.request(verb, path, headers=headers, json=body or None)


async def test_a_stolen_bearer_token_enrols_no_first_authenticator(here: Elsewhere) -> None:
    stolen = here.token(None)
    assert (await as_bearer(here, "GET", "/stepup/authenticators", stolen)).json() == {"authenticators": []}
    refused = await as_bearer(here, "POST", "/stepup/authenticators", stolen, **NEW)
    assert (refused.status_code, problem_of(refused)) == (403, "first-enrolment")


async def test_a_first_authenticator_needs_a_sign_in_of_the_last_ten_minutes_by_the_same_key(here: Elsewhere) -> None:
    app = here.app()
    app.token = here.token(app, auth_time=int(here.clock()) - 601)
    refused = await app.enroll_totp()
    assert (refused.status_code, problem_of(refused)) == (403, "first-enrolment")
    app.token = here.token(app, auth_time=int(here.clock()) - 599)
    own, app.key = app.key, new_key()
    assert error_of(await app.enroll_totp()) == "invalid_token"
    app.key = own
    assert (await app.enroll_totp()).status_code == 200


async def test_an_enrolment_code_is_good_with_a_bearer_token_of_its_user_alone(here: Elsewhere) -> None:
    code = await here.server.enrolment_code("ada")
    for sub, status in [("bob", 403), ("ada", 201)]:
        token = here.token(None, sub=sub)
        reply = await as_bearer(here, "POST", "/stepup/authenticators", token, **NEW, enrolment_code=code)
        assert reply.status_code == status
    for wrong in (code, "0000-0000-0000-0000"):
        token = here.token(None)
        reply = await as_bearer(here, "POST", "/stepup/authenticators", token, **NEW, enrolment_code=wrong)
        assert (reply.status_code, problem_of(reply)) == (403, "first-enrolment")


async def test_what_is_enrolled_is_changed_by_a_ceremony_alone(here: Elsewhere) -> None:
    app = await here.enrolled()
    (entry,) = (await app.call("GET", "/stepup/authenticators")).json()["authenticators"]
    path = f"/stepup/authenticators/{entry['id']}"
    for method, where, body in [
        ("POST", "/stepup/authenticators", NEW),
        ("PATCH", path, {"name": "b"}),
        ("DELETE", path, None),
        ("POST", f"{path}/open", None),
    ]:
        refused = await app.call(method, where, json=body)
        assert error_of(refused) == "insufficient_user_authentication", (method, where)
        assert f'resource_metadata="{app.url}/' in refused.headers["www-authenticate"]
    elevated = await app.elevate(scope="authenticators", max_age="60")
    assert (await app.call("PATCH", path, token=elevated, json={"name": "b"})).status_code == 200


async def test_a_refreshed_token_is_no_new_budget(anywhere: Elsewhere) -> None:
    await use_up(anywhere, "a session")


async def test_a_refreshed_token_is_no_new_budget_where_the_issuer_names_no_session(here: Elsewhere) -> None:
    await use_up(here, None)


async def test_an_issuer_whose_clock_is_ahead_gives_no_new_budget_each_second(here: Elsewhere) -> None:
    await use_up(here, None, ahead=59)


async def use_up(here: Elsewhere, sid: str | None, *, ahead: int = 0) -> None:
    owner = await here.enrolled(sid=sid)
    signed_in = int(here.clock()) + ahead
    thief = here.app(sid=sid, auth_time=signed_in)
    for attempt in range(5):  # each with a token of its own
        here.clock.now += 1
        thief.token = here.token(thief, sid=sid, auth_time=signed_in, jti=f"refreshed {attempt}")
        assert await guess(thief, 1) == [429 if attempt == 4 else 403]
    here.clock.now += 40
    thief.token = here.token(thief, sid=sid, auth_time=signed_in, jti="one more")
    lost = (await thief.start()).reply
    assert (lost.status_code, lost.json()["error"]) == (400, "invalid_grant")
    assert "used up its attempts" in lost.json()["error_description"]
    owner.token = here.token(owner, sid="another session")
    assert (await owner.answer(await owner.start(), otp=owner.code())).status_code == 200


async def test_new_sign_ins_do_not_escape_the_lock_of_unknown_keys(anywhere: Elsewhere) -> None:
    await anywhere.enrolled()
    statuses = []
    for attempt in range(6):
        statuses += await guess(anywhere.app(sid=f"session {attempt}"), 1)
    assert statuses == [403, 403, 403, 403, 429, 429]


async def test_starts_are_counted_for_the_sign_in_and_not_for_its_tokens(here: Elsewhere) -> None:
    await here.enrolled()
    thief, statuses = here.app(sid="stolen"), []
    for attempt in range(11):
        thief.token = here.token(thief, sid="stolen", jti=f"{attempt}")
        statuses.append((await thief.start()).reply.status_code)
    assert statuses == [403] * 10 + [429]


async def test_a_session_that_the_issuer_gives_to_two_people_is_not_one(here: Elsewhere) -> None:
    ada = await here.enrolled()
    elevated = await ada.elevate()
    bob = await here.enrolled(sub="bob")
    await bob.elevate()
    ada.token = elevated
    claims = claims_of(await ada.elevate())
    assert (claims["sub"], claims["sid"]) == ("ada", claims_of(elevated)["sid"])
    await guess(here.app(sub="bob"), 5)
    ada.token = here.token(ada)
    assert (await ada.start()).reply.status_code == 403


async def test_an_elevated_token_stands_for_the_sign_in_that_it_came_of(here: Elsewhere) -> None:
    app = await here.enrolled()
    app.token = await app.elevate()
    assert (await app.start()).reply.status_code == 403
    thief = WireApp(here.api.http, here.clock, client_id="cli", token=app.token)
    assert (await thief.start()).reply.json()["error"] == "invalid_grant"
    mallory = await here.enrolled(sub="mallory")
    mallory.token = app.token
    assert (await mallory.start()).reply.json()["error"] == "invalid_grant"


async def test_end_sessions_ends_sign_ins_elsewhere_at_every_node(
    anywhere: Elsewhere, issuer: IssuerServer, shared: Shared
) -> None:
    app = await anywhere.enrolled()
    before, elevated = int(anywhere.clock()), await app.elevate()
    waiting = await app.start()
    never_seen = anywhere.app(sid="never seen")
    async with node(issuer, shared) as other:
        late = WireApp(other.api.http, other.clock, key=app.key, client_id="cli", token=app.token)
        assert (await late.call("GET", "/any")).status_code == 200
        await anywhere.server.end_sessions("ada")
        # The other node has not read the log yet: the account tells it to.
        assert (await late.start()).reply.json()["error"] == "invalid_grant"
        for held in (app.token, elevated, anywhere.token(app, auth_time=before, jti="refreshed")):
            assert error_of(await app.call("GET", "/any", token=held)) == "invalid_token"
            assert error_of(await late.call("GET", "/any", token=held)) == "invalid_token"
            assert error_of(await app.call("GET", "/stepup/authenticators", token=held)) == "invalid_token"
            assert (await app.start(subject_token=held)).reply.json()["error"] == "invalid_grant"
    assert (await app.answer(waiting, otp=app.code())).json()["error"] == "invalid_grant"
    assert (await never_seen.start()).reply.json()["error"] == "invalid_grant"
    bob = anywhere.app(sub="bob")
    assert (await bob.call("GET", "/any")).status_code == 200
    anywhere.clock.now += 61
    app.token = anywhere.token(app)  # the same session, in which they proved themselves again
    assert (await app.call("GET", "/any")).status_code == 200
    assert (await app.answer(await app.start(), otp=app.code())).status_code == 200


async def test_who_removes_an_authenticator_goes_on_and_a_forgotten_user_does_not(here: Elsewhere) -> None:
    app = await here.enrolled()
    token = await app.elevate(scope="authenticators", max_age="60")
    assert (await app.enroll_passkey(token)).status_code == 200
    token = await app.elevate(scope="authenticators", max_age="60", acr_values="phr")
    entries = (await app.call("GET", "/stepup/authenticators")).json()["authenticators"]
    phone = next(entry["id"] for entry in entries if entry["method"] == "totp")
    assert (await app.call("DELETE", f"/stepup/authenticators/{phone}", token=token)).status_code == 204
    assert (await app.call("GET", "/any")).status_code == 200
    assert (await app.start()).reply.status_code == 403
    await here.server.forget_user("ada")
    assert error_of(await app.call("GET", "/any")) == "invalid_token"
    assert (await app.start()).reply.json()["error"] == "invalid_grant"


async def test_ends_hold_after_a_restart_and_longer_than_a_sign_in_lasts(issuer: IssuerServer, tmp_path: Path) -> None:
    storage, clock = f"sqlite:///{tmp_path / 'own.db'}", SettableClock()
    async with elsewhere(storage, issuer, clock=clock) as here:
        app = await here.enrolled()
        await here.server.end_sessions("ada")
    async with elsewhere(storage, issuer, clock=clock) as here:
        app.http = here.api.http
        assert error_of(await app.call("GET", "/any")) == "invalid_token"
        assert (await app.start()).reply.json()["error"] == "invalid_grant"
        here.clock.now += 12 * 3600 - 30
        app.token = here.token(app, auth_time=int(here.clock()) - 12 * 3600 + 1)
        assert (await app.start()).reply.json()["error"] == "invalid_grant"
        here.clock.now += 3 * 3600  # the log has forgotten it
        app.token = here.token(app)
        assert (await app.start()).reply.status_code == 403


async def test_a_known_device_that_comes_with_a_sign_in_elsewhere_cancels_a_way_back_by_mail(
    issuer: IssuerServer, tmp_path: Path
) -> None:
    box = Mailbox()
    methods = [Totp(), EmailCode(box, mail_alone_restores=True)]
    async with elsewhere(f"sqlite:///{tmp_path / 'own.db'}", issuer, methods=methods) as here:
        owner = await here.enrolled()
        token = await owner.elevate(scope="authenticators", max_age="60")
        mail = {"method": "otp", "name": "mail", "destination": ADDRESS}
        begun = await owner.call("POST", PATH, token=token, json=mail)
        confirmed = f"{PATH}/{begun.json()['id']}/verify"
        assert (await owner.call("POST", confirmed, token=token, json={"otp": box.code})).status_code == 200
        thief, asks = here.app(sid="stolen"), f"{PATH}/{begun.json()['id']}/restore"
        assert (await thief.call("POST", asks)).json()["state"] == "waiting"
        assert (await owner.start()).reply.status_code == 403
        assert problem_of(await thief.call("POST", asks)) == "slow-down"
