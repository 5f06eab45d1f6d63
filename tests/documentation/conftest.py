"""What tests of the pages share."""

from collections.abc import Callable

import pytest

from support.blocks import blocks


@pytest.fixture
def pasted(request: pytest.FixtureRequest) -> Callable[[str], list[str]]:
    """Gives a test the blocks of a page that name it."""

    def of(page: str) -> list[str]:
        test = request.node.nodeid.partition("[")[0]
        found = [block.code for block in blocks() if block.page == page and block.said == f"run: {test}"]
        assert found, f"no block of {page} names {test}"
        return found

    return of
