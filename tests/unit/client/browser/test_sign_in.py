"""The base login in the browser: kept, renewed once for all who wait, ended."""

from collections.abc import Iterator
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import httpx
import pytest

from support.false_issuer import API, ISSUER, FalseIssuer
from upstile.client import (
    AsyncClient,
    Browser,
    CallbackPrompter,
    CeremonyFailed,
    Client,
    ConfigurationError,
    EntryName,
    FileStore,
    MemoryStore,
    NotSignedIn,
    SignInExpired,
    StepUpRequired,
    StepUpTimeout,
    StepUpUnsatisfied,
    Store,
    StoreError,
    UnreplayableBody,
)

NAME = EntryName(api=API, issuer=ISSUER, client_id="cli", profile="default")


@pytest.fixture
def issuer() -> FalseIssuer:
    made = FalseIssuer(refresh_token="r0")
    made.response = {"refresh_token": "r0"}
    made.claims = {"preferred_username": "ada@example.com"}
    return made


def client(issuer: FalseIssuer, store: Store | None = None, **options: Any) -> Client:
    return issuer.client(token=None, store=store or MemoryStore(), **options)


@pytest.fixture
def signed_in(issuer: FalseIssuer) -> Iterator[Client]:
    with client(issuer) as made:
        made.sign_in()
        yield made


def expire(issuer: FalseIssuer) -> None:
    """No token that was issued so far is taken any more."""
    issuer.good.clear()


def test_a_person_signs_in_and_then_confirms(issuer: FalseIssuer) -> None:
    with client(issuer, browser=Browser(opens=issuer.opens, scope=["offline_access", "transfers"])) as made:
        found = made.sign_in()
        assert found == made.signed_in
        assert (found and found.subject, found and found.expires) == ("ada@example.com", None)
        assert made.post("/pay").status_code == 200
        assert made.post("/pay?acr=mfa").status_code == 200
    first, second = issuer.asked
    assert first["scope"] == "openid offline_access transfers"
    assert first["prompt"] == "consent"
    assert first["resource"] == API
    assert not {"acr_values", "claims", "max_age"} & set(first)
    assert second["login_hint"] == "ada@example.com"
    assert "prompt" not in second


def test_nobody_else_may_confirm(issuer: FalseIssuer, signed_in: Client) -> None:
    issuer.person = "bob"
    with pytest.raises(CeremonyFailed, match="Somebody else"):
        signed_in.post("/pay?acr=mfa")


def test_a_name_that_two_people_share_is_no_identity(issuer: FalseIssuer, signed_in: Client) -> None:
    issuer.person = "bob"  # who calls himself what ada is called
    with pytest.raises(CeremonyFailed, match="Somebody else"):
        signed_in.step_up(acr="mfa")


def test_a_sign_in_needs_an_identity_provider_a_browser_and_leave_to_ask(issuer: FalseIssuer) -> None:
    with Client(API, client_id="cli") as made, pytest.raises(ConfigurationError, match="issuer="):
        made.sign_in()
    with client(issuer, browser=None) as made, pytest.raises(ConfigurationError, match="browser="):
        made.sign_in()
    with client(issuer, interaction="never") as made, pytest.raises(StepUpRequired):
        made.sign_in()
    assert issuer.asked == []


def test_who_does_not_come_back_is_told_to_look_at_the_browser(issuer: FalseIssuer) -> None:
    issuer.answers = lambda asked: None
    with client(issuer, human_timeout=0.3) as made, pytest.raises(StepUpTimeout) as late:
        made.sign_in()
    assert late.value.next_step.startswith("Look at the browser")


@pytest.mark.anyio
async def test_the_same_in_async_code(issuer: FalseIssuer) -> None:
    prompter = CallbackPrompter(show_page=lambda url, opened: None)
    transport = httpx.MockTransport(issuer.handle)
    options: dict[str, Any] = {"transport": transport, "prompter": prompter, "clock": issuer.clock}
    async with AsyncClient(API, client_id="cli", issuer=ISSUER, browser=Browser(opens=issuer.opens), **options) as made:
        assert await made.sign_in() is not None
        expire(issuer)
        assert (await made.post("/pay?acr=mfa")).status_code == 200
        assert await made.sign_out() == f"{ISSUER}/end?client_id=cli"


def test_a_dead_token_is_renewed_and_the_call_repeated(issuer: FalseIssuer, signed_in: Client) -> None:
    expire(issuer)
    assert signed_in.post("/pay", json={"amount": "1"}).status_code == 200
    assert signed_in.post("/pay").status_code == 200
    (asked,) = issuer.refreshed
    assert asked == {"grant_type": "refresh_token", "refresh_token": "r0", "client_id": "cli", "resource": API}
    expire(issuer)
    assert signed_in.post("/pay").status_code == 200
    assert issuer.refreshed[1]["refresh_token"] not in ("r0", issuer.refresh_token)


def test_what_was_confirmed_outlives_a_renewal(issuer: FalseIssuer, signed_in: Client) -> None:
    signed_in.step_up(acr="mfa")
    base = signed_in.step_up_auth.session.tokens.current().base
    assert base is not None
    del issuer.good[base.access_token]
    assert signed_in.post("/pay").status_code == 200
    assert signed_in.post("/pay?acr=mfa").status_code == 200
    assert len(issuer.asked) == 2


