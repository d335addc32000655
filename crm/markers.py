"""Characters that only the engine puts into rendered texts: where a link is signed at sending, what is bold.

They are private-use characters of Unicode. What a player, a caller or an event brings is cleaned of all of them before
a template sees it, and so is what a filter makes (``url_decode``), so nobody can forge one. A link's address is not
known when a message is rendered and would be a secret in every log: its place is held by a marker until then
(``channels.tracking``).
"""

import re
from collections.abc import Mapping
from typing import Any

_LINK = "\uf5a0"
BOLD, BOLD_END = "\uf5a1", "\uf5a2"
ITALIC, ITALIC_END = "\uf5a3", "\uf5a4"
HREF, LABEL, HREF_END = "\uf5a5", "\uf5a6", "\uf5a7"  # HREF address LABEL words HREF_END
ITEM = "\uf5a8"  # ends an item of a list
KEPT, KEPT_END = "\uf5a9", "\uf5aa"  # a Liquid tag while its surroundings are read
UTF8 = b"\xef\x96"  # how each of them begins
_ANY = re.compile("[\uf580-\uf5bf]")
_SHAPING = re.compile("[\uf580-\uf59f\uf5a1-\uf5bf]")
_DEPTH_MAX = 20

LINK_NAMES = ("unsubscribe", "preferences", "confirm")
MARKED_URL = re.compile(f"{_LINK}({'|'.join(LINK_NAMES)}){_LINK}")
MARKED = re.compile(f"{_LINK}([a-z_]+){_LINK}")  # also of what is no link: ``player_id``, ``request_id``


def marker(name: str) -> str:
    """Return what stands for a value that is known when the message is sent."""
    return f"{_LINK}{name}{_LINK}"


LINKS: Mapping[str, str] = {name: marker(name) for name in LINK_NAMES}
"""The variable ``links`` of every channel outside."""


def without(text: str) -> str:
    """Return a text without any of the characters."""
    return _ANY.sub("", text)


def without_shapes(text: str) -> str:
    """Return a text of which only the links' markers are left."""
    return _SHAPING.sub("", text)


def has_any(text: str) -> bool:
    """Tell whether one of the characters is in a text."""
    return _ANY.search(text) is not None


def cleaned(value: Any, depth: int = _DEPTH_MAX) -> Any:
    """Return a value none of whose texts has one of the characters; what is nested deeper than 20 is left out."""
    if isinstance(value, str):
        return without(value)
    if isinstance(value, Mapping):
        return {cleaned(k): cleaned(v, depth - 1) for k, v in value.items()} if depth else {}
    if isinstance(value, list | tuple):
        return [cleaned(item, depth - 1) for item in value] if depth else []
    return value
