"""What an answer meets: a claim of another node, whose clock may differ."""

import pytest

from upstile.server.authorization.ceremony._ceremony import Ceremony
from upstile.server.authorization.ceremony._sessions import Claim, Session
from upstile.server.authorization.user._budgets import Charged
from upstile.server.authorization.user._logins import BaseLogin

NOW = 1_800_000_000.0
LOGIN = BaseLogin(
    sid="0.s", jti="j", subject="ada", client_id="c", amr=("pwd",), auth_time=int(NOW), expires_at=int(NOW) + 43_200
)
CEREMONY = Ceremony(
    login=LOGIN,
    subject_jti="j",
    subject_expires_at=int(NOW) + 43_200,
    client_id="c",
    resource="https://api.example",
    scope=frozenset(),
    acr_values=("mfa",),
    code_challenge="x",
    offered={"totp": {}},
)


@pytest.mark.parametrize(
    ("later", "same", "other"),
    [
        (-3600, "open", "open"),  # a clock that was set back keeps nobody waiting longer
        (-0.01, "judging", None),  # a node that is some milliseconds behind takes nothing over
        (0, "judging", None),
        (9.9, "judging", None),
        (10, "open", "open"),
    ],
)
def test_a_claim_keeps_others_away_for_ten_seconds_also_at_a_node_whose_clock_is_behind(
    later: float, same: str, other: str | None
) -> None:
    claim = Claim(mark="m", form="same", at=NOW, charged=Charged(left=4))
    session = Session.open(CEREMONY, NOW).claimed(claim, tries=1)
    assert (session.meets("same", NOW + later), session.meets("other", NOW + later)) == (same, other)
