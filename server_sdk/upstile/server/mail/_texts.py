"""The texts of the mails: plain template files, one for each mail, language and part."""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, tzinfo
from pathlib import Path
from textwrap import wrap
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError, select_autoescape

from upstile.server._errors import ConfigurationError
from upstile.server.mail._wording import method_in_words, plain, time_in_words, where_in_words

WIDTH = 72
"""Columns of the text part."""
TEMPLATES = Path(__file__).parent / "templates"
_FILE = re.compile(r"(?P<mail>[a-z_]+)\.(?P<language>[a-z]{2,3}(?:-[A-Za-z0-9]+)*)\.(?P<part>txt|html)")
_LABELLED = re.compile(r"(?P<label> *[^\s:][^:]{0,20}:[ ]{2,})\S")
_NOTHING: dict[str, Any] = dict.fromkeys(
    ("account", "address", "app", "code", "kind", "left", "method", "minutes", "place", "purpose", "since", "until")
) | {"count": 1}
"""What every template may name, where it is not known."""


class Rendered(NamedTuple):
    """A mail without its envelope."""

    subject: str
    text: str
    html: str
    language: str


class Texts:
    """Writes mails from templates.

    Each mail has a file for each language and part: `code.en.txt`, whose first line is the subject, and `code.en.html`.
    They are Jinja2 templates; what is written into the HTML part is escaped. What all mails share stands in
    `frame.LANGUAGE.txt` and `frame.LANGUAGE.html`, how they look in `layout.html` and `parts.html`.

    Args:
        folder: a folder of your own; a file there takes the place of ours with its name. A language that has all files
            is one that people are written to in.
        zone: the time zone of the times in mails, such as `Europe/Berlin`.
        language: for whom no language is known, or none that there are templates in.

    Raises:
        ConfigurationError: there is no such folder, zone or language, or a template cannot be read.
    """

    def __init__(self, folder: str | Path | None = None, *, zone: str = "UTC", language: str = "en") -> None:
        folders = [TEMPLATES] if folder is None else [Path(folder), TEMPLATES]
        if not folders[0].is_dir():
            raise ConfigurationError(f"there is no folder {str(folder)!r} with templates of mails")
        self._environment = Environment(
            loader=FileSystemLoader(folders),
            autoescape=select_autoescape(("html",)),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )
        self._zone = _zone(zone)
        self._read_all()
        self.mails, self.languages = self._found()
        if language not in self.languages:
            raise ConfigurationError(f"language={language!r}: there are templates in {', '.join(self.languages)}")
        self._language = language

    def language_for(self, wanted: str | None) -> str:
        """The language that somebody is written to in: `de` for `de-AT` (RFC 4647 §3.4)."""
        tag = (wanted or "").replace("_", "-")
        by_name = {language.lower(): language for language in self.languages}
        while tag:
            if tag.lower() in by_name:
                return by_name[tag.lower()]
            tag = tag.rpartition("-")[0]
        return self._language

    def render(self, mail: str, language: str | None, facts: Mapping[str, Any]) -> Rendered:
        """Write a mail.

        Args:
            mail: which one, such as `code`.
            language: the reader's (RFC 5646).
            facts: what the templates name. Texts are made harmless first. `at`, `since` and `until` (epoch seconds) and
                `method` become words; `place` and `address` together become `where`.
        """
        chosen = self.language_for(language)
        known = {**_NOTHING, **facts}
        told = {name: self._in_words(name, value, chosen) for name, value in known.items()}
        told["where"] = where_in_words(known["place"], known["address"], chosen)
        text = self._environment.get_template(f"{mail}.{chosen}.txt").render(told)
        html = self._environment.get_template(f"{mail}.{chosen}.html").render({**told, "language": chosen})
        subject, _, body = text.partition("\n")
        return Rendered(plain_subject(subject), "\n".join(_wrapped(body.strip("\n"))), html, chosen)

    def _in_words(self, name: str, value: Any, language: str) -> Any:
        if name in ("at", "since", "until") and value is not None:
            return time_in_words(value, self._zone, language)
        if name == "method" and value is not None:
            return method_in_words(value, language)
        return plain(value) if isinstance(value, str) else value

    def _read_all(self) -> None:
        """Read each template once: a mistake is found at start-up, and the first mail holds no event loop up."""
        for name in self._environment.list_templates(extensions=("txt", "html", "jinja")):
            try:
                self._environment.get_template(name)
            except (TemplateError, UnicodeDecodeError) as error:
                raise ConfigurationError(f"the template {name} cannot be read: {error}") from error

    def _found(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The mails, and the languages that have all of them."""
        there: dict[str, set[str]] = {}
        for found in filter(None, map(_FILE.fullmatch, self._environment.list_templates())):
            there.setdefault(found["language"], set()).add(f"{found['mail']}.{found['part']}")
        ours = there["en"]
        mails = sorted({name.partition(".")[0] for name in ours} - {"frame"})
        return tuple(mails), tuple(sorted(language for language, files in there.items() if files >= ours))


def plain_subject(line: str) -> str:
    """A subject on one line, short enough to be shown."""
    tidy = " ".join("".join(c if c.isprintable() else " " for c in line).split())
    return tidy if len(tidy) <= 150 else tidy[:149] + "…"


def _wrapped(text: str) -> Iterator[str]:
    """Lines of at most `WIDTH` columns; what stands behind a label goes on below its first word."""
    for line in text.splitlines():
        labelled = _LABELLED.match(line)
        indent = " " * (len(labelled["label"]) if labelled else len(line) - len(line.lstrip()))
        yield from wrap(line, WIDTH, subsequent_indent=indent, break_on_hyphens=False) or [""]


def _zone(name: str) -> tzinfo:
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ConfigurationError(f"zone={name!r} is no time zone that this machine knows") from error
