"""The blocks of code in the documentation, and what is said of each: which test runs it, or why none does.

The comment right before a block says it; in pages that one test runs as a whole, none has to:

    run: TEST                the test that runs it
    fragment: REASON         why it is not run
    file: EXAMPLE            it is this file of the examples
    part: EXAMPLE: NAME      it is a part of one
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).parents[2]
PAGES = [
    *sorted(page for page in ROOT.glob("*.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "examples").rglob("*.md")),
]
RUN = ("python", "sh", "sql", "bash", "shell", "console", "py")
_README = "tests/integration/test_readme.py::test_the_"
_LOGIN = "tests/integration/test_existing_login.py::test_a_"
EXAMPLES = {
    "examples/readme/api.py": f"{_README}two_files_of_the_readme_run_as_pasted_and_a_person_confirms_a_transfer",
    "examples/readme/app.py": f"{_README}two_files_of_the_readme_run_as_pasted_and_a_person_confirms_a_transfer",
    "examples/readme/more.py": f"{_README}handler_asks_for_a_large_order_and_the_app_says_what_to_do",
    "examples/readme/pay.py": f"{_README}command_line_stays_signed_in",
    "examples/readme/desktop.py": "tests/unit/client/test_desktop_recipe.py::test_it_asks_and_pays",
    "examples/with_own_jwt/api.py": f"{_LOGIN}service_with_its_own_jwts_goes_on_and_its_app_steps_up",
    "examples/with_own_jwt/app.py": f"{_LOGIN}service_with_its_own_jwts_goes_on_and_its_app_steps_up",
    "examples/with_own_jwt/exchange.py": f"{_LOGIN}jwt_that_is_exchanged_keeps_its_age",
    "examples/with_random_tokens/api.py": f"{_LOGIN}random_token_goes_on_and_is_no_token_of_ours_at_a_guard",
    "examples/with_sessions/api.py": f"{_LOGIN}service_with_sessions_goes_on_and_its_app_steps_up",
}
"""Which test runs an example that pages show."""
TUTORIALS = {
    "docs/tutorials/api.md": "test_the_api_s_tutorial_ends_with_a_test_that_passes",
    "docs/tutorials/cli.md": "test_the_command_line_s_tutorial_ends_with_a_test_that_passes",
    "README.md": "test_the_readme_s_set_up_brings_what_its_files_and_its_commands_need",
}
WHOLE = {
    "docs/guards.md": "tests/integration/test_guide.py::test_the_guide_s_application_asks_for_what_it_says",
    "docs/testing.md": "tests/integration/test_testing_guide.py::test_the_guide_s_tests_pass_in_an_empty_folder",
    "docs/issuers/*.md": "tests/issuers/test_pages.py::test_what_a_page_shows_makes_an_api",
}
"""Which test runs all Python of a page."""
MARKED = {
    "sqlite": "tests/integration/test_backup.py",
    "postgresql": "tests/integration/test_backup.py",
    "gave up": "tests/integration/test_gave_up.py",
}
"""Which test runs the blocks that it finds by such a comment."""
_WALKED = {"set up", "serve", "shell", "person", "pasted"}
_BLOCK = re.compile(
    r"(?:^<!-- (?P<said>[^\n]+) -->\n)?^(?P<indent> *)```(?P<language>\w*)[^\n]*\n(?P<code>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """One block of code.

    Attributes:
        page: where it stands, from the root of the repository.
        line: where on the page.
        said: the comment before it.
        language: as the fence says.
        code: what is in it.
    """

    page: str
    line: int
    said: str
    language: str
    code: str

    @property
    def reason(self) -> str:
        """Why no test runs it; empty where one does."""
        verb, _, reason = self.said.partition(": ")
        return reason if verb == "fragment" else ""

    @property
    def test(self) -> str:
        """The test that runs it; empty where nothing says so."""
        verb, _, rest = self.said.partition(": ")
        if verb == "run":
            return rest
        if verb in ("file", "part") and rest.partition(":")[0] in EXAMPLES:
            return EXAMPLES[rest.partition(":")[0]]
        if verb in _WALKED and self.page in TUTORIALS:
            return f"tests/documentation/test_tutorials.py::{TUTORIALS[self.page]}"
        if verb in MARKED:
            return MARKED[verb]
        whole = (test for pages, test in WHOLE.items() if self.language == "python" and fnmatch(self.page, pages))
        return next(whole, "")

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks_in(page: str, text: str) -> Iterator[Block]:
    """All of a page's that could be run."""
    for match in _BLOCK.finditer(text):
        if match["language"] in RUN:
            line = text.count("\n", 0, match.start("language")) + 1
            yield Block(page, line, match["said"] or "", match["language"], match["code"])


def blocks() -> list[Block]:
    """Those of all pages."""
    return [block for page in PAGES for block in blocks_in(page.relative_to(ROOT).as_posix(), page.read_text())]


def complaint(block: Block) -> str:
    """What is wrong with what is said of a block; empty where nothing is."""
    if block.reason:
        return "" if len(block.reason.split()) > 3 else f"{block} does not say why it is not run"
    if not block.test:
        return f"{block} is run by no test: name it in a comment before it (run: …), or say why not (fragment: …)"
    file, _, name = block.test.partition("::")
    if not (ROOT / file).exists():
        return f"{block} names {file}, which is not there"
    source = (ROOT / file).read_text()
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    names = {node.name for node in ast.walk(ast.parse(source)) if isinstance(node, functions)}
    if name and name not in names:
        return f"{block} names {name}, which is not in {file}"
    return _difference(block)


def _difference(block: Block) -> str:
    verb, _, rest = block.said.partition(": ")
    example, _, part = rest.partition(": ")
    if verb not in ("file", "part") or example not in EXAMPLES:
        return ""
    source = (ROOT / example).read_text()
    if verb == "part":
        source = dedent(source.partition(f"# README: {part}\n")[2].partition("# README: end")[0].rstrip(" "))
    return "" if block.code.strip() == source.strip() else f"{block} is not what {example} has"
