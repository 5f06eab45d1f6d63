"""For tests of apps: a software security key, a person who follows a script, a clock that a test sets."""

from upstile.client.testing._clock import Clock
from upstile.client.testing._person import ScriptedPrompter
from upstile.client.testing._virtual_key import VirtualKey

__all__ = ["Clock", "ScriptedPrompter", "VirtualKey"]
