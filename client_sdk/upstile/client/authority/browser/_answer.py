"""What the browser brings back: whether it is the answer to our request, and what it says (RFC 6749 §4.1.2)."""

from collections.abc import Mapping
from hmac import compare_digest
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from upstile.client._errors import CeremonyFailed, NoMethodAvailable, StepUpCancelled, StepUpError
from upstile.client._text import harmless
from upstile.client.words import said
from upstile.protocol import MalformedMessage, parse_form

if TYPE_CHECKING:
    from upstile.protocol import ServerMetadata

_CANNOT = "unmet_authentication_requirements"


class Unmet(NoMethodAvailable):
    """The one error that says that the person cannot do what was asked (OpenID Connect UMAR): another acr may do."""


def answer_in(query: str, state: str) -> Mapping[str, str] | None:
    """The parameters of an answer to the request of this `state`; `None` if it is none."""
    try:
        found = parse_form(query.encode("ascii", "replace"))
    except MalformedMessage:
        return None
    if not compare_digest(found.get("state", "").encode(), state.encode()):
        return None
    return found if "code" in found or "error" in found else None


def query_in(pasted: str, redirect_uri: str) -> str | None:
    """The query of an address that somebody pasted; `None` if the browser was not sent there by our request."""
    text = pasted.strip()
    try:
        parts = urlsplit(text)
    except ValueError:
        return None
    return parts.query if f"{parts.scheme}://{parts.netloc}{parts.path}" == redirect_uri else None


def code_of(answer: Mapping[str, str], server: "ServerMetadata") -> str:
    """The code in an answer.

    Raises:
        CeremonyFailed: another issuer sent it (RFC 9207 §2.4), or it is an error.
        Unmet: the person cannot do what was asked.
        StepUpCancelled: the person said no.
    """
    issuer = answer.get("iss")
    promised = bool(server.authorization_response_iss_parameter_supported)
    if (issuer is not None or promised) and issuer != server.issuer:
        raise CeremonyFailed(**said("browser-elsewhere", got=issuer, issuer=server.issuer))
    if "error" in answer:
        raise _refusal(answer)
    return answer["code"]


def _refusal(answer: Mapping[str, str]) -> StepUpError:
    error = answer["error"]
    why = ": ".join(filter(None, (harmless(error), harmless(answer.get("error_description")))))
    if error == _CANNOT:
        return Unmet(**said("browser-cannot", why=why))
    if error == "access_denied":
        return StepUpCancelled(**said("browser-declined", why=why))
    return CeremonyFailed(**said("browser-refused", why=why), error=harmless(error))
