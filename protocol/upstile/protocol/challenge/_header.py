"""The grammar of `WWW-Authenticate` (RFC 9110 §11.2, §11.3, §11.6.1): text to challenges and back.

Nothing here knows what a challenge means; that is `_challenge`.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from upstile.protocol._errors import MalformedHeader

# The names are the ABNF's own (RFC 9110 §5.6).
_TCHARS = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_OWS = r"[ \t]*"
_BWS = _OWS
_QUOTED_STRING = r'"(?:[\t \x21\x23-\x5B\x5D-\x7E\x80-\xFF]|\\[\t \x21-\x7E\x80-\xFF])*"'
_TOKEN68 = r"[A-Za-z0-9\-._~+/]+=*"
B64TOKEN = r"^[A-Za-z0-9._~+/-]+=*$"
"""What may stand behind `Bearer` and `DPoP` (RFC 6750 §2.1, RFC 9449 §7.1)."""
_END_OF_MEMBER = rf"(?={_OWS}(?:,|\Z))"

_separators = re.compile(rf"(?:{_OWS},)*{_OWS}")
_auth_param = re.compile(rf"({_TCHARS}){_BWS}={_BWS}(?:({_TCHARS})|({_QUOTED_STRING})){_END_OF_MEMBER}")
_auth_scheme = re.compile(rf"({_TCHARS})(?: +|{_END_OF_MEMBER})")
_token68 = re.compile(rf"({_TOKEN68}){_END_OF_MEMBER}")
_token_only = re.compile(_TCHARS)
_quoted_pair = re.compile(r"\\(.)", re.DOTALL)
_quotable = re.compile(r"[\t \x21-\x7E]*")


@dataclass(frozen=True, kw_only=True, slots=True)
class AuthChallenge:
    """One challenge of a `WWW-Authenticate` field (RFC 9110 §11.3).

    Attributes:
        scheme: the authentication scheme in lower case; schemes are case-insensitive.
        token68: the single opaque value that some schemes use instead of parameters.
        params: the parameters; names in lower case, values with their quoting removed.
    """

    scheme: str
    token68: str | None = None
    params: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


def parse_challenges(line: str) -> tuple[AuthChallenge, ...]:
    """Parse one `WWW-Authenticate` field line into its challenges, in their order.

    Raises:
        MalformedHeader: the line does not follow the grammar, or a parameter stands twice in a challenge.
    """
    return tuple(_members(line))


def readable_challenges(lines: Iterable[str]) -> tuple[AuthChallenge, ...]:
    """All challenges of several field lines; a malformed line counts as no challenge, never as a guess."""
    found: list[AuthChallenge] = []
    for line in lines:
        try:
            found += parse_challenges(line)
        except MalformedHeader:
            continue
    return tuple(found)


def serialize_challenge(scheme: str, params: Mapping[str, str | int]) -> str:
    """Write one challenge: texts as quoted-strings, whole numbers as tokens (RFC 9470 §3 sends `max_age=300`).

    Raises:
        MalformedHeader: a name that is no token, or a text that is not printable ASCII.
    """
    for name in (scheme, *params):
        if not _token_only.fullmatch(name):
            raise MalformedHeader(f"{name!r} is not a token")
    members = ", ".join(f"{name}={_serialize_value(value)}" for name, value in params.items())
    return f"{scheme} {members}" if members else scheme


def _members(line: str) -> Iterator[AuthChallenge]:
    position = _skip_separators(line, 0)
    while position < len(line):
        scheme = _auth_scheme.match(line, position)
        if scheme is None:
            raise MalformedHeader(f"no authentication scheme at character {position}")
        challenge, position = _credentials(line, scheme[1].lower(), scheme.end(), spaced=scheme[0] != scheme[1])
        yield challenge
        position = _skip_separators(line, position)


def _credentials(line: str, scheme: str, position: int, *, spaced: bool) -> tuple[AuthChallenge, int]:
    if not spaced:  # only a blank may introduce what belongs to the scheme
        return AuthChallenge(scheme=scheme), position
    opaque = None if _auth_param.match(line, position) else _token68.match(line, position)
    if opaque:
        return AuthChallenge(scheme=scheme, token68=opaque[1]), opaque.end()
    params, end = _params(line, position)
    if end == position < len(line):
        raise MalformedHeader(f"neither a parameter nor a token68 at character {position}")
    return AuthChallenge(scheme=scheme, params=MappingProxyType(params)), end


def _params(line: str, position: int) -> tuple[dict[str, str], int]:
    params: dict[str, str] = {}
    position = _skip_separators(line, position)
    while param := _auth_param.match(line, position):
        name = param[1].lower()
        if name in params:
            raise MalformedHeader(f"the parameter {name!r} stands twice in a challenge")
        params[name] = param[2] if param[2] is not None else _quoted_pair.sub(r"\1", param[3][1:-1])
        position = _skip_separators(line, param.end())
    return params, position


def _skip_separators(line: str, position: int) -> int:
    separators = _separators.match(line, position)
    return separators.end() if separators else position


def _serialize_value(value: str | int) -> str:
    if isinstance(value, int):
        return str(value)
    if not _quotable.fullmatch(value):
        raise MalformedHeader("a parameter value must be printable ASCII")
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
