"""The calls of an application are looked at: is it installed, and does anything change without a guard?"""

from collections.abc import Iterator, Sequence

from upstile.server.inspection._call import DeclaredCall
from upstile.server.inspection._finding import Finding


def inspect_calls(calls: Sequence[DeclaredCall] | None) -> Iterator[Finding]:
    """All findings about the calls of an application.

    Args:
        calls: those that it declares; `None` where there is no application.
    """
    if calls is None:
        yield Finding(
            "install",
            "wrong",
            "no application has this StepUp object",
            "call server.install(app); where a function makes the application, name it: check bank:create_app",
        )
        return
    guarded = sum(bool(call.requirements) for call in calls)
    yield Finding("calls", "ok" if guarded else "look", f"{guarded} of {len(calls)} declare a guard")
    for call in calls:
        if call.changes and not call.requirements:
            if call.optional:
                says, remedy = "declares an optional one", "what does it check of a caller without a token?"
            else:
                says, remedy = "declares none", "is it meant for everybody?"
            yield Finding("guard", "look", f"{call} {says}", remedy)
