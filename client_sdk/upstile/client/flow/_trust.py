"""Whom the client trusts: the API's origin and the issuer come from configuration, never from a response."""

from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from upstile.client._errors import ConfigurationError, UntrustedChallenge
from upstile.client._exchange import Incoming, is_below, is_private, origin_of
from upstile.client.words import said
from upstile.protocol import (
    OPENID_METADATA_PATH,
    RESOURCE_METADATA_PATH,
    SERVER_METADATA_PATH,
    MalformedMessage,
    StepUpChallenge,
    find_dialect,
    find_error,
    find_step_up,
    readable_challenges,
    resource_covers,
    well_known_url,
)

if TYPE_CHECKING:
    from upstile.protocol import Problem, ResourceMetadata, ServerMetadata

_ASKS = ("insufficient-user-authentication", "insufficient-authorization")
_SCHEMES = ("bearer", "dpop")
_MOST_SEGMENTS = 4


def checked_origin(text: str) -> str:
    """An origin exactly as WebAuthn client data names one: the server compares it letter by letter (§5.8.1).

    Raises:
        ConfigurationError: it is none, or not in that spelling.
    """
    origin = origin_of(text)
    if is_private(text) and origin == text:
        return text
    meant = f"; {origin!r}, perhaps" if is_private(text) else ""
    raise ConfigurationError(
        f"webauthn_origin={text!r} must be an origin: https, or http on localhost, a host, no path{meant}"
    )


