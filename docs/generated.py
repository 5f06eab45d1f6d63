"""Puts what is made from the code into a page under `docs/`."""


def page_with(part: str, page: str) -> str:
    """The page with a part replaced; its first and its last line say where."""
    begin, end = part[: part.index("\n")], part[part.rindex("\n") + 1 :]
    before, _, rest = page.partition(begin)
    return before + part + rest.partition(end)[2]
