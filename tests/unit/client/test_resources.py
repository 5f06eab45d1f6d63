"""Several resources on one origin: what is asked ahead is asked for the one that the URL belongs to."""

from typing import Any

import httpx
import pytest

from support.desk import API, CHALLENGE, Desk, Sent, challenged, server_metadata
from upstile.client import BaseToken, CeremonyFailed, Client, Requirement, StepUpUnsatisfied, UntrustedChallenge
from upstile.client import Totp as Code

MFA = Requirement(acr="mfa", max_age=300)
WELL_KNOWN = "/.well-known/oauth-protected-resource"


class Site(Desk):
    """An origin with resources at paths of their own; each takes its own tokens only, as an audience demands."""

    def __init__(self, *resources: str) -> None:
        super().__init__()
        self.resources = resources
        self.audience: dict[str, str] = {}
        self.looked: list[str] = []

    def client_of(self, path: str, **options: Any) -> Client:
        """A client that names a path."""
        chosen = {
            "issuer": API,
            "token": BaseToken(access_token="BASE", token_type="DPoP"),
            "methods": [Code()],
            **options,
        }
        chosen |= {"prompter": self.person, "clock": self.clock, "monotonic": self.monotonic, "transport": self}
        return Client(API + path, client_id="cli", **chosen)

    def _call(self, sent: Sent) -> httpx.Response:
        path = sent.url.removeprefix(API)
        if path.startswith(WELL_KNOWN):
            self.looked.append(path.removeprefix(WELL_KNOWN))
            return self._metadata(path.removeprefix(WELL_KNOWN))
        mine = max((root for root in self.resources if path.startswith(root)), key=len)
        token = sent.headers["authorization"].partition(" ")[2]
        metadata = f'resource_metadata="{API}{WELL_KNOWN}{mine}"'
        if token in self.audience and self.audience[token] != API + mine:
            return httpx.Response(401, headers={"www-authenticate": f'DPoP error="invalid_token", {metadata}'})
        if token in self.audience:
            return httpx.Response(200, json={"at": mine})
        return challenged(CHALLENGE.replace(f'resource_metadata="{API}{WELL_KNOWN}"', metadata))

    def _resource(self, sent: Sent) -> httpx.Response:
        self.looked.append("")
        return self._metadata("")

    def _metadata(self, root: str) -> httpx.Response:
        if root not in self.resources:
            return httpx.Response(404, text="not here")
        return httpx.Response(200, json={"resource": API + root, "authorization_servers": [API]})

    def _token(self, sent: Sent) -> httpx.Response:
        self.audience[f"ELEVATED-{len(self.at('token'))}"] = self.at("start")[-1].form["resource"]
        return super()._token(sent)


def test_the_path_that_the_client_names_is_the_resource() -> None:
    site = Site("/v1")
    with site.client_of("/v1") as bank:
        assert bank.request("POST", "/transfers", step_up=MFA, content=iter([b"once"])).json() == {"at": "/v1"}
        bank.step_up(acr="mfa", max_age=0)
        with bank.elevated(acr="mfa"):
            assert bank.post("/other").json() == {"at": "/v1"}
    assert site.looked == ["/v1"]
    assert {start.form["resource"] for start in site.at("start")} == {f"{API}/v1"}


def test_an_address_with_a_path_whose_origin_is_the_resource_works_as_ever() -> None:
    site = Site("")
    with site.client_of("/v1") as bank:
        assert bank.request("POST", "/transfers", step_up=MFA).status_code == 200
        assert bank.request("POST", "/others", step_up=MFA).status_code == 200
    assert site.looked == ["/v1", ""]
    assert len(site.at("start")) == 1


def test_what_a_challenge_has_taught_serves_who_asks_ahead() -> None:
    site = Site("/v1", "/v2")
    with site.client_of("") as bank:
        assert bank.get("/v2/a").json() == {"at": "/v2"}
        assert bank.get("/v1/a").json() == {"at": "/v1"}
        for place in ("/v1", "/v2"):
            fresh = Requirement(acr="mfa", max_age=0)
            assert bank.request("POST", f"{place}/b", step_up=fresh, content=iter([b"x"])).json() == {"at": place}
            bank.step_up(acr="mfa", max_age=0, url=f"{place}/c")
    wanted = [f"{API}{path}" for path in ("/v2", "/v1", "/v1", "/v1", "/v2", "/v2")]
    assert [start.form["resource"] for start in site.at("start")] == wanted
    assert site.looked == ["/v2", "/v1"]


def test_a_token_of_one_resource_is_not_sent_to_another() -> None:
    site = Site("", "/v1")
    with site.client_of("") as bank:
        for path in ("/v1/a", "/a", "/v1/b", "/b"):
            assert bank.request("GET", path).status_code == 200
    sent = [call.headers["authorization"] for call in site.at("call") if WELL_KNOWN not in call.url]
    assert sent == [f"DPoP {token}" for token in ["BASE", "ELEVATED-1", "BASE", "ELEVATED-2"] * 2]
    assert len(site.at("start")) == 2


