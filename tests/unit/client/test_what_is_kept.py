"""What a person confirmed in one process and another may use: in the same terminal, for a moment, not everything."""

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.desk import CHALLENGE, NOW, challenged
from support.rooms import NAME, Room, file_of, file_store
from upstile.client import Requirement, StepUpUnsatisfied
from upstile.client.flow.tokens import _kept
from upstile.client.flow.tokens._logins import ElevatedToken

pytestmark = pytest.mark.usefixtures("library")


class Window:
    """The terminal session that the process seems to run in."""

    name: str | None = "1 boot"


@pytest.fixture
def window(monkeypatch: pytest.MonkeyPatch) -> Window:
    window = Window()
    monkeypatch.setattr(_kept, "terminal_session", lambda: window.name)
    return window


@pytest.fixture
def room(tmp_path: Path, window: Window) -> Room:
    return Room(file_store(tmp_path / "state"))


def stored(room: Room) -> dict[str, Any]:
    entry: dict[str, Any] = json.loads(room.store.read(NAME) or "{}")
    return entry


def pay(room: Room, **options: Any) -> None:
    """A new process pays, and does so with success."""
    with room.client(**options) as bank:
        assert bank.post("/transfers").status_code == 200


def asked(room: Room) -> int:
    return len(room.desk.person.occasions)


def test_the_next_process_in_this_terminal_asks_nobody(room: Room) -> None:
    room.signed_in().close()
    for _ in range(3):
        pay(room)
    assert asked(room) == 1
    assert [token["terminal"] for token in stored(room)["elevated"]] == ["1 boot"]


@pytest.mark.parametrize("elsewhere", ["2 boot", "1 another boot", None])
def test_another_terminal_is_asked(room: Room, window: Window, elsewhere: str | None) -> None:
    room.signed_in().close()
    pay(room)
    window.name = elsewhere
    pay(room)
    assert asked(room) == 2


def test_without_a_terminal_nothing_is_kept(room: Room, window: Window) -> None:
    window.name = None
    room.signed_in().close()
    pay(room)
    assert "ELEVATED" not in (room.store.read(NAME) or "")


@pytest.mark.parametrize(("seconds", "prompts"), [(299, 1), (301, 2), (-1, 2), (-3600, 2)])
def test_it_is_good_for_300_seconds_and_not_before_it_was_there(room: Room, seconds: float, prompts: int) -> None:
    _grant_for_long(room)
    room.signed_in().close()
    pay(room)
    room.desk.clock.move(seconds)
    room.desk.token["auth_time"] += seconds
    pay(room)
    assert asked(room) == prompts


def test_an_entry_that_claims_a_longer_life_does_not_get_it(room: Room, tmp_path: Path) -> None:
    _grant_for_long(room)
    room.signed_in().close()
    pay(room)
    entry = stored(room)
    assert entry["elevated"][0]["expires_at"] == NOW + 300
    entry["elevated"][0]["expires_at"] += 1_000_000
    file_of(tmp_path / "state").write_text(json.dumps(entry))
    room.desk.clock.move(301)
    room.desk.token["auth_time"] += 301
    pay(room)
    assert asked(room) == 2


def test_a_proof_is_as_old_in_the_next_process_as_it_is(room: Room) -> None:
    room.signed_in().close()
    pay(room)
    room.desk.clock.move(100)
    with room.client() as bank:
        room.desk.token["auth_time"] += 100
        bank.request("POST", "/x", step_up=Requirement(acr="mfa", max_age=99))
        assert asked(room) == 2
    room.desk.clock.move(1)
    with room.client() as bank:
        bank.request("POST", "/x", step_up=Requirement(acr="mfa", max_age=200))
    assert asked(room) == 2


KINDS: dict[str, tuple[dict[str, Any], str, Any, bool]] = {
    "a one-time code": ({}, CHALLENGE, True, True),
    "a security key": ({"acr": "phr"}, CHALLENGE.replace("mfa", "phr"), True, False),
    "a hardware key": ({"acr": "phrh"}, CHALLENGE.replace("mfa", "phrh"), True, False),
    "a key, where the server does not say": ({"acr": None}, CHALLENGE.replace("mfa", "phr"), True, False),
    "a code, where the server does not say": ({"acr": None}, CHALLENGE, True, True),
    "nobody knows what": ({"acr": None}, CHALLENGE.replace('acr_values="mfa", ', ""), True, False),
    "a security key, and all": ({"acr": "phr"}, CHALLENGE.replace("mfa", "phr"), "all", True),
    "a code, and nothing": ({}, CHALLENGE, False, False),
    "unbound": ({"token_type": "Bearer"}, CHALLENGE, "all", False),
    "single use": ({}, CHALLENGE.replace("max_age=300", "max_age=0"), "all", False),
    "for authenticators": ({"scope": "authenticators"}, CHALLENGE, True, False),
}


@pytest.mark.parametrize(("token", "challenge", "keep", "kept"), KINDS.values(), ids=KINDS)
def test_only_what_may_be_found_by_others_is_kept(
    room: Room, token: dict[str, Any], challenge: str, keep: Any, kept: bool
) -> None:
    room.desk.token |= token
    if room.desk.token["acr"] is None:
        del room.desk.token["acr"]
    with closing(room.signed_in(keep_elevated=keep)) as bank:
        room.desk.first("call", challenged(challenge))
        assert bank.post("/transfers").status_code == 200
        assert asked(room) == 1
    assert ("ELEVATED-1" in (room.store.read(NAME) or "")) is kept


def test_who_turns_it_off_uses_nothing_that_is_there_either(room: Room) -> None:
    room.signed_in().close()
    pay(room)
    pay(room, keep_elevated=False)
    assert asked(room) == 2


