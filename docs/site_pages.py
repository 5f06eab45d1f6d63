"""What `mkdocs.yml` adds to the pages of this folder: texts of the root, sources that pages lead to, and their links.

Texts stay where a code host shows them, and links are written for there. The site shows the same files: what leads out
of `docs/` is led to the page that the text or the source has in the site.
"""

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

TEXTS = {
    "README.md": "quickstart.md",
    "SECURITY.md": "security.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
}
"""The texts of the root, and their pages."""
_LINK = re.compile(
    r"(?P<before>\]\(|\b(?:src|srcset|href)=\")(?P<target>[^)\s#:\"]+)(?P<anchor>#[^)\s\"]*)?(?=[)\"])",
)
_CODE = re.compile(r"(^[ ]*```.*?^[ ]*```$|`[^`\n]+`)", re.MULTILINE | re.DOTALL)


def on_config(config: MkDocsConfig) -> None:
    """List the decisions."""
    for group in config.nav or []:
        for entry in next(iter(group.values())):
            if isinstance(entry, dict) and entry.get("Decisions") == "decisions/":
                records = sorted(page.name for page in Path(config.docs_dir, "decisions").glob("0*.md"))
                entry["Decisions"] = [f"decisions/{name}" for name in ("README.md", *records)]


def on_files(files: Files, config: MkDocsConfig) -> None:
    """Add the texts of the root, and the texts and sources that are linked."""
    root = _root(config)
    for text, page in TEXTS.items():
        if (root / text).exists():
            files.append(File.generated(config, page, abs_src_path=str(root / text)))
    unread = list(files.documentation_pages())
    while unread:
        for path, page in _linked(unread.pop(), root).items():
            if files.get_file_from_path(page) is None:
                added = _added(config, root / path, page)
                files.append(added)
                unread += [added] * path.endswith(".md")


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead what is written for a code host to the pages of the site."""
    if page.file.src_uri.startswith("source/"):
        return markdown
    root = _root(config)

    def led(match: re.Match[str]) -> str:
        found = _in_site(_in_repository(page.file, match["target"], root), root)
        if found is None:
            return match[0]  # and mkdocs says that it is not there
        there = posixpath.relpath(found, posixpath.dirname(page.file.src_uri) or ".")
        return match["before"] + there + (match["anchor"] or "")

    parts = _CODE.split(markdown)
    return "".join(part if number % 2 else _LINK.sub(led, part) for number, part in enumerate(parts))


def _root(config: MkDocsConfig) -> Path:
    return Path(config.docs_dir).parent


def _added(config: MkDocsConfig, path: Path, page: str) -> File:
    """A page that shows a file outside of this folder: a text as it is, anything else as code."""
    if path.suffix == ".md":
        return File.generated(config, page, abs_src_path=str(path), inclusion=InclusionLevel.NOT_IN_NAV)
    fence = "`" * 8  # more than any source has
    title, language = page.removeprefix("source/").removesuffix(".md"), path.suffix.lstrip(".")
    code = f"# `{title}`\n\n{fence}{language}\n{path.read_text()}\n{fence}\n"
    return File.generated(config, page, content=code, inclusion=InclusionLevel.NOT_IN_NAV)


def _in_repository(file: File, target: str, root: Path) -> str:
    """The file to which a link of a page leads."""
    home = next((text for text, page in TEXTS.items() if page == file.src_uri), f"docs/{file.src_uri}")
    home = home if (root / home).exists() else file.src_uri
    return posixpath.normpath(posixpath.join(posixpath.dirname(home), target))


def _in_site(path: str, root: Path) -> str | None:
    """The page or file of the site that shows a file of the repository."""
    path = _readable(path, root)
    if path.startswith("..") or not (root / path).exists():
        return None
    if path in TEXTS:
        return TEXTS[path]
    shown = path.endswith(".md") or (path.startswith("docs/") and not path.endswith(".py"))
    return path.removeprefix("docs/") if shown else f"source/{path}.md"


def _linked(file: File, root: Path) -> dict[str, str]:
    """The files of the repository to which a page leads, and the pages that show them."""
    text = _CODE.sub("", file.content_string)
    paths = {_in_repository(file, match["target"], root) for match in _LINK.finditer(text)}
    pages = {path: _in_site(path, root) for path in sorted(paths)}
    return {_readable(path, root): page for path, page in pages.items() if page is not None and page.endswith(".md")}


def _readable(path: str, root: Path) -> str:
    return f"{path}/README.md" if (root / path).is_dir() else path
