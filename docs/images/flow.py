"""Draws how a call is stepped up, in both looks: `uv run python docs/images/flow.py`."""

from pathlib import Path

HERE = Path(__file__).parent
LOOKS = {
    "light": {"ink": "#1b1f27", "soft": "#5b6472", "line": "#c3c9d4", "box": "#f3f5f9", "accent": "#3f51b5"},
    "dark": {"ink": "#eceef2", "soft": "#a6adbb", "line": "#4a5060", "box": "#262a33", "accent": "#9fa8ff"},
}
PERSON, APP, API = 120, 420, 720
STEPS = [  # from, to, what, below it; the API's answer that asks, and what the person does, stand out
    (APP, API, "POST /transfers", "with this morning's token", False),
    (API, APP, "401: two recent factors", "the challenge of RFC 9470", True),
    (APP, PERSON, "“Confirm this transfer”", "what the API says it is for", False),
    (PERSON, APP, "touch, or a code", "a security key, an authenticator app", True),
    (APP, API, "POST /transfers", "the same call, with a token that is stronger", False),
    (API, APP, "200", "nobody is asked again for 5 minutes", False),
]
TOP, STEP, WIDTH = 96, 56, 840
HEIGHT = TOP + STEP * len(STEPS) + 4


def main(folder: Path = HERE) -> None:
    """Both."""
    for look, colours in LOOKS.items():
        (folder / f"flow-{look}.svg").write_text(drawn(colours))


def drawn(colours: dict[str, str]) -> str:
    """The picture in some colours."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
        ' font-family="system-ui, sans-serif" font-size="14">',
        "<title>A call is refused, confirmed by the person, and repeated</title>",
    ]
    for x, name in ((PERSON, "Person"), (APP, "Your app"), (API, "Your API")):
        parts += [
            f'<line x1="{x}" y1="48" x2="{x}" y2="{HEIGHT}" stroke="{colours["line"]}" stroke-width="2"/>',
            f'<rect x="{x - 70}" y="8" width="140" height="40" rx="8" fill="{colours["box"]}" '
            f'stroke="{colours["line"]}"/>',
            f'<text x="{x}" y="33" text-anchor="middle" font-weight="600" fill="{colours["ink"]}">{name}</text>',
        ]
    for number, step in enumerate(STEPS):
        parts += _arrow(TOP + STEP * number, *step, colours)
    return "\n".join([*parts, "</svg>\n"])


def _arrow(y: int, start: int, end: int, what: str, below: str, marked: bool, colours: dict[str, str]) -> list[str]:
    stroke = colours["accent"] if marked else colours["soft"]
    way = 1 if end > start else -1
    tip, middle = end - 3 * way, (start + end) // 2
    return [
        f'<line x1="{start + 3 * way}" y1="{y}" x2="{tip - 8 * way}" y2="{y}" stroke="{stroke}" stroke-width="2"/>',
        f'<path d="M{tip} {y} l{-10 * way} -5 v10 z" fill="{stroke}"/>',
        f'<text x="{middle}" y="{y - 8}" text-anchor="middle" font-weight="600" '
        f'fill="{stroke if marked else colours["ink"]}">{what}</text>',
        f'<text x="{middle}" y="{y + 18}" text-anchor="middle" font-size="12.5" '
        f'fill="{colours["soft"]}">{below}</text>',
    ]


if __name__ == "__main__":
    main()
