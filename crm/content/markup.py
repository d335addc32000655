"""Words of an e-mail: ``**bold**``, ``*italic*`` and ``[words](address)``, in HTML and as plain text.

The marks are read in the template's source, before Liquid fills it, and kept as characters that no data can bring
(``crm.markers``): a player named ``**x**`` or ``<b>`` is shown as that. Everything is escaped after it is filled, so no
filter and no literal can leave a hole.
"""

import re
from collections.abc import Callable
from html import escape, unescape

from crm.markers import (
    BOLD,
    BOLD_END,
    HREF,
    HREF_END,
    ITALIC,
    ITALIC_END,
    ITEM,
    KEPT,
    KEPT_END,
    LABEL,
    MARKED_URL,
    without,
    without_shapes,
)
from crm.texts import safe_url

_TAG = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_KEPT = re.compile(f"{KEPT}(\\d+){KEPT_END}")
_LINKED = re.compile(r"\[([^\[\]\n]{1,500})\]\(([^()\s]{1,2000})\)")
_BOLD = re.compile(r"\*\*(?=\S)([^\n]{1,1000}?)(?<=\S)\*\*")
_ITALIC = re.compile(r"(?<![*\w])\*(?=[^\s*])([^*\n]{1,1000}?)(?<=[^\s*])\*(?![*\w])")
_SHAPES = (
    (re.compile(f"{BOLD}([^{BOLD}{BOLD_END}]*){BOLD_END}"), r"<strong>\1</strong>"),
    (re.compile(f"{ITALIC}([^{ITALIC}{ITALIC_END}]*){ITALIC_END}"), r"<em>\1</em>"),
)
_ANCHOR = re.compile(f"{HREF}([^{HREF}{LABEL}{HREF_END}]*){LABEL}([^{HREF}{LABEL}{HREF_END}]*){HREF_END}")
_BLANK_LINES = re.compile(r"\n{3,}")


def marked_up(source: str) -> str:
    """Return a source with its marks read; what stands in Liquid's tags is left alone."""
    tags: list[str] = []

    def keep(found: re.Match[str]) -> str:
        tags.append(found[0])
        return f"{KEPT}{len(tags) - 1}{KEPT_END}"

    text = _TAG.sub(keep, without(source))
    text = _LINKED.sub(f"{HREF}\\2{LABEL}\\1{HREF_END}", text)
    text = _BOLD.sub(f"{BOLD}\\1{BOLD_END}", text)
    text = _ITALIC.sub(f"{ITALIC}\\1{ITALIC_END}", text)
    return _KEPT.sub(lambda found: tags[int(found[1])], text)


def outside_url(url: str, site: str) -> str:
    """Return an address as it is opened from outside the site, "" when it is none that is safe."""
    url = url.strip()
    if MARKED_URL.fullmatch(url):
        return url
    if not safe_url(url):
        return ""
    if url.startswith("/"):
        return site + url if site else ""
    return "" if url.startswith(("#", "?")) else url


def to_html(filled: str, site: str) -> str:
    """Return a filled text as HTML that goes between tags."""
    text = _lines(filled, lambda line: line)
    text = escape(text)
    text = _ANCHOR.sub(lambda found: _anchor(found, site), text)
    for shape, html in _SHAPES:
        text = shape.sub(html, text)
    return without_shapes(text).replace("\n", "<br>")


def items_of(filled: str) -> list[str]:
    """Return the items of a filled list."""
    return [item.strip() for item in filled.split(ITEM) if item.strip()]


def to_text(filled: str, site: str) -> str:
    """Return a filled text as plain text, addresses in brackets after their words."""

    def linked(found: re.Match[str]) -> str:
        url = outside_url(found[1], site)
        return f"{found[2]} ({url})" if url and url != found[2] else found[2]

    return without_shapes(_ANCHOR.sub(linked, _lines(filled, str.rstrip)))


def to_attribute(filled: str) -> str:
    """Return a filled text as the value of an attribute."""
    return escape(without_shapes(filled)).replace("\n", " ")


def _lines(text: str, line: Callable[[str], str]) -> str:
    text = text.replace("\r\n", "\n").replace("\r", "\n").strip()
    return _BLANK_LINES.sub("\n\n", "\n".join(map(line, text.split("\n"))))


def _anchor(found: re.Match[str], site: str) -> str:
    url = outside_url(unescape(found[1]), site)
    return f'<a href="{escape(url)}" style="color:inherit;">{found[2]}</a>' if url else found[2]
