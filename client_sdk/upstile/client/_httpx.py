"""The clients on httpx."""

from types import ModuleType
from typing import ClassVar

import httpx

from upstile.client.adapters._auth import StepUpFlow
from upstile.client.adapters._client import AsyncVerbs, SyncVerbs


class StepUpAuth(StepUpFlow, httpx.Auth):
    __doc__ = StepUpFlow.__doc__
    http: ClassVar[ModuleType] = httpx


class Client(SyncVerbs[StepUpAuth, httpx.Request, httpx.Response], httpx.Client):
    """An httpx client for one API that steps up when it is asked to.

    Everything that `httpx.Client` does works; calls to other origins carry no token.
    """

    http: ClassVar[ModuleType] = httpx
    auth_class: ClassVar[type[StepUpFlow]] = StepUpAuth


class AsyncClient(AsyncVerbs[StepUpAuth, httpx.Request, httpx.Response], httpx.AsyncClient):
    """The same for `async` code."""

    http: ClassVar[ModuleType] = httpx
    auth_class: ClassVar[type[StepUpFlow]] = StepUpAuth
