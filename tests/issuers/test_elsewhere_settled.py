"""What stays closed for a while after a reset, where people sign in at another issuer (docs/decisions/0021, 0022)."""

from pathlib import Path

import pytest

from support.elsewhere import Elsewhere, elsewhere
from support.issuer_server import IssuerServer
from support.wire_driver import WireApp, error_of, problem_of

pytestmark = pytest.mark.anyio
PATH = "/stepup/authenticators"
DAY = 24 * 3600


async def opened_by(app: WireApp, here: Elsewhere) -> int | str:
    """What a fresh proof comes to."""
    here.clock.now += 30
    reply = await app.call("GET", "/payout", token=await app.elevate())
    return reply.status_code if reply.status_code == 200 else problem_of(reply)


async def test_it_is_opened_by_a_proof_here_and_never_by_what_the_other_issuer_says(
    issuer: IssuerServer, tmp_path: Path
) -> None:
    guards = {"/payout": {"acr": "mfa", "settled": True}}
    storage = f"sqlite:///{tmp_path / 'own.db'}"
    async with elsewhere(storage, issuer, guards=guards, cooling_off=DAY) as here:
        app = await here.enrolled()
        for token in (here.token(app), here.token(app, acr="mfa"), here.token(app, acr="mfa", settled_at=1)):
            challenged = await app.call("GET", "/payout", token=token)
            assert (challenged.status_code, error_of(challenged)) == (401, "insufficient_user_authentication")
        assert await opened_by(app, here) == 200
        before, waiting = await app.elevate(), await app.start()
        await here.server.disable_authenticators("ada")
        assert error_of(await app.call("GET", "/payout", token=before)) == "invalid_token"
        assert (await app.answer(waiting, otp=app.code())).json()["error"] == "invalid_grant"
        here.clock.now += 61
        app.token = here.token(app, sid="after")
        code = await here.server.enrolment_code("ada")
        assert (await app.enroll_totp(enrolment_code=code)).status_code == 200
        assert await opened_by(app, here) == "recently-reset"
        app.token = here.token(app, sid="another")
        assert await opened_by(app, here) == "recently-reset"
        await here.server.forget_user("ada")
        here.clock.now += 61
        app.token = here.token(app, sid="somebody of that name")
        assert (await app.enroll_totp()).status_code == 200
        assert await opened_by(app, here) == "recently-reset"
        here.clock.now += DAY
        app.token = here.token(app, sid="a day later")
        assert await opened_by(app, here) == 200
