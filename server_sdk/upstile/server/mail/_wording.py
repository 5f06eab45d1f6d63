"""Time, place and foreign words, as people read them in a mail."""

import re
from datetime import UTC, datetime, tzinfo
from ipaddress import ip_network

LONGEST = 100
"""Characters of a word of others in a mail: of an app's name, an action, a place."""

_MONTHS = {
    "en": "January February March April May June July August September October November December",
    "de": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
}
_DAYS = {
    "en": "Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
    "de": "Montag Dienstag Mittwoch Donnerstag Freitag Samstag Sonntag",
}
_SHAPES = {
    "en": "{day}, {at.day} {month} {at.year}, {at:%H:%M} {zone}",
    "de": "{day}, {at.day}. {month} {at.year}, {at:%H:%M} Uhr {zone}",
}
_GERMAN_ZONES = {"CET": "MEZ", "CEST": "MESZ"}
_METHODS = {
    "en": {
        "webauthn": "Security key or passkey",
        "totp": "Authenticator app",
        "otp": "One-time code",
        "recovery_code": "Recovery code",
        "password": "Password",
    },
    "de": {
        "webauthn": "Sicherheitsschlüssel oder Passkey",
        "totp": "Authenticator-App",
        "otp": "Einmal-Code",
        "recovery_code": "Wiederherstellungscode",
        "password": "Passwort",
    },
}
_ADDRESSES = {"en": "Internet address {}", "de": "Internet-Adresse {}"}
_LINK = re.compile(r"://|\bwww\.", re.IGNORECASE)


def time_in_words(at: float, zone: tzinfo, language: str) -> str:
    """A moment with its zone: `Tuesday, 1 December 2026, 07:18 CET`.

    Args:
        at: epoch seconds.
        zone: where the reader is, or the service.
        language: one without words here reads `2026-12-01 07:18 CET`.
    """
    local = datetime.fromtimestamp(at, UTC).astimezone(zone)
    name = local.strftime("%Z")
    if not name.isalpha():  # many zones have no name, but "+03"
        offset = f"{local:%z}"
        name = f"UTC{offset[:3]}" + (f":{offset[3:5]}" if offset[3:5] != "00" else "")
    if language not in _SHAPES:
        return f"{local:%Y-%m-%d %H:%M} {name}"
    return _SHAPES[language].format(
        at=local,
        day=_DAYS[language].split()[local.weekday()],
        month=_MONTHS[language].split()[local.month - 1],
        zone=_GERMAN_ZONES.get(name, name) if language == "de" else name,
    )


def address_in_words(masked: str | None) -> str | None:
    """A masked address, such as `192.0.2.0/24`, for who knows no networks: `192.0.2.x`."""
    if masked is None:
        return None
    try:
        network = ip_network(masked)
    except ValueError:
        return None
    if network.version == 4:
        octets = str(network.network_address).split(".")
        kept = network.prefixlen // 8
        return ".".join((*octets[:kept], *"x" * (4 - kept)))
    groups = network.network_address.exploded.split(":")[: max(1, network.prefixlen // 16)]
    return ":".join((*(group.lstrip("0") or "0" for group in groups), "x"))


def where_in_words(place: str | None, masked: str | None, language: str) -> str | None:
    """Where something came from: `Hamburg, Germany (192.0.2.x)`; `None` where nothing is known."""
    address = address_in_words(masked)
    if place:
        return f"{plain(place)} ({address})" if address else plain(place)
    return None if address is None else _ADDRESSES.get(language, "{}").format(address)


def method_in_words(method: str, language: str) -> str:
    """A method of authentication, for who knows no standards."""
    return _METHODS.get(language, {}).get(method, plain(method))


def plain(words: str) -> str:
    """Words that others chose, on one line: nothing that hides, and nothing that a mail client makes a link of."""
    shown = "".join(c if c.isprintable() else " " for c in words)
    tidy = " ".join(_LINK.sub(" ", shown).split())
    return tidy if len(tidy) <= LONGEST else tidy[: LONGEST - 1] + "…"