@dataclass(frozen=True, kw_only=True)
class Pins:
    """Where tokens and credentials may go.

    Args:
        api: the API's origin.
        issuer: the authorization server's issuer identifier; the API's address by default.
        base: the API's address as the app names it. Where it has a path, tokens stay below that.

    Raises:
        ConfigurationError: one of them is neither https nor http on this machine.
    """

    api: str
    issuer: str
    base: str

    @classmethod
    def of(cls, api: str, issuer: str | None) -> "Pins":
        """The pins of a client, checked."""
        for url in (api, api if issuer is None else issuer):
            if not is_private(url):
                raise ConfigurationError(
                    f"{url!r} must be an https URL, or http on localhost, in ASCII, without a user name"
                )
        origin = origin_of(api)
        base = origin + urlsplit(api).path.rstrip("/")
        return cls(api=origin, issuer=base if issuer is None else issuer, base=base)

    @property
    def is_external(self) -> bool:
        """Whether the authorization server is another one than the API's own."""
        return self.issuer not in (self.api, self.base)

    def is_api(self, url: str) -> bool:
        """Whether a request to `url` may carry a token."""
        return self._is_at_api(url) and (self.base == self.api or is_below(self.base, url))

    def _is_at_api(self, url: str) -> bool:
        """Whether a URL is on the API's origin: documents about it stand outside its path (RFC 9728 §3.1)."""
        return origin_of(url) == self.api

    def answers(self, response: Incoming, method: str, url: str) -> bool:
        """Whether a response is the API's own to this very request.

        A redirect that has turned a POST into a GET has carried the POST out: it must not be repeated.
        """
        return response.method == method and self.is_api(url) and self.is_api(response.url)

    def challenge_in(self, response: Incoming, method: str, url: str) -> StepUpChallenge | None:
        """The step-up challenge of a response, if it is the API's to this request; in a dialect, too."""
        if response.status not in (401, 403) or not self.answers(response, method, url):
            return None
        challenges = readable_challenges(response.lines("www-authenticate"))
        standard = find_step_up(challenges) if response.status == 401 else None
        return standard or find_dialect(response.status, challenges)

    def wants_nonce(self, response: Incoming, method: str, url: str) -> bool:
        """Whether a 401 only asks for a DPoP nonce (RFC 9449 §9)."""
        return self._error(response, method, url) == "use_dpop_nonce"

    def refuses_proof(self, response: Incoming, method: str, url: str) -> bool:
        """Whether a 401 says that the proof is not good, such as one that was used (RFC 9449 §7.1)."""
        return self._error(response, method, url) == "invalid_dpop_proof"

    def is_dead(self, response: Incoming, method: str, url: str) -> bool:
        """Whether a 401 says that the token is not good any more (RFC 6750 §3.1)."""
        return self._error(response, method, url) == "invalid_token"

    def wants_token(self, response: Incoming, method: str, url: str) -> bool:
        """Whether a 401 says that no token came (RFC 6750 §3.1: a challenge without `error`)."""
        if response.status != 401 or not self.answers(response, method, url):
            return False
        challenges = readable_challenges(response.lines("www-authenticate"))
        return find_error(challenges) is None and any(asked.scheme in _SCHEMES for asked in challenges)

    def lost_challenge(self, response: Incoming, method: str, url: str) -> bool:
        """Whether the API asks for a step-up, by its problem document, and its challenge was lost on the way."""
        if response.status != 401 or response.lines("www-authenticate") or not self.answers(response, method, url):
            return False
        return problem_in(response) in _ASKS

    def says_used(self, response: Incoming, method: str, url: str) -> bool:
        """Whether a challenge says that the token, which serves once, has served (upstile profile §4)."""
        return self.challenge_in(response, method, url) is not None and problem_in(response) == "token-used"

    def _error(self, response: Incoming, method: str, url: str) -> str | None:
        if response.status != 401 or not self.answers(response, method, url):
            return None
        return find_error(readable_challenges(response.lines("www-authenticate")))

    def metadata_url(self, challenge: StepUpChallenge | None, response: Incoming | None) -> str | None:
        """Where a challenge says that the resource's metadata is; it must lie on the API's origin."""
        named = challenge.resource_metadata if challenge else None
        if named is not None and not self._is_at_api(named):
            raise UntrustedChallenge(**said("metadata-elsewhere", url=named), response=response)
        return named

    def named_metadata(self, response: Incoming, method: str, url: str) -> str | None:
        """Where a 401 says that the resource's metadata is, whatever it refuses for (RFC 9728 §5.1)."""
        if response.status != 401 or not self.answers(response, method, url):
            return None
        challenges = readable_challenges(response.lines("www-authenticate"))
        named = [challenge.params.get("resource_metadata") for challenge in challenges if challenge.scheme in _SCHEMES]
        return next((where for where in named if where is not None and self._is_at_api(where)), None)

    def metadata_places(self, url: str) -> list[str]:
        """Where the metadata of the resource of a URL may be, in the order to look, where no challenge has said it.

        The API's address as the app names it is taken for the identifier, then the origin, then each path above the
        URL, the longest first.
        """
        segments = urlsplit(url).path.split("/")[1 : _MOST_SEGMENTS + 1]
        plain = list(takewhile(lambda text: text not in ("", ".", ".."), segments))
        above = ["/".join([self.api, *plain[:length]]) for length in range(len(plain), 0, -1)]
        base = [self.base] if resource_covers(self.base, url) else []
        return [well_known_url(place, RESOURCE_METADATA_PATH) for place in dict.fromkeys([*base, self.api, *above])]

    def server_places(self) -> list[str]:
        """Where the metadata of the authorization server may be, in the order to look (RFC 8414 §3.1).

        An OpenID provider has it behind its path, as well or instead (OpenID Connect Discovery §4.1).
        """
        places = [well_known_url(self.issuer, SERVER_METADATA_PATH)]
        if self.is_external:
            places.append(self.issuer.rstrip("/") + OPENID_METADATA_PATH)
        return places

    def check_resource(self, metadata: "ResourceMetadata", requested: str) -> None:
        """The document must speak for the requested URL and name our issuer (RFC 9728 §3.3)."""
        if not resource_covers(metadata.resource, requested) or not self._is_at_api(metadata.resource):
            raise UntrustedChallenge(**said("metadata-of-another", resource=metadata.resource, url=requested))
        if self.issuer not in metadata.authorization_servers:
            raise UntrustedChallenge(**said("issuer-not-named", issuer=self.issuer))

    def check_server(self, metadata: "ServerMetadata") -> None:
        """The document must be our issuer's, and its endpoints on the issuer's origin (RFC 8414 §3.3).

        Those of the API's own issuer are below the API's address.
        """
        if metadata.issuer != self.issuer:
            raise UntrustedChallenge(**said("issuer-calls-itself", issuer=metadata.issuer))
        endpoints = (
            metadata.authorization_challenge_endpoint,
            metadata.authorization_endpoint,
            metadata.pushed_authorization_request_endpoint,
            metadata.token_endpoint,
            metadata.revocation_endpoint,
            metadata.end_session_endpoint,
        )
        if not all(endpoint is None or self._is_issuers(endpoint) for endpoint in endpoints):
            raise UntrustedChallenge(**said("endpoint-elsewhere"))

    def _is_issuers(self, endpoint: str) -> bool:
        if self.issuer == self.base:
            return self.is_api(endpoint)
        return origin_of(endpoint) == origin_of(self.issuer)


def problem_in(response: Incoming) -> str | None:
    """The name of the problem that a response tells of."""
    problem = _problem_in(response)
    return None if problem is None else problem.name


def reason_in(response: Incoming) -> str | None:
    """The API's own words about a challenge."""
    problem = _problem_in(response)
    return None if problem is None else problem.detail


def instance_in(response: Incoming) -> str | None:
    """The correlation id of a challenge, which its ceremony names too: for the server's log alone."""
    from upstile.protocol import is_instance

    problem = _problem_in(response)
    instance = None if problem is None else problem.instance
    return instance if instance is not None and is_instance(instance) else None


def _problem_in(response: Incoming) -> "Problem | None":
    from upstile.protocol import Problem

    try:
        return Problem.from_json(response.body)
    except MalformedMessage:
        return None
