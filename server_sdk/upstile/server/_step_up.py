"""What `StepUp` is in every framework: its construction, and the verbs that need no framework."""

from collections.abc import Callable, Iterable, Sequence
from time import time
from typing import Literal, Self

from upstile.server._errors import ConfigurationError
from upstile.server.audit import Addresses, Events, Notify
from upstile.server.authorization._apps import App, Apps
from upstile.server.authorization._lives import LOGIN_LIFE
from upstile.server.authorization.enrolment._help_desk import Users
from upstile.server.authorization.methods import Method, Totp, WebAuthn
from upstile.server.deployment._deployment import Deployment
from upstile.server.deployment._embedded import embedded
from upstile.server.deployment._embedded_settings import Settings
from upstile.server.deployment._help_desk import HelpDeskVerbs
from upstile.server.deployment._notices import Notices
from upstile.server.deployment._resource_server import resource_server
from upstile.server.deployment._settings import (
    AUDIT_KEPT_FOR,
    check_choice,
    check_cooling_off,
    check_login_life,
    check_memory,
    check_name,
    check_positive,
    check_url,
    check_webauthn_origins,
)
from upstile.server.inspection._call import DeclaredCall
from upstile.server.keys._configured import find_seal
from upstile.server.keys._rotation import ROTATED_AFTER
from upstile.server.resource._external import ExternalOptions, opened
from upstile.server.storage._open import key_file, stores
from upstile.server.storage._revocations import BOUND
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
            url: the public base URL of this API, such as `https://api.example.com` or `https://example.com/api`. It is
                the resource identifier, and what DPoP proofs are compared with.
            verifier: a `JWTVerifier` or an `IntrospectionVerifier` of `upstile.server.issuers`, or several, each for
                another issuer: the `iss` of a token chooses.
            storage: `sqlite:///path/to/file.db` for one machine, `postgresql://user@host/database` for several, or in
                tests `:memory:`. Needed for `max_age=0`, which has to remember what was used; with it, refused calls
                are kept in a table.
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
            allow_insecure_loopback: accept `http://localhost:PORT` or `http://127.0.0.1:PORT`, and issuers on this
                machine without TLS. For development.

        Raises:
            ConfigurationError: something above is missing, unsafe or contradictory.
        """
        base = check_url(url, allow_insecure_loopback=allow_insecure_loopback, for_webauthn=False)
        if storage is None and one_time is not None:
            raise ConfigurationError("one_time= needs storage= beside it: Redis keeps only what is short-lived")
        if audit_kept_for is not None:
            check_positive("audit_kept_for", audit_kept_for)
        kept = None
        if storage is not None:
            kept = stores(
                check_memory(read_storage(storage), base),
                None if one_time is None else read_one_time(one_time),
                base.url,
                None,
                clock=clock,
                shared=shared_storage,
                allow_group_files=allow_group_files,
                audit_kept_for=audit_kept_for,
            )
        super().__init__(
            resource_server(
                base=base,
                name=check_name(name or base.host),
                external=opened(verifier, base.url, allow_insecure_loopback=allow_insecure_loopback),
                storage=kept,
                replay=None if replay is None else check_choice("replay", replay, ("node", "shared")),
                dpop=check_choice("dpop", dpop, ("optional", "off")) == "optional",
                events=Events(kept, None, Addresses(trusted_proxies)),
                clock=clock,
            )
        )

    @classmethod
    def embedded(
        cls,
        *,
        url: str,
        storage: str,
        clients: Iterable[App],
        methods: Iterable[Method] | None = None,
        name: str | None = None,
        secret_keys: Sequence[str | bytes] | None = None,
        rotate_keys_after: float | None = ROTATED_AFTER,
        rp_id: str | None = None,
        webauthn_origins: Iterable[str] = (),
        sign_count: Literal["refuse", "report"] = "refuse",
        dpop: Literal["required", "optional"] = "required",
        one_time: str | None = None,
        replay: Literal["node", "shared"] | None = None,
        max_revocation_age: float = BOUND,
        login_life: float = LOGIN_LIFE,
        cooling_off: float | None = None,
        users: Users | None = None,
        shared_storage: bool = False,
        allow_group_files: bool = False,
        notify: Notify | None = None,
        notices: Notices | None = None,
        trusted_proxies: Iterable[str] = (),
        audit_kept_for: float | None = AUDIT_KEPT_FOR,
        verifier: ExternalOptions | Sequence[ExternalOptions] = (),
        clock: Callable[[], float] = time,
        allow_insecure_loopback: bool = False,
    ) -> Self:
        """A resource server with its own authorization server.

        Args:
            url: the public base URL of this API, such as `https://api.example.com` or `https://example.com/api`. It is
                issuer and resource identifier, and what DPoP proofs are compared with.
            storage: `sqlite:///path/to/file.db` for one machine, `postgresql://user@host/database` for several. In
                tests `:memory:`: it and its keys are of one process, gone when the application stops, and good with
                `http://localhost` only.
            clients: the apps that may run ceremonies.
            methods: the ways to confirm, of `upstile.server.methods`; by default `[WebAuthn(), Totp()]`. The strongest
                are offered first, and of equally strong ones those that stand first here.
            name: what people are shown, e.g. in an authenticator app; the host by default.
            secret_keys: keys that encrypt secrets at rest, each 32 random bytes as base64url text, the newest first; by
                default the blank-separated keys in the environment variable `UPSTILE_SECRET_KEYS`.
            rotate_keys_after: seconds, at least a day, after which a new signing key is made; `None` leaves it to
                `upstile-server keys rotate`.
            rp_id: the WebAuthn relying party identifier; the host by default.
            webauthn_origins: origins besides `url` that may run WebAuthn ceremonies.
            sign_count: what follows when a security key counts lower than before, so that there may be a copy of it
                (WebAuthn §7.2): `refuse` its answer, or only `report` it. It is an event in either case.
            dpop: `optional` lets clients run ceremonies without proving a key; their tokens are bearer tokens then.
            one_time: `redis://host:6379` keeps one-time state there; by default it lies in `storage`.
            replay: where a DPoP proof is remembered: by each `node`, or `shared` by the deployment. By default GET,
                HEAD, OPTIONS and TRACE are the node's, every other method is shared.
            max_revocation_age: seconds for which the last known list of revocations holds while storage cannot be
                read; after that guarded calls are refused with 503.
            login_life: seconds that a base login lasts, at most twelve hours.
            cooling_off: seconds, such as `24 * 3600`, for which calls that ask for `settled=True` are refused to a user
                whose authenticators were reset: by the help desk, or with an enrolment code or a mailed code after
                everything was lost. The owner is told at once. Give all processes the same.
            users: says whether there is a user of a name; with it the help desk cannot act for nobody.
            shared_storage: several deployments share this storage, and this one may be new there. They never meet.
                Without it, a storage that knows only another `url` is refused.
            allow_group_files: accept an SQLite file that its group may read and write.
            notify: is called with each `SecurityEvent` that concerns a person; a reply waits for it for a second at
                most. A plain function is called in a thread.
            notices: sends people mails about what happens with their account.
            trusted_proxies: the networks of your proxies, such as `10.0.0.0/8`: only from them `X-Forwarded-For` or
                `Forwarded` is believed, for the addresses in the audit. Addresses are kept as /24 and /48.
            audit_kept_for: seconds after which a row of the audit table is deleted; `None` leaves that to you.
            verifier: for issuers whose tokens the API takes besides those of its own server, as in `StepUp(...)`.
            clock: the time in epoch seconds.
            allow_insecure_loopback: accept `http://localhost:PORT`, and keep a generated key in a file beside the
                data when no `secret_keys` are set. For development.

        Raises:
            ConfigurationError: something above is missing, unsafe or contradictory.
        """
        base = check_url(url, allow_insecure_loopback=allow_insecure_loopback, for_webauthn=True)
        where = check_memory(read_storage(storage), base)
        seal = find_seal(secret_keys, key_file(where) if base.is_loopback else None, forgets=where.kind == "memory")
        party, origins = rp_id or base.host, (base.origin, *webauthn_origins)
        check_webauthn_origins(party, origins)
        if audit_kept_for is not None:
            check_positive("audit_kept_for", audit_kept_for)
        kept = stores(
            where,
            None if one_time is None else read_one_time(one_time),
            base.url,
            seal,
            clock=clock,
            shared=shared_storage,
            allow_group_files=allow_group_files,
            audit_kept_for=audit_kept_for,
        )
        settings = Settings(
            base=base,
            apps=Apps(clients),
            seal=seal,
            storage=kept,
            methods=(WebAuthn(), Totp()) if methods is None else tuple(methods),
            name=check_name(name or base.host),
            rp_id=party,
            webauthn_origins=origins,
            refuse_copies=check_choice("sign_count", sign_count, ("refuse", "report")) == "refuse",
            dpop_required=check_choice("dpop", dpop, ("required", "optional")) == "required",
            replay=None if replay is None else check_choice("replay", replay, ("node", "shared")),
            rotate_keys_after=rotate_keys_after,
            max_revocation_age=check_positive("max_revocation_age", max_revocation_age),
            login_life=check_login_life(login_life),
            cooling_off=check_cooling_off(cooling_off),
            users=users,
            clock=clock,
            events=Events(kept, notify, Addresses(trusted_proxies), () if notices is None else notices.kinds),
            notices=notices,
            external=opened(verifier, base.url, allow_insecure_loopback=allow_insecure_loopback),
        )
        return cls._of(embedded(settings))

    def calls(self) -> tuple[DeclaredCall, ...]:
        """The calls of all applications that this is installed in, with what their guards ask; our own are left out.

        For a test that no call was forgotten, and for `upstile-server check`:

        ```python
        open_to_all = {str(call) for call in server.calls() if call.changes and not call.requirements}
        assert open_to_all == {"POST /login"}
        ```
        """
        return tuple(call for calls in self._deployment.applications for call in calls())

    @classmethod
    def _of(cls, deployment: Deployment) -> Self:
        """What stands on a deployment that was put together elsewhere."""
        made = cls.__new__(cls)
        HelpDeskVerbs.__init__(made, deployment)
        return made
