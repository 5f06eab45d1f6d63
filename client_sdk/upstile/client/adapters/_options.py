"""The options of `Client` and `AsyncClient`, so that an editor completes them and a type checker reads them."""

import ssl
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypedDict

from cryptography.hazmat.primitives.asymmetric import ec

from upstile.client._events import OnEvent
from upstile.client.adapters._body import OnUnreplayable
from upstile.client.authority.browser._settings import Browser
from upstile.client.flow._session import Interaction
from upstile.client.flow.tokens._kept import KeepElevated
from upstile.client.flow.tokens._logins import TokenSource
from upstile.client.methods import Method
from upstile.client.prompts import Prompter
from upstile.client.stores import Store


class StepUpOptions(TypedDict, total=False):
    """Our own options; `StepUpAuth` says what each is for."""

    token: TokenSource
    store: Store | None
    profile: str
    keep_elevated: KeepElevated
    methods: Sequence[Method] | None
    browser: Browser | None
    prompter: Prompter | None
    issuer: str | None
    sign_in_at: str | None
    interaction: Interaction
    on_unreplayable: OnUnreplayable
    spool_limit: int
    human_timeout: float
    webauthn_origin: str | None
    on_event: OnEvent | None
    dpop_key: ec.EllipticCurvePrivateKey | None
    clock: Callable[[], float]
    monotonic: Callable[[], float]


class ClientOptions(StepUpOptions, total=False):
    """Our own options and the HTTP library's; `auth` and `base_url` are ours to set.

    The library's own classes stand here as `Any`: they are those of httpx or of httpx2.
    """

    params: Any
    headers: Any
    cookies: Any
    verify: ssl.SSLContext | str | bool
    cert: Any
    trust_env: bool
    http1: bool
    http2: bool
    proxy: Any
    mounts: Mapping[str, Any] | None
    timeout: Any
    follow_redirects: bool
    limits: Any
    max_redirects: int
    event_hooks: Mapping[str, list[Callable[..., Any]]] | None
    default_encoding: str | Callable[[bytes], str]
    transport: Any


OWN = frozenset(StepUpOptions.__annotations__)
"""The names of our own options."""
SHARED = ("verify", "cert", "proxy", "trust_env", "transport", "mounts", "timeout", "limits", "http1", "http2")
"""Those that the connection to the authorization server takes over."""