def test_what_was_obtained_for_one_sign_in_is_not_kept_for_the_next(room: Room) -> None:
    with closing(room.signed_in()) as bank:
        room.signed_in("NEW").close()  # another process signs in
        assert bank.post("/transfers").status_code == 200
    assert "ELEVATED" not in (room.store.read(NAME) or "")


def test_a_kept_token_that_is_dead_is_replaced_and_not_tried_again(room: Room) -> None:
    dead = httpx.Response(401, headers={"www-authenticate": 'DPoP error="invalid_token"'})
    room.signed_in().close()
    pay(room)
    with room.client() as bank:
        room.desk.first("call", challenged(), dead)
        assert bank.post("/transfers").status_code == 200
    assert asked(room) == 2
    assert [token["access_token"] for token in stored(room)["elevated"]] == ["ELEVATED-2"]


def test_what_another_process_obtained_meanwhile_is_found_before_anybody_is_asked(room: Room) -> None:
    room.signed_in().close()
    with room.client() as bank:
        assert bank.signed_in is not None  # it has read the store
        pay(room)
        assert bank.post("/transfers").status_code == 200
    assert asked(room) == 1


def _served(sent: Any, challenge: str = CHALLENGE) -> httpx.Response:
    return httpx.Response(200) if "ELEVATED" in sent.headers.get("authorization", "") else challenged(challenge)


def _grant_for_long(room: Room) -> None:
    """Neither the server nor what the API asks ends it within an hour."""
    room.desk.token["expires_in"] = 3600
    room.desk.always("call", lambda sent: _served(sent, CHALLENGE.replace("max_age=300", "max_age=3600")))


class Stubborn(Room):
    """An API that honours nothing."""

    def try_to_pay(self) -> None:
        with self.client() as bank, pytest.raises(StepUpUnsatisfied):
            bank.post("/transfers")

    def wait(self, seconds: float) -> None:
        self.desk.clock.move(seconds)
        self.desk.monotonic.move(seconds)
        self.desk.token["auth_time"] += int(seconds)


@pytest.fixture
def stubborn(tmp_path: Path, window: Window) -> Stubborn:
    window.name = None
    room = Stubborn(file_store(tmp_path / "state"))
    room.signed_in().close()
    room.desk.always("call", lambda _: challenged())
    return room


def test_a_dead_end_is_remembered_by_the_next_process_and_doubles_up_to_15_minutes(stubborn: Stubborn) -> None:
    for number, pause in enumerate([30, 60, 120, 240, 480, 900, 900], start=1):
        stubborn.try_to_pay()
        assert asked(stubborn) == number
        stubborn.wait(pause - 1)
        sent = len(stubborn.desk.at("call"))
        stubborn.try_to_pay()  # it is sent, and nobody is asked; that prolongs nothing
        assert asked(stubborn) == number
        assert len(stubborn.desk.at("call")) == sent + 1
        stubborn.wait(2)


def test_a_dead_end_is_forgotten_after_a_success(stubborn: Stubborn) -> None:
    for _ in range(2):
        stubborn.try_to_pay()
        stubborn.wait(61)
    stubborn.desk.always("call", _served)
    pay(stubborn)
    assert "dead_ends" not in stored(stubborn) or not stored(stubborn)["dead_ends"]
    stubborn.desk.always("call", lambda _: challenged())
    stubborn.try_to_pay()
    stubborn.wait(31)
    stubborn.try_to_pay()
    assert asked(stubborn) == 5


def test_a_dead_end_is_forgotten_by_a_new_sign_in(stubborn: Stubborn) -> None:
    stubborn.try_to_pay()
    stubborn.signed_in().close()
    stubborn.try_to_pay()
    assert asked(stubborn) == 2


@pytest.mark.parametrize("changed", ['acr_values="phr"', "max_age=0", 'max_age=300, scope="payments"'])
def test_a_dead_end_is_none_for_something_else(stubborn: Stubborn, changed: str) -> None:
    stubborn.try_to_pay()
    old = changed.split("=")[0] + ('="mfa"' if "acr" in changed else "=300")
    stubborn.desk.always("call", lambda _: challenged(CHALLENGE.replace(old, changed)))
    stubborn.desk.token["acr"] = "phr" if "phr" in changed else "mfa"
    stubborn.try_to_pay()
    assert asked(stubborn) == 2


def test_a_dead_end_is_the_same_for_another_age(stubborn: Stubborn) -> None:
    stubborn.try_to_pay()
    stubborn.desk.always("call", lambda _: challenged(CHALLENGE.replace("max_age=300", "max_age=60")))
    stubborn.try_to_pay()
    assert asked(stubborn) == 1


def test_a_clock_that_is_set_back_does_not_make_a_dead_end_last(stubborn: Stubborn) -> None:
    stubborn.try_to_pay()
    stubborn.desk.clock.move(-86_400)
    stubborn.desk.token["auth_time"] -= 86_400
    with stubborn.client() as bank:
        assert bank.signed_in is not None  # it has read the store
        stubborn.desk.monotonic.move(31)
        with pytest.raises(StepUpUnsatisfied):
            bank.post("/transfers")
    assert asked(stubborn) == 2


def test_a_token_that_serves_once_is_not_kept_whoever_asks() -> None:
    for max_age, kept in ((0, False), (300, True)):
        token = ElevatedToken(
            access_token="T",
            token_type="DPoP",
            requirement=Requirement(acr="mfa", max_age=max_age),
            resource=NAME.api,
            login=(1, "ada"),
            scope=frozenset(),
            acr="mfa",
            proved_at=0.0,
            expires_at=300.0,
        )
        assert _kept.may_be_kept(token, "all") is kept
