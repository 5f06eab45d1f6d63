"""The embedded authorization server, as a deployment runs it."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from secrets import token_bytes

from upstile.protocol import TokenResponse
from upstile.server._errors import AuthorizationError
from upstile.server._http import HttpRequest
from upstile.server.audit import Events, SecurityEvent
from upstile.server.authorization._possession import Possession, ProofOfPossession
from upstile.server.authorization._sign_in import SignIn
from upstile.server.authorization.enrolment._help_desk import HelpDesk
from upstile.server.deployment._keeper import Chores
from upstile.server.deployment._notices import Notices
from upstile.server.keys._seal import Seal
from upstile.server.keys._signing import SigningKeys
from upstile.server.resource._issuer import Issuer
from upstile.server.storage import Names, Revocations, Storage


async def open_stores(storage: Storage, names: Names) -> None:
    """Open all stores, and take the key that names one-time state."""
    for store in storage.stores:
        await store.prepare()
    names.load(await storage.durable.secret("names", token_bytes(32)))


@dataclass(kw_only=True, eq=False)
class Authority:
    """The parts of an authorization server that are used beside its endpoints.

    Attributes:
        issuer: whose tokens it makes.
        scopes: what they may carry.
        sign_in: the seam to the application's own sign-in.
        help_desk: what is done for users, on the word of the application.
        possession: checks the DPoP proof of a sign-in.
        signing: the keys, loaded by `prepare`.
        seal: encrypts secrets at rest.
        storage: the stores, opened by `prepare`.
        names: makes the keys of one-time state.
        revocations: what ended before its time.
        events: is told what happens.
        clock: the time in epoch seconds.
        notices: sends people mails about what happens; `None`: nobody does.
    """

    issuer: Issuer
    scopes: frozenset[str]
    sign_in: SignIn
    help_desk: HelpDesk
    possession: ProofOfPossession
    signing: SigningKeys
    seal: Seal
    storage: Storage
    names: Names
    revocations: Revocations
    events: Events
    clock: Callable[[], float]
    notices: Notices | None

    async def open(self) -> None:
        """Open the stores and read what has ended: as much as the help desk needs."""
        await open_stores(self.storage, self.names)
        await asyncio.to_thread(self.revocations.look, self.clock())

    async def prepare(self) -> None:
        """The same; load the keys, and begin to send notices."""
        await self.open()
        await self.signing.prepare(self.clock())
        if self.notices is not None:
            await self.notices.start(self.storage.durable, self.clock)

    async def hush(self) -> None:
        """Stop sending notices; what is not sent waits in the queue."""
        if self.notices is not None:
            await self.notices.stop()

    async def aclose(self) -> None:
        """Close the stores."""
        for store in self.storage.stores:
            await store.aclose()

    def chores(self) -> Chores:
        """What the background thread does for it."""
        return {"the log of revocations": self.revocations.look, "signing keys": self._look_at_keys}

    async def start_session(
        self,
        subject: str,
        *,
        amr: Sequence[str],
        request: HttpRequest | None,
        client_id: str | None,
        account: str | None,
        auth_time: float | None = None,
    ) -> TokenResponse:
        """Begin a base login; bound to the key of the request's DPoP proof, if it has one.

        NOTE: no cache may keep the response that hands the token out. An adapter sees to it: over ASGI with
        `_no_store`, elsewhere by setting `Cache-Control: no-store` on what the application answers.
        """
        now = self.clock()
        with self.events.request(request) if request is not None else nullcontext():
            try:
                proven = request is not None and bool(request.lines(b"dpop"))
                possession = self.possession.of(request, now) if request is not None and proven else Possession()
                return await self.sign_in.start_session(
                    subject,
                    amr=amr,
                    now=now,
                    possession=possession,
                    client_id=client_id,
                    account_name=account,
                    auth_time=auth_time,
                )
            except AuthorizationError as error:
                code, detail = error.code, error.description
                self.events.note(SecurityEvent(kind="sign-in-refused", user=None, at=now, reason=code, detail=detail))
                raise

    def _look_at_keys(self, now: float) -> None:
        if self.signing.due(now):
            asyncio.run(self.signing.tick(now))
