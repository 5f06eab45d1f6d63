"""Changed copies of what is frozen, against `dataclasses.replace`."""

from dataclasses import FrozenInstanceError, fields, replace
from typing import Any

import pytest

from upstile.server._changed import changed
from upstile.server.audit import SecurityEvent
from upstile.server.authorization.ceremony._ceremony import Ceremony
from upstile.server.authorization.user._logins import BaseLogin
from upstile.server.authorization.user._user_state import KnownKey, Login, Row, UserState
from upstile.server.storage import User

LOGIN = BaseLogin(sid="0.s", jti="j", subject="ada", client_id="cli", amr=("pwd",), auth_time=1, expires_at=2)
CEREMONY = Ceremony(
    login=LOGIN,
    subject_jti="j",
    subject_expires_at=2.0,
    client_id="cli",
    resource="https://bank.example",
    scope=frozenset({"payments"}),
    acr_values=("mfa",),
    code_challenge="c",
    offered={},
)
STATES: list[Any] = [
    LOGIN,
    CEREMONY,
    Row(wrong=1),
    KnownKey(last_used=1.0),
    Login(expires_at=1),
    UserState(seen=True),
    SecurityEvent(kind="login", user=User("https://bank.example", "ada"), at=1.0),
]


@pytest.mark.parametrize("state", STATES, ids=lambda state: type(state).__name__)
def test_each_member_alone_and_all_of_them(state: Any) -> None:
    before = replace(state)
    names = [field.name for field in fields(state)]
    for name in names:
        made = changed(state, **{name: "other"})
        assert made == replace(state, **{name: "other"})
        assert type(made) is type(state)
    assert changed(state, **dict.fromkeys(names, None)) == replace(state, **dict.fromkeys(names, None))
    assert changed(state) == state == before


@pytest.mark.parametrize("state", STATES, ids=lambda state: type(state).__name__)
def test_a_member_that_there_is_not_is_an_error(state: Any) -> None:
    with pytest.raises(TypeError, match="has no wrng"):
        changed(state, wrng=1)


def test_the_copy_is_frozen_as_well() -> None:
    with pytest.raises(FrozenInstanceError):
        changed(CEREMONY, wrong=1).wrong = 0  # type: ignore[misc]
