"""The clients on httpx2, as `upstile.client` has them on httpx: `from upstile.client.httpx2 import Client`."""

from importlib.util import find_spec
from types import ModuleType
from typing import ClassVar

if find_spec("httpx2") is None:
    raise ImportError("upstile.client.httpx2 needs httpx2: pip install 'upstile[httpx2]'")

import httpx2

from upstile.client.adapters._auth import StepUpFlow
from upstile.client.adapters._client import AsyncVerbs, SyncVerbs

__all__ = ["AsyncClient", "Client", "StepUpAuth"]


class StepUpAuth(StepUpFlow, httpx2.Auth):
    __doc__ = StepUpFlow.__doc__
    http: ClassVar[ModuleType] = httpx2


class Client(SyncVerbs[StepUpAuth, httpx2.Request, httpx2.Response], httpx2.Client):
    """An httpx2 client for one API that steps up when it is asked to; as `upstile.client.Client`."""

    http: ClassVar[ModuleType] = httpx2
    auth_class: ClassVar[type[StepUpFlow]] = StepUpAuth


class AsyncClient(AsyncVerbs[StepUpAuth, httpx2.Request, httpx2.Response], httpx2.AsyncClient):
    """The same for `async` code."""

    http: ClassVar[ModuleType] = httpx2
    auth_class: ClassVar[type[StepUpFlow]] = StepUpAuth
