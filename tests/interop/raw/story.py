"""The app's day: sign-in, enrolment, a transfer, a payout address, a call that is confirmed for itself."""

from typing import Any

from interop.raw.attacks import Attacker
from interop.raw.devices import UP, Phone
from interop.raw.wire import expect

TRANSFER = {"to": "ACME", "amount": "50.00"}
ADDRESS = {"address": "1 New Street"}


class Story(Attacker):
    """Everything once, in order, with the attacks where they belong."""

    def tell(self) -> None:
        self.sign_in()
        self.attack_the_guard()
        self.discover()
        self.enrol_phone()
        self.transfer()
        self.enrol_passkey()
        self.move_payouts()
        self.close_account()

    # --- 0 to 2: no token, sign-in, a call that needs nothing more

    def sign_in(self) -> None:
        basic = [("Authorization", "Basic YTpi")]
        for nothing in (self.wire.send("GET", "/balance", proofs=[], headers=more) for more in ([], basic)):
            nothing.must(401, "missing-token", "no token came").problem("missing-token")
            schemes = [scheme for scheme, _ in nothing.challenges]
            expect(schemes == ["bearer", "dpop"], "a Bearer line, then a DPoP line", schemes)
            (_, bearer), (_, dpop) = nothing.challenges
            expect("error" not in bearer and "error" not in dpop, "no error where there was no token", nothing)
            expect("realm" in bearer and "ES256" in dpop["algs"].split(), "realm and algs", nothing)
            expect("resource_metadata" in bearer and "resource_metadata" in dpop, "resource_metadata", nothing)
        token = self.wire.send("POST", "/login", json=self.login).ok("the password is right").body
        expect(token["token_type"].lower() == "dpop", "a bound token for a login with a proof", token["token_type"])
        self.base = token["access_token"]
        self.wire.send("GET", "/balance", self.base).ok("the balance asks for no more than a login")

    # --- 3: discovery

    def discover(self) -> None:
        url, reply = self.wire.url, self.wire.send("POST", "/transfers", self.base, json=TRANSFER)
        params = reply.refused("insufficient_user_authentication", "a password is not enough for a transfer")
        expect((params["acr_values"], params["max_age"]) == ("mfa", "300"), "acr_values=mfa, max_age=300", params)
        expect("scope" not in params, "no scope where none is missing", params)
        where = params["resource_metadata"]
        expect(where == f"{url}/.well-known/oauth-protected-resource", "the place of RFC 9728 §3 for an origin", where)
        resource = self.wire.send("GET", where, proofs=[]).ok("the resource has metadata").body
        expect(resource["resource"] == url, "the resource to be the API's origin", resource["resource"])
        expect(resource["authorization_servers"] == [url], "the API's own origin as issuer")
        place = "/.well-known/oauth-authorization-server"
        self.metadata = about = self.wire.send("GET", place, proofs=[]).ok("the issuer has metadata").body
        expect(about["issuer"] == url, "the issuer to be the base URL", about["issuer"])
        needed = {"authorization_challenge_endpoint", "token_endpoint", "authenticators_endpoint", "jwks_uri"}
        # NOTE: authorization_endpoint and revocation_endpoint are judged where a server has them.
        for name in needed | {name for name in about if name.endswith("_endpoint")}:
            expect(str(about.get(name)).startswith(f"{url}/"), f"{name} on the issuer's origin", about.get(name))
        self.check_metadata_lists()

    def check_metadata_lists(self) -> None:
        wanted: dict[str, list[str]] = {
            "response_types_supported": ["code"],
            "grant_types_supported": ["authorization_code"],
            "token_endpoint_auth_methods_supported": ["none"],
            "code_challenge_methods_supported": ["S256"],
            "upstile_profile_versions_supported": ["1"],
        }
        for name, value in wanted.items():
            expect(self.metadata.get(name) == value, f"{name}={value}", self.metadata.get(name))
        some = {
            "acr_values": {"mfa", "phr"},
            "dpop_signing_alg_values": {"ES256"},
            "authn_methods": {"webauthn", "totp"},
        }
        for name, values in some.items():
            came = self.metadata.get(f"{name}_supported", [])
            expect(values <= set(came), f"{sorted(values)} in {name}_supported", came)

    # --- 4a: first enrolment

    def enrol_phone(self) -> None:
        where, wanted = self.metadata["authenticators_endpoint"], {"method": "totp", "name": "phone"}
        plain = self.wire.send("POST", "/login", proofs=[], json=self.login).ok("a proof at login is not a must").body
        thief = self.wire.send("POST", where, plain["access_token"], proofs=[], scheme="Bearer", json=wanted)
        thief.must(403, "first-enrolment", "a bearer token alone never enrols").problem("first-enrolment")
        entry = self.wire.send("POST", where, self.base, json=wanted).must(201, "pending", "an enrolment begins").body
        expect(entry["expires_in"] == 600, "600 s to verify", entry["expires_in"])
        self.phone, verify = Phone(self.wire, entry["otpauth_uri"]), f"{where}/{entry['id']}/verify"
        wrong = self.wire.send("POST", verify, self.base, json={"otp": self.phone.wrong()})
        wrong.must(400, "verification-failed", "the code is wrong").problem("verification-failed")
        listed = self.wire.send("GET", where, self.base).ok("a base token may list").body["authenticators"]
        expect([item["state"] for item in listed] == ["pending"], "a pending entry after a wrong code", listed)
        done = self.wire.send("POST", verify, self.base, json={"otp": self.phone.code()})
        expect(done.must(200, "active", "the code is right").body["method"] == "totp", "the entry", done)

    # --- 5: a transfer, with TOTP

    def transfer(self) -> None:
        self.attack_the_start()
        enrolled_with, step = self.phone.code(), self.start(acr_values="mfa", max_age="300")
        offered = [each["method"] for each in step["authn_methods"]]
        expect(offered == ["totp"], "totp offered, the one that is enrolled", offered)
        self.attack_the_answer(step)
        again = self.reject(step, enrolled_with, "the code that verified the enrolment counts as accepted")
        dead = self.answer(step, "totp", otp=self.phone.wrong())
        dead.must(400, "invalid_session", "every step kills the session before it")
        right = self.phone.fresh()
        again = self.reject(again, self.phone.wrong(), "the code is wrong")
        again = self.reject(again, self.phone.code(1), "the code is of the step to come")
        code = self.lost_reply(again, right)
        self.attack_the_code(code)
        token, claims = self.redeem(code, "mfa", {"pwd", "otp"})
        expect("single_use" not in claims, "a token for 300 s to be no single-use token")
        self.wire.send("POST", "/transfers", token, json=TRANSFER).ok("the step-up satisfies the route")
        self.wire.send("POST", "/transfers", token, json=TRANSFER).ok("the token holds for its life")
        entry = self.wire.send(
            "POST", self.metadata["authenticators_endpoint"], token, json={"method": "totp", "name": "second"}
        )
        params = entry.refused("insufficient_scope", "the token lacks only the scope", status=403)
        expect(params["scope"] == "authenticators", "the missing scope named", params)
        self.use_code_twice(code, token)
        self.reject(self.start(acr_values="mfa"), right, "a code is accepted once")

    def lost_reply(self, step: dict[str, Any], otp: str) -> str:
        """The identical form with a fresh proof gets the stored reply: a lost response costs no code."""
        first, second = (self.answer(step, "totp", otp=otp).ok("the code is right") for _ in range(2))
        expect(first.body == second.body, "the stored reply to the identical form")
        return str(first.body["authorization_code"])

    # --- 4b: a passkey, by step-up

    def enrol_passkey(self) -> None:
        where, wanted = self.metadata["authenticators_endpoint"], {"method": "webauthn", "name": "passkey"}
        refused = self.wire.send("POST", where, self.base, json=wanted)
        params = refused.refused("insufficient_user_authentication", "a change wants the strongest proof there is")
        asked = {name: params[name] for name in ("acr_values", "max_age", "scope")}
        expect(asked == {"acr_values": "mfa", "max_age": "60", "scope": "authenticators"}, "mfa, 60 s, scope", asked)
        token, claims = self.totp_token(**asked)
        expect("authenticators" in claims["scope"].split(), "the scope authenticators granted", claims["scope"])
        entry = self.wire.send("POST", where, token, json=wanted).must(201, "pending", "the step-up suffices").body
        options = entry["options"]
        expect(options["authenticatorSelection"]["userVerification"] == "required", "required at registration")
        expect({"type": "public-key", "alg": -7} in options["pubKeyCredParams"], "ES256 among the algorithms")
        made = {"registration_response": self.passkey.register(options)}
        done = self.wire.send("POST", f"{where}/{entry['id']}/verify", token, json=made)
        done.must(200, "active", "the registration is sound")
        listed = self.wire.send("GET", where, self.base).ok("a base token may list").body["authenticators"]
        methods = sorted((item["method"], item["state"]) for item in listed)
        expect(methods == [("totp", "active"), ("webauthn", "active")], "both authenticators, active", methods)
        members = {"id", "method", "name", "created", "last_used", "state"}
        expect(all(members <= item.keys() for item in listed), f"{sorted(members)} in every entry")

    # --- 6: a payout address, with the passkey

    def move_payouts(self) -> None:
        reply = self.wire.send("PUT", "/payout-address", self.base, json=ADDRESS)
        params = reply.refused("insufficient_user_authentication", "a new address wants a passkey")
        expect(params["acr_values"] == "phr", "acr_values=phr", params)
        asked = {name: params[name] for name in ("acr_values", "max_age") if name in params}
        step = self.start(**asked)
        self.answer(step, "webauthn", authn_response="{").must(400, "invalid_request", "that is no JSON")
        weak = self.passkey.sign(self.bound_options(step), UP)
        after = self.answer(step, "webauthn", authn_response=weak).step("phr wants user verification", "rejected")
        expect(after["authn_methods"][0]["nonce"] != step["authn_methods"][0]["nonce"], "a fresh nonce", "the old one")
        signed = self.passkey.sign(self.bound_options(after))
        done = self.answer(after, "webauthn", authn_response=signed).ok("the assertion is sound")
        token, _ = self.redeem(done.body["authorization_code"], "phr", {"swk"})
        self.wire.send("PUT", "/payout-address", token, json=ADDRESS).ok("the step-up satisfies the route")
        replay = self.answer(self.start(acr_values="phr"), "webauthn", authn_response=signed)
        replay.step("an assertion is for its own step", "rejected")

    # --- 7: closing the account, confirmed for that very call

    def close_account(self) -> None:
        reply = self.wire.send("DELETE", "/account", self.base)
        params = reply.refused("insufficient_user_authentication", "closing asks for this very call")
        asked = {name: params[name] for name in ("acr_values", "max_age")}
        expect(asked == {"acr_values": "mfa", "max_age": "0"}, "acr_values=mfa, max_age=0", asked)
        token, claims = self.totp_token(**asked, authn_methods_supported="totp")
        expect(claims.get("single_use") is True, "single_use=true in a token for max_age=0", claims.get("single_use"))
        self.wire.send("GET", "/balance", token).refused("invalid_token", "it serves max_age=0 routes only")
        form = self.start_form(acr_values="mfa") | {"subject_token": token}
        nobody = self.post("authorization_challenge_endpoint", form)
        nobody.must(400, "invalid_grant", "a single-use token names nobody")
        self.wire.send("DELETE", "/account", token).ok("it was not consumed elsewhere")
        used = self.wire.send("DELETE", "/account", token)
        used.refused("insufficient_user_authentication", "a token for one call serves once", kind="token-used")
        self.wire.send("GET", "/balance", token).refused("invalid_token", "it serves max_age=0 routes only")
