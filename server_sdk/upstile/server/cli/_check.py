"""`upstile-server check`: what callers will meet, looked at before they do."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

import typer

from upstile.protocol import Requirement
from upstile.server.cli import _report_check
from upstile.server.cli._load import inspected, make
from upstile.server.cli._running import PROBLEM, sentences
from upstile.server.deployment._deployment import Deployment
from upstile.server.inspection._call import DeclaredCall
from upstile.server.inspection._calls import inspect_calls
from upstile.server.inspection._deployment import inspect
from upstile.server.inspection._finding import Finding


def check(
    context: typer.Context,
    application: Annotated[
        str | None,
        typer.Argument(
            metavar="[MODULE:FUNCTION]",
            help="A function without arguments that makes your application, where importing does not make it.",
        ),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="End with 1 where anything should be looked at.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what each call asks for, and what is wrong with the deployment. Nothing is made or changed.

    Looked at are the calls and their guards, calls that change something without one, storage, keys, clocks, issuers
    and proxies. It ends with 1 where something is wrong.

    \b
    Examples:
      upstile-server --app bank:server check
      upstile-server --app bank.step_up:server check bank.main:create_app
      upstile-server --app bank:server check --json | jq '.findings[] | select(.level == "wrong")'
    """
    with sentences():
        deployment = inspected(context.find_root().params.get("app"))
        if application is not None:
            make(application)
        calls = [call for calls in deployment.applications for call in calls()] if deployment.applications else None
        found = [*inspect_calls(calls), *asyncio.run(_found(deployment))]
        _print(calls or (), found, as_json=as_json)
        bad = ("wrong", "look") if strict else ("wrong",)
        if any(finding.level in bad for finding in found):
            raise typer.Exit(PROBLEM)


async def _found(deployment: Deployment) -> list[Finding]:
    return [finding async for finding in inspect(deployment)]


def _print(calls: Sequence[DeclaredCall], found: Sequence[Finding], *, as_json: bool) -> None:
    if as_json:
        document: dict[str, Any] = {"calls": [_call(call) for call in calls], "findings": [f._asdict() for f in found]}
        _report_check.as_json(document)
    else:
        _report_check.calls(calls)
        _report_check.findings(found)


def _call(call: DeclaredCall) -> dict[str, Any]:
    return {
        "path": call.path,
        "methods": call.methods,
        "changes": call.changes,
        "requirements": _requirements(call.requirements),
        "optional": _requirements(call.optional),
    }


def _requirements(found: Iterable[Requirement]) -> list[dict[str, Any]]:
    names = ("acr", "max_age", "scope", "reason", "settled")
    return [{name: getattr(it, name) for name in names} for it in found]
