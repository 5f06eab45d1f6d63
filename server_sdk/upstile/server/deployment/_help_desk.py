"""The verbs of the help desk, the same for every framework."""

from typing import Any

from upstile.server.authorization.enrolment._help_desk import UserStatus
from upstile.server.deployment._deployment import Deployment


class HelpDeskVerbs:
    """What an application, or its back office, calls for a person. `upstile-server user` does the same.

    `by` is who asks and `reason` why; both are told with the event. A user whom this server has never seen is said to
    be so; with the hook `users=` a name that nobody has is refused.
    """

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment

    async def enrolment_code(self, subject: str, *, by: str | None = None, reason: str | None = None) -> str:
        """A code with which a user enrols a first authenticator, to be handed over on a channel that is safe.

        It is good once, for ten minutes, and what it lets begin goes before what others began.

        Raises:
            ConfigurationError: `subject` names nobody.
            UnknownUser: the application knows no such user.
        """
        return await (await self._deployment.running()).help_desk.enrolment_code(subject, by=by, reason=reason)

    async def disable_authenticators(
        self, subject: str, *, by: str | None = None, reason: str | None = None
    ) -> UserStatus:
        """Take all that a user has enrolled out of use, for the help desk of a person who lost their only device.

        All that came of it ends as well: sign-ins, tokens, keys that were known. What is enrolled next needs an
        `enrolment_code`, so make sure who is asking before you hand one over. Where nothing was ever in use there is
        nothing to take out of it: a new sign-in enrols a first authenticator without a code, as before.

        Raises:
            ConfigurationError: `subject` names nobody.
            UnknownUser: the application knows no such user.
        """
        return await (await self._deployment.running()).help_desk.disable_authenticators(subject, by=by, reason=reason)

    async def end_sessions(self, subject: str, *, by: str | None = None, reason: str | None = None) -> UserStatus:
        """End all sign-ins and tokens of a user, and forget all known keys. Call it whenever a password is reset.

        What is enrolled stays. A sign-in before it is dead, one after it is good, also at the same instant. End the
        application's own sessions first: who can still call `start_session` with one has a new sign-in.

        Raises:
            ConfigurationError: `subject` names nobody.
            UnknownUser: the application knows no such user.
        """
        return await (await self._deployment.running()).help_desk.end_sessions(subject, by=by, reason=reason)

    async def unlock(self, subject: str, *, by: str | None = None, reason: str | None = None) -> UserStatus:
        """Let new devices of a user try again, after a hundred wrong answers closed an authenticator to them.

        Raises:
            ConfigurationError: `subject` names nobody.
            UnknownUser: the application knows no such user.
        """
        return await (await self._deployment.running()).help_desk.unlock(subject, by=by, reason=reason)

    async def export_user(self, subject: str, *, by: str | None = None, reason: str | None = None) -> dict[str, Any]:
        """All that is stored under a user's name, without secrets, as JSON would hold it.

        Raises:
            ConfigurationError: `subject` names nobody.
            UnknownUser: the application knows no such user.
        """
        return await (await self._deployment.running()).help_desk.export(subject, by=by, reason=reason)

    async def forget_user(self, subject: str, *, by: str | None = None, reason: str | None = None) -> UserStatus:
        """Delete all that is stored under a user's name, and end all they had.

        For 13 hours the log of revocations keeps the name and a number, so that the tokens stay dead; what is stored
        under no name (sign-ins, ceremonies, codes) is dead at once and swept within the life of a base login. The audit
        keeps the row that says so; processes that run may add some for two seconds (`docs/operating.md`).

        Raises:
            ConfigurationError: `subject` names nobody.
            UnknownUser: the application knows no such user.
        """
        return await (await self._deployment.running()).help_desk.forget_user(subject, by=by, reason=reason)


def deployment_of(verbs: HelpDeskVerbs) -> Deployment:
    """What they stand on, for our own modules."""
    return verbs._deployment  # pyright: ignore[reportPrivateUsage] - this module's own
