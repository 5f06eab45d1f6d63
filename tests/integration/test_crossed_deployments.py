"""Crossed deployments, over real processes: two in one storage with the same secret keys, and one person at both.

The attacker carries whatever one deployment gave out to the other, with proofs that are made for it.
"""

from collections.abc import AsyncGenerator
from dataclasses import replace

import pytest

from support.nodes import Cluster, NodeProgram, Shared, cluster
from support.wire_driver import Started, WireApp, error_of

pytestmark = pytest.mark.anyio
ELSEWHERE = "http://localhost:9000"
ORDER = {"to": "ACME", "amount": "1.00"}


@pytest.fixture
async def ours(program: NodeProgram, shared: Shared) -> AsyncGenerator[Cluster]:
    """The bank: one process."""
    async with cluster(program, replace(shared, shared_storage=True), 1) as bank:
        yield bank


@pytest.fixture
async def theirs(program: NodeProgram, ours: Cluster) -> AsyncGenerator[Cluster]:
    """Another bank, in a process of its own, in the same storage."""
    async with cluster(program, replace(ours.shared, url=ELSEWHERE), 1) as bank:
        yield bank


def _carried(app: WireApp, there: Cluster) -> WireApp:
    """The same app, token and key at the other deployment."""
    return replace(app, http=there.ways[0], url=there.shared.url)


async def test_no_token_of_one_deployment_is_one_at_the_other(ours: Cluster, theirs: Cluster) -> None:
    app = await ours.enrolled_app()
    crossed, elevated, once = _carried(app, theirs), await app.elevate(), await app.elevate(max_age="0")
    attempts = [
        await crossed.call("GET", "/balance"),
        await crossed.call("POST", "/transfers", token=elevated, json=ORDER),
        await crossed.call("DELETE", "/account", token=once),
        await crossed.call("GET", "/stepup/authenticators"),
    ]
    assert [(reply.status_code, error_of(reply)) for reply in attempts] == [(401, "invalid_token")] * 4
    start = await crossed.start()
    assert (start.reply.status_code, start.reply.json()["error"]) == (400, "invalid_grant")
    assert (await app.call("DELETE", "/account", token=once)).status_code == 200  # nobody used it up


async def test_no_ceremony_and_no_code_of_one_deployment_goes_on_at_the_other(ours: Cluster, theirs: Cluster) -> None:
    app = await ours.enrolled_app()
    crossed, started = _carried(app, theirs), await app.start()
    answer = await crossed.answer(Started(started.verifier, started.reply), otp=app.code())
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_session")
    code = (await app.answer(started, otp=app.code())).json()["authorization_code"]
    redeemed = await crossed.redeem(started, code)
    assert (redeemed.status_code, redeemed.json()["error"]) == (400, "invalid_grant")
    assert (await app.redeem(started, code)).status_code == 200


async def test_a_proof_for_one_deployment_is_none_at_the_other(ours: Cluster, theirs: Cluster) -> None:
    app = await ours.enrolled_app()
    wrong_htu = replace(app, http=theirs.ways[0])  # what the network saw at one, sent to the other
    refused = (await wrong_htu.start()).reply
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_dpop_proof")


async def test_nothing_that_is_enrolled_pending_or_counted_at_one_is_so_at_the_other(
    ours: Cluster, theirs: Cluster
) -> None:
    app, other = await ours.enrolled_app(), await theirs.enrolled_app()
    other = replace(other, key=app.key)
    await other.sign_in()
    for _ in range(4):
        await app.answer(await app.start(), otp="000000")
    locked = await app.answer(await app.start(), otp="000000")
    assert locked.json()["error"] == "temporarily_locked"
    assert (await other.start()).reply.json()["attempts_left"] == 5
    (entry,) = (await app.call("GET", "/stepup/authenticators")).json()["authenticators"]
    (theirs_entry,) = (await other.call("GET", "/stepup/authenticators")).json()["authenticators"]
    assert entry["id"] != theirs_entry["id"]
    change = {"scope": "authenticators", "max_age": "60"}
    removed = await other.call("DELETE", f"/stepup/authenticators/{entry['id']}", token=await other.elevate(**change))
    assert removed.status_code == 404


async def test_a_sign_out_at_one_ends_nothing_at_the_other(ours: Cluster, theirs: Cluster) -> None:
    app, other = await ours.enrolled_app(), await theirs.enrolled_app()
    form = {"token": app.token, "client_id": app.client_id}
    await theirs.ways[0].post("/stepup/revoke", data=form)
    assert (await app.call("GET", "/balance")).status_code == 200
    await ours.ways[0].post("/stepup/revoke", data=form)
    assert (await other.call("GET", "/balance")).status_code == 200
    assert (await app.call("GET", "/balance")).status_code == 401
