"""An application of a test's own: an embedded deployment with any options, to which the test adds routes."""

from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import httpx
from fastapi import Depends, FastAPI, Request

from support.wire_driver import URL, SettableClock, WireApp
from upstile.server import App, Authentication, TokenResponse
from upstile.server.fastapi import StepUp

BANK_CLI = App("bank-cli", scopes={"payments"})


@dataclass(kw_only=True)
class OwnApp(WireApp):
    """An installation of the app against an application of a test's own; without `bound` it proves no key."""

    api: FastAPI
    server: StepUp
    bound: bool = True

    def as_client(self, client_id: str) -> "OwnApp":
        """Another registered app, with the same key and nobody signed in."""
        return replace(self, client_id=client_id, token="")

    async def sign_in(self, username: str = "ada", password: str = "") -> str:
        """Sign in with this client, keep the base token."""
        reply = await self.post("/login", {}, params={"user": username, "client_id": self.client_id})
        self.token = reply.json()["access_token"]
        return self.token

    async def post(
        self, path: str, form: Any, *, params: dict[str, str] | None = None, **changed: Any
    ) -> httpx.Response:
        """A form, with a proof if this installation has a key."""
        headers = {"DPoP": self.proof("POST", path, **changed)} if self.bound else {}
        return await self.http.post(path, data=form, headers=headers, params=params)

    async def call(self, method: str, path: str, *, token: str | None = None, **request: Any) -> httpx.Response:
        """A request with token, and with a proof if this installation has a key."""
        if self.bound:
            return await super().call(method, path, token=token, **request)
        headers = {"Authorization": f"Bearer {self.token if token is None else token}"}
        return await self.http.request(method, path, headers=headers, **request)


def another_process(folder: Path, clock: Callable[[], float], **options: Any) -> StepUp:
    """Another process of the bank's deployment in `folder`, such as its help desk."""
    return StepUp.embedded(
        url=URL,
        storage=f"sqlite:///{folder / 'bank.db'}",
        clients=[BANK_CLI],
        allow_insecure_loopback=True,
        clock=clock,
        **options,
    )


@asynccontextmanager
async def own_app(
    folder: Path, *, clients: Iterable[App] = (BANK_CLI,), amr: Sequence[str] = ("pwd",), **options: Any
) -> AsyncGenerator[OwnApp]:
    """The app against a fresh deployment in process; nobody is signed in yet. A sign-in checks what `amr` says."""
    clock = SettableClock()
    kept = {"storage": f"sqlite:///{folder / 'bank.db'}", **options}
    server = StepUp.embedded(url=URL, clients=clients, clock=clock, allow_insecure_loopback=True, **kept)
    api = FastAPI()
    server.install(api)

    @api.post("/login")
    async def login(user: str, client_id: str, request: Request) -> TokenResponse:
        return await server.start_session(user, amr=amr, client_id=client_id, request=request)

    @api.get("/me")
    async def me(auth: Annotated[Authentication, Depends(server.require())]) -> str:
        return auth.subject

    async with api.router.lifespan_context(api):
        transport = httpx.ASGITransport(api, raise_app_exceptions=True)
        async with httpx.AsyncClient(transport=transport, base_url=URL) as http:
            yield OwnApp(http, clock, api=api, server=server)
