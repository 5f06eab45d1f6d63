"""Which seal a deployment has."""

import os
from collections.abc import Sequence
from pathlib import Path

from upstile.server._errors import ConfigurationError
from upstile.server.keys._files import KeyFile
from upstile.server.keys._seal import Seal
from upstile.server.keys._secret_keys import HOW_TO_MAKE, new_key

VARIABLE = "UPSTILE_SECRET_KEYS"


def find_seal(secret_keys: Sequence[str | bytes] | None, key_file: Path | None, *, forgets: bool = False) -> Seal:
    """The seal for secrets at rest: keys from the argument or the environment, or, in development, from a file.

    Nothing is opened or made here; the file is at start-up.

    Args:
        secret_keys: as the deployment says them; `None` looks into the environment variable `UPSTILE_SECRET_KEYS`.
        key_file: where the key of a development server lies; `None` in production.
        forgets: what is sealed is gone with this process, as a test's; so is the key, then.

    Raises:
        ConfigurationError: no key is configured, or one is malformed.
    """
    if forgets and secret_keys is None:
        return Seal([new_key()])
    configured = secret_keys if secret_keys is not None else os.environ.get(VARIABLE, "").split()
    if configured or secret_keys is not None:
        return Seal(configured)
    if key_file is not None:
        return Seal(file=KeyFile(key_file))
    raise ConfigurationError(f"secret_keys is missing: pass a list of keys or set {VARIABLE}. {HOW_TO_MAKE}")
