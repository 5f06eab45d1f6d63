"""What the browser brings back, read: a code, an error, or another server's answer."""

import pytest

from upstile.client import CeremonyFailed, NoMethodAvailable, StepUpCancelled
from upstile.client.authority.browser._answer import Unmet, answer_in, code_of, query_in
from upstile.protocol import ServerMetadata

ISSUER = "https://issuer.example"
PROMISING = ServerMetadata(issuer=ISSUER, authorization_response_iss_parameter_supported=True)
SILENT = ServerMetadata(issuer=ISSUER)
BACK = "http://127.0.0.1:4321/callback"


def test_a_code_comes_with_our_state_and_the_issuer() -> None:
    answer = answer_in("code=c&state=s&iss=https%3A%2F%2Fissuer.example", "s")
    assert answer is not None
    assert code_of(answer, PROMISING) == "c"


@pytest.mark.parametrize(
    "query", ["code=c&state=t", "code=c", "state=s", "", "code=c&code=d&state=s", "code=%&state=s"]
)
def test_what_is_not_ours_is_no_answer(query: str) -> None:
    assert answer_in(query, "s") is None


@pytest.mark.requirement("rfc9207-2.4-issuer")
@pytest.mark.parametrize(
    ("server", "issuer"),
    [
        (PROMISING, None),
        (PROMISING, ISSUER + "/"),
        (PROMISING, "https://evil.example"),
        (SILENT, "https://evil.example"),
    ],
)
@pytest.mark.parametrize("kind", ["code", "error"])
def test_another_issuers_answer_is_refused(server: ServerMetadata, issuer: str | None, kind: str) -> None:
    answer = {kind: "access_denied", **({} if issuer is None else {"iss": issuer})}
    with pytest.raises(CeremonyFailed, match="came from another place"):
        code_of(answer, server)


def test_an_issuer_that_promises_none_may_leave_it_out() -> None:
    assert code_of({"code": "c"}, SILENT) == "c"


def test_the_ends_are_told_apart() -> None:
    with pytest.raises(StepUpCancelled, match="You declined in the browser"):
        code_of({"error": "access_denied"}, SILENT)
    with pytest.raises(Unmet) as cannot:
        code_of({"error": "unmet_authentication_requirements"}, SILENT)
    assert isinstance(cannot.value, NoMethodAvailable)
    with pytest.raises(CeremonyFailed) as refused:
        code_of({"error": "server_error"}, SILENT)
    assert refused.value.error == "server_error"


def test_an_error_with_html_reaches_developers_only_and_harmless() -> None:
    answer = {"error": "x", "error_description": "<b>Call\x1b[2J 0800\u202e 1\n2</b>"}
    with pytest.raises(CeremonyFailed) as refused:
        code_of(answer, SILENT)
    assert "0800" not in str(refused.value) + refused.value.next_step
    assert "0800" in refused.value.hint
    assert not {"\x1b", "\u202e", "\n"} & set(refused.value.hint)


@pytest.mark.parametrize(
    "pasted",
    [
        "",
        "code=c&state=s",
        "https://127.0.0.1:4321/callback?code=c",
        "http://127.0.0.1:4322/callback?code=c",
        "http://localhost:4321/callback?code=c",
        "http://127.0.0.1:4321/callback/?code=c",
        "http://u@127.0.0.1:4321/callback?code=c",
        "http://[::1/callback",
    ],
)
def test_only_the_address_that_the_browser_was_sent_to_may_be_pasted(pasted: str) -> None:
    assert query_in(pasted, BACK) is None


def test_a_pasted_address_may_have_blanks_around() -> None:
    assert query_in(f"  {BACK}?code=c&state=s \n", BACK) == "code=c&state=s"
