"""A member of a key's answer that is there and empty is absent, as some browsers write it; a wrong one is refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from support.own_app import own_app
from support.wire_driver import Passkey

pytestmark = pytest.mark.anyio
PATH = "/stepup/authenticators"


@pytest.mark.parametrize("handle", ["", None])
async def test_an_empty_user_handle_is_an_absent_one(tmp_path: Path, handle: str | None) -> None:
    assert await _answered(tmp_path, lambda response: response["response"].update(userHandle=handle)) == 200


async def test_the_handle_of_somebody_else_is_still_refused(tmp_path: Path) -> None:
    assert await _answered(tmp_path, lambda response: response["response"].update(userHandle="AAAA")) == 403


@pytest.mark.parametrize("attachment", ["", None, "something new"])
async def test_an_attachment_that_is_empty_or_new_is_none(tmp_path: Path, attachment: str | None) -> None:
    assert await _answered(tmp_path, lambda response: response.update(authenticatorAttachment=attachment)) == 200


async def test_a_key_is_enrolled_whatever_its_attachment_is_called(tmp_path: Path) -> None:
    async with own_app(tmp_path) as app:
        await app.sign_in()
        begun = (await app.call("POST", PATH, json={"method": "webauthn", "name": "key"})).json()
        response = {**Passkey().register(begun["options"]), "authenticatorAttachment": ""}
        proof = {"registration_response": response}
        assert (await app.call("POST", f"{PATH}/{begun['id']}/verify", json=proof)).status_code == 200


async def _answered(folder: Path, change: Any) -> int:
    """The status of an answer that was changed on its way."""
    async with own_app(folder) as app:
        await app.sign_in()
        await app.enroll_passkey()
        assert app.passkey is not None
        started = await app.start(acr_values="phr")
        response = app.passkey.sign(started.offer("webauthn")["options"])
        change(response)
        return (await app.answer(started, authn_method="webauthn", authn_response=json.dumps(response))).status_code
