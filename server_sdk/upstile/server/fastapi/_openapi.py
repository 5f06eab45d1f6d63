"""What the OpenAPI document says of guarded routes: how to call them, what they ask, and what a refusal looks like."""

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from starlette.applications import Starlette

from upstile.protocol import PROBLEM_MEDIA_TYPE, Problem
from upstile.server.fastapi._documented import asked_in_words, extension, marked, responses
from upstile.server.fastapi._guard import Guarded, guards
from upstile.server.fastapi._optional import is_optional
from upstile.server.fastapi._protect import doors_before, doors_of
from upstile.server.fastapi._routes import declared_routes

_SAID = "says_what_guards_ask"
_PROBLEM = "StepUpProblem"
_SCHEMES: dict[str, dict[str, str]] = {
    "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "at+jwt"},
    "dpop": {
        "type": "http",
        "scheme": "DPoP",
        "description": "An access token bound to a key, with a proof for each call in the DPoP header (RFC 9449).",
    },
}


def document_guards(app: Starlette) -> None:
    """Let an application's OpenAPI document say what its guards ask, wherever it is made from now on."""
    if isinstance(app, FastAPI) and not hasattr(app.openapi, _SAID):
        app.openapi = _documenting(app, app.openapi)  # type: ignore[method-assign]


def _documenting(app: FastAPI, made: Callable[[], dict[str, Any]]) -> Callable[[], dict[str, Any]]:
    said: dict[str, Any] = {}

    def openapi() -> dict[str, Any]:
        nonlocal said
        document = made()
        if document is not said:  # FastAPI makes it once
            _document(app, document)
            said = document
        return document

    setattr(openapi, _SAID, True)
    return openapi


def _document(app: FastAPI, document: dict[str, Any]) -> None:
    used = dict[str, dict[str, str]]()
    for route in declared_routes(app):
        around = [*guards(route)]
        for method in route.methods:
            operation = document.get("paths", {}).get(route.path, {}).get(method.lower())
            if operation is not None:
                doors = doors_before(doors_of(app), method, route.path)
                lenient = not doors and is_optional(route.dependant)
                used |= _say(operation, [*doors, *around], optional=lenient)
    components = document.setdefault("components", {}) if used else document.get("components", {})
    schemes = components.get("securitySchemes", {})
    if not document.get("webhooks"):
        schemes.pop(Guarded.scheme_name, None)
    if used:
        components["securitySchemes"] = {**used, **schemes}
        components.setdefault("schemas", {}).setdefault(_PROBLEM, Problem.model_json_schema(mode="serialization"))
    elif not schemes:
        components.pop("securitySchemes", None)


def _say(operation: dict[str, Any], around: list[Guarded], *, optional: bool) -> dict[str, dict[str, str]]:
    """Say it of one operation; returns the schemes that it names."""
    ways = operation.pop("security", [])
    kept = [way for way in ways if Guarded.scheme_name not in way]
    if not around:
        if kept:
            operation["security"] = kept
        return {}
    scopes = list(dict.fromkeys(name for guard in around for name in guard.requirement.scope))
    used = {name: scheme for name, scheme in _SCHEMES.items() if name != "dpop" or _takes_proofs(around)}
    beside = [{name: way[name] for name in way if name != Guarded.scheme_name} for way in ways if way not in kept]
    named: list[dict[str, Any]] = [{name: scopes, **other} for other in beside or [{}] for name in used]
    named = [way for at, way in enumerate(named) if way not in named[:at]]
    operation["security"] = [{}, *named, *kept] if optional else [*named, *kept]
    asked = [guard.requirement for guard in around if guard.requirement.acr or guard.requirement.max_age is not None]
    if asked:
        operation["summary"] = marked(operation.get("summary", ""), asked)
        operation["x-step-up"] = [extension(each) for each in dict.fromkeys(asked)]
    words = asked_in_words(asked, in_handler=any(guard.once_in_handler for guard in around))
    operation["description"] = "\n\n".join(filter(None, [operation.get("description"), *words])) or None
    if operation["description"] is None:
        del operation["description"]
    said = responses(f"#/components/schemas/{_PROBLEM}", PROBLEM_MEDIA_TYPE, words, scopes)
    if "requestBody" in operation:  # FastAPI's answer to a body that is no text; it does not document that itself
        said["400"]["description"] += " Or a body that cannot be read."
        said["400"]["content"]["application/json"] = {"schema": {"type": "object"}}
    for status, response in said.items():
        _add(operation.setdefault("responses", {}).setdefault(status, {}), response)
    return used


def _takes_proofs(around: list[Guarded]) -> bool:
    return any(guard.deployment.guard.refusals.dpop for guard in around)


def _add(there: dict[str, Any], ours: dict[str, Any]) -> None:
    """Add a response to what the author says of the same status."""
    for member, value in ours.items():
        if member == "description":
            there.setdefault(member, value)
        else:
            there[member] = {**value, **there.get(member, {})}
