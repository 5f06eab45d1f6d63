"""A real mail server in a thread, on a free loopback port: what the bank sends arrives there, and is shown."""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from threading import Thread

from aiosmtpd.smtp import SMTP, Envelope, Session

from examples.bank.page import Page
from examples.bank.serving import free_port


class Inbox:
    """Ada's mails.

    Args:
        page: where they are shown: the text part of the first, as a mail client would; of the others up to the code.
    """

    def __init__(self, page: Page) -> None:
        self._page = page
        self._text = ""

    def code(self) -> str:
        """The code in the newest mail; it stands on a line of its own."""
        return next(line for line in self._text.splitlines() if line.isdecimal())

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Take a mail (aiosmtpd calls this)."""
        mail = message_from_bytes(envelope.original_content or b"", EmailMessage, policy=default)
        text = mail.get_body(("plain",))
        before, self._text = self._text, "" if text is None else text.get_content()
        lines = [*(f"{name}: {mail[name]}" for name in ("From", "To", "Subject")), "", *self._text.strip().splitlines()]
        if before:
            lines = [*lines[: lines.index(self.code()) + 1], "…"]
        self._page.verbatim("\n".join(f"│ {line}" for line in lines), "magenta", indent=4)
        return "250 OK"


@contextmanager
def receiving(inbox: Inbox) -> Generator[str]:
    """Receive mails; yields the server's URL."""
    listener, port = free_port()
    loop = asyncio.new_event_loop()
    serve = loop.create_server(lambda: SMTP(inbox, hostname="localhost", loop=loop), sock=listener)
    server = loop.run_until_complete(serve)
    thread = Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield f"smtp://127.0.0.1:{port}"
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        server.close()
        loop.close()
