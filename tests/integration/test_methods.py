"""The methods of a deployment are those that its author names; one may be the author's own."""

import asyncio
import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from examples.own_method.card import ChallengeCard
from support.own_app import OwnApp, own_app
from support.own_methods import context
from support.wire_driver import new_key, problem_of, with_passkey
from upstile.server import ConfigurationError
from upstile.server.authorization.methods import Method, _in_time, configured
from upstile.server.methods import (
    AuthenticatorRecord,
    Confirmed,
    Enrolled,
    Enrols,
    MethodContext,
    Password,
    Totp,
    Traits,
    User,
    Wanted,
    WebAuthn,
)

pytestmark = pytest.mark.anyio
NUMBER = "12345678"


def _says(number: str, challenge: str) -> str:
    return hashlib.sha256(f"{number} {challenge}".encode()).hexdigest()[:6].upper()


async def _service(number: str, challenge: str, answer: str) -> bool:
    await asyncio.sleep(0)
    return answer == _says(number, challenge)


async def _enroll_card(app: OwnApp) -> None:
    wanted = {"method": "card", "name": "card", "destination": NUMBER}
    begun = (await app.call("POST", "/stepup/authenticators", json=wanted)).json()
    first = {"otp": _says(NUMBER, begun["options"]["challenge"])}
    verified = await app.call("POST", f"/stepup/authenticators/{begun['id']}/verify", json=first)
    assert verified.json()["state"] == "active"


async def test_a_method_of_the_authors_own_is_enrolled_and_steps_up(tmp_path: Path) -> None:
    async with own_app(tmp_path, methods=[ChallengeCard(_service)]) as app:
        await app.sign_in()
        await _enroll_card(app)
        started = await app.start(authn_methods_supported="card totp")
        challenge = started.offer("card")["nonce"]
        wrong = await app.answer(started, authn_method="card", otp=_says(NUMBER, "AAAA"))
        assert (wrong.json()["result"], wrong.json()["attempts_left"]) == ("rejected", 4)
        again = started.offer("card")["nonce"]
        assert again != challenge
        right = await app.answer(started, authn_method="card", otp=_says(NUMBER, again))
        assert "authorization_code" in right.json()


async def test_the_method_of_the_page_steps_up_as_it_stands(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "methods.md").read_text()
    [block] = [code for code in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "class FrontDesk" in code]
    made: dict[str, Any] = {}
    exec(block, made)  # noqa: S102 - the page's own
    async with own_app(tmp_path, methods=[made["FrontDesk"]({"ada": "HERON"}.__getitem__)]) as app:
        await app.sign_in()
        started = await app.start(authn_methods_supported="desk", acr_values=None, max_age="60")
        assert (await app.answer(started, authn_method="desk")).json()["error"] == "invalid_request"
        wrong = await app.answer(started, authn_method="desk", otp="crane")
        assert (wrong.json()["result"], wrong.json()["attempts_left"]) == ("rejected", 4)
        assert "authorization_code" in (await app.answer(started, authn_method="desk", otp="heron")).json()


async def test_what_is_not_configured_is_nowhere(tmp_path: Path) -> None:
    async with own_app(tmp_path, methods=[Totp()]) as app:
        await app.sign_in()
        metadata = (await app.http.get("/.well-known/oauth-authorization-server")).json()
        assert (metadata["authn_methods_supported"], metadata["acr_values_supported"]) == (["totp"], ["mfa"])
        refused = await app.call("POST", "/stepup/authenticators", json={"method": "webauthn", "name": "key"})
        assert problem_of(refused) == "invalid-request"
        unmet = (await app.start()).reply.json()
        assert unmet["enrollable_methods"] == ["totp"]
        with pytest.raises(ConfigurationError, match="can never be reached"):
            app.server.require(acr="phr")


