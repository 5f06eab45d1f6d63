"""One mail of each kind with facts made up, so that its words can be read before anybody gets it."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from upstile.server.mail._texts import Rendered, Texts

_NOON = 1_796_122_680.0  # 2026-12-01 10:58 UTC
_SAMPLES: dict[str, dict[str, Any]] = {
    "code": {"code": "40387161", "minutes": 10, "purpose": "confirm", "account": "ad••@example.com"},
    "restore": {"code": "7QKM-0ZCD-4T8V-W2RN", "minutes": 10, "account": "ad••@example.com"},
    "restore_asked": {"account": "ad••@example.com"},
    "attempt": {"count": 1},
    "success": {"count": 1, "method": "webauthn"},
    "lock": {"count": 3, "since": _NOON - 660},
    "change": {"count": 1, "kind": "authenticator-removed", "method": "totp"},
    "recovery_code_used": {"count": 1, "left": 4},
    "recovery_codes_low": {"count": 1, "left": 3},
    "cooling_off": {"count": 1, "until": _NOON + 24 * 3600},
    "new_device": {"count": 1, "method": "totp"},
}
_PLACES = {"de": "Hamburg, Deutschland"}


class Sample(NamedTuple):
    """A mail as somebody would get it."""

    mail: str
    rendered: Rendered


def samples(texts: Texts, service: str = "Example Bank") -> Iterator[Sample]:
    """All mails in all languages that there are templates in."""
    common = {"service": service, "app": "Pay", "at": _NOON, "address": "192.0.2.0/24"}
    for mail in texts.mails:
        for language in texts.languages:
            own = _SAMPLES.get(mail, {})
            facts = {**common, "place": _PLACES.get(language, "Hamburg, Germany"), **own}
            yield Sample(mail, texts.render(mail, language, facts))
