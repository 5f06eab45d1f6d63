"""Several issuers of one API: the `iss` of a token chooses whose it is to be judged as, exactly."""

from collections.abc import Sequence

from upstile.server._errors import ConfigurationError
from upstile.server.resource._issuer import Issuer
from upstile.server.resource.tokens._access_token import AccessToken
from upstile.server.resource.tokens._unverified import claims_in
from upstile.server.resource.tokens._verifier import InvalidToken, Known, Verifier


class Issuers:
    """The verifiers of all issuers as one (`Verifier`). What a token says of its issuer is only where to look.

    Args:
        verifiers: one or more for each issuer's tokens.
        opaque: that of the issuer whose tokens say nothing to us, where there is one.

    Raises:
        ConfigurationError: two of them are for the same issuer.
    """

    def __init__(self, verifiers: Sequence[Verifier], opaque: Verifier | None = None) -> None:
        self._verifiers = tuple(verifiers)
        self._opaque = opaque
        self._by_identifier: dict[str, Verifier] = {}
        for verifier in self._verifiers:
            for issuer in verifier.issuers:
                if issuer.identifier in self._by_identifier:
                    raise ConfigurationError(f"the issuer {issuer.identifier} has two verifiers: its tokens need one")
                self._by_identifier[issuer.identifier] = verifier

    @property
    def issuers(self) -> tuple[Issuer, ...]:
        """Whose tokens these are."""
        return tuple(issuer for verifier in self._verifiers for issuer in verifier.issuers)

    def issuer_of(self, token: AccessToken) -> Issuer:
        """Whose token it is."""
        return self._by_identifier[token.issuer].issuer_of(token)

    def verify(self, token: str, now: float, digest: bytes | None = None) -> AccessToken:
        """Verify a token as one of the issuer that it names.

        Raises:
            InvalidToken: as the verifier of that issuer; or there is none for it.
        """
        return self._verifier_of(token).verify(token, now, digest)

    def has_expired(self, token: AccessToken, now: float) -> bool:
        """Whether a token that was verified is too old."""
        return self._by_identifier[token.issuer].has_expired(token, now)

    def known(self, digest: bytes, now: float) -> Known | None:
        """A token that was verified before, by its SHA-256."""
        for verifier in self._verifiers:
            found = verifier.known(digest, now)
            if found is not None:
                return found
        return None

    def _verifier_of(self, token: str) -> Verifier:
        identifier = _issuer_named_by(token)
        found = self._opaque if identifier is None else self._by_identifier.get(identifier)
        if found is None:
            raise InvalidToken("of an issuer that is not accepted here")
        return found


def together(*verifiers: Verifier) -> Verifier:
    """One verifier for the tokens of all of them.

    Raises:
        ConfigurationError: it could not be told whose a token is.
    """
    if len(verifiers) == 1:
        return verifiers[0]
    opaque = [verifier for verifier in verifiers if getattr(verifier, "takes_opaque", False)]
    if len(opaque) > 1:
        raise ConfigurationError("two issuers with IntrospectionVerifier: whose an opaque token is could not be told")
    return Issuers(verifiers, next(iter(opaque), None))


def _issuer_named_by(token: str) -> str | None:
    """The `iss` of a signed token, which nobody has verified yet; `None` for one that is no JWT."""
    issuer = (claims_in(token) or {}).get("iss")
    return issuer if isinstance(issuer, str) else None