async def test_a_record_of_a_method_that_is_gone_is_listed_never_offered_and_can_be_removed(tmp_path: Path) -> None:
    async with own_app(tmp_path) as app:
        await app.sign_in()
        await app.enroll_totp()
        await with_passkey(app)
    async with own_app(tmp_path, methods=[Totp()]) as later:
        later.key, later.seed, later.clock.now = app.key, app.seed, app.clock.now + 60
        await later.sign_in()
        listed = (await later.call("GET", "/stepup/authenticators")).json()["authenticators"]
        assert [one["method"] for one in listed] == ["totp", "webauthn"]
        assert [offer["method"] for offer in (await later.start()).reply.json()["authn_methods"]] == ["totp"]
        key = f"/stepup/authenticators/{listed[1]['id']}"
        assert (await later.call("DELETE", key)).status_code == 401
        token = await later.elevate(scope="authenticators", max_age="60")
        assert (await later.call("DELETE", key, token=token)).status_code == 204


async def test_who_has_only_what_is_no_longer_configured_is_opened_to_no_fresh_sign_in(tmp_path: Path) -> None:
    async with own_app(tmp_path) as app:
        await app.sign_in()
        await app.enroll_totp()
    async with own_app(tmp_path, methods=[WebAuthn()]) as later:
        later.clock.now = app.clock.now
        thief = OwnApp(later.http, later.clock, key=new_key(), api=later.api, server=later.server)
        await thief.sign_in()
        assert problem_of(await thief.enroll_passkey()) == "first-enrolment"
        code = await later.server.enrolment_code("ada")
        body = {"method": "webauthn", "name": "key", "enrolment_code": code}
        assert (await thief.call("POST", "/stepup/authenticators", json=body)).status_code == 201


async def test_what_is_removed_last_is_a_way_that_is_configured(tmp_path: Path) -> None:
    async with own_app(tmp_path) as app:
        await app.sign_in()
        await app.enroll_totp()
        await with_passkey(app)
    async with own_app(tmp_path, methods=[Totp()]) as later:
        later.key, later.seed, later.clock.now = app.key, app.seed, app.clock.now + 60
        await later.sign_in()
        phone = (await later.call("GET", "/stepup/authenticators")).json()["authenticators"][0]
        token = await later.elevate(scope="authenticators", max_age="60")
        last = await later.call("DELETE", f"/stepup/authenticators/{phone['id']}", token=token)
        assert problem_of(last) == "last-authenticator"


