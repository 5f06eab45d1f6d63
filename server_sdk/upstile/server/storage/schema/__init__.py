"""The tables and how they came to be: versioned, migrated forwards.

A release works on its own schema, `HEAD`, and on the one before it, from version 2 on. So the nodes of a deployment are
replaced one by one on the old schema, then it is migrated while they run.
"""

from upstile.server.storage.schema._fernet import Reseal, no_secret_keys, resealing
from upstile.server.storage.schema._upgrade import prepare, upgrade
from upstile.server.storage.schema._version import HEAD, NothingYet, check, version

__all__ = ["HEAD", "NothingYet", "Reseal", "check", "no_secret_keys", "prepare", "resealing", "upgrade", "version"]
