"""`upstile status` and `upstile step-up`: what is known, and asking now."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from upstile.client.cli._ending import NOT_SIGNED_IN, SIGN_IN, STEP_UP, USAGE, Ending
from upstile.client.cli._here import TOKEN, Here, requirement
from upstile.client.cli._time import ago, at, until

if TYPE_CHECKING:
    from upstile.client import Confirmation, SignedIn

Acr = Annotated[
    list[str] | None,
    typer.Option("--acr", metavar="NAME", help="How strong: mfa, phr (a security key), or the API's own names."),
]
MaxAge = Annotated[
    int | None, typer.Option("--max-age", metavar="SECONDS", min=0, help="How long ago you may have confirmed it.")
]
Scope = Annotated[list[str] | None, typer.Option("--scope", metavar="NAME", help="What it has to allow.")]


def status(here: Here, acr: Acr = None, max_age: MaxAge = None, scope: Scope = None) -> None:
    """Show who is signed in, and until when.

    It shows at which API, too, and what was confirmed in this terminal. Nothing is asked and no server is called. It
    ends with 3 where you have to sign in; with --acr, --max-age or --scope also with 4 where a call that needs this
    would ask you to confirm it.

    \b
    Examples:
      upstile status
      upstile status --json | jq -r .subject
      upstile status --acr mfa --max-age 60 || upstile step-up --acr mfa --max-age 60
    """
    asked = requirement(acr, max_age, scope)
    profile = here.profile
    with here.client() as client:
        signed_in = client.signed_in
        found = client.confirmations() if signed_in is not None else ()
        lacking = asked is not None and signed_in is not None and not client.confirmations(asked)
    members = {
        "profile": here.name,
        "api": profile.api,
        "client_id": profile.client_id,
        "signed_in": signed_in is not None,
        "subject": signed_in and signed_in.subject,
        "expires": signed_in and signed_in.expires,
        "bound": signed_in and signed_in.bound,
        "from": TOKEN if here.token is not None else profile.store,
        "confirmations": [_members(one) for one in found],
    }
    here.show("\n".join(_rows(members, signed_in, found)), members)
    if signed_in is None:
        ended, step = "You are not signed in, or the sign-in has ended", f"Run `{here.login_command}`."
        raise Ending(ended, step, code=SIGN_IN, error=NOT_SIGNED_IN)
    if lacking:
        raise Ending(f"{asked} is not confirmed here", "A call that needs it asks you.", code=STEP_UP)


def step_up(here: Here, acr: Acr = None, max_age: MaxAge = None, scope: Scope = None) -> None:
    """Confirm now what later commands need.

    Nobody is asked where it is confirmed already. A confirmation is good in this terminal, for five minutes at most.
    One by a security key (phr), and one for a single call (--max-age 0), is never kept for other commands: use
    `upstile request --acr phr`.

    \b
    Examples:
      upstile step-up --acr mfa
      upstile step-up --acr mfa --max-age 60 && ./many-calls.sh
    """
    asked = requirement(acr, max_age, scope)
    if asked is None:
        raise Ending("What is to be confirmed?", "Say it, such as --acr mfa.", code=USAGE)
    with here.client() as client:
        client.step_up(acr=asked.acr, max_age=asked.max_age, scope=asked.scope)
    with here.client() as following:  # what the next command will find
        kept = following.confirmations(asked)
    if kept:
        here.note(f"Confirmed: {asked}. It is good in this terminal{until(max(one.expires for one in kept))}.")
    else:
        here.note(f"Confirmed: {asked}. It is not kept for other commands: use `upstile request --acr ...` instead.")
    if here.options.as_json:
        here.show("", {"kept": bool(kept), "confirmations": [_members(one) for one in kept]})


def _rows(members: dict[str, Any], signed_in: "SignedIn | None", found: "tuple[Confirmation, ...]") -> list[str]:
    rows = [("Profile", members["profile"]), ("API", members["api"]), ("App", members["client_id"])]
    if signed_in is None:
        rows.append(("Signed in", "no"))
    else:
        source = f", by {TOKEN}" if members["from"] == TOKEN else ""
        rows.append(("Signed in", f"{signed_in.subject or 'yes'}{until(signed_in.expires)}{source}"))
        rows.append(
            ("Bound", "to the key of this machine" if signed_in.bound else "no: whoever has the token can use it")
        )
        rows += [("Confirmed", _shown(one)) for one in found] or [("Confirmed", "nothing in this terminal")]
    return [f"{name:<11}{value}" for name, value in rows]


def _shown(one: "Confirmation") -> str:
    when = "" if one.confirmed_at is None else f", {ago(one.confirmed_at)}"
    scope = f" for {' '.join(sorted(one.scope))}" if one.scope else ""
    return f"{' or '.join(one.acr) or 'yes'}{scope}{when}, good until {at(one.expires)}"


def _members(one: "Confirmation") -> dict[str, Any]:
    return {
        "acr": list(one.acr),
        "scope": sorted(one.scope),
        "confirmed_at": one.confirmed_at,
        "expires": one.expires,
    }
