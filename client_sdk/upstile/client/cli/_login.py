"""`upstile login` and `upstile logout`."""

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from upstile.client.cli._ending import PROBLEM, STEP_UP, USAGE, Ending, NothingKnown
from upstile.client.cli._here import TOKEN, Here, base_token
from upstile.client.cli._profiles import Profile, Profiles
from upstile.client.cli._time import until

if TYPE_CHECKING:
    from upstile.client import Client, SignedIn

_LONGEST = 65_536

Path = Annotated[
    str | None, typer.Option("--path", metavar="PATH", help="Where the API signs people in, such as /login.")
]
Fields = Annotated[
    list[str] | None,
    typer.Option(
        "--field",
        metavar="NAME[=VALUE]",
        help="What to send there; without a value you are asked. The first one says who you are.",
    ),
]
Secrets = Annotated[
    list[str] | None,
    typer.Option("--secret", metavar="NAME", help="The same for a password: you are always asked, and type unseen."),
]
Form = Annotated[bool, typer.Option("--form", help="Send a form; the default is JSON.")]
TokenStdin = Annotated[
    bool, typer.Option("--token-stdin", help="Take a token that you have from elsewhere, from standard input.")
]
Subject = Annotated[
    str | None, typer.Option("--subject", metavar="NAME", help="Whose sign-in it is, where no field says so.")
]
ExpiresIn = Annotated[
    int | None, typer.Option("--expires-in", metavar="SECONDS", help="How long the token of --token-stdin lives.")
]
Scope = Annotated[
    list[str] | None,
    typer.Option("--scope", metavar="NAME", help="What to ask an identity provider for, such as offline_access."),
]
Audience = Annotated[
    str | None, typer.Option("--audience", metavar="NAME", help="What the identity provider calls the API (Auth0).")
]
Forget = Annotated[
    bool, typer.Option("--forget", help="Remove this machine's key and what the profile remembers, too.")
]


def login(
    here: Here,
    path: Path = None,
    field: Fields = None,
    secret: Secrets = None,
    form: Form = False,
    token_stdin: TokenStdin = False,
    subject: Subject = None,
    expires_in: ExpiresIn = None,
    scope: Scope = None,
    audience: Audience = None,
) -> None:
    """Sign in, and remember how.

    At the API itself (--path), or at the page of an identity provider in your browser (--issuer).

    The next time `upstile login` is enough. The sign-in is kept for you alone and bound to a key of this machine.
    Passwords are typed on the terminal; there is no option for one, because the list of processes and the history of
    a shell would show it.

    \b
    Examples:
      upstile login --api https://api.example.com --client-id my-app \\
                    --path /login --field username --secret password
      upstile login --field username=ada           # the second time: the rest is remembered
      upstile login --profile work --api https://api.example.org --client-id my-app --path /login --field user
      my-sso print-token | upstile login --token-stdin --subject ada
      upstile login --api https://api.example.com --client-id my-app \\
                    --issuer https://login.example.com --scope offline_access
    """
    _check_said(here, secret)
    given = [text.partition("=") for text in field or ()]
    known, last = _known(here), here.remembered
    if last is not None and last.api != known.api and path is not None:
        known = replace(known, path=None)  # another API: what to send is that of this command alone
    profile = _changed(known, path, [name for name, _, _ in given], secret, form)
    profile = replace(profile, scope=tuple(scope or profile.scope), audience=audience or profile.audience)
    with here.client(profile) as client:
        if token_stdin:
            signed_in = client.sign_in_with(base_token(_piped(), "What was piped in", subject), expires_in=expires_in)
        else:
            values = {name: value for name, equals, value in given if equals}
            signed_in = _signed_in(here, client, profile, values, subject)
    Profiles().remember(here.name, profile)
    _tell(here, profile, signed_in)


def logout(here: Here, forget: Forget = False) -> None:
    """Sign out.

    The API takes the sign-in's token no more, and what was confirmed is forgotten. This machine's key stays, so that
    the API knows the machine at the next sign-in; with --forget it goes, too.

    \b
    Examples:
      upstile logout
      upstile logout --profile work --forget
    """
    if here.token is not None:
        raise Ending(f"{TOKEN} is set: that sign-in ends where it came from", f"Unset {TOKEN}, or revoke it there.")
    try:
        with here.client() as client:
            was_signed_in = _is_signed_in(client)
            elsewhere = client.sign_out(forget=forget)
    finally:
        if forget:
            Profiles().remember(here.name, None)
    here.note("You are signed out." if was_signed_in else "You were not signed in.")
    if elsewhere is not None:
        here.note(f"Your browser may still be signed in. Sign out there, too: {elsewhere}")
    if here.options.as_json:
        here.show("", {"profile": here.name, "signed_in": False, "sign_out_page": elsewhere})


