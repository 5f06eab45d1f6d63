"""What `StepUp` is in every framework: its construction, and the verbs that need no framework."""

from collections.abc import Callable, Iterable, Sequence
from time import time
from typing import Literal, Self

from upstile.server._deployment import Deployment
from upstile.server._errors import ConfigurationError
from upstile.server._help_desk import HelpDeskVerbs
from upstile.server._resource_server import resource_server
from upstile.server._settings import AUDIT_KEPT_FOR, check_choice, check_name, check_origin, check_positive
from upstile.server.audit import Addresses, Events
from upstile.server.resource._external import ExternalOptions, opened
from upstile.server.storage._open import stores
from upstile.server.storage._url import read_one_time, read_storage


class StepUpVerbs(HelpDeskVerbs):
    """Step-up authentication for an API: with its own authorization server by `StepUp.embedded(...)`, without by this.

    ```python
    from upstile.server.issuers import JWTVerifier, keycloak

    server = StepUp(
        url="https://api.example.com",
        verifier=JWTVerifier(issuer="https://id.example.com/realms/bank", profile=keycloak()),
    )
    ```
    """

    def __init__(
        self,
        *,
        url: str,
        verifier: ExternalOptions | Sequence[ExternalOptions],
        storage: str | None = None,
        one_time: str | None = None,
        name: str | None = None,
        dpop: Literal["optional", "off"] = "optional",
        replay: Literal["node", "shared"] | None = None,
        shared_storage: bool = False,
        allow_group_files: bool = False,
        trusted_proxies: Iterable[str] = (),
        audit_kept_for: float | None = AUDIT_KEPT_FOR,
        clock: Callable[[], float] = time,
        allow_insecure_loopback: bool = False,
    ) -> None:
        """A resource server: the tokens are those of other issuers, where people sign in and step up.

        Args:
            url: the public base URL of this API, an origin such as `https://api.example.com`. It is the resource
                identifier, and what DPoP proofs are compared with.
            verifier: a `JWTVerifier` or an `IntrospectionVerifier` of `upstile.server.issuers`, or several, each for
                another issuer: the `iss` of a token chooses.
            storage: `sqlite:///path/to/file.db` for one machine, `postgresql://user@host/database` for several. Needed
                for `max_age=0`, which has to remember what was used; with it, refused calls are kept in a table.
            one_time: `redis://host:6379` keeps what is short-lived there.
            name: what the API is called in its metadata; the host by default.
            dpop: `off` takes bearer tokens only.
            replay: where a DPoP proof is remembered: by each `node`, or `shared` by the deployment. By default GET,
                HEAD, OPTIONS and TRACE are the node's, every other method is shared; without `storage` all are the
                node's.
            shared_storage: several deployments share this storage, and this one may be new there. They never meet.
            allow_group_files: accept an SQLite file that its group may read and write.
            trusted_proxies: the networks of your proxies, whose word on the caller's address is believed in the audit.
            audit_kept_for: seconds after which a row of the audit table is deleted; `None` leaves that to you.
            clock: the time in epoch seconds.
            allow_insecure_loopback: accept `http://localhost:PORT`, and issuers on this machine without TLS. For
                development.

        Raises:
            ConfigurationError: something above is missing, unsafe or contradictory.
        """
        origin = check_origin(url, allow_insecure_loopback=allow_insecure_loopback)
        if storage is None and one_time is not None:
            raise ConfigurationError("one_time= needs storage= beside it: Redis keeps only what is short-lived")
        if audit_kept_for is not None:
            check_positive("audit_kept_for", audit_kept_for)
        kept = None
        if storage is not None:
            kept = stores(
                read_storage(storage),
                None if one_time is None else read_one_time(one_time),
                origin.url,
                None,
                clock=clock,
                shared=shared_storage,
                allow_group_files=allow_group_files,
                audit_kept_for=audit_kept_for,
            )
        super().__init__(
            resource_server(
                origin=origin,
                name=check_name(name or origin.host),
                external=opened(verifier, origin.url, allow_insecure_loopback=allow_insecure_loopback),
                storage=kept,
                replay=None if replay is None else check_choice("replay", replay, ("node", "shared")),
                dpop=check_choice("dpop", dpop, ("optional", "off")) == "optional",
                events=Events(kept, None, Addresses(trusted_proxies)),
                clock=clock,
            )
        )

    @classmethod
    def _of(cls, deployment: Deployment) -> Self:
        """What stands on a deployment that was put together elsewhere."""
        made = cls.__new__(cls)
        HelpDeskVerbs.__init__(made, deployment)
        return made
