"""Makes docs/mails.md's pictures and texts of all mails: `uv run python docs/images/mails.py`.

The pictures need Chromium; without it, `--texts` writes the texts alone.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image, ImageChops

from upstile.server.mail import Texts
from upstile.server.mail._samples import Sample, samples

HERE = Path(__file__).parent
PICTURES = HERE / "mails"
PAGE = HERE.parent / "mails.md"
LOOKS = {"dark": "0", "light": "1"}
_SIZE = "620,1400"
_SECTION = re.compile(r"(<!-- mails -->\n).*?(<!-- end of mails -->)", re.DOTALL)
_TITLES = {
    "code": "A one-time code",
    "restore_asked": "Somebody asked for a way back by mail",
    "restore": "The code of a way back",
    "attempt": "Somebody tried to reach the account",
    "success": "Somebody confirmed",
    "lock": "Too many wrong answers",
    "change": "A change of the sign-in methods",
    "cooling_off": "Some things stay closed after a reset",
    "new_device": "A new device",
    "recovery_code_used": "A recovery code was used",
    "recovery_codes_low": "Few recovery codes are left",
}


def shown() -> dict[str, list[Sample]]:
    """All mails, by their name."""
    made: dict[str, list[Sample]] = {name: [] for name in _TITLES}
    for sample in samples(Texts(zone="Europe/Berlin")):
        made[sample.mail].append(sample)
    return made


def rewritten(page: str) -> str:
    """The page with all mails anew."""
    before, begin, end, after = _SECTION.split(page)
    return f"{before}{begin}{''.join(_sections())}{end}{after}"


def _sections() -> Iterator[str]:
    for name, made in shown().items():
        yield f"### {_TITLES[name]}\n"
        for sample in sorted(made, key=lambda sample: sample.rendered.language, reverse=True):
            picture = f"images/mails/{name}-{sample.rendered.language}"
            yield (
                f'<picture><source media="(prefers-color-scheme: dark)" srcset="{picture}-dark.png">\n'
                f'<img alt="{sample.rendered.subject}" src="{picture}-light.png" width="420"></picture>\n\n'
                f"```\nSubject: {sample.rendered.subject}\n\n{sample.rendered.text}\n```\n\n"
            )


def main(folder: Path) -> None:
    """Make all pictures in a folder."""
    folder.mkdir(exist_ok=True)
    with TemporaryDirectory() as scratch:
        for name, made in shown().items():
            for sample in made:
                part = Path(scratch) / "mail.html"
                part.write_text(sample.rendered.html)
                for look, scheme in LOOKS.items():
                    taken = Path(scratch) / "taken.png"
                    _take(part, taken, scheme)
                    picture = folder / f"{name}-{sample.rendered.language}-{look}.png"
                    _cut(Image.open(taken).convert("RGB")).quantize(64).save(picture, optimize=True)


def _take(part: Path, picture: Path, scheme: str) -> None:
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    command += [f"--blink-settings=preferredColorScheme={scheme}", f"--window-size={_SIZE}", f"--screenshot={picture}"]
    subprocess.run([*command, part.as_uri()], check=True, capture_output=True, timeout=60)  # noqa: S603


def _cut(picture: Image.Image) -> Image.Image:
    """Without what is empty below the mail."""
    empty = Image.new("RGB", picture.size, picture.getpixel((0, picture.height - 1)))
    box = ImageChops.difference(picture, empty).getbbox()
    if box is None:
        raise SystemExit("Chromium showed nothing")
    return picture.crop((0, 0, picture.width, min(picture.height, box[3] + 24)))


if __name__ == "__main__":
    PAGE.write_text(rewritten(PAGE.read_text()))
    if "--texts" not in sys.argv:
        main(PICTURES)
