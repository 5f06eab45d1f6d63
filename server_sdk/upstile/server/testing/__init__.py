"""For tests of an API: tokens that its guards accept, what a handler is given, and the application in this process.

All of it is for deployments of this machine (`url="http://localhost:8000"`): no token that is made here is good at an
`https` address. It needs no test framework; a plugin for pytest brings the same as fixtures (`docs/testing.md`).
"""

from upstile.server.testing._authentication import authentication
from upstile.server.testing._authenticator import Authenticator
from upstile.server.testing._challenged import assert_challenged
from upstile.server.testing._clock import Clock
from upstile.server.testing._credentials import Credentials
from upstile.server.testing._in_process import InProcess, in_process
from upstile.server.testing._token import token_for

__all__ = [
    "Authenticator",
    "Clock",
    "Credentials",
    "InProcess",
    "assert_challenged",
    "authentication",
    "in_process",
    "token_for",
]
