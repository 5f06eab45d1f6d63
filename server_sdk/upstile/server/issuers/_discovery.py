"""What an issuer publishes of itself: authorization server metadata (RFC 8414) or OpenID discovery."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from upstile.protocol import SERVER_METADATA_PATH, well_known_url
from upstile.server._errors import ConfigurationError, IssuerUnavailable
from upstile.server.issuers._http import IssuerHttp

_OPENID_PATH = "/.well-known/openid-configuration"


@dataclass(frozen=True, kw_only=True, slots=True)
class Published:
    """The members that a resource server has a use for.

    Attributes:
        jwks_uri: where its keys are.
        introspection_endpoint: where it is asked about a token.
        acr_values_supported: what it offers; `None` where it does not say.
    """

    jwks_uri: str | None = None
    introspection_endpoint: str | None = None
    acr_values_supported: tuple[str, ...] | None = None


async def discover(http: IssuerHttp, issuer: str) -> Published:
    """Read the metadata of an issuer: where RFC 8414 §3.1 puts it, else where OpenID does.

    Raises:
        ConfigurationError: the document is another issuer's; one slash makes a difference (RFC 8414 §3.3).
        IssuerUnavailable: there is none to be had.
    """
    said: list[str] = []
    for url in (well_known_url(issuer.rstrip("/"), SERVER_METADATA_PATH), issuer.rstrip("/") + _OPENID_PATH):
        answer = await http.get(url)
        if answer.status == 200 and answer.members:
            return _published(answer.members, issuer)
        said.append(f"{url} answered {answer.status}" if answer.status != 200 else f"{url} is no JSON object")
    raise IssuerUnavailable(f"the metadata of {issuer} cannot be found: {', '.join(said)}")


def _published(members: Mapping[str, Any], issuer: str) -> Published:
    named = members.get("issuer")
    if named != issuer:
        raise ConfigurationError(f"issuer={issuer!r}: its metadata say that it is {named!r}, which is not the same")
    return Published(
        jwks_uri=_text(members, "jwks_uri"),
        introspection_endpoint=_text(members, "introspection_endpoint"),
        acr_values_supported=_texts(members, "acr_values_supported"),
    )


def _text(members: Mapping[str, Any], name: str) -> str | None:
    value = members.get(name)
    return value if isinstance(value, str) else None


def _texts(members: Mapping[str, Any], name: str) -> tuple[str, ...] | None:
    values = members.get(name)
    if not isinstance(values, list):
        return None
    return tuple(value for value in cast(list[object], values) if isinstance(value, str))
