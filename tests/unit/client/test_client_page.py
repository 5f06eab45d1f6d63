"""`docs/client.md` says what the code says, of every public name."""

import pytest

from docs.client_api import GROUPS, PAGE, api, errors_of
from docs.generated import page_with
from upstile import client
from upstile.client.adapters._options import OWN


def test_the_page_is_what_the_command_writes() -> None:
    page = PAGE.read_text()
    assert page == page_with(api(), page), "run uv run python -m docs.client_api"


def test_every_public_name_stands_there_once() -> None:
    named = [name for names in GROUPS.values() for name in names] + [kind.__name__ for kind in errors_of()]
    assert sorted(named) == sorted(client.__all__)


@pytest.mark.parametrize("option", sorted(OWN - {"clock", "monotonic"}))
def test_every_option_of_a_client_is_explained(option: str) -> None:
    assert f"\n| `{option}` | `" in api()


@pytest.mark.parametrize(
    "field", ["subject", "expires", "bound", "confirmed_at", "last_used", "enrollable", "next_step"]
)
def test_every_field_of_what_is_known_is_explained(field: str) -> None:
    assert f"\n| `{field}` | " in api()
