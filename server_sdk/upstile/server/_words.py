"""What a refusal says: to the person who reads it, to developers, and to who runs the server.

One table for the error codes of OAuth and the problem types alike. What is sent is made from it (`title` and `detail`
for the person, `hint` for developers), and so is the server's part of `docs/troubleshooting.md`.
"""

from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, kw_only=True, slots=True)
class Words:
    """One row of the table.

    Attributes:
        title: for the person: what happened. Neither it nor `next_step` uses a word of the protocol.
        next_step: for the person: what to do now.
        hint: for the developer of the app: what to change.
        cause: for who runs the server: why it is refused.
        remedy: for who runs the server: what helps.
    """

    title: str
    next_step: str
    hint: str
    cause: str
    remedy: str

    @property
    def sentences(self) -> str:
        """All that the person is told."""
        return f"{self.title}. {self.next_step}"

    def hint_about(self, what: str | None) -> str:
        """The hint, with what exactly was wrong this time before it."""
        return f"{what}: {self.hint}" if what else self.hint


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """What the person reads instead, where more is known.

    Attributes:
        of: the row that it belongs to.
        when: what is known.
        title, next_step: as those of a row.
    """

    of: str
    when: str
    title: str
    next_step: str

    @property
    def sentences(self) -> str:
        """All that the person is told."""
        return f"{self.title}. {self.next_step}"


AFTER_A_RESET = Case(
    of="first-enrolment",
    when="after the help desk has disabled all that was enrolled",
    title="Your authenticators were reset",
    next_step="Ask support for an enrolment code.",
)
WRONG_CODE = Case(
    of="first-enrolment",
    when="where an enrolment code was given",
    title="This enrolment code is wrong or expired",
    next_step="Ask support for a new one.",
)
CASES = (AFTER_A_RESET, WRONG_CODE)

_UPDATE = "Update the app; if that does not help, tell its maker."
_SIGN_IN_AGAIN = "Sign in again, then try again."
_SEND_RIGHT = "Correct the request as `error_description` (OAuth) or `hint` (problem document) says."

