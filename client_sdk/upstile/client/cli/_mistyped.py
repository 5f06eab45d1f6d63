"""Mistakes in what was typed: whoever typed it can mend it, so that nobody is sent to the makers of the app."""

from urllib.parse import urlsplit

from upstile.client.cli._ending import Ending

INTERACTIONS = ("auto", "never", "required")
_THIS_MACHINE = ("localhost", "127.0.0.1", "::1")


def check_interaction(name: str | None) -> None:
    """Refuse a way of asking that there is not."""
    if name is not None and name not in INTERACTIONS:
        raise Ending(f"--interaction is {', '.join(INTERACTIONS[:-1])} or {INTERACTIONS[-1]}, not {name!r}")


def check_address(flag: str, url: str | None) -> None:
    """Refuse an address that a client would refuse, and say how to write it.

    Args:
        flag: the option.
        url: what stands there.
    """
    if url is None:
        return
    scheme, colon, rest = url.partition("://") if "://" in url else ("", "", url)
    host = _host(rest)
    if not host or (colon and scheme not in ("http", "https")):
        raise Ending(f"{flag} {url!r} is no address", "Write one as https://api.example.com.")
    if not colon:
        right = "http" if host in _THIS_MACHINE else "https"
        raise Ending(f"{flag} {url!r} lacks its beginning", f"Write {right}://{rest}.")
    if scheme == "http" and host not in _THIS_MACHINE:
        raise Ending(
            f"{flag} {url!r} could be read on the way: http is for this machine only", f"Write https://{rest}."
        )


def _host(rest: str) -> str | None:
    try:
        return urlsplit(f"//{rest}").hostname
    except ValueError:
        return None
