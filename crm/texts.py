"""One text in one or more languages: Liquid, parsed once, filled for a player without ever failing.

What Liquid may do is in ``crm.sandbox``.
"""

import re
from collections.abc import Mapping
from itertools import count
from typing import Any

import msgspec
from liquid.builtin.content import ContentNode
from msgspec import Struct

from crm.markers import LINKS, UTF8, cleaned, without
from crm.sandbox import parse
from crm.sources import Name, names_used, paths_used

_URL = re.compile(r"(?:https?://|/(?!/)|#|\?)[^\s\\\x00-\x1f\x7f-\x9f]*", re.IGNORECASE)  # browsers read \ as /
_NAME = re.compile(r"\{\{-?\s*[A-Za-z_][\w.-]*\s*-?\}\}")
Texts = dict[str, "Text"]  # by language tag in lower case

# A text depends on the values that it names and on nothing else. Rendering one takes 50 to 150 us and was a quarter of
# a host's time while players were new; many players have the same values (a mission, its rewards, a first name).
FILLED_MAX = 4_096  # texts remembered
FILLED_CHARS_MAX = 2_000  # longer ones are not, nor values that take more bytes
_filled: dict[tuple[int, bytes], str] = {}
_numbers = count(2, 2)  # the odd one is the same text where links have addresses
_COMPUTED = ("size", "first", "last")  # Liquid works these out where no such name is
_MISSING = (0, None)  # beside (1, value) and (2, what Liquid computes from): no value can be taken for another kind
_encode = msgspec.msgpack.Encoder().encode


def safe_url(url: str) -> bool:
    """Tell whether a button may open it: a path of this site or an http(s) address, so no script and no data."""
    return _URL.fullmatch(url) is not None


class Text(Struct, frozen=True):
    """One text in one language, parsed."""

    constant: str  # the text itself, or what is left of it without its tags when rendering fails
    template: Any = None  # liquid.BoundTemplate; None: nothing to fill in
    paths: tuple[tuple[str, ...], ...] | None = None  # of the values it names; None: it computes names
    number: int = 0  # tells it from other texts
    has_links: bool = False  # it names ``links``, whose values are the same for everybody
    is_name: bool = False  # it is one name and nothing else, so it has a value

    def fill(self, variables: Mapping[str, Any]) -> tuple[str, bool]:
        """Return the filled text and whether that worked."""
        if self.template is None:
            return self.constant, True
        if self.paths is None:
            return self._rendered(_clean(variables))
        try:
            values = _encode([_value_at(variables, path) for path in self.paths])
        except (TypeError, ValueError, OverflowError, RecursionError):  # values that no snapshot holds
            return self._rendered(_clean(variables))
        key = (self.number + (self.has_links and variables.get("links") is LINKS), values)
        known = _filled.get(key)
        if known is not None:
            return known, True
        text, worked = self._rendered(_clean(variables) if UTF8 in values else variables)
        if worked and len(text) <= FILLED_CHARS_MAX and len(values) <= FILLED_CHARS_MAX:
            if len(_filled) >= FILLED_MAX:
                del _filled[next(iter(_filled))]
            _filled[key] = text
        return text, worked

    def value(self, variables: Mapping[str, Any]) -> tuple[Any, bool]:
        """Return the value that the text names, ``None`` when there is none; what is not a single name is filled."""
        if self.is_name and self.paths:
            kind, value = _value_at(variables, self.paths[0])
            if kind != 2:
                return cleaned(value), True
        return self.fill(variables)

    def _rendered(self, variables: Mapping[str, Any]) -> tuple[str, bool]:
        try:
            return self.template.render(variables), True
        except Exception:
            # Filters let through whatever Python raises on hostile values (ValueError, decimal errors,
            # RecursionError). A message that cannot be personalised still goes out, plain.
            return self.constant, False


class Picked(Struct, frozen=True):
    """A text in the language that suits the player best, and why that one."""

    language: str
    why: str  # player_locale, programme_locale, english, first_written
    text: Text


def pick(texts: Texts, locale: str, fallback_locale: str) -> Picked:
    """Return the text for a player's locale; there is always one."""
    for wanted, why in ((locale, "player_locale"), (fallback_locale, "programme_locale"), ("en", "english")):
        tag = tag_of(wanted)
        while tag:
            if tag in texts:
                return Picked(tag, why, texts[tag])
            tag = tag.rpartition("-")[0]
    language, text = next(iter(texts.items()))
    return Picked(language, "first_written", text)


def tag_of(locale: str) -> str:
    """Return a language tag as texts are kept by it."""
    return locale.replace("_", "-").lower()


def compile_texts(sources: Mapping[str, str], needs: set[Name]) -> Texts:
    """Parse a text's languages; the names that they use are added to ``needs``."""
    return {tag_of(language): compile_text(source, needs) for language, source in sources.items()}


def compile_text(source: str, needs: set[Name], *, is_shaped: bool = False) -> Text:
    """Parse one text. ``is_shaped``: its private characters are the engine's own (``crm.content.markup``)."""
    if not is_shaped:
        source = without(source)
    if "{{" not in source and "{%" not in source:
        return Text(source)
    template = parse(source)
    names = set(names_used(template, source))
    needs.update(names)
    literal = "".join(node.text for node in template.nodes if isinstance(node, ContentNode))
    paths = paths_used(template)
    if paths is not None:
        paths = tuple(path for path in paths if path[:1] != ("links",))
    has_links = any(name.root == "links" for name in names)
    return Text(
        " ".join(literal.split()), template, paths, next(_numbers), has_links, _NAME.fullmatch(source) is not None
    )


def _value_at(variables: Mapping[str, Any], path: tuple[str, ...]) -> tuple[int, Any]:
    """Return what a text can see at a path: the value, that there is none, or all that Liquid computes one from."""
    value: Any = variables
    for name in path:
        if isinstance(value, Mapping) and name in value:
            value = value[name]
        elif isinstance(value, Mapping) and name not in _COMPUTED:
            return _MISSING
        else:
            return 2, value
    return 1, value


def _clean(variables: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value if value is LINKS else cleaned(value) for name, value in variables.items()}
