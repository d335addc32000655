"""The blocks of an e-mail, as operators write them. Each is simple; together they make a page that mail programs show.

Words may have ``**bold**``, ``*italic*`` and ``[words](address)`` (``crm.content.markup``).
"""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from crm.content.fields import Address, Colour, Source, Words, written
from crm.content.markup import marked_up
from crm.fields import Document
from crm.markers import ITEM

BLOCKS_MAX = 50
Align = Literal["left", "center", "right"]


class Heading(Document):
    """A title within the page."""

    kind: Literal["heading"]
    text: Words
    level: Literal[1, 2, 3] = 1
    align: Align = "left"


class Paragraph(Document):
    """Words; an empty line begins a new paragraph."""

    kind: Literal["text"]
    text: Words
    align: Align = "left"


class Button(Document):
    """A link that is hard to miss."""

    kind: Literal["button"]
    label: Words
    url: Address
    align: Align = "center"
    color: Colour = "#2456d6"


class Image(Document):
    """A picture by its address; ``alt`` says what it shows to those who do not load it."""

    kind: Literal["image"]
    url: Address
    alt: Words
    link: Address | None = None
    width: Annotated[int, Field(ge=1, le=600)] | None = None  # px


class Divider(Document):
    """A line."""

    kind: Literal["divider"]


class Spacer(Document):
    """Room."""

    kind: Literal["spacer"]
    height: int = Field(default=20, ge=1, le=200)  # px


class Listing(Document):
    """The same words for each thing of a list (``missions``, ``recommendations.missions``, ...), called ``item``."""

    kind: Literal["list"]
    for_: Annotated[str, Field(alias="for", pattern=r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*){0,8}$")]
    text: Words
    limit: int = Field(default=5, ge=1, le=20)


Simple = Annotated[Heading | Paragraph | Button | Image | Divider | Spacer | Listing, Field(discriminator="kind")]


class Columns(Document):
    """Blocks side by side; on a telephone below each other."""

    kind: Literal["columns"]
    columns: Annotated[
        tuple[Annotated[tuple[Simple, ...], Field(max_length=10)], ...], Field(min_length=2, max_length=4)
    ]


Block = Annotated[
    Heading | Paragraph | Button | Image | Divider | Spacer | Listing | Columns, Field(discriminator="kind")
]
AnyBlock = Heading | Paragraph | Button | Image | Divider | Spacer | Listing | Columns


def listed(block: Listing, source: str) -> str:
    """Return the Liquid that says a list's words once for each of its things."""
    return f"{{% for item in {block.for_} limit: {block.limit} %}}{marked_up(source)}{ITEM}{{% endfor %}}"


def block_sources(path: str, block: AnyBlock) -> Iterator[Source]:
    """Yield every text of a block with its path and language."""
    if isinstance(block, Heading | Paragraph):
        yield from written(f"{path}.text", block.text)
    elif isinstance(block, Button):
        yield from written(f"{path}.label", block.label)
        yield f"{path}.url", "", block.url
    elif isinstance(block, Image):
        yield from written(f"{path}.alt", block.alt)
        yield f"{path}.url", "", block.url
        if block.link:
            yield f"{path}.link", "", block.link
    elif isinstance(block, Listing):
        for language, source in block.text.items():
            yield f"{path}.text", language, listed(block, source)
    elif isinstance(block, Columns):
        for n, column in enumerate(block.columns):
            for m, inner in enumerate(column):
                yield from block_sources(f"{path}.columns.{n}.{m}", inner)
