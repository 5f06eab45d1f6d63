"""Writes every mail with sample facts into a folder: `python -m upstile.server.mail preview/ --templates my-texts/`."""

import sys
from argparse import ArgumentParser
from pathlib import Path

from upstile.server import ConfigurationError
from upstile.server.mail._samples import samples
from upstile.server.mail._texts import Texts


def main() -> None:
    """Write `code.en.txt`, `code.en.html` and so on, as people would get them."""
    parser = ArgumentParser(prog="python -m upstile.server.mail", description=__doc__)
    parser.add_argument("folder", type=Path, help="where to write; it is made when it is missing")
    parser.add_argument("--templates", type=Path, help="a folder with templates of your own")
    parser.add_argument("--zone", default="UTC", help="a time zone, such as Europe/Berlin")
    options = parser.parse_args()
    try:
        texts = Texts(options.templates, zone=options.zone)
    except ConfigurationError as error:
        sys.exit(str(error))
    options.folder.mkdir(parents=True, exist_ok=True)
    for mail, (subject, text, html, language) in samples(texts):
        path = options.folder / f"{mail}.{language}"
        path.with_name(path.name + ".txt").write_text(f"{subject}\n\n{text}\n")
        path.with_name(path.name + ".html").write_text(html)


if __name__ == "__main__":
    main()
