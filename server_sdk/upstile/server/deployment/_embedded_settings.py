"""What an embedded deployment is made of."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from upstile.server.audit import Events
from upstile.server.authorization._apps import Apps
from upstile.server.authorization.enrolment._help_desk import Users
from upstile.server.authorization.methods import Method
from upstile.server.deployment._notices import Notices
from upstile.server.deployment._settings import BaseUrl
from upstile.server.keys._seal import Seal
from upstile.server.resource._external import External
from upstile.server.storage import Storage


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What an embedded deployment is made of, checked by `_settings`.

    Attributes:
        base: the public base URL; issuer and resource identifier at once.
        apps: the registered apps.
        seal: encrypts secrets at rest.
        storage: the stores.
        methods: the ways to confirm.
        name: what people are shown.
        rp_id, webauthn_origins: the WebAuthn relying party, and the origins that its client data may name.
        refuse_copies: whether a security key is refused that counts lower than before.
        dpop_required: whether ceremonies without DPoP are refused.
        replay: whether a DPoP proof is remembered by the node or by the deployment; `None` goes by the method.
        rotate_keys_after: seconds after which a new signing key is made; `None`: only on command.
        max_revocation_age: seconds for which the list of revocations may be used without having been read.
        login_life: seconds that a base login lasts.
        users: knows who exists, for the help desk.
        clock: the time in epoch seconds.
        events: is told what happens.
        cooling_off: seconds for which some things stay closed after a reset; `None`: nothing does.
        external: the verifiers of issuers whose tokens the API takes besides.
        notices: sends people mails about it; `None`: nobody does.
    """

    base: BaseUrl
    apps: Apps
    seal: Seal
    storage: Storage
    methods: Sequence[Method]
    name: str
    rp_id: str
    webauthn_origins: tuple[str, ...]
    refuse_copies: bool
    dpop_required: bool
    replay: Literal["node", "shared"] | None
    rotate_keys_after: float | None
    max_revocation_age: float
    login_life: float
    users: Users | None
    clock: Callable[[], float]
    events: Events
    notices: Notices | None
    cooling_off: int | None = None
    external: tuple[External, ...] = ()

    @property
    def url(self) -> str:
        """Issuer, resource identifier and base of all endpoints."""
        return self.base.url