def test_where_the_origin_has_no_metadata_the_paths_above_the_url_are_looked_at() -> None:
    site = Site("/pay", "/pay/admin")
    with site.client_of("") as bank:
        assert bank.request("POST", "/pay/admin/keys", step_up=MFA).json() == {"at": "/pay/admin"}
        assert bank.request("POST", "/pay/transfers", step_up=MFA).json() == {"at": "/pay"}
    assert site.looked == ["", "/pay/admin/keys", "/pay/admin", "", "/pay/transfers", "/pay"]


def test_no_more_than_four_segments_are_looked_at_and_no_dots() -> None:
    site = Site("/none")
    with site.client_of("") as bank:
        for path in ("/a/b/c/d/e/f", "/a/%2e%2e/b"):
            with pytest.raises(CeremonyFailed, match="oauth-protected-resource was answered 404"):
                bank.request("POST", path, step_up=MFA)
    assert site.looked[:5] == ["", "/a/b/c/d", "/a/b/c", "/a/b", "/a"]
    assert not site.asked


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_server_that_is_away_is_no_reason_to_look_elsewhere(status: int) -> None:
    site = Site("/v1")
    site.first("call", httpx.Response(status))
    with site.client_of("/v1") as bank, pytest.raises(CeremonyFailed, match=f"answered {status}"):
        bank.step_up(acr="mfa")
    assert len(site.sent) == 1


def test_a_page_for_everything_is_no_metadata() -> None:
    site = Site("")
    site.first("call", httpx.Response(200, text="<html>"))
    with site.client_of("/v1") as bank:
        bank.step_up(acr="mfa")
    assert site.looked == [""]


def test_a_wrong_guess_is_mended_by_one_more_ceremony_and_remembered() -> None:
    site = Site("", "/v1")
    with site.client_of("") as bank:
        assert bank.request("POST", "/v1/a", step_up=MFA).json() == {"at": "/v1"}
        assert [start.form["resource"] for start in site.at("start")] == [API, f"{API}/v1"]
        assert bank.request("POST", "/v1/b", step_up=MFA).json() == {"at": "/v1"}
    assert len(site.at("start")) == 2


def test_an_api_that_names_place_after_place_gets_two_ceremonies_and_no_more() -> None:
    site, named = Site("", "/a", "/b", "/c"), iter("abcdefgh")

    def fickle(sent: Sent) -> httpx.Response:
        path = sent.url.removeprefix(API + WELL_KNOWN)
        if sent.url != f"{API}/x":
            return httpx.Response(200, json={"resource": API, "authorization_servers": [API]})
        assert path
        where = f'resource_metadata="{API}{WELL_KNOWN}/{next(named)}"'
        return challenged(CHALLENGE.replace(f'resource_metadata="{API}{WELL_KNOWN}"', where))

    site.always("call", fickle)
    with site.client_of("") as bank, pytest.raises(StepUpUnsatisfied):
        bank.request("POST", "/x", step_up=MFA)
    assert len(site.at("start")) == 1  # the other place describes the same resource: nobody is asked for it again


def test_what_lies_elsewhere_is_neither_learnt_nor_asked_for() -> None:
    site = Site("")
    named = f'resource_metadata="https://elsewhere.example{WELL_KNOWN}"'
    refused = httpx.Response(401, headers={"www-authenticate": f'DPoP error="invalid_token", {named}'})
    site.always("elsewhere", lambda _: site._metadata(""))  # what it says would be believed
    with site.client_of("") as bank:
        bank.step_up(acr="mfa")
        site.first("call", challenged(), refused)
        assert bank.get("/x").status_code == 200
        bank.request("GET", "/x", step_up=Requirement(acr="mfa", max_age=0))
        with pytest.raises(UntrustedChallenge):
            bank.step_up(acr="mfa", url="https://elsewhere.example/x")
    assert not site.at("elsewhere")


def test_metadata_that_has_moved_is_looked_for_anew() -> None:
    site = Site("/v1")
    with site.client_of("") as bank:
        bank.get("/v1/a")
        site.monotonic.move(601)
        site.resources = ("",)
        with pytest.raises(CeremonyFailed):
            bank.step_up(acr="mfa", url="/v1/a")
        bank.step_up(acr="mfa", url="/v1/a")
    assert [start.form["resource"] for start in site.at("start")] == [f"{API}/v1", API]


def test_who_signs_out_and_who_manages_authenticators_needs_no_metadata_of_the_api() -> None:
    site = Site("/v1")
    site.always("server", lambda _: httpx.Response(200, json=server_metadata(revocation_endpoint=f"{API}/revoke")))
    with site.client_of("/v1", token=None) as bank:
        site.first("call", httpx.Response(200, json={"access_token": "T", "token_type": "DPoP"}))
        bank.sign_in("/login", subject="ada")
        bank.sign_out()
    assert len(site.at("revoke")) == 1
    assert site.looked == []