@pytest.mark.parametrize("how", ["raises", "hangs"])
async def test_a_check_that_breaks_is_no_free_guess(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    broken = False

    async def fragile(number: str, challenge: str, answer: str) -> bool:
        if broken and how == "hangs":
            await asyncio.Event().wait()
        if broken:
            raise ConnectionError("the service is away")
        return await _service(number, challenge, answer)

    monkeypatch.setattr(_in_time, "WITHIN", 0.05)
    async with own_app(tmp_path, methods=[ChallengeCard(fragile)]) as app:
        await app.sign_in()
        await _enroll_card(app)
        broken = True
        for _ in range(5):
            started = await app.start(authn_methods_supported="card")
            reply = await app.answer(started, authn_method="card", otp="guess")
            assert (reply.status_code, reply.json()["error"]) == (503, "temporarily_unavailable")
            assert reply.headers["retry-after"] == "10"
        broken = False  # five were counted
        locked = await app.start(authn_methods_supported="card")
        assert locked.reply.json()["error"] in {"temporarily_locked", "invalid_grant"}


class FragileCard(ChallengeCard):
    """Breaks, or hangs, while it is set up.

    Attributes:
        when: at which verb; nowhere by default.
    """

    when = ""
    how = ""

    async def enroll(self, wanted: Wanted) -> Enrolled:
        await self._breaks("enroll")
        return await super().enroll(wanted)

    async def confirm(self, user: User, record: AuthenticatorRecord, response: str, now: float) -> Confirmed | None:
        await self._breaks("confirm")
        return await super().confirm(user, record, response, now)

    async def _breaks(self, verb: str) -> None:
        if self.when == verb and self.how == "hangs":
            await asyncio.Event().wait()
        if self.when == verb:
            raise ConnectionError("the service says: secret 1234")


@pytest.mark.parametrize("how", ["raises", "hangs"])
async def test_a_method_that_breaks_while_it_is_set_up_costs_nothing_but_a_try(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    monkeypatch.setattr(_in_time, "WITHIN", 0.05)
    card = FragileCard(_service)
    card.how = how
    async with own_app(tmp_path, methods=[card]) as app:
        code = await app.server.enrolment_code("ada")
        await app.sign_in()
        body = {"method": "card", "name": "card", "destination": "12345678", "enrolment_code": code}
        card.when = "enroll"
        async with asyncio.timeout(3):
            begun = await app.call("POST", "/stepup/authenticators", json=body)
        assert (begun.status_code, problem_of(begun)) == (503, "temporarily-unavailable")
        assert int(begun.headers["retry-after"]) > 0
        assert (await app.call("GET", "/stepup/authenticators")).json()["authenticators"] == []
        card.when = "confirm"
        begun = await app.call("POST", "/stepup/authenticators", json=body)  # the code is still good
        assert begun.status_code == 201, begun.text
        path = f"/stepup/authenticators/{begun.json()['id']}/verify"
        right = {"otp": _says(NUMBER, begun.json()["options"]["challenge"])}
        for _ in range(4):
            async with asyncio.timeout(3):
                broken = await app.call("POST", path, json=right)
            assert problem_of(broken) == "temporarily-unavailable"
        card.when = ""
        assert (await app.call("POST", path, json=right)).json()["state"] == "active"  # the fifth, and last
        assert "secret 1234" not in caplog.text


def _twice() -> Sequence[Any]:
    return [Totp(), Totp()]


@pytest.mark.parametrize(
    ("methods", "says"),
    [([], "empty"), (_twice(), "totp twice"), ([Totp], "takes methods"), (["totp"], "takes methods")],
)
def test_what_is_no_list_of_methods_is_refused_at_the_start(methods: Sequence[Any], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        configured(methods, context())


class _Halves:
    """Methods that are not whole, each in its own way."""

    class NoConfirm(ChallengeCard):
        confirm = None  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType, reportIncompatibleMethodOverride]

    class NoVerify(ChallengeCard):
        verify = None  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType, reportIncompatibleMethodOverride]

    class Contradicts(ChallengeCard):
        traits = Traits(name="card", enrolled=False)

    class Forgets(ChallengeCard):
        def bind(self, context: MethodContext) -> Any:
            """Without the `return` that it needs."""

    class OfAnotherName(ChallengeCard):
        def bind(self, context: MethodContext) -> Any:
            return Totp()


@pytest.mark.parametrize(
    ("half", "says"),
    [
        (_Halves.NoConfirm, r"NoConfirm lacks confirm: .*enrolled=False"),
        (_Halves.NoVerify, "NoVerify lacks verify: write them, as"),
        (_Halves.Contradicts, "Contradicts has verbs to enrol it and"),
        (_Halves.Forgets, "bind of Forgets returned another method"),
        (_Halves.OfAnotherName, "bind of OfAnotherName returned another method"),
    ],
)
def test_a_method_that_is_not_whole_is_refused_at_the_start(half: type[ChallengeCard], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        configured([half(_service)], context())


def test_what_nobody_enrols_needs_no_verbs_for_it() -> None:
    password = Password(lambda user, password: False)
    assert not isinstance(password, Enrols)
    assert configured([password], context()) == (password,)
    assert all(isinstance(method, Enrols) for method in (ChallengeCard(_service), Totp(), WebAuthn()))


def test_the_strongest_come_first_and_equally_strong_ones_as_they_were_named() -> None:
    named: list[Method] = [ChallengeCard(_service), Totp(), WebAuthn()]
    assert [method.traits.name for method in configured(named, context())] == ["webauthn", "card", "totp"]
