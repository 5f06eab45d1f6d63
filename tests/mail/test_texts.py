"""The texts of the mails: complete, narrow, escaped, without a link, and replaced by those of a deployment."""

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from subprocess import run

import pytest

from upstile.server import ConfigurationError
from upstile.server.mail import Texts
from upstile.server.mail._samples import samples
from upstile.server.mail._texts import TEMPLATES

HOSTILE = '<b>"&\r\nBcc: eve@evil.example\u202e\u2028 https://evil.example www.evil.example {{ code }}'
NOON = 1_796_122_680.0
SAMPLES = {(sample.mail, sample.rendered.language): sample.rendered for sample in samples(Texts())}
ALL = list(SAMPLES)
BANK = {"service": "Bank", "at": NOON}


class Shown(HTMLParser):
    """What somebody sees of an HTML part, and which tags it has."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.words = ""
        self._hidden = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self._hidden = tag if tag in ("style", "title") else self._hidden

    def handle_endtag(self, tag: str) -> None:
        self._hidden = "" if tag == self._hidden else self._hidden

    def handle_data(self, data: str) -> None:
        self.words += "" if self._hidden else data + " "


@pytest.mark.parametrize(("mail", "language"), ALL)
def test_every_mail_is_written_in_both_languages_and_says_the_same_in_both_parts(mail: str, language: str) -> None:
    made = next(
        sample.rendered for sample in samples(Texts()) if (sample.mail, sample.rendered.language) == (mail, language)
    )
    assert made.subject.startswith("Pay: ")
    assert len(made.subject) <= 78
    assert max(map(len, made.text.splitlines())) <= 72
    assert "\n\n\n" not in made.text
    shown = " ".join(Shown(made.html).words.split()).lower()
    body = made.text.replace("--\n", "").replace(":  ", " ")
    words = [word.lower().rstrip(":") for word in body.split()]
    assert [word for word in words if word not in shown] == []


@pytest.mark.parametrize(("mail", "language"), ALL)
def test_no_mail_loads_links_or_runs_anything(mail: str, language: str) -> None:
    made = Texts().render(mail, language, {"service": HOSTILE, "app": HOSTILE, "at": NOON, "purpose": HOSTILE})
    parsed = Shown(made.html)
    assert parsed.tags <= {
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "div",
        "h1",
        "p",
        "dl",
        "dt",
        "dd",
        "strong",
        "br",
    }
    assert parsed.attributes <= {"lang", "charset", "name", "content", "class", "style"}
    assert not re.search(r"https?:|//|url\(|@import|www\.", made.html + made.text)


@pytest.mark.parametrize(("mail", "language"), ALL)
def test_what_others_chose_stays_a_word(mail: str, language: str) -> None:
    facts = dict.fromkeys(("service", "app", "purpose", "account", "place", "method", "kind", "address"), HOSTILE)
    made = Texts().render(
        mail, language, {**facts, "code": "12345678", "minutes": 10, "at": NOON, "count": 2, "since": NOON}
    )
    assert made.subject.isprintable()
    assert "<b>" not in made.html
    assert "&lt;b&gt;" in made.html
    assert "{{" not in made.html.replace("{{ code }}", "")
    for text in (made.text, made.html):
        assert all(c.isprintable() or c == "\n" for c in text)
    assert not any(line.startswith("Bcc:") for line in made.text.splitlines())
    assert max(map(len, made.text.splitlines())) <= 72


def test_a_word_without_end_keeps_the_lines_narrow() -> None:
    made = Texts().render("code", "en", {"service": "s" * 500, "app": "a" * 500, "at": NOON, "code": "1", "minutes": 1})
    assert max(map(len, made.text.splitlines())) <= 72
    assert len(made.subject) <= 150


@pytest.mark.parametrize(
    ("wanted", "got"),
    [
        ("de", "de"),
        ("de-AT", "de"),
        ("DE_ch", "de"),
        ("en-GB", "en"),
        ("fr", "en"),
        (None, "en"),
        ("", "en"),
        ("../x", "en"),
    ],
)
def test_the_language_is_the_nearest_that_there_are_templates_in(wanted: str | None, got: str) -> None:
    assert Texts().language_for(wanted) == got


@pytest.mark.parametrize(
    ("zone", "language", "said"),
    [
        ("UTC", "en", "Tuesday, 1 December 2026, 10:58 UTC"),
        ("Europe/Berlin", "de", "Dienstag, 1. Dezember 2026, 11:58 Uhr MEZ"),
        ("America/New_York", "en", "Tuesday, 1 December 2026, 05:58 EST"),
        ("Asia/Dubai", "en", "Tuesday, 1 December 2026, 14:58 UTC+04"),
        ("Asia/Kathmandu", "en", "Tuesday, 1 December 2026, 16:43 UTC+05:45"),
    ],
)
def test_a_time_is_said_with_its_zone(zone: str, language: str, said: str) -> None:
    made = Texts(zone=zone).render("success", language, {**BANK})
    assert said in made.text


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("192.0.2.0/24", "Internet address 192.0.2.x"),
        ("2001:db8:5::/48", "Internet address 2001:db8:5:x"),
        ("nonsense", None),
        (None, None),
    ],
)
def test_an_address_is_said_as_far_as_it_is_known(address: str | None, said: str | None) -> None:
    text = Texts().render("success", "en", {**BANK, "address": address}).text
    assert ("Where:" in text) == (said is not None)
    assert (said or "") in text


def test_a_file_of_the_deployment_takes_the_place_of_ours(tmp_path: Path) -> None:
    (tmp_path / "code.en.txt").write_text("Hello {{ app }}\n\n{{ code }}\n")
    made = Texts(tmp_path).render("code", "en", {**BANK, "app": "Pay", "code": "123", "minutes": 1})
    assert (made.subject, made.text) == ("Hello Pay", "123")
    assert "Enter it in Pay" in made.html


def test_a_language_with_all_files_is_one_that_people_are_written_to_in(tmp_path: Path) -> None:
    for file in TEMPLATES.glob("*.en.*"):
        (tmp_path / file.name.replace(".en.", ".fr.")).write_text(file.read_text().replace(".en.", ".fr."))
    assert Texts(tmp_path).languages == ("de", "en", "fr")
    made = Texts(tmp_path, language="fr").render("success", "sv", {**BANK, "method": "totp"})
    assert made.language == "fr"
    assert "2026-12-01 10:58 UTC" in made.text
    (tmp_path / "lock.fr.html").unlink()
    assert Texts(tmp_path).languages == ("de", "en")


def test_what_cannot_be_used_is_refused_at_start_up(tmp_path: Path) -> None:
    (tmp_path / "code.en.txt").write_text("{% if %}")
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(ConfigurationError):
            Texts(folder)
    for options in ({"zone": "Moon/Base"}, {"language": "tlh"}):
        with pytest.raises(ConfigurationError):
            Texts(**options)


def test_the_command_writes_every_mail(tmp_path: Path) -> None:
    run([sys.executable, "-m", "upstile.server.mail", str(tmp_path / "made")], check=True)  # noqa: S603
    assert len(list((tmp_path / "made").iterdir())) == len(ALL) * 2
    assert "\n\n40387161\n\n" in (tmp_path / "made" / "code.en.txt").read_text()
