"""What Redis answers instead of doing it, as one of our errors with a sentence that says what to do.

The texts of Redis and redis-py are never repeated: a proxy that does not know `AUTH` answers with its arguments.
"""

import re

from redis import exceptions

from upstile.server._errors import ConfigurationError, StorageUnavailable

_SENTENCES = {
    "AUTH": "does not accept the user and password of its URL, or wants some: correct one_time=",
    "NOPERM": (
        "does not let this user do what is needed: allow +get +mget +set +del +eval +evalsha +wait "
        "on the keys ~{upstile:*, and +info or +config|get"
    ),
    "MOVED": (
        "is a node of a Redis Cluster that does not hold this deployment's keys, which all lie in one slot: "
        "name the node that holds it in one_time="
    ),
    "DB": "has no database of this number: correct the path of one_time=",
    "UNKNOWN": "does not know a command that is needed: Redis 6.2 or later does",
    "READONLY": "is a read-only replica now: name the primary in one_time=, or promote this one",
    "NOREPLICAS": "takes no writes until more of its replicas are connected (min-replicas-to-write)",
    "OOM": "has no memory left and takes no writes: raise its maxmemory",
    "LOADING": "is still loading its data: try again when it has",
    "MASTERDOWN": "is a replica that has lost its primary: name the primary in one_time=",
    "CLUSTERDOWN": "is a node of a Redis Cluster that is down: look at CLUSTER INFO",
    "MISCONF": "cannot save to its disk and takes no writes: look at its log",
    "BUSY": "is busy with a script that does not end: look for it, then SCRIPT KILL",
}
_BY_CLASS: tuple[tuple[type[Exception], str], ...] = (
    (exceptions.NoPermissionError, "NOPERM"),
    (exceptions.AuthenticationError, "AUTH"),
    (exceptions.MovedError, "MOVED"),
    (exceptions.AskError, "MOVED"),
    (exceptions.TryAgainError, "MOVED"),
    (exceptions.ReadOnlyError, "READONLY"),
    (exceptions.OutOfMemoryError, "OOM"),
    (exceptions.BusyLoadingError, "LOADING"),
    (exceptions.MasterDownError, "MASTERDOWN"),
    (exceptions.ClusterDownError, "CLUSTERDOWN"),
)
_SETUP = ("AUTH", "NOPERM", "MOVED", "DB", "UNKNOWN")
"""What waiting does not mend."""


class RedisRefused(StorageUnavailable):
    """Redis answered, with an error.

    Attributes:
        kind: which one, in a word of `_SENTENCES` or of Redis.
    """

    def __init__(self, kind: str, address: str) -> None:
        super().__init__(f"the Redis at {address} {_SENTENCES.get(kind, f'refused with {kind}')}")
        self.kind = kind

    def at_start(self) -> ConfigurationError | StorageUnavailable:
        """The same, where the deployment starts: what waiting does not mend is a fault of the configuration."""
        return ConfigurationError(str(self)) if self.kind in _SETUP else self


def refusal(error: Exception, address: str, timeout: float) -> StorageUnavailable:
    """What an error of redis-py means to us."""
    kind = _kind(error)
    if kind is not None:
        return RedisRefused(kind, address)
    unreached = StorageUnavailable(f"the Redis at {address} cannot be reached, or did not answer within {timeout:g} s")
    unreached.__cause__ = error
    return unreached


def _kind(error: Exception) -> str | None:
    for known, kind in _BY_CLASS:
        if isinstance(error, known):
            return kind
    text = str(error)
    if "unknown command" in text:
        return "UNKNOWN"
    if "DB index" in text:
        return "DB"
    if not isinstance(error, exceptions.ResponseError):
        return None
    # Before version 7 an error inside a script stands in the middle of another one's text.
    words = [str(word) for word in re.findall(r"\b[A-Z]{3,}\b", text)]
    return next((word for word in words if word in _SENTENCES), "an error")
