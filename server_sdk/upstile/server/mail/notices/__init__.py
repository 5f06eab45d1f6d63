"""Notices: mails about what happens with somebody's account."""

from upstile.server.mail.notices._letter import Address
from upstile.server.mail.notices._notices import Notices

__all__ = ["Address", "Notices"]
