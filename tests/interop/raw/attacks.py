"""What must be refused on the way, each with the reason why."""

import time
from secrets import token_urlsafe
from typing import Any
from urllib.parse import urlencode

from interop.raw.app import App
from interop.raw.wire import expect


class Attacker(App):
    """The same app, with somebody in its place who wants more than is theirs."""

    def attack_the_guard(self) -> None:
        wire, base, url = self.wire, self.base, f"{self.wire.url}/balance"
        used, honest = wire.proof("GET", url, base), wire.proof("GET", url, base)
        strange = wire.proof("GET", url, base, key=self.stranger)
        wire.send("GET", "/balance", base, proofs=[used]).ok("a proof is good once")
        faulty: dict[str, list[str]] = {
            "a proof counts once": [used],
            "a proof is needed": [],
            "there is one proof (RFC 9449 §4.3)": [honest, wire.proof("GET", url, base)],
            "htu is another": [wire.proof("GET", f"{wire.url}/transfers", base)],
            "htm is another": [wire.proof("POST", url, base)],
            "ath is of another token": [wire.proof("GET", url, "another")],
            "ath is missing": [wire.proof("GET", url)],
            "iat is too old": [wire.proof("GET", url, base, iat=int(wire.now()) - 90)],
            "iat is in the future": [wire.proof("GET", url, base, iat=int(wire.now()) + 90)],
            "the signature is another's": [honest.rpartition(".")[0] + "." + strange.rpartition(".")[2]],
        }
        for because, proofs in faulty.items():
            wire.send("GET", "/balance", base, proofs=proofs).refused("invalid_dpop_proof", because)
        by_another = wire.send("GET", "/balance", base, proofs=[strange])
        by_another.refused("invalid_token", "the proof is sound, but of another key than the token's")
        wire.send("GET", "/balance", base, scheme="Bearer").refused("invalid_token", "a bound token is no bearer token")
        wire.send("GET", "/balance", base[:-8]).refused("invalid_token", "the token is cut short")
        twice = wire.send("GET", "/balance", base, headers=[("Authorization", f"DPoP {base}")])
        twice.must(400, "invalid-request", "there are two Authorization headers").problem("invalid-request")

    def reject(self, step: dict[str, Any], otp: str, because: str) -> dict[str, Any]:
        after = self.answer(step, "totp", otp=otp).step(because, "rejected")
        left = (step["attempts_left"], after["attempts_left"])
        expect(left[1] < left[0], "fewer attempts_left after a wrong code", f"{left[1]} after {left[0]}")
        expect(after["auth_session"] != step["auth_session"], "a new auth_session in every step", "the old one")
        return after

    def attack_the_start(self) -> None:
        endpoint, good = "authorization_challenge_endpoint", self.start_form(acr_values="mfa")
        faulty: dict[str, dict[str, str]] = {
            "invalid_client": {"client_id": "nobody"},
            "invalid_target": {"resource": "https://elsewhere.example"},
            "invalid_grant": {"subject_token": self.base[:-8]},
            "unmet_authentication_requirements": {"acr_values": "unheard-of"},
        }
        for error, change in faulty.items():
            self.post(endpoint, good | change).must(400, error, f"{', '.join(change)} is none of ours")
        both = self.post(endpoint, good | {"authn_method": "totp"})
        both.must(400, "invalid_request", "a request is a start or an answer")
        for name in ("response_type", "code_challenge", "code_challenge_method", "resource", "subject_token"):
            short = {key: value for key, value in good.items() if key != name}
            self.post(endpoint, short).must(400, "invalid_request", f"{name} is required")
        form_type = [("Content-Type", "application/x-www-form-urlencoded")]
        for name in ("client_id", "acr_values"):
            text = urlencode([*good.items(), (name, good[name])])
            twice = self.wire.send("POST", self.metadata[endpoint], content=text, headers=form_type)
            twice.must(400, "invalid_request", f"{name} is there twice")
        as_json = self.wire.send("POST", self.metadata[endpoint], json=good)
        as_json.must(400, "invalid_request", "the endpoint takes forms")
        self.post(endpoint, good, proofs=[]).must(400, "invalid_dpop_proof", "a start needs a proof")
        strange = [self.wire.proof("POST", self.metadata[endpoint], key=self.stranger)]
        self.post(endpoint, good, proofs=strange).must(400, "invalid_grant", "the token is bound to another key")

    def attack_the_answer(self, step: dict[str, Any]) -> None:
        """None of these is judged: the session lives on, with all its attempts."""
        url = self.metadata["authorization_challenge_endpoint"]
        used = self.wire.proof("POST", url)
        verifier = self.verifier
        another = self.post("authorization_challenge_endpoint", self.start_form(acr_values="mfa"), proofs=[used])
        another.step("a start with a proof of its own")
        self.verifier = verifier
        self.answer(step, "totp").must(400, "invalid_request", "there is no otp")
        faulty = {
            "the proof was used": used,
            "htu is another": self.wire.proof("POST", self.metadata["token_endpoint"]),
            "htm is another": self.wire.proof("GET", url),
        }
        for because, proof in faulty.items():
            reply = self.answer(step, "totp", {"proofs": [proof]}, otp=self.phone.wrong())
            reply.must(400, "invalid_dpop_proof", because)
        strange = {"proofs": [self.wire.proof("POST", url, key=self.stranger)]}
        by_another = self.answer(step, "totp", strange, otp=self.phone.wrong())
        by_another.must(400, "invalid_session", "the session is bound to another key")
        unknown = self.answer({"auth_session": token_urlsafe(32)}, "totp", otp=self.phone.wrong())
        unknown.must(400, "invalid_session", "nobody knows that session")
        self.answer(step, "webauthn", authn_response="{}").must(400, "invalid_request", "webauthn was not offered")

    def attack_the_code(self, code: str) -> None:
        """Refused, and the code stays good."""
        verifier = self.token_form(code, code_verifier=token_urlsafe(48))
        self.post("token_endpoint", verifier).must(400, "invalid_grant", "the verifier is another")
        strange = [self.wire.proof("POST", self.metadata["token_endpoint"], key=self.stranger)]
        self.post("token_endpoint", self.token_form(code), proofs=strange).must(
            400, "invalid_grant", "the key is another"
        )
        nobody = self.post("token_endpoint", self.token_form(code, client_id="nobody"))
        nobody.must(400, "invalid_client", "the client is unknown")

    def use_code_twice(self, code: str, token: str) -> None:
        self.wire.send("GET", "/balance", token).ok("the token is alive until its code is used twice")
        self.post("token_endpoint", self.token_form(code)).must(400, "invalid_grant", "a code is redeemed once")
        until = time.monotonic() + 2
        while (reply := self.wire.send("GET", "/balance", token)).http.status_code == 200 and time.monotonic() < until:
            time.sleep(0.1)
        reply.refused("invalid_token", "a second use of its code revokes the token within 2 s")
