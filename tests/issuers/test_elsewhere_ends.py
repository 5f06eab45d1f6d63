"""Sign-ins at another issuer end at once where they are ended, before that node has read its own log again."""

from pathlib import Path

import pytest

from support.elsewhere import asks_about_each, elsewhere
from support.issuer_server import IssuerServer
from support.mailbox import ADDRESS, Mailbox
from support.tokens import claims_of
from support.wire_driver import WireApp, error_of, new_key, thumbprint
from upstile.server.issuers import ExternalLogins
from upstile.server.methods import EmailCode, Totp
from upstile.server.storage import Revocation, Revocations

pytestmark = pytest.mark.anyio
PATH = "/stepup/authenticators"
DAY = 24 * 3600


@pytest.fixture(autouse=True)
def unread(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """While it holds something, no node of this process reads the log."""
    reads, unread = Revocations.look, list[bool]()
    monkeypatch.setattr(Revocations, "look", lambda self, now: None if unread else reads(self, now))
    return unread


async def is_refused(app: WireApp) -> None:
    assert error_of(await app.call("GET", "/any")) == "invalid_token"
    assert (await app.start()).reply.json()["error"] == "invalid_grant"
    assert error_of(await app.call("GET", PATH)) == "invalid_token"


@pytest.mark.parametrize("how", ["end_sessions", "disable_authenticators", "forget_user"])
async def test_what_the_help_desk_ends_has_ended_though_the_log_was_not_read_again(
    issuer: IssuerServer, tmp_path: Path, unread: list[bool], how: str
) -> None:
    async with elsewhere(f"sqlite:///{tmp_path / 'own.db'}", issuer) as here:
        stolen = await here.enrolled()
        assert (await stolen.start()).reply.status_code == 403
        unread.append(True)
        await getattr(here.server, how)("ada")
        await is_refused(stolen)


async def test_the_end_of_a_way_back_by_mail_is_the_end_of_sign_ins_elsewhere(
    issuer: IssuerServer, tmp_path: Path, unread: list[bool]
) -> None:
    box = Mailbox()
    methods = [Totp(), EmailCode(box, mail_alone_restores=True)]
    async with elsewhere(f"sqlite:///{tmp_path / 'own.db'}", issuer, methods=methods) as here:
        known = await here.enrolled()
        token = await known.elevate(scope="authenticators", max_age="60")
        begun = await known.call(
            "POST", PATH, token=token, json={"method": "otp", "name": "mail", "destination": ADDRESS}
        )
        mail = begun.json()["id"]
        confirmed = await known.call("POST", f"{PATH}/{mail}/verify", token=token, json={"otp": box.code})
        assert confirmed.status_code == 200
        owner = here.app(sid="before")
        assert (await owner.call("POST", f"{PATH}/{mail}/restore")).json()["state"] == "waiting"
        here.clock.now += DAY
        owner.token = here.token(owner, sid="a day later")
        stolen = here.app(sid="stolen")
        assert (await owner.call("POST", f"{PATH}/{mail}/restore")).json()["state"] == "sent"
        unread.append(True)
        assert (await owner.enroll_totp(enrolment_code=box.code)).status_code == 200
        await is_refused(stolen)


async def test_the_time_of_an_end_is_known_before_its_number(
    issuer: IssuerServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread reads the log: who sees the number, and so looks no further, must be refused by the time."""
    seen, applied = list[bool](), Revocations._apply

    def observed(log: Revocations, entry: Revocation) -> None:
        applied(log, entry)
        if entry.kind == "logins":
            seen.append("ada" in log._signed_out)

    async with elsewhere(f"sqlite:///{tmp_path / 'own.db'}", issuer) as here:
        await here.enrolled()
        await here.server.end_sessions("ada")
    monkeypatch.setattr(Revocations, "_apply", observed)
    async with elsewhere(f"sqlite:///{tmp_path / 'own.db'}", issuer) as here:
        assert (await here.app().call("GET", "/any")).status_code == 401
    assert seen == [True]


async def test_a_ceremony_ends_with_whoever_began_it(issuer: IssuerServer, tmp_path: Path) -> None:
    """A name, an app or a key of somebody else's: the token is judged again with each answer, and so is whose it is."""
    names = {"ada": "ada"}

    logins = ExternalLogins(users=lambda _, sub: names.get(sub), trusted_amr={"pwd"})
    verifier = asks_about_each(issuer, logins)
    async with elsewhere(f"sqlite:///{tmp_path / 'own.db'}", issuer, verifier=verifier) as here:
        app = WireApp(here.api.http, here.clock, client_id="cli", token="opaque")
        claims = {**claims_of(here.token(app)), "active": True, "token_type": "DPoP"}
        issuer.introspect = lambda form: claims
        assert (await app.enroll_totp()).status_code == 200
        started = await app.start()
        assert started.reply.status_code == 403
        for moved, said in [
            ({"ada": "bob"}, {}),
            ({}, {}),
            ({"ada": "ada"}, {"client_id": "web"}),
            ({"ada": "ada"}, {"cnf": {"jkt": thumbprint(new_key())}}),
        ]:
            names.clear()
            names.update(moved)
            issuer.introspect = lambda form, said=said: {**claims, **said}  # type: ignore[misc]
            here.clock.now += 1
            refused = await app.answer(started, otp=app.code())
            assert (refused.status_code, refused.json().get("error")) == (400, "invalid_grant"), (moved, said)
        names["ada"], issuer.introspect = "ada", lambda form: claims
        here.clock.now += 1
        assert (await app.answer(started, otp=app.code())).status_code == 200


@pytest.mark.parametrize("name", ["a\0b", "\ud800", "x" * 3000], ids=["NUL", "half a pair", "long"])
async def test_a_name_that_cannot_be_stored_is_refused_and_looked_up_nowhere(
    issuer: IssuerServer, tmp_path: Path, name: str
) -> None:
    logins = ExternalLogins(users=lambda _, sub: name)
    async with elsewhere(f"sqlite:///{tmp_path / 'own.db'}", issuer, logins) as here:
        app = here.app()
        assert (await app.start()).reply.json()["error"] == "invalid_grant"
        assert error_of(await app.call("GET", PATH)) == "invalid_token"
