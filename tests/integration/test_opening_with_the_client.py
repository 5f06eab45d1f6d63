"""The owner opens in the app what guesses closed: the whole way with the client (upstile profile §8)."""

import pytest

from support.ada import Ada
from upstile.client import NoMethodAvailable
from upstile.client.testing import ScriptedPrompter
from upstile.server.authorization.ceremony import _answer
from upstile.server.authorization.user import _budgets


def test_the_owner_lets_new_devices_try_again(ada: Ada, monkeypatch: pytest.MonkeyPatch) -> None:
    with ada.app() as phone:
        phone.post("/transfers", json={"to": "bob", "amount": "1"}).raise_for_status()  # its key is known now
        monkeypatch.setattr(_budgets, "LAST_TRY", 3)
        monkeypatch.setattr(_answer, "LAST_TRY", 3)
        guesser = ScriptedPrompter(lambda: "000000")
        with ada.app(prompter=guesser) as stranger, pytest.raises(NoMethodAvailable) as refused:
            stranger.post("/transfers", json={"to": "bob", "amount": "1"})
        assert "devices that you have used before" in refused.value.diagnostics()
        (entry,) = phone.authenticators.list()
        assert entry.question == "100 wrong codes from unknown devices; let new devices try again?"
        assert phone.authenticators.open(entry.id).question is None
        with ada.app() as new_device:
            assert new_device.post("/transfers", json={"to": "bob", "amount": "1"}).is_success
