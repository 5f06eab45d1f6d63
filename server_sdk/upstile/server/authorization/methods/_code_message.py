"""A one-time code on its way to a person, and the deployment's hook that takes it there."""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal

from upstile.server._hook import Hook
from upstile.server.storage import User

DELIVER_WITHIN = 5.0
"""Seconds that a reply waits for the hook: less than a claim holds."""
_MOST_SAID = 300
_log = logging.getLogger("upstile.server")


@dataclass(frozen=True, kw_only=True, slots=True)
class CodeMessage:
    """What is to be sent, and all that the text may say.

    Attributes:
        channel: `email` or `sms`.
        destination: the address (its domain in ASCII), or the phone number (E.164).
        code: the digits, or the enrolment code of `restore`; empty where the purpose is `restore-asked`.
        user: whose code it is.
        account: what the user calls the account, if that is known.
        service: the name of the deployment.
        app: the `client_id` of the app that asks.
        purpose: `confirm` something, or `enrol` this destination; with `mail_alone_restores=True` also
            `restore-asked`, somebody asks for a way back, and `restore`, the code for it.
        requirement: what is asked of the person, in words for developers, such as `mfa, 300 s`.
        language: what the app says that the person reads, a tag such as `de-AT` (BCP 47), if that is known.
        requested_at: epoch seconds.
        address: where the request came from, masked as in the audit.
        expires_in: seconds for which the code is good; of `restore-asked` those until one is sent.
    """

    channel: Literal["email", "sms"]
    destination: str = field(repr=False)
    code: str = field(repr=False)
    user: User
    account: str | None = None
    service: str
    app: str
    purpose: Literal["confirm", "enrol", "restore", "restore-asked"]
    requirement: str | None = None
    language: str | None = None
    requested_at: float
    address: str | None = None
    expires_in: int


Deliver = Callable[[CodeMessage], Awaitable[None] | None]
"""The deployment's hook. It hands the message over (to a mail server, to a service for text messages) and returns; what
it raises means that nothing was sent. A plain function is called in a thread of its own. It has five seconds."""


async def handed_over(deliver: Hook[[CodeMessage], None], message: CodeMessage) -> bool:
    """Whether the hook took a message; an error in it is logged, without the code."""
    try:
        async with asyncio.timeout(DELIVER_WITHIN):
            await deliver(message)
    except TimeoutError:
        _log.error("a code could not be sent by %s: the deliver hook takes too long", message.channel)
        return False
    except Exception as error:
        why = _without(message.code, f"{type(error).__name__}: {error}")
        _log.error("a code could not be sent by %s: the deliver hook failed: %s", message.channel, why)
        return False
    return True


def _without(code: str, text: str) -> str:
    """What an error says, on one line: some quote what they could not send, however the code was written in it."""
    shown = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
    if not code:
        return shown[:_MOST_SAID]
    return re.sub(r"[\s\N{REPLACEMENT CHARACTER}.-]*".join(code), "•", shown)[:_MOST_SAID]
