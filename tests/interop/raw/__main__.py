"""A step-up by hand: an app, and its attacker, that know the wire protocol and nothing of upstile.

    cd tests && python -m interop.raw http://localhost:PORT [USERNAME PASSWORD] [--client-id ID] [--clock-url URL]

Drives a live bank through sign-in, enrolment, a TOTP and a WebAuthn step-up and a call that is confirmed for itself,
and attacks each on the way. One line for each exchange; exits 1 with one sentence when something does not hold.
Without `--clock-url` it waits for each fresh TOTP code. "Profile" in a comment is the upstile profile, version 1.
"""

import argparse
import sys

import httpx

from interop.raw.story import Story
from interop.raw.wire import Broken, Wire


def main() -> int:
    parser = argparse.ArgumentParser(description="Drive a live server by the wire protocol alone.")
    parser.add_argument("url")
    parser.add_argument("username", nargs="?", default="ada")
    parser.add_argument("password", nargs="?", default="correct horse")
    parser.add_argument("--client-id", default="bank-cli")
    parser.add_argument("--clock-url", default="")
    said = parser.parse_args()
    wire = Wire(said.url, said.clock_url)
    try:
        Story(wire, said.client_id, said.username, said.password).tell()
    except Broken as broken:
        sys.stdout.write(f"BROKEN: {broken}\n")
    except (LookupError, TypeError, ValueError, AttributeError, httpx.HTTPError) as error:
        came = f"{type(error).__name__}: {error}, after {wire.last}"
        sys.stdout.write(f"BROKEN: expected an answer that the profile describes; came {came}\n")
    else:
        sys.stdout.write("everything held\n")
        return 0
    return 1


if __name__ == "__main__":
    sys.exit(main())
