"""Which other issuers sign people in for an embedded server: checked at the start, so that no two users are one."""

from collections.abc import Mapping, Sequence

from upstile.server._errors import ConfigurationError
from upstile.server.authorization._acr import check_amr
from upstile.server.authorization._apps import Apps
from upstile.server.resource._external import External
from upstile.server.resource._external_logins import LoginsAt


def logins_elsewhere(external: Sequence[External], apps: Apps) -> Mapping[str, LoginsAt]:
    """The issuers whose sign-ins count, by identifier.

    Raises:
        ConfigurationError: two issuers could mean different people by one name, or an option names what there is not.
    """
    found = {each.logins.issuer: each.logins for each in external if each.logins is not None}
    for issuer, logins in found.items():
        if logins.options.users is None and len(found) > 1:
            raise ConfigurationError(
                f"people sign in at {len(found)} issuers, and {issuer} may call somebody what another one calls "
                "somebody else: give each ExternalLogins its users="
            )
        check_amr(tuple(logins.options.trusted_amr))
        for client, app in logins.options.clients.items():
            if not apps.has(app):
                raise ConfigurationError(f"clients={{{client!r}: {app!r}}}: no app {app!r} is registered here")
    return found


def only_elsewhere(found: Mapping[str, LoginsAt]) -> str | None:
    """The one issuer at which all people sign in, under the names that it gives them; else `None`."""
    return next((issuer for issuer, logins in found.items() if logins.options.users is None), None)