def test_a_refresh_never_answers_a_challenge(issuer: FalseIssuer, signed_in: Client) -> None:
    issuer.claims = {"acr": "pwd"}
    with pytest.raises(StepUpUnsatisfied):
        signed_in.post("/pay?acr=mfa")
    assert issuer.refreshed == []


def test_eight_threads_renew_once(issuer: FalseIssuer, signed_in: Client) -> None:
    expire(issuer)
    together, statuses = Barrier(8), list[int]()

    def call() -> None:
        together.wait()
        statuses.append(signed_in.post("/pay").status_code)

    calls = [Thread(target=call) for _ in range(8)]
    for one in calls:
        one.start()
    for one in calls:
        one.join()
    assert statuses == [200] * 8
    assert len(issuer.refreshed) == 1


def test_two_clients_of_one_store_renew_once(issuer: FalseIssuer, tmp_path: Path) -> None:
    store, handle = FileStore("app", folder=tmp_path / "kept"), issuer._refreshed
    others, statuses = list[Thread](), list[int]()

    def meanwhile(form: dict[str, str]) -> httpx.Response:
        if not others:
            others.append(Thread(target=lambda: statuses.append(two.post("/pay").status_code)))
            others[0].start()
            others[0].join(0.5)  # it waits for the lock of the store
        return handle(form)

    issuer._refreshed = meanwhile  # type: ignore[method-assign]
    with client(issuer, store) as one, client(issuer, store) as two:
        one.sign_in()
        assert two.post("/pay").status_code == 200
        expire(issuer)
        assert one.post("/pay").status_code == 200
        others[0].join(20)
    assert statuses == [200]
    assert len(issuer.refreshed) == 1


def test_a_lost_refresh_token_is_a_lost_sign_in_and_says_so(issuer: FalseIssuer, signed_in: Client) -> None:
    expire(issuer)
    issuer.refresh_token = "another"  # ours was used by somebody else
    with pytest.raises(SignInExpired, match="Your sign-in has ended") as lost:
        signed_in.post("/pay")
    assert "refresh token" in lost.value.hint
    assert signed_in.signed_in is None
    with pytest.raises(NotSignedIn):
        signed_in.post("/pay")
    assert len(issuer.refreshed) == 1


def test_an_issuer_that_is_away_costs_no_sign_in(issuer: FalseIssuer, signed_in: Client) -> None:
    expire(issuer)
    real, issuer.refresh_token = issuer.refresh_token, None
    handle = issuer._refreshed
    issuer._refreshed = lambda form: httpx.Response(503)  # type: ignore[method-assign]
    with pytest.raises(CeremonyFailed):
        signed_in.post("/pay")
    issuer._refreshed, issuer.refresh_token = handle, real  # type: ignore[method-assign]
    assert signed_in.post("/pay").status_code == 200


def test_the_new_token_is_kept_before_it_is_used(issuer: FalseIssuer, tmp_path: Path) -> None:
    class Full(MemoryStore):
        full = False

        def change(self, name: Any, rule: Any) -> None:
            before = self.read(name)
            super().change(name, rule)
            if self.full:
                super().change(name, lambda text: before)
                raise StoreError("The disk is full")

    store = Full()
    with client(issuer, store) as made:
        made.sign_in()
        expire(issuer)
        store.full, sent = True, len(issuer.calls)
        with pytest.raises(StoreError):
            made.post("/pay")
    assert len(issuer.calls) == sent + 1  # the new token was never sent


def test_a_body_that_is_used_up_does_not_go_out_empty(issuer: FalseIssuer, signed_in: Client) -> None:
    expire(issuer)
    with pytest.raises(UnreplayableBody, match="Your sign-in was renewed meanwhile"):
        signed_in.post("/pay", content=iter([b"a"]))
    assert signed_in.post("/pay", content=iter([b"a"])).status_code == 200


def test_a_token_that_stays_dead_is_renewed_once(issuer: FalseIssuer, signed_in: Client) -> None:
    def dead(request: httpx.Request) -> httpx.Response:
        return httpx.Response(401, headers={"www-authenticate": 'Bearer error="invalid_token"'})

    issuer.judge = dead
    with pytest.raises(SignInExpired):
        signed_in.post("/pay")
    assert len(issuer.refreshed) == 1


def test_a_sign_out_revokes_the_refresh_token_and_says_where_the_browser_signs_out(
    issuer: FalseIssuer, signed_in: Client
) -> None:
    assert signed_in.sign_out() == f"{ISSUER}/end?client_id=cli"
    assert issuer.revoked == [{"token": "r0", "token_type_hint": "refresh_token", "client_id": "cli"}]
    assert signed_in.signed_in is None
    assert signed_in.sign_out() is None


def test_without_a_refresh_token_the_token_itself_is_revoked(issuer: FalseIssuer) -> None:
    issuer.response = {}
    with client(issuer) as made:
        found = made.sign_in()
        assert found is not None
        assert found.expires == issuer.clock() + 300
        made.sign_out()
    assert issuer.revoked[0]["token_type_hint"] == "access_token"


def test_the_store_holds_what_is_needed_and_no_id_token(issuer: FalseIssuer) -> None:
    store = MemoryStore()
    with client(issuer, store) as made:
        made.sign_in()
        made.post("/pay?acr=mfa")
    text = store.read(NAME)
    assert text is not None
    assert '"refresh_token":"r0"' in text
    assert '"identity":"ada"' in text
    assert "id_token" not in text
    assert "eyJ" not in text
