"""Every block of code in the documentation is run by a test that is named, or says why it is not."""

import re

import pytest

from support.blocks import ROOT, blocks, blocks_in, complaint

BLOCKS = blocks()


def test_every_block_is_run_or_says_why_not() -> None:
    assert [said for block in BLOCKS if (said := complaint(block))] == []
    fragments = [block for block in BLOCKS if block.reason]
    print(f"{len(BLOCKS)} blocks: {len(BLOCKS) - len(fragments)} are run, {len(fragments)} say why not")  # noqa: T201
    assert len(BLOCKS) > 60
    assert len(fragments) < len(BLOCKS) / 4


def test_what_is_marked_for_a_test_of_the_pages_is_taken_by_that_test() -> None:
    named = {block.test.partition("::")[2]: block.page for block in BLOCKS if "test_pages_run.py" in block.test}
    source = (ROOT / "tests/documentation/test_pages_run.py").read_text()
    taken = dict(re.findall(r"^def (test_\w+)\(.*?pasted\(\"([\w/.-]+)\"\)", source, re.MULTILINE | re.DOTALL))
    assert taken == named


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("```python\nx = 1\n```\n", "docs/new.md:1 is run by no test"),
        ("```sh\nls\n```\n", "docs/new.md:1 is run by no test"),
        ("1. first\n\n   ```sh\n   ls\n   ```\n", "docs/new.md:3 is run by no test"),
        ("<!-- fragment: later -->\n```sh\nls\n```\n", "does not say why"),
        ("<!-- fragment: it is far too long for this -->\n\n```sh\nls\n```\n", "is run by no test"),
        ("<!-- run: tests/none.py::test_it -->\n```sh\nls\n```\n", "tests/none.py, which is not there"),
        ("<!-- run: tests/integration/test_readme.py::test_none -->\n```sh\nls\n```\n", "test_none, which is not in"),
        ("<!-- file: examples/readme/app.py -->\n```python\nx = 1\n```\n", "is not what examples/readme/app.py has"),
        ("<!-- file: examples/none.py -->\n```python\nx = 1\n```\n", "is run by no test"),
        ("<!-- shell -->\n```sh\nls\n```\n", "is run by no test"),
    ],
)
def test_a_block_that_no_test_runs_is_found(text: str, said: str) -> None:
    [block] = blocks_in("docs/new.md", text)
    assert said in complaint(block)
