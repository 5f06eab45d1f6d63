"""The methods of a deployment: checked, bound to it, and put in order."""

from collections.abc import Iterable

from upstile.server._errors import ConfigurationError
from upstile.server.authorization._acr import strength
from upstile.server.authorization.methods._context import MethodContext
from upstile.server.authorization.methods._method import Method, Traits

_LONGEST_KEY = 32
"""Characters: the column of the authenticators' table."""


def configured(methods: Iterable[Method], context: MethodContext) -> tuple[Method, ...]:
    """The methods of a deployment, the strongest first; those that are equally strong in the order given.

    Raises:
        ConfigurationError: there is none, one comes twice, or something else is among them.
    """
    given = list(methods)
    keys = [_key(method) for method in given]
    if not keys:
        raise ConfigurationError("methods is empty: pass at least one, such as [WebAuthn(), Totp()]")
    twice = next((key for key in keys if keys.count(key) > 1), None)
    if twice is not None:
        raise ConfigurationError(f"methods has {twice} twice")
    bound = [method.bind(context) for method in given]
    return tuple(sorted(bound, key=lambda method: strength(method.potential(user_verification=True, now=0))))


def _key(method: Method) -> str:
    traits = getattr(method, "traits", None)
    if isinstance(method, type) or not isinstance(traits, Traits):
        raise ConfigurationError(f"methods takes methods, such as [WebAuthn(), Totp()], and not {method!r}")
    key = traits.key
    if not (traits.name.isascii() and traits.name.isprintable()) or " " in key or len(key) > _LONGEST_KEY or not key:
        raise ConfigurationError(f"the method {key!r} must be named by up to {_LONGEST_KEY} ASCII letters, no blanks")
    return key
