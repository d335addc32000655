"""Blocks to a page: MJML, compiled once, with slots where texts stand; no text of an operator or a player is in it."""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

from mjml import mjml2html

from crm.content.blocks import AnyBlock, Button, Columns, Divider, Heading, Image, Listing, Paragraph, Spacer, listed
from crm.content.markup import marked_up
from crm.content.template import Piece, Slot
from crm.texts import Texts

LANGUAGE, PREHEADER = 0, 1  # slots of every page
_TOKEN = re.compile(r"@@(if|fi|)(\d+)@@")
_HEADING_PX = {1: 26, 2: 20, 3: 16}
Compile = Callable[..., Texts]  # (sources by language, is_shaped=) -> texts
Plain = tuple[str, tuple[int, ...]]


class Layout:
    """A page that is being laid out."""

    def __init__(self, compile_texts: Compile) -> None:
        self._compile = compile_texts
        self.slots: dict[int, Slot] = {}
        self.plain: list[Plain] = []

    def page(self, blocks: Sequence[AnyBlock]) -> tuple[Piece, ...]:
        """Return the page of some blocks; their texts are in ``slots``, in the order of ``plain``."""
        sections: list[str] = []
        column: list[str] = []
        for block in blocks:
            if isinstance(block, Columns):
                sections += [_section([column])] if column else []
                sections.append(_section([[self._block(inner) for inner in inners] for inners in block.columns]))
                column = []
            else:
                column.append(self._block(block))
        sections += [_section([column])] if column else []
        return _pieces(_document("".join(sections)))

    def plain_page(self, body: Texts, label: Texts | None, url: Texts | None) -> tuple[Piece, ...]:
        """Return the page of a message that has only a body and, maybe, a button."""
        blocks = [self._words(body, "text", "left", "font-size='16px'")]
        if label is not None and url is not None:
            blocks.append(self._button(label, url, "center", "#2456d6"))
        return _pieces(_document(_section([blocks])))

    def _block(self, block: AnyBlock) -> str:
        if isinstance(block, Heading):
            size = _HEADING_PX[block.level]
            return self._words(
                self._shaped(block.text), "heading", block.align, f"font-size='{size}px' font-weight='bold'"
            )
        if isinstance(block, Paragraph):
            return self._words(self._shaped(block.text), "text", block.align, "font-size='16px'")
        if isinstance(block, Button):
            return self._button(self._compile(block.label), self._compile({"": block.url}), block.align, block.color)
        if isinstance(block, Image):
            return self._image(block)
        if isinstance(block, Listing):
            texts = self._compile({tag: listed(block, source) for tag, source in block.text.items()}, is_shaped=True)
            return self._put("list", texts, "list", "<mj-text font-size='16px' line-height='1.5'>@@{0}@@</mj-text>")
        self.plain.append(("divider" if isinstance(block, Divider) else "spacer", ()))
        if isinstance(block, Spacer):
            return f"<mj-spacer height='{block.height}px'/>"
        return "<mj-divider border-width='1px' border-color='#d0d4da'/>"

    def _shaped(self, sources: Mapping[str, str]) -> Texts:
        return self._compile({tag: marked_up(source) for tag, source in sources.items()}, is_shaped=True)

    def _words(self, texts: Texts, plain: str, align: str, style: str) -> str:
        return self._put(
            "words", texts, plain, f"<mj-text align='{align}' line-height='1.5' {style}>@@{{0}}@@</mj-text>"
        )

    def _button(self, label: Texts, url: Texts, align: str, colour: str) -> str:
        words = self._slot("plain", label)
        address = self._slot("url", url)
        self.plain.append(("button", (words, address)))
        inner = f"<mj-button align='{align}' background-color='{colour}' font-size='16px' href='@@{address}@@'>"
        return _part(address, f"{inner}@@{words}@@</mj-button>")

    def _image(self, block: Image) -> str:
        source, alt = self._slot("url", self._compile({"": block.url})), self._slot("plain", self._compile(block.alt))
        width = f" width='{block.width}px'" if block.width else ""
        link, linked = "", [alt]
        if block.link:
            address = self._slot("url", self._compile({"": block.link}))
            link, linked = f" href='@@{address}@@'", [alt, address]
        self.plain.append(("image", tuple(linked)))
        return _part(source, f"<mj-image src='@@{source}@@' alt='@@{alt}@@'{width}{link}/>")

    def _put(self, kind: str, texts: Texts, plain: str, html: str) -> str:
        slot = self._slot(kind, texts)
        self.plain.append((plain, (slot,)))
        return _part(slot, html.format(slot))

    def _slot(self, kind: str, texts: Texts) -> int:
        number = len(self.slots) + 2
        self.slots[number] = Slot(kind, texts)
        return number


def _part(slot: int, html: str) -> str:
    """Return a part of a column that is left out when its slot is empty."""
    return f"<mj-raw>@@if{slot}@@</mj-raw>{html}<mj-raw>@@fi{slot}@@</mj-raw>"


def _section(columns: Sequence[Sequence[str]]) -> str:
    inner = "".join(f"<mj-column>{''.join(blocks)}</mj-column>" for blocks in columns)
    return f"<mj-section background-color='#ffffff' padding='10px 0'>{inner}</mj-section>"


def _document(body: str) -> str:
    return (
        f"<mjml lang='@@{LANGUAGE}@@'><mj-head><mj-preview>@@{PREHEADER}@@</mj-preview><mj-attributes>"
        "<mj-all font-family='Helvetica, Arial, sans-serif'/></mj-attributes></mj-head>"
        f"<mj-body background-color='#f2f4f7'>{body}</mj-body></mjml>"
    )


@lru_cache(maxsize=512)
def _pieces(document: str) -> tuple[Piece, ...]:
    """Compile a page (0.2 ms) and take it apart."""
    pieces: list[Piece] = []
    parts: dict[int, int] = {}  # slot: the piece that opens its part
    html, position = mjml2html(document), 0
    for found in _TOKEN.finditer(html):
        before, slot, position = html[position : found.start()], int(found[2]), found.end()
        if found[1] == "if":
            parts[slot] = len(pieces)
            pieces.append(Piece(before, unless=slot))
        elif found[1] == "fi":
            pieces.append(Piece(before))
            opened = pieces[parts[slot]]
            pieces[parts[slot]] = Piece(opened.html, unless=slot, go_on=len(pieces))
        else:
            pieces.append(Piece(before, slot))
    return (*pieces, Piece(html[position:]))
