"""The frame of all wire models: frozen, tolerant of unknown members, one error for what does not fit."""

from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator, ValidationError

from upstile.protocol._encoding import json_object
from upstile.protocol._errors import MalformedMessage
from upstile.protocol._written import hides_something, plain_code

WholeNumber = Annotated[int, Field(ge=0, lt=2**53)]
"""A count, or seconds; no more than every JSON reader can carry exactly (RFC 7493 §2.2)."""


def _numeric_date(value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 2**53:
        return value
    raise ValueError("not a number of seconds")


NumericDate = Annotated[int | float, PlainValidator(_numeric_date, json_schema_input_type=float)]
"""Epoch seconds, maybe with a fraction (RFC 7519 §2): a JSON number, no text and no boolean."""


def _showable(name: str) -> str:
    if hides_something(name):
        raise ValueError("a name needs something to see, and no control, bidirectional or invisible characters")
    return name


ShownName = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_showable)]
"""What a person calls an authenticator: refused where it hides something, never altered (upstile profile §8)."""
WrittenCode = Annotated[str, Field(max_length=256), AfterValidator(plain_code)]
"""A code that a person typed or pasted, with whatever came along: read as `plain_code`."""


class Message(BaseModel):
    """A body, form or document of the wire profile. Unknown members are ignored, and none is ever sent as null."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    @classmethod
    def from_json(cls, body: bytes) -> Self:
        """Read a JSON body.

        Raises:
            MalformedMessage: not a JSON object, or a member of the wrong shape.
        """
        return cls.from_members(json_object(body))

    @classmethod
    def from_members(cls, members: dict[str, Any]) -> Self:
        """Read members that were already taken out of a body or form.

        Raises:
            MalformedMessage: a member is missing or has the wrong shape; the message names it, never its value.
        """
        try:
            return cls.model_validate(members)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False, include_context=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or cls.__name__
            raise MalformedMessage(f"{where}: {first['msg']}") from None

    def to_members(self) -> dict[str, Any]:
        """The members as they go into a body or form."""
        return self.model_dump(exclude_none=True)

    def to_json(self) -> bytes:
        """The JSON body."""
        return self.model_dump_json(exclude_none=True).encode()
