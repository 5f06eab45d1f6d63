"""What ends when a user's authenticators change (upstile profile §8): ends are numbers, and every place learns them.

The account counts generations of sign-ins and of proofs, in the transaction that changes it; the log says it to all
nodes. What is counted for the user gets a copy, which ceremonies and codes are compared with, and forgets keys.
"""

import asyncio
from collections.abc import Collection
from dataclasses import replace
from typing import TypeVar

from upstile.server.authorization._lives import LOGIN_LIFE, LONGEST_TOKEN_LIFE
from upstile.server.authorization.user._user_state import UserState
from upstile.server.resource.tokens._access_token import AccessToken
from upstile.server.storage import (
    Account,
    DecideAccount,
    Found,
    Kept,
    Names,
    Revocations,
    Rows,
    Storage,
    User,
    no_rows,
)

T = TypeVar("T")


class TokenEnded(Exception):
    """The token that asks for a change has ended, by what the account says now."""


class Ends:
    """Makes changes that end something, and makes the ends known.

    Args:
        storage: the accounts, and what is counted for users.
        names: makes the keys of the latter.
        revocations: what this node knows of ends.
    """

    def __init__(self, *, storage: Storage, names: Names, revocations: Revocations) -> None:
        self._storage = storage
        self._names = names
        self._revocations = revocations

    async def change(self, token: AccessToken, decide: DecideAccount[T], now: float, rows: Rows[T] = no_rows) -> T:
        """Change a user's authenticators, as the bearer of a token asks; the token itself goes on, and rows are told.

        Where the change ends proofs, that has happened when this returns. The log is read first, for who signed out at
        another node a moment ago; the account itself says, in the same transaction, what ended by its number.

        Raises:
            TokenEnded: the token has ended, here or at another node.
        """
        await asyncio.to_thread(self._revocations.look, now)
        if self._revocations.covers(token):
            raise TokenEnded
        try:
            before, after, result = await self._change(token, decide, rows)
        except TokenEnded:  # or another node let it go on through the last end
            await asyncio.to_thread(self._revocations.look, now)
            before, after, result = await self._change(token, decide, rows)
        if after.proofs > before.proofs:
            signed_out = after.logins > before.logins
            gone = _active(before) - _active(after)
            await self.spread(after, now, gone=gone, spared=token.jti, signed_out=signed_out)
        return result

    async def spread(
        self,
        account: Account,
        now: float,
        *,
        gone: Collection[str] | None,
        spared: str | None = None,
        signed_out: bool = False,
    ) -> None:
        """Make known which generations of a user are still good; an earlier end that a node did not finish, too.

        Args:
            account: as it is now.
            now: epoch seconds.
            gone: authenticators; keys that are known through one of them are forgotten. `None`: all keys.
            spared: the `jti` of the token that goes on.
            signed_out: whether all sign-ins have ended; those at other issuers do by the time.
        """
        until = now + LOGIN_LIFE + LONGEST_TOKEN_LIFE
        self._revocations.ended(account, until, spared, signed_out_at=now if signed_out else None)
        key = self._names("user", account.user.subject)

        def note(found: Found) -> tuple[Kept, None]:
            before = caught_up(UserState.read(found.get(key)), account)
            return {key: after_end(before, account, gone).record(now)}, None

        await self._storage.one_time.update_many([key], note, now)

    async def _change(self, token: AccessToken, decide: DecideAccount[T], rows: Rows[T]) -> tuple[Account, Account, T]:
        def checked(account: Account) -> tuple[Account, tuple[Account, Account, T]]:
            if self._revocations.outdates(account, token):
                raise TokenEnded
            after, result = decide(account)
            return after, (account, after, result)

        user = User(token.issuer, token.subject)
        return await self._storage.durable.change_account(
            user, checked, lambda changed: rows(changed[2]), spared=token.jti
        )


def caught_up(user: UserState, account: Account) -> UserState:
    """What is counted for a user, where it has not learned yet what the account says has ended.

    A node that died between the two transactions of an end has left it behind.
    """
    if account.logins > user.first_login:
        return after_end(user, account, None)
    if account.proofs > user.first_proof:
        used = {id for key in user.known.values() for id in key.authenticators}
        return after_end(user, account, used - _active(account))
    return user


def after_end(user: UserState, account: Account, gone: Collection[str] | None) -> UserState:
    """What is counted for a user once an end is known."""
    known = {} if gone is None else {jkt: it for jkt, it in user.known.items() if not {*it.authenticators} & {*gone}}
    return replace(
        user,
        known=known,
        first_login=max(user.first_login, account.logins),
        first_proof=max(user.first_proof, account.proofs),
    )


def _active(account: Account) -> set[str]:
    return {record.id for record in account.authenticators if record.state == "active"}
