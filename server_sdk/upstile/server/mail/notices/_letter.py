"""A claimed notice becomes a mail: to whom, in which language, in which words."""

import asyncio
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import Any

from upstile.server.audit import place_of
from upstile.server.mail._address import read_address
from upstile.server.mail._mail import Mail
from upstile.server.mail._texts import Texts
from upstile.server.mail.notices._kinds import MAILS
from upstile.server.storage import ClaimedNotice, User

Address = Callable[[User], Awaitable[tuple[str, str | None] | None] | tuple[str, str | None] | None]
"""Where a user gets mails, and in which language (RFC 5646); `None` for nobody. A plain function is called in a thread,
a coroutine function on the application's event loop. What it raises is tried again later."""
_COUNTS = frozenset({"recovery-code-used", "recovery-codes-low"})
"""The kinds whose detail is a number of codes; of others a number is a time."""
_TOLD = frozenset({"restore-asked"})
"""The kinds that mail destinations are told of by the ceremony itself; their detail says which."""
PATIENCE = 10.0
"""Seconds for which an address is waited for."""


class Letters:
    """Writes the mails of notices.

    Args:
        address: looks up where a user gets mails.
        texts: the templates.
        service: who writes, as people know it.
        place: says where a masked address is, such as `Hamburg, Germany`; `None` where it does not know.
        apps: what people call an app, by its client_id.
    """

    def __init__(
        self,
        address: Address,
        *,
        texts: Texts,
        service: str,
        place: Callable[[str], str | None] | None,
        apps: dict[str, str],
    ) -> None:
        self._address = address
        self._texts = texts
        self._service = service
        self._place = place
        self._apps = apps

    async def write(self, claimed: ClaimedNotice, loop: asyncio.AbstractEventLoop | None) -> Mail | None:
        """The mail; `None` where the user gets none.

        Args:
            claimed: the notice.
            loop: the application's, for what is a coroutine there; `None` where it is not running.
        """
        user = User(claimed.issuer, claimed.subject)
        async with asyncio.timeout(PATIENCE):
            found = await self._looked_up(user, loop)
        if found is None:
            return None
        to, language = found
        if claimed.kind in _TOLD and _is_told(user, to, claimed.detail or ""):
            return None
        made = self._texts.render(MAILS[claimed.kind], language, self._facts(claimed))  # type: ignore[index]
        return Mail(to=to, subject=made.subject, text=made.text, html=made.html, language=made.language, id=claimed.id)

    def _facts(self, claimed: ClaimedNotice) -> dict[str, Any]:
        detail, address, place = claimed.detail or "", claimed.address, self._place
        return {
            "service": self._service,
            "kind": claimed.kind,
            "count": claimed.times,
            "since": claimed.since,
            "at": claimed.at,
            "app": self._apps.get(claimed.client_id or "", claimed.client_id),
            "method": claimed.method,
            "address": address,
            "place": None if place is None or address is None else place(address),
            "left": int(detail) if detail.isdecimal() and claimed.kind in _COUNTS else None,
            "until": int(detail) if detail.isdecimal() and claimed.kind not in _COUNTS else None,
        }

    async def _looked_up(self, user: User, loop: asyncio.AbstractEventLoop | None) -> tuple[str, str | None] | None:
        found = await asyncio.to_thread(self._address, user)
        if not isawaitable(found):
            return found
        if loop is None or not loop.is_running():
            return await found
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(_awaited(found), loop))


def _is_told(user: User, to: str, told: str) -> bool:
    """Whether the same words went to this address already."""
    return place_of(user, read_address(to).spec) in told.split()


async def _awaited(
    waiting: Awaitable[tuple[str, str | None] | None],
) -> tuple[str, str | None] | None:
    return await waiting
