"""The site is built without a warning, leads nowhere that is not there, and asks nobody else for anything."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from support.built_site import ROOT, build, served
from support.chromium import chromium

REFERENCE = sorted((ROOT / "docs" / "reference").glob("[!R]*.md"))
_LOADED = {"link": "href", "script": "src", "img": "src", "source": "srcset", "iframe": "src", "use": "href"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = build(folder)
    assert done.returncode == 0, done.stdout
    assert "WARNING" not in done.stdout
    return folder


class _Page(HTMLParser):
    """What a page loads, where it leads, and what in it can be led to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loaded, self.links, self.ids = list[str](), list[str](), set[str]()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note it."""
        has = dict(attrs)
        self.ids.add(has.get("id") or "")
        if tag == "a":
            self.links.append(has.get("href") or "")
        elif (found := has.get(_LOADED.get(tag, ""))) and has.get("rel") != "canonical":
            self.loaded.append(found)


def pages(site: Path) -> Iterator[tuple[Path, _Page]]:
    for file in sorted(site.rglob("*.html")):
        if file.name != "404.html":  # it is shown at any address, and so has absolute ones
            yield file, _Page(file.read_text())


def test_nothing_is_loaded_from_elsewhere_and_all_of_it_is_there(site: Path) -> None:
    count = 0
    for file, page in pages(site):
        for loaded in page.loaded:
            assert not re.match(r"(?i)\s*(https?:)?//", loaded), (file, loaded)
            assert (file.parent / unquote(urlsplit(loaded).path)).exists(), (file, loaded)
            count += 1
    assert count > 500
    for style in site.rglob("*.css"):
        assert not re.search(r"(?i)(@import|url\()\s*['\"]?(https?:)?//", style.read_text()), style


def test_every_link_within_the_site_leads_to_a_page_and_to_a_place_on_it(site: Path) -> None:
    known = dict(pages(site))
    for file, page in known.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or not (parts.path or parts.fragment):
                continue
            target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            assert target.exists(), (file, link)
            if parts.fragment and target in known:
                assert unquote(parts.fragment) in known[target].ids, (file, link)


def test_what_is_a_list_or_a_table_on_a_code_host_is_one_here(site: Path) -> None:
    found = list[tuple[str, str]]()
    for file in sorted(site.rglob("*.html")):
        text = file.read_text().partition("<article")[2]
        text = re.sub(r"<(pre|code|h[1-6])\b.*?</\1>", "", text, flags=re.DOTALL)
        text = re.sub(r"<[^>]+>", "", text)
        found += [(file.name, line) for line in re.findall(r"^ *(?:[-*] |\d+\. |\||```).*", text, re.MULTILINE)]
    assert found == []


@pytest.mark.parametrize("page", REFERENCE, ids=[page.stem for page in REFERENCE])
def test_the_reference_has_every_public_name(site: Path, page: Path) -> None:
    [module] = re.findall(r"^::: ([\w.]+)$", page.read_text(), re.MULTILINE)
    shown = _Page((site / "reference" / f"{page.stem}.html").read_text()).ids
    missing = {name for name in import_module(module).__all__ if f"{module}.{name}" not in shown}
    assert missing == set()


def test_a_browser_that_reads_the_home_asks_nobody_else_and_shows_the_look_of_the_system(site: Path) -> None:
    with served(site) as url, chromium() as tab:
        for dark in (True, False):
            tab.looks(1280, dark=dark)
            tab.goes(f"{url}/index.html")
            tab.sees("I write an API")
            assert tab.says("document.body.dataset.mdColorScheme") == ("slate" if dark else "default")
            asked = tab.says("performance.getEntriesByType('resource').map(entry => entry.name).join(' ')").split()
            assert len(asked) > 3
            assert [name for name in asked if not name.startswith(url)] == []


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site of two pages, built as ours is."""
    folder = tmp_path_factory.mktemp("small")
    (folder / "docs").mkdir()
    for name in ("index", "guards"):
        (folder / "docs" / f"{name}.md").write_text("# Here\n")
    head, _, _ = (ROOT / "mkdocs.yml").read_text().partition("\nnav:")
    head = re.sub(r"^  custom_dir.*\n|^  - mkdocstrings:\n(?:    .*\n)+", "", head, flags=re.MULTILINE)
    (folder / "mkdocs.yml").write_text(head.replace("docs/site_pages.py", str(ROOT / "docs" / "site_pages.py")))
    done = build(folder / "site", configuration=folder / "mkdocs.yml")
    assert done.returncode == 0, done.stdout
    return folder


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("[there](no-such-page.md)", "no-such-page.md"),
        ("[there](../examples/no_such_file.py)", "no_such_file.py"),
        ("[there](guards.md#no-such-place)", "no-such-place"),
    ],
)
def test_a_broken_link_breaks_the_build(written: str, said: str, small: Path) -> None:
    (small / "docs" / "index.md").write_text(f"# Here\n{written}\n")
    done = build(small / "site", configuration=small / "mkdocs.yml")
    assert done.returncode == 1
    assert said in done.stdout
