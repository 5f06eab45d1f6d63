"""A requirement, as events name it."""

from collections.abc import Iterable


def in_words(acr: Iterable[str], max_age: int | None = None, scope: Iterable[str] = ()) -> str:
    """What is asked: `acr=mfa max_age=300 scope=payments`; empty where any token will do."""
    said = [f"acr={','.join(acr)}"] if acr else []
    if max_age is not None:
        said.append(f"max_age={max_age}")
    scopes = ",".join(scope)
    return " ".join([*said, f"scope={scopes}"] if scopes else said)