def _is_signed_in(client: "Client") -> bool:
    """Whether there is something to end; what cannot be read is."""
    from upstile.client import StoreError

    try:
        return client.signed_in is not None
    except StoreError:
        return True


def _check_said(here: Here, secret: list[str] | None) -> None:
    """What was said must not be in vain, and no secret."""
    if here.token is not None:
        raise Ending(f"{TOKEN} is set, and goes before every sign-in", f"Unset {TOKEN} first.")
    if any("=" in name for name in secret or ()):
        raise Ending("--secret takes no value: it would be seen by others", "Leave it out, and type it when asked.")


def _known(here: Here) -> Profile:
    """What is known before: to sign in is what a profile begins with, so that here it is not what is lacking."""
    try:
        return here.profile
    except NothingKnown as ending:
        raise Ending(str(ending), ending.next_step.replace("Sign in first, or say", "Say"), code=USAGE) from None


def _changed(known: Profile, path: str | None, fields: list[str], secrets: list[str] | None, form: bool) -> Profile:
    """The profile with what was said this time: a path comes with its own fields."""
    if path is not None and path != known.path:
        return replace(known, path=path, fields=tuple(fields), secrets=tuple(secrets or ()), form=form)
    names = tuple(dict.fromkeys((*known.fields, *fields)))
    hidden = tuple(dict.fromkeys((*known.secrets, *(secrets or ()))))
    return replace(known, fields=names, secrets=hidden, form=form or known.form)


def _signed_in(
    here: Here, client: "Client", profile: Profile, values: dict[str, str], subject: str | None
) -> "SignedIn | None":
    if profile.path is None and profile.issuer is not None:
        return client.sign_in(subject=subject)
    if profile.path is None:
        step = "Say it as --path /login, with --field and --secret; or as --issuer URL, for an identity provider."
        raise Ending("Where does the API sign people in?", step)
    sent = {name: values[name] if name in values else here.asks(name) for name in profile.fields}
    sent |= {name: here.asks(name, hidden=True) for name in profile.secrets}
    whose = subject or (sent[profile.fields[0]] if profile.fields else None)
    body: dict[str, Any] = {"data": sent} if profile.form else {"json": sent}
    try:
        return client.sign_in(profile.path, subject=whose, **body)
    except client.http.HTTPStatusError as error:
        raise _refused(error.response, named=bool(sent), form=profile.form) from None


def _refused(response: Any, *, named: bool, form: bool) -> Ending:
    """What the API said, in its own words.

    Args:
        named: whether a field was named to be sent.
        form: whether a form was sent, and no JSON.
    """
    from upstile.client import harmless

    try:
        members = response.json()
        words = [members.get(name) for name in ("title", "detail", "message")]
        said = ". ".join(word for word in words if isinstance(word, str))
    except (ValueError, AttributeError):
        said = ""
    status = f"{response.status_code} {response.reason_phrase}".strip()
    quoted = f": {harmless(said)}" if harmless(said) else ""
    if response.status_code == 404:
        return Ending(f"The API has no sign-in there ({status})", "Look at --api and --path.", code=PROBLEM)
    step = "Try again."
    if not named and response.is_client_error:
        step = "Nothing was sent: name what it asks for, such as --field username --secret password."
    elif response.status_code in (415, 422):
        sent, other = ("a form", "JSON: leave --form out") if form else ("JSON", "a form: --form")
        step = f"It was sent {sent}. Look at the names of --field and --secret, and whether it takes {other}."
    return Ending(f"The API refused the sign-in ({status}){quoted}", step, code=PROBLEM)


def _piped() -> str:
    """The one line of standard input."""
    if sys.stdin.isatty():
        step = "Pipe it in, such as `my-sso print-token | upstile login --token-stdin`."
        raise Ending("--token-stdin reads a token from a pipe, and there is none", step, code=STEP_UP)
    text = sys.stdin.buffer.read(_LONGEST + 1).decode("ascii", "replace")
    line = text.removesuffix("\n").removesuffix("\r")
    if not line:
        raise Ending("Nothing was piped in", "Look whether the program before the pipe failed.")
    if len(line.splitlines()) > 1:
        raise Ending("What was piped in has several lines", "A token is one line: pipe in the token and nothing else.")
    return line


def _tell(here: Here, profile: Profile, signed_in: "SignedIn | None") -> None:
    subject = None if signed_in is None else signed_in.subject
    expires = None if signed_in is None else signed_in.expires
    who = f" as {subject}" if subject else ""
    here.note(f"You are signed in{who} at {profile.api}{until(expires)}.")
    if here.options.as_json:
        here.show("", {"profile": here.name, "api": profile.api, "subject": subject, "expires": expires})
