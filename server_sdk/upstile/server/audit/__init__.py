"""What happens, and who is told: one type of event, the log, the audit table, the hook, metrics."""

from upstile.server.audit._addresses import Addresses
from upstile.server.audit._circumstances import learn, whereabouts
from upstile.server.audit._event import SecurityEvent, place_of, stored_subject
from upstile.server.audit._events import Events
from upstile.server.audit._json_lines import JsonLines
from upstile.server.audit._kinds import KINDS, EventKind, Outcome
from upstile.server.audit._notifier import Notify
from upstile.server.audit._refusals import refused_call
from upstile.server.audit._words import in_words

__all__ = [
    "KINDS",
    "Addresses",
    "EventKind",
    "Events",
    "JsonLines",
    "Notify",
    "Outcome",
    "SecurityEvent",
    "in_words",
    "learn",
    "place_of",
    "refused_call",
    "stored_subject",
    "whereabouts",
]
