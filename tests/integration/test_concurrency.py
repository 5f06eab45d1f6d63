"""64 at once, over three processes that share one storage: of everything that is good once, one wins."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.nodes import Cluster, NodeProgram, Shared, cluster
from support.wire_driver import WireApp, error_of, new_key, problem_of, with_passkey

pytestmark = pytest.mark.anyio
CROWD = 64


@dataclass(frozen=True)
class Mailing:
    """Three processes that send codes.

    Attributes:
        bank: the processes.
        app: of a person with an authenticator app.
        token: lets it change what is enrolled.
        folder: where codes are sent to.
    """

    bank: Cluster
    app: WireApp
    token: str
    folder: Path

    @property
    def code(self) -> str:
        """The newest one."""
        return max(self.folder.iterdir(), key=lambda path: int(path.name)).read_text()

    async def enrol(self, wanted: dict[str, str]) -> dict[str, Any]:
        """Begin to enrol something."""
        begun = await self.app.call("POST", "/stepup/authenticators", token=self.token, json=wanted)
        assert begun.status_code == 201, begun.text
        return dict(begun.json())


@pytest.fixture
async def bank(program: NodeProgram, shared: Shared) -> AsyncGenerator[Cluster]:
    """Three processes, on each storage."""
    async with cluster(program, shared) as bank:
        yield bank


async def _crowd(
    bank: Cluster, app: WireApp, request: Callable[[WireApp], Awaitable[httpx.Response]]
) -> list[httpx.Response]:
    return await _spread(bank, [app] * CROWD, lambda node, _: request(node))


async def _spread(
    bank: Cluster, work: list[WireApp], request: Callable[[WireApp, int], Awaitable[httpx.Response]]
) -> list[httpx.Response]:
    """Do each piece of work once, all at the same time, in turns over the processes."""
    requests = (request(bank.at(app, n % len(bank.ways)), n) for n, app in enumerate(work))
    replies = list(await asyncio.gather(*requests))
    assert not {reply.status_code for reply in replies} & {500, 503}
    return replies


def _codes(replies: list[httpx.Response]) -> set[str]:
    return {reply.json()["authorization_code"] for reply in replies if reply.status_code == 200}


def _errors(replies: list[httpx.Response]) -> set[str]:
    return {reply.json()["error"] for reply in replies if reply.status_code != 200}


async def test_one_of_64_identical_codes_is_judged(bank: Cluster) -> None:
    app = await bank.enrolled_app()
    form = app.answer_form(await app.start(), otp=app.code())
    replies = await _crowd(bank, app, lambda node: node.post("/stepup/challenge", form))
    assert len(_codes(replies)) == 1
    assert _errors(replies) <= {"slow_down"}


async def test_one_of_64_ceremonies_accepts_the_same_code(bank: Cluster) -> None:
    app = await bank.enrolled_app()
    replies = await _in_many_ceremonies(bank, app, otp=app.code)
    assert [reply.status_code for reply in replies].count(200) == 1


async def _in_many_ceremonies(
    bank: Cluster, app: WireApp, *, otp: Callable[[], str], **answer: str
) -> list[httpx.Response]:
    """The same code in as many ceremonies as there can be, all at once."""
    known = [app, replace(app, key=new_key()), replace(app, key=new_key())]
    for owner in known:  # a known key has ten ceremonies of its own
        await owner.sign_in()
        await owner.elevate()
    app.clock.now += 600
    work: list[tuple[WireApp, dict[str, Any]]] = []
    offers = {"authn_methods_supported": "webauthn totp recovery_code"}
    for owner in (*known, *(replace(app, key=new_key()) for _ in range(4))):
        await owner.sign_in()
        while len(work) < CROWD and (started := await owner.start(**offers)).reply.status_code == 403:
            work.append((owner, owner.answer_form(started, otp=otp(), **answer)))
    assert len(work) == CROWD
    owners, forms = [owner for owner, _ in work], [form for _, form in work]
    return await _spread(bank, owners, lambda node, n: node.post("/stepup/challenge", forms[n]))


async def test_one_of_64_identical_assertions_is_judged(bank: Cluster) -> None:
    app = await bank.enrolled_app()
    await with_passkey(app)
    started = await app.start(acr_values="phr")
    assert app.passkey is not None
    signed = json.dumps(app.passkey.sign(started.offer("webauthn")["options"]))
    form = app.answer_form(started, authn_method="webauthn", authn_response=signed)
    replies = await _crowd(bank, app, lambda node: node.post("/stepup/challenge", form))
    assert len(_codes(replies)) == 1
    assert _errors(replies) <= {"slow_down"}


async def test_one_of_64_redemptions_gets_a_token(bank: Cluster) -> None:
    app = await bank.enrolled_app()
    started = await app.start()
    code = (await app.answer(started, otp=app.code())).json()["authorization_code"]
    replies = await _crowd(bank, app, lambda node: node.redeem(started, code))
    assert [reply.status_code for reply in replies].count(200) == 1
    assert _errors(replies) == {"invalid_grant"}


async def test_one_of_64_calls_uses_the_single_use_token(bank: Cluster) -> None:
    app = await bank.enrolled_app()
    token = await app.elevate(max_age="0")
    replies = await _crowd(bank, app, lambda node: node.call("DELETE", "/account", token=token))
    assert [reply.status_code for reply in replies].count(200) == 1
    assert {problem_of(reply) for reply in replies if reply.status_code != 200} == {"token-used"}


async def test_one_of_64_posts_with_the_same_proof_is_accepted(bank: Cluster) -> None:
    app = await bank.enrolled_app()
    token = await app.elevate()
    headers = {"Authorization": f"DPoP {token}", "DPoP": app.proof("POST", "/transfers", token)}
    order = {"to": "ACME", "amount": "1.00"}
    replies = await _crowd(bank, app, lambda node: node.http.post("/transfers", json=order, headers=headers))
    assert [reply.status_code for reply in replies].count(200) == 1
    assert {error_of(reply) for reply in replies if reply.status_code != 200} == {"invalid_dpop_proof"}


async def test_one_of_64_starts_with_the_same_proof_is_accepted(bank: Cluster) -> None:
    app = await bank.enrolled_app()
    form, headers = app.start_form("v" * 43), {"DPoP": app.proof("POST", "/stepup/challenge")}
    replies = await _crowd(bank, app, lambda node: node.http.post("/stepup/challenge", data=form, headers=headers))
    assert [reply.status_code for reply in replies].count(403) == 1
    assert {reply.json()["error"] for reply in replies if reply.status_code != 403} == {"invalid_dpop_proof"}


async def test_of_many_guesses_at_once_five_are_judged(bank: Cluster) -> None:
    app = await bank.enrolled_app()
    await app.elevate()
    forms = [app.answer_form(await app.start(), otp=f"{n:06}") for n in range(8)]
    replies = await _spread(bank, [app] * len(forms), lambda node, n: node.post("/stepup/challenge", forms[n]))
    answered = Counter(reply.status_code for reply in replies)
    assert answered[403] <= 4
    assert answered[429] == len(forms) - answered[403]
    # The lock of the fifth guess, and all five are there again behind it: so five were counted, and no more.
    app.clock.now += 29
    assert (await app.start()).reply.status_code == 429
    app.clock.now += 1
    assert (await app.start()).reply.json()["attempts_left"] == 5


@pytest.fixture
async def mailing(program: NodeProgram, shared: Shared, tmp_path: Path) -> AsyncGenerator[Mailing]:
    """Three processes that send codes into a folder, on each storage."""
    folder = tmp_path / "mails"
    folder.mkdir()
    async with cluster(program, replace(shared, mails=str(folder))) as bank:
        app = await bank.enrolled_app()
        yield Mailing(bank, app, await app.elevate(scope="authenticators", max_age="60"), folder)


a_sample = pytest.mark.parametrize(
    "shared", ["sqlite", pytest.param("postgresql", marks=pytest.mark.long), "postgresql and redis"], indirect=True
)
"""Both kinds of storage in the normal lane: one database, and two stores."""


@a_sample
async def test_one_of_64_spellings_of_a_mailed_code_is_judged(mailing: Mailing) -> None:
    bank, app = mailing.bank, mailing.app
    begun = await mailing.enrol({"method": "otp", "name": "mail", "destination": "ada@example.com"})
    path = f"/stepup/authenticators/{begun['id']}/verify"
    verified = await app.call("POST", path, token=mailing.token, json={"otp": mailing.code})
    assert verified.status_code == 200
    await app.sign_in()
    started = await app.start(authn_methods_supported="otp")
    chosen = {"authn_method": "otp", "authn_id": begun["id"]}
    assert (await app.answer(started, **chosen)).json()["result"] == "sent"
    code = mailing.code
    forms = [app.answer_form(started, **chosen, otp=f"{code[:4]}{' ' * n}{code[4:]}") for n in range(CROWD)]
    replies = await _spread(bank, [app] * CROWD, lambda node, n: node.post("/stepup/challenge", forms[n]))
    assert [reply.status_code for reply in replies].count(200) == 1
    assert _errors(replies) <= {"slow_down", "invalid_session"}
    other = await app.start(authn_methods_supported="otp")
    again = await app.answer(other, **chosen, otp=code)
    assert again.json()["result"] == "rejected"


@a_sample
async def test_one_of_64_ceremonies_accepts_the_same_recovery_code(mailing: Mailing) -> None:
    made = await mailing.enrol({"method": "recovery_code", "name": "paper"})
    mailing.app.clock.now += 30
    code = made["codes"][0]
    replies = await _in_many_ceremonies(mailing.bank, mailing.app, otp=lambda: code, authn_method="recovery_code")
    assert [reply.status_code for reply in replies].count(200) == 1
    listed = (await mailing.app.call("GET", "/stepup/authenticators")).json()["authenticators"]
    assert [one["codes_left"] for one in listed if one["id"] == made["id"]] == [9]
