"""The addresses for which clicks are counted: those that stand in a template's own source.

A link that counts clicks is signed by the engine and leads on to wherever it says. One made of what a player, an event
or a caller brought would let anybody borrow the operator's name for any site. So an address is followed when the
template has it word for word, or has its beginning with the whole host and Liquid only fills in what comes after.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

ADDRESSES_MAX = 100  # of one template; further ones lead where they say, uncounted
_TAG = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_FILLED = "\x00"
_URL = re.compile(r"https?://[^\s<>\"]{1,2048}", re.IGNORECASE)
_WHOLE_HOST = re.compile(r"https?://[^/?#\x00]+[/?#]", re.IGNORECASE)
_ENDS = ".,;:!?'*)]"  # of a sentence, of a mark: they may stand after an address


class Followed(Struct, frozen=True):
    """What a template lets be followed."""

    whole: tuple[str, ...] = ()
    starts: tuple[str, ...] = ()

    def allows(self, url: str) -> bool:
        """Tell whether the clicks on an address are counted."""
        return url in self.whole or (bool(self.starts) and url.startswith(self.starts))

    def plain(self) -> dict[str, list[str]]:
        """Return it as a content holds it."""
        return {"whole": [*self.whole], "starts": [*self.starts]}


def followed_of(sources: Iterable[str], site: str) -> Followed:
    """Return what may be followed of a template's texts; of the operator's own site, everything."""
    whole: dict[str, None] = {}
    starts: dict[str, None] = {f"{site.rstrip('/')}/": None} if site else {}
    for source in sources:
        for found in _URL.findall(_TAG.sub(_FILLED, source)):
            start, filled, _ = found.partition(_FILLED)
            if filled:
                if _WHOLE_HOST.match(start):
                    starts[start] = None
                continue
            whole[start] = None
            for end in range(len(start) - 1, 0, -1):  # where a sentence or a bracket may end it
                if start[end] in _ENDS:
                    whole[start[:end]] = None
                elif not any(char in start[:end] for char in ")]"):
                    break
    return Followed(tuple(whole)[:ADDRESSES_MAX], tuple(starts)[:ADDRESSES_MAX])


def followed_in(tracking: Mapping[str, Any]) -> Followed:
    """Read what a content holds; one that holds none, nothing."""
    return Followed(*(tuple(str(each) for each in tracking.get(name) or ()) for name in ("whole", "starts")))
