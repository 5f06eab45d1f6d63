"""Names of authenticators are shown to people: what hides something is refused, and nothing is altered."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from support.own_app import own_app
from support.wire_driver import bank_app, enrolled_app, problem_of

pytestmark = pytest.mark.anyio
PATH = "/stepup/authenticators"
HIDING = ["phone\u202e", "pho\u0000ne", "\u001b[2J", "a\nb", "a\u2028b", "pho\u200bne", "\u2066x\u2069", "\u00a0"]


@pytest.mark.parametrize("name", [*HIDING, "", "n" * 101, "n" * 10_000], ids=lambda name: ascii(name)[:20])
async def test_no_authenticator_is_begun_or_renamed_with_a_name_that_hides_something(tmp_path: Path, name: str) -> None:
    async with enrolled_app(tmp_path) as app:
        token = await app.elevate(scope="authenticators", max_age="60")
        (entry,) = (await app.call("GET", PATH)).json()["authenticators"]
        begun = await app.call("POST", PATH, token=token, json={"method": "webauthn", "name": name})
        renamed = await app.call("PATCH", f"{PATH}/{entry['id']}", token=token, json={"name": name})
        for reply in (begun, renamed):
            assert (reply.status_code, problem_of(reply)) == (400, "invalid-request")
            assert reply.text.isascii()
            assert name not in reply.text or name == ""
        assert (await app.call("GET", PATH)).json()["authenticators"] == [{**entry, "last_used": int(app.clock() - 30)}]


async def test_half_a_character_is_no_name(tmp_path: Path) -> None:
    async with bank_app(tmp_path) as app:
        await app.sign_in()
        headers = {"content-type": "application/json"}
        body = b'{"method": "totp", "name": "a\\ud800"}'
        authorization = {"Authorization": f"DPoP {app.token}", "DPoP": app.proof("POST", PATH, app.token)}
        reply = await app.http.post(PATH, content=body, headers={**headers, **authorization})
        assert (reply.status_code, problem_of(reply)) == (400, "invalid-request")


async def test_a_name_is_kept_as_it_was_given(tmp_path: Path) -> None:
    async with bank_app(tmp_path) as app:
        await app.sign_in()
        name = "  \u0915\u094d\u200d\u0937 \U0001f469\u200d\U0001f4bb <b>'; --  "
        assert (await app.enroll_totp(name)).json()["name"] == name


async def test_an_account_that_hides_something_is_shown_without_it(tmp_path: Path) -> None:
    async with own_app(tmp_path) as app:
        await app.sign_in("\u202eada\u200b:\x1b[2J" + "x" * 200)
        options = (await app.call("POST", PATH, json={"method": "webauthn", "name": "key"})).json()["options"]
        assert options["user"]["name"] == ("ada : [2J" + "x" * 200)[:100]
        uri = (await app.call("POST", PATH, json={"method": "totp", "name": "phone"})).json()["otpauth_uri"]
        assert unquote(urlsplit(uri).path) == "/localhost:" + ("ada [2J" + "x" * 200)[:98]
