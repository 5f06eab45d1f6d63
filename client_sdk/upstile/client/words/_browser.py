"""What is said of the browser: the login page of an identity provider, and who comes back from it."""

from upstile.client.words._words import Words

_AGAIN = "Nothing was done. Start again when you want to."
_TRY_AGAIN = "Try again. If it fails again, tell the people who run the service."

BROWSER = {
    "browser-silent": Words(
        "StepUpTimeout",
        "Your browser did not come back within {seconds} seconds",
        "Look at the browser: the page there may say why, or ask for something. Then start again.",
        "no redirect came within human_timeout=: nobody answered, or the page ends without one (a bad request, a login"
        " page that repeats because it cannot be satisfied, something to set up first)",
    ),
    "browser-declined": Words("StepUpCancelled", "You declined in the browser", _AGAIN, "{why}"),
    "browser-cannot": Words(
        "NoMethodAvailable",
        "You cannot confirm this in the way that the service asks for",
        "Set up a second way to sign in where you manage your account, then try again.",
        "{why}",
    ),
    "browser-refused": Words("CeremonyFailed", "The sign-in page could not do this", _TRY_AGAIN, "{why}"),
    "browser-elsewhere": Words(
        "CeremonyFailed",
        "The answer in the browser came from another place than it should",
        "Do not go on; tell the makers of this app.",
        "iss is {got}, and the configured issuer {issuer} (RFC 9207): another server may be in between",
    ),
    "another-person": Words(
        "CeremonyFailed",
        "Somebody else is signed in in the browser",
        "Sign out there, or use another window, and confirm as the one who is signed in here.",
        "the ID token names another person than the sign-in, so its token was dropped",
    ),
    "id-token-wrong": Words("CeremonyFailed", "The sign-in page's answer is not for this app", _TRY_AGAIN, "{why}"),
    "no-browser": Words(
        "NoMethodAvailable",
        "There is no browser on this machine, and no place to show you the page",
        "Run it in a terminal, or on a machine with a browser.",
        "no browser was found, and the prompter has no show_page",
    ),
    "port-in-use": Words(
        "NoMethodAvailable",
        "Another program uses port {port}, which your browser has to come back to",
        "Close the other program, then try again.",
        "Browser(port={port}) is taken: leave port= out where the issuer allows any (RFC 8252 §7.3)",
    ),
    "no-listener": Words(
        "NoMethodAvailable",
        "This machine does not let your browser come back to the app",
        "Look whether something forbids programs to listen on 127.0.0.1.",
        "listening on 127.0.0.1, port {port}, failed: {why}",
    ),
    "sign-in-lost": Words(
        "SignInExpired",
        "Your sign-in has ended",
        "Sign in again.",
        "the refresh token was refused ({why}): it has expired, was revoked, or another copy of it was used",
    ),
    "renewed-unreplayable": Words(
        "UnreplayableBody",
        "Your sign-in was renewed meanwhile, and the app cannot send this again by itself",
        "Try again.",
        "{why}: send bytes, JSON, a form or a seekable file",
    ),
    "sign-in-needs-you": Words(
        "StepUpRequired",
        "This needs you: run it in a terminal",
        "Run it in a terminal.",
        'interaction="never" forbids to ask, and a sign-in in the browser asks',
    ),
}
