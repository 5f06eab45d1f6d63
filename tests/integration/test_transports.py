"""How a security key says that it can be reached: kept with it, sent back, believed for nothing."""

from pathlib import Path
from typing import Any

import pytest

from support.wire_driver import Passkey, WireApp, bank_app
from upstile.protocol import base64url_encode

pytestmark = pytest.mark.anyio
PATH = "/stepup/authenticators"


async def enrolled(app: WireApp, key: Passkey, **said: Any) -> Any:
    """Enrol a key as the first one, which says this in its registration."""
    await app.sign_in()
    pending = (await app.call("POST", PATH, json={"method": "webauthn", "name": "key"})).json()
    response = key.register(pending["options"])
    response["response"].update(said)
    app.passkey = key
    return await app.call("POST", f"{PATH}/{pending['id']}/verify", json={"registration_response": response})


async def allowed(app: WireApp) -> dict[str, Any]:
    """What a ceremony says of the one credential."""
    started = await app.start(acr_values="phr")
    (credential,) = started.offer("webauthn")["options"]["allowCredentials"]
    return dict(credential)


async def test_they_come_back_in_ceremonies_and_where_the_next_key_is_enrolled(tmp_path: Path) -> None:
    async with bank_app(tmp_path) as app:
        key = Passkey()
        assert (await enrolled(app, key, transports=["usb", "nfc"])).status_code == 200
        one = {"type": "public-key", "id": base64url_encode(key.id), "transports": ["usb", "nfc"]}
        assert await allowed(app) == one
        token = await app.elevate(acr_values="phr", scope="authenticators", max_age="60")
        pending = await app.call("POST", PATH, token=token, json={"method": "webauthn", "name": "next"})
        assert pending.json()["options"]["excludeCredentials"] == [one]


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        (["internal", "teleport", "usb"], ["internal", "teleport", "usb"]),
        (["usb", "usb"], ["usb"]),
        (["usb", "", "a b", "U", "ü", "x\x1b", "y" * 33, None, 7, ["nfc"], {}], ["usb"]),
        ([f"way-{number}" for number in range(100)], [f"way-{number}" for number in range(8)]),
        ([], None),
        ("usb", None),
        ({"usb": 1}, None),
        (7, None),
        (None, None),
    ],
    ids=str,
)
async def test_new_ways_are_kept_and_what_is_no_way_is_left_out(tmp_path: Path, said: Any, kept: Any) -> None:
    async with bank_app(tmp_path) as app:
        assert (await enrolled(app, Passkey(), transports=said)).status_code == 200
        assert (await allowed(app)).get("transports") == kept
        await app.elevate(acr_values="phr")


async def test_a_key_that_says_nothing_is_as_good(tmp_path: Path) -> None:
    async with bank_app(tmp_path) as app:
        assert (await enrolled(app, Passkey())).status_code == 200
        assert "transports" not in await allowed(app)
        await app.elevate(acr_values="phr")


async def test_what_repeats_the_attestation_object_can_lie_without_effect(tmp_path: Path) -> None:
    """Somebody who swaps `publicKey` for their own has enrolled nothing: the attested key is what counts."""
    thief = Passkey()
    async with bank_app(tmp_path) as app:
        owner = Passkey()
        lies = {"publicKey": "MFkw", "publicKeyAlgorithm": -257, "authenticatorData": base64url_encode(bytes(37))}
        assert (await enrolled(app, owner, **lies)).status_code == 200
        thief.id, thief.handle = owner.id, owner.handle
        started = await app.start(acr_values="phr")
        assert (await app.assert_passkey(started, thief)).status_code == 403
        assert (await app.assert_passkey(started, owner)).status_code == 200
