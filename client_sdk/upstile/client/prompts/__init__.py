"""How the person is asked: the protocol, the terminal, and callbacks."""

from upstile.client.prompts._abilities import (
    ask_password,
    codes_left,
    counts_down,
    ended,
    enrolling,
    missing,
    next_code,
    not_sent,
    opened,
    pasted,
    refuse_dead_lock,
    sent,
    show_codes,
    show_page,
)
from upstile.client.prompts._callback import CallbackPrompter
from upstile.client.prompts._key_uri import is_key_uri
from upstile.client.prompts._prompter import Occasion, Prompter, Way
from upstile.client.prompts._terminal import TerminalPrompter
from upstile.client.prompts._wishes import AnotherWay, SendAgain

__all__ = [
    "AnotherWay",
    "CallbackPrompter",
    "Occasion",
    "Prompter",
    "SendAgain",
    "TerminalPrompter",
    "Way",
    "ask_password",
    "codes_left",
    "counts_down",
    "ended",
    "enrolling",
    "is_key_uri",
    "missing",
    "next_code",
    "not_sent",
    "opened",
    "pasted",
    "refuse_dead_lock",
    "sent",
    "show_codes",
    "show_page",
]
