"""What remembered tokens weigh."""

import json
import tracemalloc
from collections.abc import Iterator
from time import time

from benchmarks.table import Row
from benchmarks.tokens import ISSUER, URL
from upstile.server.resource.tokens._claims import ClaimsReader
from upstile.server.resource.tokens._token_cache import TokenCache

REMEMBERED = 10_000
DISTINCT = 100_000
_TEN_MB = 10_000_000


def memory_rows(rounds: int) -> Iterator[Row]:
    """The cache of verified tokens, full, and after many more; `rounds` would change nothing."""
    claims = ClaimsReader(ISSUER, frozenset({URL}), leeway=0)
    cache, now = TokenCache(REMEMBERED), int(time())
    tracemalloc.start()
    try:
        _fill(cache, claims, range(REMEMBERED), now)
        full = tracemalloc.get_traced_memory()[0]
        _fill(cache, claims, range(REMEMBERED, DISTINCT), now)
        later = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    yield Row(f"memory of {REMEMBERED:,} remembered tokens", "10 MB", full / _TEN_MB, 1.0)
    yield Row(f"  after {DISTINCT:,} different ones", "10 MB", later / _TEN_MB, 1.0)


def _fill(cache: TokenCache, claims: ClaimsReader, numbers: range, now: int) -> None:
    for number in numbers:
        key = TokenCache.key(f"token {number}")
        cache.put(key, claims.read(_payload(number, now), now, key))


def _payload(number: int, now: int) -> bytes:
    """The claims of an elevated token."""
    standard = {"iss": URL, "aud": URL, "client_id": "cli", "iat": now, "exp": now + 300, "scope": "payments"}
    own = {name: f"{name}-{number:030}" for name in ("sub", "jti", "sid")}
    bound = {"cnf": {"jkt": f"{number:043}"}, "acr": "mfa", "amr": ["pwd", "otp", "mfa"], "auth_time": now}
    return json.dumps({**standard, **own, **bound}).encode()
