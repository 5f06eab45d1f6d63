"""The body of every error of a resource server (RFC 9457)."""

import re

from upstile.protocol._message import Message, WholeNumber

PROBLEM_MEDIA_TYPE = "application/problem+json"
"""The media type of problem documents (RFC 9457 §3)."""
_TYPE_PREFIX = "urn:upstile:problem:"
_hex = "[0-9a-fA-F]"
_instance = re.compile(rf"urn:uuid:{_hex}{{8}}(?:-{_hex}{{4}}){{3}}-{_hex}{{12}}")


class Problem(Message):
    """A problem document.

    Attributes:
        type: `urn:upstile:problem:NAME`.
        title: for the person: what happened.
        status: the HTTP status.
        detail: for the person: the API author's reason where one is asked to confirm, else what to do now.
        hint: for developers: what was wrong, and what to change.
        instance: `urn:uuid:…`, the correlation id.
        acr_values, max_age: what the step-up challenge asks for.
    """

    type: str
    title: str
    status: WholeNumber
    detail: str | None = None
    hint: str | None = None
    instance: str | None = None
    acr_values: tuple[str, ...] | None = None
    max_age: WholeNumber | None = None

    @property
    def name(self) -> str:
        """The name behind the URN prefix, or the whole type where it is another's."""
        return self.type.removeprefix(_TYPE_PREFIX)


def is_instance(text: str) -> bool:
    """Whether a text is a correlation id, in the one form that a start may carry: `urn:uuid:…` (RFC 9562 §4)."""
    return _instance.fullmatch(text) is not None


def problem_type(name: str) -> str:
    """The `type` of the problem with this name, such as `missing-token`."""
    return _TYPE_PREFIX + name
