"""What must hold after each step, whatever was killed: nothing is accepted twice, and nothing is lost."""

from secrets import token_urlsafe
from time import monotonic, sleep

import httpx

from faults.phases import Step
from faults.story import Story, replied
from faults.watched import Exchange
from upstile.protocol import ACCESS_TOKEN_TYPE, code_challenge

__all__ = ["check"]
_WITHIN = 10.0


def check(story: Story, step: Step) -> None:
    """Look at what a step has left behind; raises `AssertionError`."""
    if step == "transfer":
        _one_code_for_each_answer(story)
        _answers_are_used_up(story)
        _proof_is_used_up(story)
    elif step == "close":
        assert story.active() == ["totp", "webauthn"], "an authenticator was lost"
        _single_use_tokens_are_used_up(story)
    elif step == "sign out":
        _signed_out_everywhere(story)
        _codes_are_used_up(story)


def _one_code_for_each_answer(story: Story) -> None:
    given: dict[str, set[str]] = {}
    for exchange in _answers(story):
        if exchange.status == 200:
            code = replied(exchange)["authorization_code"]
            given.setdefault(exchange.form()["otp"], set()).add(code)
    assert all(len(codes) == 1 for codes in given.values()), "an answer gave two codes"
    tokens = [e.form()["code"] for e in story.watched.seen if e.meets("POST", "/token", 200)]
    assert len(tokens) == len(set(tokens)), "a code gave two tokens"


def _answers_are_used_up(story: Story) -> None:
    """The last code that the person typed, in another ceremony; a wrong answer, so one try is gone afterwards."""
    *_, last = _answers(story)
    form = {"authn_method": "totp", "otp": last.form()["otp"], "client_id": "bank-cli"}
    step = _post(story, "/stepup/challenge", _start_form(story))
    assert (step.status_code, step.json()["attempts_left"]) == (403, 5), "a success does not clear the row"
    judged = _post(story, "/stepup/challenge", {**form, "auth_session": step.json()["auth_session"]})
    assert judged.status_code == 403, "a code was accepted twice"
    assert (judged.json()["result"], judged.json()["attempts_left"]) == ("rejected", 4)


def _proof_is_used_up(story: Story) -> None:
    """The accepted call, byte for byte, at each node."""
    [*_, accepted] = [e for e in story.watched.seen if e.meets("POST", "/transfers", 200)]
    for node in story.front.nodes:
        if node.lives:
            again = httpx.post(f"{node.url}/transfers", headers=accepted.headers, content=accepted.body)
            assert again.status_code == 401, "a proof was accepted twice"


def _single_use_tokens_are_used_up(story: Story) -> None:
    """Each token with which the call was sent and not refused, at each node."""
    calls = [e for e in story.watched.seen if (e.method, e.url) == ("DELETE", "/account") and e.status in (200, None)]
    accepted = [_presented(call) for call in calls if call.status == 200]
    assert len(accepted) == 1
    for node in story.front.nodes:
        if node.lives:
            reply = _call(story, node.url, "DELETE", "/account", accepted[0])
            assert (reply.status_code, reply.json()["type"]) == (401, "urn:upstile:problem:token-used")


def _signed_out_everywhere(story: Story) -> None:
    [*_, revoked] = [e.form()["token"] for e in story.watched.seen if e.meets("POST", "/revoke", 200)]
    until = monotonic() + _WITHIN
    for node in story.front.nodes:
        while node.lives and _call(story, node.url, "GET", "/balance", revoked).status_code != 401:
            assert monotonic() < until, "a revocation is not known everywhere"
            sleep(0.05)


def _codes_are_used_up(story: Story) -> None:
    """Each code that was redeemed, or may have been, at a node that lives."""
    redemptions = [e for e in story.watched.seen if e.method == "POST" and e.url.endswith("/token")]
    assert redemptions
    for body in {e.body for e in redemptions if e.status == 200}:
        reply = _post(story, "/stepup/token", dict(httpx.QueryParams(body.decode())))
        assert (reply.status_code, reply.json()["error"]) == (400, "invalid_grant"), "a code was redeemed twice"


def _answers(story: Story) -> list[Exchange]:
    posts = [e for e in story.watched.seen if e.method == "POST" and e.url.endswith("/challenge")]
    return [e for e in posts if "otp" in e.form()]


def _start_form(story: Story) -> dict[str, str]:
    base = story.client.step_up_auth.session.tokens.current().base
    assert base is not None
    return {
        "response_type": "code",
        "client_id": "bank-cli",
        "code_challenge": code_challenge(token_urlsafe(48)),
        "code_challenge_method": "S256",
        "acr_values": "mfa",
        "resource": story.front.url,
        "subject_token": base.access_token,
        "subject_token_type": ACCESS_TOKEN_TYPE,
        "authn_methods_supported": "totp",
    }


def _post(story: Story, path: str, form: dict[str, str]) -> httpx.Response:
    proof = story.client.step_up_auth.session.key.proof("POST", story.front.url + path)
    return httpx.post(story.front.node.url + path, data=form, headers={"DPoP": proof})


def _call(story: Story, node: str, method: str, path: str, token: str) -> httpx.Response:
    proof = story.client.step_up_auth.session.key.proof(method, story.front.url + path, token)
    return httpx.request(method, node + path, headers={"Authorization": f"DPoP {token}", "DPoP": proof})


def _presented(call: Exchange) -> str:
    return str(call.headers["authorization"]).partition(" ")[2]