WORDS = MappingProxyType(
    {
        "acr-not-offered": Words(
            title="This cannot be confirmed here",
            next_step="Tell the people who run the service.",
            hint="the issuer offers none of acr_values, so no ceremony would help",
            cause="The route asks for an acr that the issuer does not offer, judged through its table of which"
            " satisfies which; or for `settled=True`, and the token is of another issuer, which tells of no resets.",
            remedy="Ask on the route for an acr that the issuer offers, or fill the issuer's `satisfies=`. Ask for"
            " `settled=True` only where the built-in server steps people up.",
        ),
        "first-enrolment": Words(
            title="Setting up the first way to confirm takes a new sign-in",
            next_step="Sign in again and set it up within ten minutes, or type the enrolment code that you were given.",
            hint="the sign-in must be at most 10 minutes old and bound to the key of this request, or enrolment_code"
            " right",
            cause="Nothing is enrolled, and the caller's token is no fresh sign-in that is bound to the app's key; or"
            " the enrolment code is wrong, used or older than ten minutes; or all that was enrolled is disabled.",
            remedy="Pass `request=` to `start_session`, and enrol right after the sign-in. For a person who lost their"
            " only device: `server.disable_authenticators(user)`, then `server.enrolment_code(user)`.",
        ),
        "insufficient-scope": Words(
            title="This app may not do that for you",
            next_step="Ask the people who run the service whether it should.",
            hint="the token lacks the scopes that the challenge lists, and a ceremony would not add them",
            cause="The route asks for a scope that the token does not carry.",
            remedy="Give the app the scope, `App(..., scopes=...)`, and sign in again; or take it off the route.",
        ),
        "insufficient-user-authentication": Words(
            title="This needs your confirmation",
            next_step="Confirm that it is you, then try again.",
            hint="run a ceremony for acr_values and max_age, then repeat the call with its token",
            cause="The person's last authentication is weaker or older than the route asks. No fault: this is how a"
            " step-up begins.",
            remedy="The client answers it by itself. If it comes again right after a ceremony, compare `acr` and"
            " `auth_time` of the new token with what the route asks.",
        ),
        "invalid-authorization-details": Words(
            title="What is to be confirmed is not known here",
            next_step=_UPDATE,
            hint="send no authorization_details, or an empty list: no type of them is registered",
            cause="The app asks for the approval of details, and no type of details is registered.",
            remedy="Send none: the approval of exact details is not built yet.",
        ),
        "invalid-client": Words(
            title="The service does not know this app",
            next_step=_UPDATE,
            hint="client_id must be registered with the server, and a token is revoked by the client that it was given"
            " to",
            cause="`client_id` is none of `clients=[App(...)]`, or a client revokes another one's token.",
            remedy="Register the app with the name that it sends; names are compared letter by letter.",
        ),
        "invalid-dpop-proof": Words(
            title="This device could not show that the sign-in is its own",
            next_step="Set its date and time right, then try again.",
            hint="send one DPoP header with a proof made for this request: its method and URL, a new jti, iat of now",
            cause="`htu` is not `url=` and the path as it was sent (the app uses another name for the server, or a"
            " proxy changed the path); or one of the two clocks is more than a minute off; or the proof was sent"
            " before.",
            remedy="Let the app use exactly the address in `url=`. Let the proxy pass the path on unchanged"
            " ([Operating](operating.md)). Keep clocks set. Nothing may repeat a request with the same proof.",
        ),
        "invalid-grant": Words(
            title="Your sign-in has ended",
            next_step=_SIGN_IN_AGAIN,
            hint="begin with a new sign-in; what belongs to another app, key or sign-in never serves",
            cause="The sign-in expired, was signed out, was ended by the help desk, or has used up its wrong answers;"
            " or the subject token is another app's, key's or API's; or an authorization code is used, older than a"
            " minute, or another app's or key's; or the person's authenticators were changed in between."
            " `error_description` says which, but never why a code is refused.",
            remedy="Sign in again. If fresh sign-ins are refused, look whether all processes share storage and"
            " `secret_keys`, and whether the app uses one key from the sign-in to the call.",
        ),
        "invalid-request": Words(
            title="The service does not understand what the app sent",
            next_step=_UPDATE,
            hint="correct the request",
            cause="A member is missing, too long, repeated or malformed, the content type is another one, the body is"
            " too large, the method is not served there, or there are two `Authorization` headers.",
            remedy=_SEND_RIGHT,
        ),
        "invalid-session": Words(
            title="The confirmation took too long, or was answered twice",
            next_step="Start again with what you wanted to do.",
            hint="answer each step once, within 300 s, with its own auth_session and the client and key that started"
            " it",
            cause="The step is older than five minutes or was answered already, or another app or key answers it.",
            remedy="Start a new ceremony. If every answer is refused so, look whether all processes share their"
            " storage and `secret_keys`.",
        ),
        "invalid-target": Words(
            title="The app asks for a service that is not here",
            next_step=_UPDATE,
            hint="resource must be the identifier in the metadata of the protected resource",
            cause="`resource` is not what this server calls itself: `url=`.",
            remedy="Let the app use the address in `url=`, letter by letter and without a path.",
        ),
        "invalid-token": Words(
            title="Your sign-in is not valid any more",
            next_step=_SIGN_IN_AGAIN,
            hint="get a new token, and send it as its token_type says, to the API that it is for",
            cause="The token expired or was revoked, is for another API, from another issuer or your own login, or"
            " signed by a key that is unknown; or it is bound to a key and came as Bearer, or the reverse; or it serves"
            " one call of another kind. `error_description` says which.",
            remedy="Sign in again. If fresh tokens are refused, compare `url=` with the address that the app uses, and"
            " look whether all processes share storage and `secret_keys`. A guarded route takes no JWT of your own"
            " login: the app calls it with the token of `start_session`.",
        ),
        "last-authenticator": Words(
            title="This is your last way to confirm that it is you",
            next_step="Add another one first, then remove this one.",
            hint="an authenticator can be removed while another active one is enrolled",
            cause="A person asks to remove the last active authenticator, which would lock them out.",
            remedy="Enrol the new one first. Who lost it needs the help desk: `server.disable_authenticators(user)`.",
        ),
        "missing-token": Words(
            title="You are not signed in",
            next_step="Sign in, then try again.",
            hint="send an access token in the Authorization header, by one of the schemes that the challenges name",
            cause="The call carries no `Authorization` header, or one of a scheme that is not accepted.",
            remedy="Let the app sign in first. A proxy has to pass `Authorization` and `DPoP` on.",
        ),
        "not-found": Words(
            title="It is not there any more",
            next_step="Look at the list again.",
            hint="this user has no authenticator of this id that the request could be about",
            cause="The authenticator was removed, its enrolment took longer than ten minutes, or it is another user's"
            " or, while pending, another sign-in's, or another sign-in finished one meanwhile.",
            remedy="List the authenticators again; begin an enrolment that was not finished anew.",
        ),
        "not-sent": Words(
            title="The code could not be sent",
            next_step="Try again in a moment, or choose another way.",
            hint="wait as Retry-After says, then begin again; nothing was counted",
            cause="The `deliver` hook raised, or took longer than five seconds.",
            remedy="The log `upstile.server` says what it raised. Mend the mail server, or what sends text messages.",
        ),
        "recently-reset": Words(
            title="This stays closed for a while, because your ways to confirm were reset",
            next_step="If you did not ask for a reset, tell the people who run the service at once.",
            hint="no ceremony helps; Retry-After says in how many seconds the call may be repeated",
            cause="The route asks for `settled=True`, and the user's authenticators were reset less than `cooling_off=`"
            " seconds ago: by the help desk, or by an enrolment code or a mailed code.",
            remedy="Wait. Nobody can shorten it, the help desk included: who talked it into a reset would talk it into"
            " that as well.",
        ),
        "slow-down": Words(
            title="That was too often, or too soon",
            next_step="Wait a moment, then try again.",
            hint="wait as Retry-After says; nothing was judged or counted",
            cause="More was begun than is allowed in ten minutes, or more codes were sent than in an hour, or the same"
            " answer is being judged already.",
            remedy="Wait. If an honest app meets it, it starts ceremonies that nobody answers.",
        ),
        "temporarily-locked": Words(
            title="There were too many wrong answers",
            next_step="Wait a little, then try again with a new code, or use your security key if you have one.",
            hint="wait as Retry-After says; webauthn, where enrolled, is offered all the while",
            cause="Five wrong answers in a row lock the side that gave them: a device that is known by itself, all"
            " unknown ones together. Each further lock within a day lasts twice as long, up to 15 minutes.",
            remedy="Wait. If nobody of the household typed wrong codes, somebody knows the password: change it.",
        ),
        "temporarily-unavailable": Words(
            title="The service cannot do this at the moment",
            next_step="Try again in a moment.",
            hint="wait as Retry-After says, then send it again with a new proof; nothing was judged or counted",
            cause="A store, or an external issuer, cannot be reached or does not answer in time; or the event loop was"
            " so late that no ceremonies start. The log `upstile.server` says which.",
            remedy="Mend the store that the log names, or wait for the issuer. For a late loop: more processes, or less"
            " work in the handlers ([Operating](operating.md)).",
        ),
        "token-used": Words(
            title="That confirmation was used already",
            next_step="Look whether it was carried out; if not, confirm once more.",
            hint="a token with single_use serves one call: run a ceremony for each",
            cause="The token serves one call, and a call came with it before. Its reply may have been lost.",
            remedy="Look whether the first call was carried out before it is sent again.",
        ),
        "unmet-authentication-requirements": Words(
            title="Nothing that you have set up is enough for this",
            next_step="Set up another way to confirm, or ask the people who run the service for help.",
            hint="enrollable_methods lists what would do; without it, enrolling does not help",
            cause="What the person has enrolled, and the app can do, does not reach what was asked; or it would, and"
            " is closed after a hundred wrong answers; or the acr is not known.",
            remedy="Enrol one of `enrollable_methods`. Without that member: another kind of sign-in, a device that was"
            " used before, or the help desk.",
        ),
        "unsupported-grant-type": Words(
            title="The service does not understand what the app sent",
            next_step=_UPDATE,
            hint="grant_type must be authorization_code",
            cause="The token endpoint was asked for another grant than that of an authorization code.",
            remedy="Redeem the code of a ceremony. There are no refresh tokens: sign in again.",
        ),
        "verification-failed": Words(
            title="What you want to add could not be checked",
            next_step="Type the newest code that it shows; after several wrong ones, set it up again.",
            hint="a code may be tried five times; a registration serves once and is begun again",
            cause="The first code is wrong or old (the phone's clock is off), or the security key answered for another"
            " challenge or origin, or is enrolled already.",
            remedy="Set the phone's clock; begin again. For security keys compare `rp_id=` and `webauthn_origins=`"
            " with where the app runs.",
        ),
    }
)
"""By the name of the problem type, which is the OAuth code with hyphens."""

_UNKNOWN = Words(
    title="That did not work",
    next_step="Try again; if it fails again, tell the people who run the service.",
    hint="this code has no words of its own",
    cause="",
    remedy="",
)


def words_for(code: str) -> Words:
    """What is said about an error code or a problem type; a refusal never fails for want of words."""
    return WORDS.get(code.replace("_", "-"), _UNKNOWN)
