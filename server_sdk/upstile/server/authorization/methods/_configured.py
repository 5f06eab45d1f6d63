"""The methods of a deployment: checked, bound to it, and put in order."""

from collections.abc import Iterable

from upstile.server._errors import ConfigurationError
from upstile.server.authorization._acr import strength
from upstile.server.authorization.methods._context import MethodContext
from upstile.server.authorization.methods._method import Method, Traits

_LONGEST_KEY = 32
"""Characters: the column of the authenticators' table."""
_VERBS = ("bind", "potential", "offer", "read", "verify")
_ENROLS = ("enroll", "read_first", "confirm")


def configured(methods: Iterable[Method], context: MethodContext) -> tuple[Method, ...]:
    """The methods of a deployment, the strongest first; those that are equally strong in the order given.

    Raises:
        ConfigurationError: there is none, one comes twice, one lacks a verb, or something else is among them.
    """
    given = list(methods)
    keys = [_key(method) for method in given]
    if not keys:
        raise ConfigurationError("methods is empty: pass at least one, such as [WebAuthn(), Totp()]")
    twice = next((key for key in keys if keys.count(key) > 1), None)
    if twice is not None:
        raise ConfigurationError(f"methods has {twice} twice")
    bound = [_bound(method, context) for method in given]
    return tuple(sorted(bound, key=lambda method: strength(method.potential(user_verification=True, now=0))))


def _key(method: Method) -> str:
    traits = getattr(method, "traits", None)
    if isinstance(method, type) or not isinstance(traits, Traits):
        raise ConfigurationError(f"methods takes methods, such as [WebAuthn(), Totp()], and not {method!r}")
    _check_verbs(method, traits)
    key = traits.key
    if not (traits.name.isascii() and traits.name.isprintable()) or " " in key or len(key) > _LONGEST_KEY or not key:
        raise ConfigurationError(f"the method {key!r} must be named by up to {_LONGEST_KEY} ASCII letters, no blanks")
    return key


def _check_verbs(method: Method, traits: Traits) -> None:
    """Whether all is there that a request will call, and so that nobody learns of it who has begun."""
    name, verbs = type(method).__name__, _VERBS + _ENROLS if traits.enrolled else _VERBS
    missing = [verb for verb in verbs if not callable(getattr(method, verb, None))]
    if missing and set(missing) <= set(_ENROLS):
        raise ConfigurationError(
            f"{name} lacks {', '.join(missing)}: write them, or Traits(enrolled=False) for what nobody enrols"
        )
    if missing:
        raise ConfigurationError(
            f"{name} lacks {', '.join(missing)}: write them, as upstile.server.methods.Method says"
        )
    if not traits.enrolled and any(hasattr(method, verb) for verb in _ENROLS):
        raise ConfigurationError(f"{name} has verbs to enrol it and Traits(enrolled=False): leave one of them out")


def _bound(method: Method, context: MethodContext) -> Method:
    """The method as a part of this deployment, which is no other one."""
    bound = method.bind(context)
    if not isinstance(getattr(bound, "traits", None), Traits) or _key(bound) != method.traits.key:
        raise ConfigurationError(
            f"bind of {type(method).__name__} returned another method: return self, or a copy of it"
        )
    return bound
