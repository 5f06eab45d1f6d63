"""The URL of a Redis."""

import pytest

from upstile.server import ConfigurationError
from upstile.server.storage.redis import RedisStore
from upstile.server.storage.redis._address import parse_address

SECRET = "secret-word"


def test_options_of_the_url_stand_above_those_of_the_program() -> None:
    address = parse_address(f"redis://ada:{SECRET}@cache.example/3?wait_replicas=2&wait_ms=250")
    assert (address.replicas, address.wait_ms) == (2, 250)
    assert address.url == f"redis://ada:{SECRET}@cache.example/3"
    assert address.shown == "redis://cache.example:6379/3"
    assert address.command == "redis-cli -h cache.example -p 6379"
    assert SECRET not in repr(address)


def test_tls_always_compares_the_name_with_the_certificate() -> None:
    address = parse_address("rediss://cache.example:6380?ssl_ca_certs=/etc/ca.pem")
    assert address.tls == {"ssl_ca_certs": "/etc/ca.pem", "ssl_check_hostname": True}
    assert address.command == "redis-cli -h cache.example -p 6380 --tls"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://cache.example", "begins with redis:// or rediss://"),
        (f"redis://ada:{SECRET}/x@cache.example", "percent-encoded"),
        (f"redis://ada:6379/{SECRET}@cache.example", "percent-encoded"),
        (f"redis://ada:1#{SECRET}@cache.example", "write it as %23"),
        (f"redis://:{SECRET}@", "names no host"),
        (f"redis://:{SECRET}@cache.example:port", "cannot be read"),
        (f"redis://:{SECRET}@[cache.example", "cannot be read"),
        (f"redis://:{SECRET}@cache.example/name", "number of a database"),
        (f"redis://:{SECRET}@cache.example?wait_replicas=many", "wait_replicas in the Redis URL is a whole number"),
        (f"redis://:{SECRET}@cache.example?retry_on_timeout=yes&db=1", "not known here: db, retry_on_timeout; known"),
        (f"redis://:{SECRET}@cache.example?ssl_ca_certs=/etc/ca.pem", "not known here: ssl_ca_certs"),
        (f"rediss://:{SECRET}@cache.example?ssl_cert_reqs=none", "not known here: ssl_cert_reqs"),
        (f"redis://ada:1?{SECRET}@cache.example", "one without a usual name"),
    ],
)
def test_what_cannot_be_used_is_refused_without_the_password(url: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        RedisStore(url, "https://as.example")
    assert said in str(refused.value)
    assert SECRET not in str(refused.value)
    assert refused.value.__suppress_context__ or refused.value.__context__ is None
