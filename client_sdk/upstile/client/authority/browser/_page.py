"""The page that a browser shows when it has come back: one sentence and a check mark, whatever the answer was.

It repeats nothing of what it was called with, has no script, and loads nothing.
"""

from base64 import b64encode
from hashlib import sha256

_STYLE = (
    ":root{color-scheme:light dark;--ground:#f4f6f9;--text:#1b2330;--mark:#1a7f4b;background:var(--ground)}"
    "@media(prefers-color-scheme:dark){:root{--ground:#12151b;--text:#e8ebf0;--mark:#4cc38a}}"
    "body{margin:0;min-height:100vh;display:grid;place-content:center;justify-items:center;gap:1.25rem;"
    "padding:1.5rem;box-sizing:border-box;text-align:center;color:var(--text);"
    "font:1.25rem/1.5 system-ui,-apple-system,'Segoe UI',sans-serif}"
    "svg{width:4.5rem;height:4.5rem;fill:none;stroke:var(--mark);stroke-width:2;stroke-linecap:round;"
    "stroke-linejoin:round}p{margin:0;max-width:30rem;text-wrap:balance}"
)
_MARK = (
    '<svg viewBox="0 0 24 24" aria-hidden="true"><circle cx="12" cy="12" r="10"/><path d="m7.5 12.5 3 3 6-7"/></svg>'
)


def _page(title: str, body: str) -> bytes:
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><style>{_STYLE}</style></head>'
        f"<body>{body}</body></html>"
    ).encode()


DONE = _page("Done", f"{_MARK}<p>Done. You can go back to your app.</p>")
"""To the answer that was waited for."""
NOT_THIS = _page("Nothing here", "<p>There is nothing here. You can close this page.</p>")
"""To everything else."""

_STYLE_HASH = b64encode(sha256(_STYLE.encode()).digest()).decode()
HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Cache-Control": "no-store",
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Connection": "close",
}
"""Of both pages."""
