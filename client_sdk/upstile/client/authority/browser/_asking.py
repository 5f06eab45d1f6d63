"""In which form an identity provider is asked for an acr: one acr in one form, or it takes the weakest.

Keycloak reads several values as the lowest of them. In node oidc-provider `acr_values` beside an essential claim turns
that into a voluntary one. So neither is ever sent.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from upstile.protocol import Requirement, json_compact

if TYPE_CHECKING:
    from upstile.protocol import ServerMetadata

_ENTRA = frozenset(
    {"login.microsoftonline.com", "login.microsoftonline.us", "login.partner.microsoftonline.cn", "sts.windows.net"}
)
_CAPABLE = {"values": ["cp1"]}
"""Says to Entra that this client understands a claims challenge."""


def is_entra(issuer: str) -> bool:
    """Whether an issuer is Microsoft Entra, which has forms of its own."""
    return urlsplit(issuer).hostname in _ENTRA


def acrs_to_try(asked: Sequence[str], supported: Sequence[str] | None) -> tuple[str | None, ...]:
    """The acrs to ask for, one after another: those that the provider offers, in the order of the challenge.

    Where it offers none of them, or does not say, all of them. Without any, one request without an acr.
    """
    offered = [acr for acr in asked if acr in (supported or ())]
    return tuple(offered or asked) or (None,)


def strength(acr: str | None, server: "ServerMetadata") -> dict[str, str]:
    """The parameters that ask for one acr."""
    if is_entra(server.issuer):
        return as_entra(acr)
    if acr is None:
        return {}
    if server.claims_parameter_supported and acr in (server.acr_values_supported or ()):
        return as_essential_claim(acr)
    return {"acr_values": acr}


def as_essential_claim(acr: str) -> dict[str, str]:
    """One that must be met or refused (OpenID Connect Core §5.5.1.1)."""
    return {"claims": _text({"id_token": {"acr": {"essential": True, "values": [acr]}}})}


def as_entra(acr: str | None) -> dict[str, str]:
    """An authentication context of Conditional Access, such as `c1`, and that the client understands challenges."""
    context = {} if acr is None else {"acrs": {"essential": True, "value": acr}}
    return {"claims": _text({"access_token": {**context, "xms_cc": _CAPABLE}})}


def freshness(asked: Requirement) -> dict[str, str]:
    """The parameters that ask for a recent authentication (OpenID Connect Core §3.1.2.1)."""
    if asked.max_age is None:
        return {}
    again = {"prompt": "login"} if asked.for_this_call else {}
    return {"max_age": str(asked.max_age), **again}


def _text(claims: object) -> str:
    return json_compact(claims).decode()
