"""What was asked for by mail is kept with the account: it outlives a restart, and other processes see it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request

from support.lost import HOUR, Lost, lost
from support.mailbox import Mailbox
from support.own_app import OwnApp, another_process, own_app
from support.wire_driver import new_key, problem_of
from upstile.server.methods import EmailCode, SmsCode, Totp

pytestmark = pytest.mark.anyio


def _methods(box: Mailbox, *, restores: bool = True) -> list[Any]:
    return [Totp(), EmailCode(box, mail_alone_restores=restores), SmsCode(box)]


async def _begun(folder: Path) -> Lost:
    """A day has gone by since somebody asked, and the server was stopped."""
    async with lost(folder) as ada:
        await ada.ask()
        ada.app.clock.now += 24 * HOUR
    return ada


def _moved(ada: Lost, app: OwnApp, box: Mailbox) -> Lost:
    app.clock.now = ada.app.clock.now
    return replace(ada, app=replace(app, key=new_key()), known=replace(app, key=ada.known.key), box=box)


async def test_it_outlives_a_restart_and_another_process_cancels_it(tmp_path: Path) -> None:
    before, box = await _begun(tmp_path), Mailbox()
    async with own_app(tmp_path, methods=_methods(box)) as again:
        ada = _moved(before, again, box)
        assert (await ada.ask()).json()["state"] == "sent"
        node = another_process(tmp_path, again.clock, methods=_methods(box))
        proof = ada.known.proof("POST", "/login").encode()
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/login",
            "raw_path": b"/login",
            "headers": [(b"dpop", proof)],
        }
        try:
            await node.start_session(
                "ada", amr=["pwd"], client_id="bank-cli", request=Request({**scope, "headers": [(b"dpop", proof)]})
            )
        finally:
            await node._deployment.aclose()
        assert problem_of(await ada.begin(box.code)) == "first-enrolment"


async def test_a_code_that_another_process_sends_serves_here(tmp_path: Path) -> None:
    before, box = await _begun(tmp_path), Mailbox()
    async with own_app(tmp_path, methods=_methods(box)) as one:
        assert (await _moved(before, one, box).ask()).json()["state"] == "sent"
    async with own_app(tmp_path, methods=_methods(box)) as other:
        ada = _moved(before, other, box)
        await ada.app.sign_in()
        assert (await ada.confirm(await ada.begin(box.code))).json()["state"] == "active"


async def test_where_the_option_is_taken_back_a_code_serves_no_more(tmp_path: Path) -> None:
    before, box = await _begun(tmp_path), Mailbox()
    async with own_app(tmp_path, methods=_methods(box)) as on:
        assert (await _moved(before, on, box).ask()).json()["state"] == "sent"
    async with own_app(tmp_path, methods=_methods(box, restores=False)) as off:
        ada = _moved(before, off, box)
        assert problem_of(await ada.ask()) == "invalid-request"
        assert problem_of(await ada.begin(box.code)) == "first-enrolment"
