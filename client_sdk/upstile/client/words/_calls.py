"""What is said of a call: whom it may trust, how it ends, who is signed in."""

from upstile.client.words._words import Words

_TELL_THEM = "Tell the people who run the service."
_TELL_THE_MAKERS = "Tell the makers of this app."
_ELSEWHERE = "The service sends this app to a place that the app does not know"
_DO_NOT_GO_ON = "Do not go on; tell the makers of this app."
_MOVED = "; if the authorization server moved, change issuer= in the app, otherwise somebody is in between"

CALLS = {
    "needs-you": Words(
        "StepUpRequired",
        "This needs you: run it in a terminal",
        "Run it in a terminal.",
        'the API asks for {asked}, and interaction="never" forbids to ask: call client.step_up(...) when the person is'
        " ready, then repeat the call; this client could do: {able}",
    ),
    "needs-you-to-set-up": Words(
        "StepUpRequired",
        "This needs you: run it in a terminal",
        "Run it in a terminal.",
        'interaction="never" forbids to ask, and nobody sets up an authenticator unasked: call enroll() of a client'
        " that may ask",
    ),
    "cancelled": Words(
        "StepUpCancelled",
        "The confirmation was cancelled",
        "Nothing was done. Start again when you want to.",
        "nobody waits for it any more: the person gave up, or the caller did",
    ),
    "person-cancelled": Words(
        "StepUpCancelled",
        "You cancelled the confirmation",
        "Nothing was done. Start again when you want to.",
        "the dialogue was closed, or the prompter returned None",
    ),
    "not-added": Words(
        "StepUpCancelled",
        "It was cancelled before {what} was added",
        "Nothing was added. Start again when you want to.",
        "nobody waits for it any more: the person gave up, or the caller did",
    ),
    "person-did-not-add": Words(
        "StepUpCancelled",
        "You cancelled before {what} was added",
        "Nothing was added. Start again when you want to.",
        "the dialogue was closed, or the prompter returned None",
    ),
    "client-closed": Words(
        "StepUpCancelled",
        "The app was closed meanwhile",
        "Nothing was done. Start the app again.",
        "Client.close() was called while a ceremony was under way",
    ),
    "somebody-else": Words(
        "StepUpCancelled",
        "Somebody else has signed in meanwhile",
        "Nothing was done. Start again if it is still wanted.",
        "the sign-in of the call is not the one of the client any more",
    ),
    "another-sign-in": Words(
        "StepUpCancelled",
        "Somebody else has signed in meanwhile",
        "Nothing was done. Start again if it is still wanted.",
        "elevated() is for one sign-in; a token= that is refreshed inside has to name its subject=",
    ),
    "nobody-answered": Words(
        "StepUpTimeout",
        "Nobody answered within {seconds} seconds",
        "Nothing was done. Start again when you are there to confirm.",
        "human_timeout= is the time that a person has for one ceremony",
    ),
    "asks-again": Words(
        "StepUpUnsatisfied",
        "The service does not honour what you have confirmed",
        "Asking you again would not help now. Tell the people who run the service.",
        "the API refuses the token of a ceremony that succeeded: compare its iss, aud, acr and auth_time with what the"
        " API asks; nobody is asked again for 30 seconds, doubling up to 15 minutes",
    ),
    "dead-end": Words(
        "StepUpUnsatisfied",
        "The service did not honour your last confirmation",
        "Wait a while, then try again. If it stays so, tell the people who run the service.",
        "nobody is asked for 30 seconds after a ceremony that was not honoured, doubling up to 15 minutes; a call of"
        " this kind that is served, or a new sign-in, ends it",
    ),
    "one-after-another": Words(
        "StepUpUnsatisfied",
        "The service asks for one confirmation after another",
        _TELL_THEM,
        "one call may have two ceremonies, for its guard and its handler; now the API asks for {asked}",
    ),
    "unreplayable": Words(
        "UnreplayableBody",
        "This needs your confirmation, and the app cannot send it again after that",
        _TELL_THE_MAKERS,
        "{why}: send bytes, JSON, a form or a seekable file, or ask first with step_up=Requirement(...)",
    ),
    "other-api": Words(
        "UntrustedChallenge",
        "This app asks for a confirmation in the wrong place",
        _TELL_THE_MAKERS,
        "step_up= for {url} is not this client's to ask: it is another API",
    ),
    "token-elsewhere": Words(
        "UntrustedChallenge",
        "What you confirmed is good for another part of the service",
        "Try again.",
        "the token is for {resource}, which does not cover {url}",
    ),
    "metadata-elsewhere": Words(
        "UntrustedChallenge",
        _ELSEWHERE,
        _DO_NOT_GO_ON,
        "the challenge names resource_metadata at {url}, which is not on the API's origin" + _MOVED,
    ),
    "metadata-of-another": Words(
        "UntrustedChallenge",
        _ELSEWHERE,
        _DO_NOT_GO_ON,
        "the metadata is that of the resource {resource}, which does not cover {url}: give the client the address that"
        " the API calls itself",
    ),
    "issuer-not-named": Words(
        "UntrustedChallenge",
        _ELSEWHERE,
        _DO_NOT_GO_ON,
        "the API's metadata does not name the configured issuer {issuer}; where the API calls itself by a shorter"
        " address than the client was given, name that as issuer=" + _MOVED,
    ),
    "issuer-calls-itself": Words(
        "UntrustedChallenge",
        _ELSEWHERE,
        _DO_NOT_GO_ON,
        "the authorization server calls itself {issuer}, and another issuer is configured" + _MOVED,
    ),
    "endpoint-elsewhere": Words(
        "UntrustedChallenge",
        _ELSEWHERE,
        _DO_NOT_GO_ON,
        "an endpoint of the authorization server lies on another origin than its issuer",
    ),
    "challenge-lost": Words(
        "CeremonyFailed",
        "The service asks for a confirmation, but how was lost on the way to this app",
        _TELL_THEM,
        "a gateway drops or renames the header WWW-Authenticate: have it passed on",
    ),
    "proof-refused": Words(
        "CeremonyFailed",
        "This device could not show that the sign-in is its own",
        "{clock}",
        "the API refused the DPoP proof (invalid_dpop_proof), whose iat is that of this machine's clock",
    ),
    "reply-lost": Words(
        "OutcomeUnknown",
        "The connection broke after you had confirmed",
        "Look whether it was carried out before you try again.",
        "the repeat went out with a token that serves once, and no response came",
    ),
    "seen-before": Words(
        "OutcomeUnknown",
        "The service has had this before, and its answer was lost",
        "Look whether it was carried out before you try again.",
        "the API says token-used of a token that was sent once: something between app and API sent the call twice",
    ),
    "not-signed-in": Words(
        "NotSignedIn",
        "You are not signed in",
        "Sign in first.",
        "the API wants a token (missing-token), and the client has none: client.sign_in(...), or token=",
    ),
    "sign-in-ended": Words(
        "SignInExpired",
        "Your sign-in has ended",
        "Sign in again.",
        "the API does not take the token of the sign-in any more (invalid_token): it has expired, or was revoked",
    ),
    "signed-out-untold": Words(
        "CeremonyFailed",
        "You are signed out here, but the server could not be told",
        "There the sign-in ends by itself. If this machine is not yours alone, tell the people who run the service.",
        "the revocation (RFC 7009) failed: {why}; this machine has forgotten the token all the same",
    ),
    "sign-in-redirected": Words(
        "CeremonyFailed",
        "The sign-in was redirected to another address",
        "Nothing was signed in. Tell the makers of this app.",
        "the API redirects the sign-in to {to}: give the client, or sign_in, the address that the API has now",
    ),
    "sign-in-unreadable": Words(
        "CeremonyFailed",
        "The answer to the sign-in makes no sense to this app",
        _TELL_THE_MAKERS,
        "the sign-in's response is no token response: {why}",
    ),
    "sign-in-proof": Words(
        "CeremonyFailed",
        "The sign-in was refused, because this device could not show that it is its own",
        "Look whether {url} is the address of the service; if it is, tell the makers of this app.",
        "{why}: is {url} the address that the API is configured with, letter by letter?",
    ),
}
