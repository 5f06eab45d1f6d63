"""How the person is asked: the protocol, the terminal, and callbacks."""

from upstile.client.prompts._abilities import (
    counts_down,
    ended,
    enrolling,
    missing,
    next_code,
    opened,
    pasted,
    refuse_dead_lock,
    show_page,
)
from upstile.client.prompts._callback import CallbackPrompter
from upstile.client.prompts._key_uri import is_key_uri
from upstile.client.prompts._prompter import Occasion, Prompter
from upstile.client.prompts._terminal import TerminalPrompter

__all__ = [
    "CallbackPrompter",
    "Occasion",
    "Prompter",
    "TerminalPrompter",
    "counts_down",
    "ended",
    "enrolling",
    "is_key_uri",
    "missing",
    "next_code",
    "opened",
    "pasted",
    "refuse_dead_lock",
    "show_page",
]
