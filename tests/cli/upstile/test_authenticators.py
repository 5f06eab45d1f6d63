"""`upstile authenticators remove`: what cannot be done is refused before anybody is asked."""

from collections.abc import Iterator
from typing import Any

import pytest
import respx

from support.mocked_api import API
from support.shell import Shell

LIST = f"{API}/authenticators"


@pytest.fixture
def server(shell: Shell) -> Iterator[respx.MockRouter]:
    """An API that a token of the environment is for."""
    shell.set(UPSTILE_API=API, UPSTILE_CLIENT_ID="cli", UPSTILE_TOKEN="T")
    with respx.mock as router:
        router.get(f"{API}/.well-known/oauth-protected-resource").respond(
            json={"resource": API, "authorization_servers": [API]}
        )
        router.get(f"{API}/.well-known/oauth-authorization-server").respond(
            json={"issuer": API, "token_endpoint": f"{API}/token", "authenticators_endpoint": LIST}
        )
        yield router


def _has(server: respx.MockRouter, **states: str) -> None:
    entries: list[dict[str, Any]] = [
        {"id": name, "method": "totp", "name": name, "created": 1, "state": state} for name, state in states.items()
    ]
    server.get(LIST).respond(json={"authenticators": entries})


@pytest.mark.parametrize("others", [{}, {"new": "pending"}, {"old": "disabled"}])
@pytest.mark.parametrize("more", [[], ["--yes"]])
def test_the_last_one_is_refused_before_anybody_is_asked(
    shell: Shell, server: respx.MockRouter, others: dict[str, str], more: list[str]
) -> None:
    _has(server, phone="active", **others)
    sentence = shell.run("authenticators", "remove", "phone", *more).sentence(1)
    assert sentence == '"phone" is the last one, and stays. Add another first, with `upstile authenticators add`.'
    assert shell.terminal.shown == ""


@pytest.mark.parametrize(
    ("which", "states"),
    [("phone", {"phone": "active", "key": "active"}), ("new", {"phone": "active", "new": "pending"})],
)
def test_another_one_is_removed_by_who_is_sure(
    shell: Shell, server: respx.MockRouter, which: str, states: dict[str, str]
) -> None:
    _has(server, **states)
    question = f'Remove "{which}" (totp)? [y/N]: '
    assert shell.run("authenticators", "remove", which, typed=[(question, "n\n")]).sentence(5) == "Nothing was done."
    removed = server.delete(f"{LIST}/{which}").respond(204)
    assert shell.run("authenticators", "remove", which, typed=[(question, "y\n")]).code == 0
    assert removed.call_count == 1
