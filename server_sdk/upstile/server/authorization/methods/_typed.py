"""How methods take a typed code out of an answer."""

from upstile.protocol import MalformedMessage


def written_code(otp: str | None) -> str:
    """The code; a code is never malformed, only wrong.

    Raises:
        MalformedMessage: there is none.
    """
    if otp is None:
        raise MalformedMessage("otp is missing")
    return otp
