"""Writes the files of a guide into a folder: a block stands below `<!-- file: name -->`, and some may make one file."""

import re
import sys
from pathlib import Path

FILE = re.compile(r"<!-- file: (?P<file>\S+) -->\n```python\n(?P<code>.*?)```", re.DOTALL)


def write_files(guide: str, folder: Path) -> int:
    """How many blocks there were."""
    blocks = FILE.findall(guide)
    for name, code in blocks:
        with (folder / name).open("a") as file:
            file.write(("\n\n" if file.tell() else "") + code)
    return len(blocks)


if __name__ == "__main__":
    write_files(Path(sys.argv[1]).read_text(), Path(sys.argv[2]))
