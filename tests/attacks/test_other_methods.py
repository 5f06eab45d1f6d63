"""Guessing where mailed codes and the password are in the mix: they give no guess more, and nobody is flooded."""

from pathlib import Path

import pytest

from attacks.guessing import guess_at_everything, scene
from support.mailbox import Mailbox, enroll
from upstile.server.methods import EmailCode, Password, Totp, WebAuthn

pytestmark = pytest.mark.anyio
KNOWN = "the stolen password"


async def test_a_thief_with_the_password_and_mailed_codes_in_the_mix_gets_a_hundred_guesses_at_each(
    tmp_path: Path,
) -> None:
    box = Mailbox()
    methods = [WebAuthn(), Totp(), EmailCode(box), Password(lambda user, password: password == KNOWN)]
    async with scene(tmp_path, methods=methods) as attacked:
        owner = attacked.known
        token = await attacked.new.elevate(acr_values="phr", scope="authenticators", max_age="60")
        await enroll(owner, box, token=token)
        sent, began = len(box.messages), owner.clock.now
        attacked.tally.began = began
        tally = await guess_at_everything(attacked, 80, KNOWN)
        hours = (owner.clock.now - began) / 3600
    assert tally.judged <= 200  # a hundred for the phone, a hundred for the mailbox
    assert tally.judged > 100  # the thief got somewhere
    assert tally.always_served, tally.owner
    assert len(box.messages) - sent <= 5 * (hours + 1)
