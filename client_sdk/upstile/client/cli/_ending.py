"""How a command ends: the exit codes, and what is said on standard error."""

import json
import sys
import traceback
from types import ModuleType
from typing import Any

DONE, PROBLEM, USAGE, SIGN_IN, STEP_UP, CANCELLED, OUTCOME_UNKNOWN, UNREACHABLE = range(8)
REFUSED, INTERRUPTED, BROKEN_PIPE, TERMINATED = 22, 130, 141, 143

MEANINGS = {
    DONE: "done",
    PROBLEM: "it failed; the message says why and what to do",
    USAGE: "the command was written wrongly",
    SIGN_IN: "sign in: nobody is signed in, the sign-in has ended, or nothing is known of the profile",
    STEP_UP: "step up: a confirmation is needed, and nobody could be asked for it",
    CANCELLED: "the person said no, or did not answer in time; nothing was done",
    OUTCOME_UNKNOWN: "the connection broke after the call was confirmed; it may have been carried out",
    UNREACHABLE: "the API could not be reached",
    REFUSED: "`request`: the API answered with a status of 400 or more; its body is printed all the same",
    INTERRUPTED: "Ctrl-C",
    BROKEN_PIPE: "whoever read the output stopped reading",
    TERMINATED: "SIGTERM",
}
"""What each exit code means; the help and docs/cli.md say the same."""

NOT_SIGNED_IN = "not_signed_in"

CODES = {
    "configuration": USAGE,
    NOT_SIGNED_IN: SIGN_IN,
    "sign_in_expired": SIGN_IN,
    "step_up_required": STEP_UP,
    "no_method_available": STEP_UP,
    "step_up_cancelled": CANCELLED,
    "step_up_timeout": CANCELLED,
    "outcome_unknown": OUTCOME_UNKNOWN,
}
"""Exit codes of the SDK's errors, by their own codes; of all others it is `PROBLEM`."""


class Ending(Exception):
    """The command ends here.

    Args:
        message: what happened, in a sentence without its full stop.
        next_step: what to do next, in sentences.
        code: the exit code.
        hint: what is said to developers.
        error: the code of the SDK's error that it was.
    """

    def __init__(
        self,
        message: str,
        next_step: str = "",
        *,
        code: int = USAGE,
        hint: str | None = None,
        error: str | None = None,
    ) -> None:
        super().__init__(message)
        self.next_step, self.code, self.hint, self.error = next_step, code, hint, error


class NothingKnown(Ending):
    """There is no telling which API this is about."""


def ending_of(error: Exception, http: ModuleType | None, login: str) -> Ending:
    """What an error means to whoever has typed the command.

    Args:
        http: the HTTP library, once a client of it was made.
        login: the command that signs in.
    """
    if isinstance(error, Ending):
        return error
    code = getattr(error, "code", None)
    if isinstance(code, str):
        return _of_ours(error, code, login)
    if http is not None and isinstance(error, http.TransportError):
        return _unreachable(error, http)
    if http is not None and isinstance(error, http.InvalidURL):
        return Ending(f"This is no address: {error}")
    if isinstance(error, OSError):
        return Ending(f"{error.filename or 'It'}: {error.strerror or error}", code=PROBLEM)
    hint = "".join(traceback.format_exception(error))
    step = "Repeat the command with --verbose, and report what it prints."
    return Ending(f"This is a fault of upstile itself: {type(error).__name__}", step, code=PROBLEM, hint=hint)


def _of_ours(error: Any, code: str, login: str) -> Ending:
    exit_code = CODES.get(code, PROBLEM)
    steps = [step for step in [getattr(error, "next_step", "")] if _lower(step) not in _lower(str(error))]
    if exit_code == USAGE:
        steps = ["See `upstile --help`."]
    if getattr(error, "error", None) == "invalid_client":
        steps = ["Look whether --client-id is the name under which the API knows this app."]
    if exit_code == SIGN_IN:
        steps = [f"Run `{login}`."]
    steps += [f"Run `upstile authenticators add {kind}`." for kind in _to_add(error)]
    reference = getattr(error, "support_reference", None)
    if reference is not None:
        steps.append(f"If you ask for help, name {reference}.")
    step, hint = " ".join(filter(None, steps)), getattr(error, "hint", None)
    return Ending(str(error), step, code=exit_code, hint=hint, error=code)


def _lower(sentence: str) -> str:
    return sentence.rstrip(".").casefold()


def _to_add(error: Any) -> list[str]:
    """The one kind of authenticator that is easiest to add, where that would help."""
    return [kind for kind in ("totp", "webauthn") if kind in getattr(error, "enrollable", ())][:1]


def _unreachable(error: Any, http: ModuleType) -> Ending:
    try:
        where = f"{error.request.url.scheme}://{error.request.url.netloc.decode()}"
    except RuntimeError:
        where = "The API"
    if isinstance(error, http.UnsupportedProtocol):
        return Ending(f"{where} is no address that can be called")
    why = "it did not answer in time" if isinstance(error, http.TimeoutException) else str(error) or "no connection"
    step = "Look whether you are online and the address is right."
    return Ending(f"{where} cannot be reached: {why}", step, code=UNREACHABLE)


def tell(ending: Ending, *, as_json: bool, verbose: bool) -> None:
    """Say on standard error how the command ended; developers' words only where they were asked for."""
    if as_json:
        members = {
            "error": str(ending),
            "code": ending.error,
            "next_step": ending.next_step,
            "hint": ending.hint if verbose else None,
            "exit_code": ending.code,
        }
        sys.stderr.write(json.dumps({name: value for name, value in members.items() if value}) + "\n")
        return
    sentence = str(ending).rstrip(".")
    stop = "" if sentence.endswith("?") else "."
    sys.stderr.write(f"upstile: {sentence}{stop} {ending.next_step}".rstrip() + "\n")
    if verbose and ending.hint:
        sys.stderr.write(f"upstile: for developers: {ending.hint}\n")
