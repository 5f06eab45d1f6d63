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
    """Add the texts of the root, and the sources that are linked."""
    root = _root(config)
    for text, page in TEXTS.items():
        if (root / text).exists():
            files.append(File.generated(config, page, abs_src_path=str(root / text)))
    for source in sorted({source for file in files.documentation_pages() for source in _sources(file, root)}):
        code = f"# `{source}`\n\n```{Path(source).suffix.lstrip('.')}\n{(root / source).read_text()}```\n"
        files.append(File.generated(config, f"source/{source}.md", content=code, inclusion=InclusionLevel.NOT_IN_NAV))


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead what is written for a code host to the pages of the site."""
    if page.file.src_uri.startswith("source/"):
        return markdown

    def led(match: re.Match[str]) -> str:
        found = _in_site(_in_repository(page.file, match["target"]), _root(config))
        if found is None:
            return match[0]  # and mkdocs says that it is not there
        there = posixpath.relpath(found, posixpath.dirname(page.file.src_uri) or ".")
        return match["before"] + there + (match["anchor"] or "")

    parts = _CODE.split(markdown)
    return "".join(part if number % 2 else _LINK.sub(led, part) for number, part in enumerate(parts))


def _root(config: MkDocsConfig) -> Path:
    return Path(config.docs_dir).parent


def _in_repository(file: File, target: str) -> str:
    """The file to which a link of a page leads."""
    home = next((text for text, page in TEXTS.items() if page == file.src_uri), f"docs/{file.src_uri}")
    return posixpath.normpath(posixpath.join(posixpath.dirname(home), target))


def _in_site(path: str, root: Path) -> str | None:
    """The page or file of the site that shows a file of the repository."""
    if (root / path).is_dir():
        path = f"{path}/README.md"
    if path.startswith("..") or not (root / path).exists():
        return None
    if path in TEXTS:
        return TEXTS[path]
    shown = path.startswith("docs/") and not path.endswith(".py")
    return path.removeprefix("docs/") if shown else f"source/{path}.md"


def _sources(file: File, root: Path) -> set[str]:
    """The files that a page leads to and that are no texts of ours."""
    text = _CODE.sub("", file.content_string)
    targets = {_in_repository(file, match["target"]) for match in _LINK.finditer(text)}
    return {path for path in targets if (_in_site(path, root) or "").startswith("source/")}
