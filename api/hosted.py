"""The hosted pages' HTML: one small style, no script, no cookie, nothing from elsewhere; each works in any browser.

Their address holds a token, so they tell it to nobody (no referrer), are kept nowhere and are not indexed.
"""

from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from html import escape

from fastapi.responses import HTMLResponse

_STYLE = """
:root{color-scheme:light dark;--line:#8886;--ink:#1c1b22;--soft:#5d5b66;--paper:#fff;--accent:#4a49c4;--on:#fff}
@media(prefers-color-scheme:dark){:root{--ink:#eeedf4;--soft:#b3b1bd;--paper:#1b1a20;--accent:#a9a8ff;--on:#15141a}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:1.0625rem/1.5 system-ui,sans-serif}
main{max-width:34rem;margin:0 auto;padding:1.5rem 1rem 3rem}
h1{font-size:1.6rem;line-height:1.2;margin:.5rem 0 1rem}
h2{font-size:1.15rem;margin:0 0 .25rem}
fieldset{border:1px solid var(--line);border-radius:.6rem;margin:0 0 1rem;padding:.25rem 1rem .5rem}
legend{font-weight:600;padding:0 .4rem}
label{display:flex;gap:.75rem;align-items:center;min-height:3rem;cursor:pointer}
input[type=checkbox]{width:1.4rem;height:1.4rem;flex:none;accent-color:var(--accent)}
small,.note{color:var(--soft)}
.said{border:1px solid var(--accent);border-radius:.6rem;padding:.75rem 1rem;margin:0 0 1rem}
button{font:inherit;font-weight:600;min-height:3rem;padding:.5rem 1.25rem;border-radius:.6rem;cursor:pointer;
border:1px solid var(--accent);background:var(--accent);color:var(--on)}
button.plain{background:transparent;color:var(--accent)}
button:focus-visible,input:focus-visible{outline:3px solid var(--accent);outline-offset:2px}
section{border-top:1px solid var(--line);margin-top:1.5rem;padding-top:1.25rem}
"""
_HASH = b64encode(sha256(_STYLE.encode()).digest()).decode()
HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_HASH}'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
}


def hosted_page(words: Mapping[str, str], title: str, body: str, *, status: int = 200, said: str = "") -> HTMLResponse:
    """Return a page.

    Args:
        title: Text.
        body: HTML; whoever makes it escapes what is not ours.
        said: What has just happened, as text; announced to screen readers.
    """
    told = f'<p class="said" role="status">{escape(said)}</p>' if said else ""
    html = (
        f'<!doctype html><html lang="{escape(words["lang"])}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="referrer" content="no-referrer"><meta name="robots" content="noindex">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>"
        f"<body><main><h1>{escape(title)}</h1>{told}{body}</main></body></html>"
    )
    return HTMLResponse(html, status_code=status, headers=HEADERS)


def paragraph(text: str, *, note: bool = False) -> str:
    """Return a paragraph of plain text."""
    return f'<p class="note">{escape(text)}</p>' if note else f"<p>{escape(text)}</p>"


def button_form(label: str, fields: Mapping[str, str], *, plain: bool = False) -> str:
    """Return a form of one button that posts to the page's own address."""
    hidden = "".join(
        f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">' for name, value in fields.items()
    )
    kind = ' class="plain"' if plain else ""
    return f'<form method="post">{hidden}<button type="submit"{kind}>{escape(label)}</button></form>'


def switch(name: str, label: str, *, on: bool, note: str = "") -> str:
    """Return one labelled checkbox."""
    more = f" <small>{escape(note)}</small>" if note else ""
    checked = " checked" if on else ""
    return (
        f'<label><input type="checkbox" name="on" value="{escape(name)}"{checked}>'
        f"<span>{escape(label)}{more}</span></label>"
    )


def group(title: str, switches: list[str]) -> str:
    """Return a titled group of switches, "" for none."""
    return f"<fieldset><legend>{escape(title)}</legend>{''.join(switches)}</fieldset>" if switches else ""
