"""Where a node is killed: each phase of the story in which something is decided, before, within and after it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from support.node_faults import Fault

Step = Literal["sign in", "enrol", "transfer", "second", "close", "sign out"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Phase:
    """One place.

    Attributes:
        name: for the table.
        step: of the story, in which it is.
        reply: the reply after which the node is armed that gets the next request, as method, end of the path and
            status; `None`: before the step.
        fault: where that node ends by itself; `None`: it is killed at once.
        wrong: whether the person types a wrong code first.
        unaided: whether the app is meant to finish the step by itself; otherwise it says what was lost.
    """

    name: str
    step: Step
    reply: tuple[str, str, int] | None = None
    fault: Fault | None
    wrong: bool = False
    unaided: bool = False

    @property
    def id(self) -> str:
        """For pytest."""
        return self.name.replace(", ", "-").replace(" ", "_")


_ASKED = ("POST", "/challenge", 403)
_CODE = ("POST", "/challenge", 200)
_TOKEN = ("POST", "/token", 200)
_PENDING = ("POST", "/authenticators", 201)


def _fault(where: str, when: Literal["before", "after"], call: int = 1) -> Fault:
    store, _, method = where.partition(".")
    return Fault(store=store, method=method, when=when, call=call)


_T1, _T2, _USE = "RedisStore.update_many", "TwoStores.settle", "PostgresStore.use"
_ACCOUNT, _LOG = "PostgresStore.change_account", "PostgresStore.revoke"


def _answers() -> Iterable[Phase]:
    for name, fault in (
        ("before T1", _fault(_T1, "before")),
        ("between T1 and the check", _fault(_T1, "after")),
        ("between the check and T2", _fault(_T2, "before")),
        ("between the durable and the one-time write", _fault(_USE, "after")),
        ("between T2 and the reply", _fault(_T2, "after")),
    ):
        yield Phase(name=f"answer, {name}", step="transfer", reply=_ASKED, fault=fault, unaided=True)
    for name, fault in (
        ("before T1", _fault(_T1, "before")),
        ("between T1 and the check", _fault(_T1, "after")),
        ("between the check and T2", _fault(_T1, "before", call=2)),
        ("between T2 and the reply", _fault(_T1, "after", call=2)),
    ):
        yield Phase(name=f"wrong answer, {name}", step="transfer", reply=_ASKED, fault=fault, wrong=True, unaided=True)


PHASES: tuple[Phase, ...] = (
    Phase(name="sign-in, before its transaction", step="sign in", fault=_fault(_T1, "before")),
    Phase(name="sign-in, after its transaction", step="sign in", fault=_fault(_T1, "after")),
    Phase(name="enrolment, after its begin", step="enrol", fault=_fault(_ACCOUNT, "after")),
    Phase(name="verify, before its try is counted", step="enrol", reply=_PENDING, fault=_fault(_ACCOUNT, "before")),
    Phase(name="verify, before it is active", step="enrol", reply=_PENDING, fault=_fault(_ACCOUNT, "after")),
    Phase(name="verify, after it is active", step="enrol", reply=_PENDING, fault=_fault(_ACCOUNT, "after", call=2)),
    Phase(name="start, before its transaction", step="transfer", fault=_fault(_T1, "before")),
    Phase(name="start, after its transaction", step="transfer", fault=_fault(_T1, "after")),
    Phase(name="between start and answer", step="transfer", reply=_ASKED, fault=None, unaided=True),
    *_answers(),
    Phase(name="between code and token", step="transfer", reply=_CODE, fault=None, unaided=True),
    Phase(name="token, before its transaction", step="transfer", reply=_CODE, fault=_fault(_T1, "before")),
    Phase(name="token, after its transaction", step="transfer", reply=_CODE, fault=_fault(_T1, "after")),
    Phase(name="between token and call", step="transfer", reply=_TOKEN, fault=None, unaided=True),
    Phase(name="call, after its proof is used up", step="transfer", reply=_TOKEN, fault=_fault(_T1, "after")),
    Phase(name="second key, before it is active", step="second", reply=_PENDING, fault=_fault(_ACCOUNT, "after")),
    Phase(name="second key, after it is active", step="second", reply=_PENDING, fault=_fault(_ACCOUNT, "after", 2)),
    Phase(name="single-use call, before its token is used", step="close", reply=_TOKEN, fault=_fault(_T1, "before")),
    Phase(name="single-use call, after its token is used", step="close", reply=_TOKEN, fault=_fault(_T1, "after")),
    Phase(name="revocation, before it is written", step="sign out", fault=_fault(_LOG, "before")),
    Phase(name="revocation, after it is written", step="sign out", fault=_fault(_LOG, "after")),
)
