"""Who wants to act unseen, or to write into the audit of somebody else, gets neither."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from fastapi import Depends

from support.audited import rows
from support.own_app import own_app

pytestmark = pytest.mark.anyio
MANAGE = "/stepup/authenticators"


def _kinds(folder: Path) -> Counter[str]:
    return Counter(row.kind for row in rows(folder))


@pytest.mark.parametrize(
    ("bound", "method", "options"),
    [(True, "GET", {}), (True, "POST", {"replay": "node"}), (False, "POST", {"dpop": "optional"})],
)
async def test_a_token_that_was_seen_before_its_first_call_is_told_of_all_the_same(
    tmp_path: Path, bound: bool, method: str, options: dict[str, Any]
) -> None:
    async with own_app(tmp_path, **options) as app:
        guard = app.server.require(acr="mfa", max_age=300)
        app.api.api_route("/pay", methods=["GET", "POST"], dependencies=[Depends(guard)])(lambda: "paid")
        await app.sign_in()
        await app.enroll_totp()
        app.bound = bound
        await app.sign_in()
        token = await app.elevate()
        assert (await app.call("GET", MANAGE, token=token)).status_code == 200
        if bound:
            headers = {"Authorization": f"DPoP {token}", "DPoP": "x"}
            assert (await app.http.request(method, "/pay", headers=headers)).status_code == 401
        for _ in range(3):
            assert (await app.call(method, "/pay", token=token)).status_code == 200
    assert _kinds(tmp_path)["call-repeated"] == 1
