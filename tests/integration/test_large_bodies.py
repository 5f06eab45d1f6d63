"""200 MB to a guarded route without a token, at a real uvicorn: what docs/guards.md says each form takes of it."""

import pytest
from benchmarks.refusing import upload

pytestmark = pytest.mark.long
MB = 5.0
"""More than the noise of a process's memory, and far less than the body."""


@pytest.mark.parametrize("parser", ["h11", "httptools"])
def test_a_guard_before_the_body_costs_what_a_bare_401_costs(parser: str) -> None:
    bare, depends = upload("bare 401", parser), upload("Depends", parser)
    for form in ("protect", "route class"):
        refused = upload(form, parser)
        assert refused.status == 401
        assert refused.memory < bare.memory + MB
        assert refused.seconds < depends.seconds / 4
    assert depends.memory > 200  # and so the figures above say something
