"""The source of a template as its writer sees it: what is wrong with it and where, and which names it uses."""

import re
from collections.abc import Iterator
from typing import Any

from liquid import BoundTemplate
from liquid.exceptions import LiquidError
from msgspec import Struct

from crm.sandbox import parse

SOURCE_BYTES_MAX = 65_536
ANY = "?"
_TAGS_MAX = 2_000
_TAG_MAX = 2_000  # characters of one tag
_TAG_STARTS = re.compile(r"\{\{|\{%")
_ASSIGNING = frozenset(("assign", "capture", "increment", "decrement"))
_SPACES = re.compile(r"\s{50}")
_VERBATIM = re.compile(r"\{%-?\s*(?:raw|doc)\b")


class Name(Struct, frozen=True):
    """A name that a template uses and does not itself assign: ``player.traits.city`` is (player, traits)."""

    root: str
    second: str  # "" when the root stands alone, ANY when it is computed (``player[x]``)
    line: int


def names_used(template: BoundTemplate, source: str) -> Iterator[Name]:
    """Yield the names that the template takes from its variables, each as often as it stands there."""
    for root, uses in template.analyze(include_partials=False).globals.items():
        for use in uses:
            yield Name(str(root), _second(use.segments), line_of(source, use.span.index))


def paths_used(template: BoundTemplate) -> tuple[tuple[str, ...], ...] | None:
    """Return the paths of all values that the template takes from its variables; None when that cannot be told.

    It cannot when the template computes names, or assigns some: a name that one branch assigns is taken from the
    variables in the other.
    """
    paths: dict[tuple[str, ...], None] = {}
    used = template.analyze(include_partials=False)
    if not _ASSIGNING.isdisjoint(used.tags):
        return None
    for uses in used.globals.values():
        for use in uses:
            path = tuple(segment for segment in use.segments if isinstance(segment, str))
            if len(path) < len(use.segments):
                return None
            paths[path] = None
    return tuple(paths)


def _second(segments: list[Any]) -> str:
    if len(segments) < 2:
        return ""
    return segments[1] if isinstance(segments[1], str) else ANY


def syntax_error(source: str) -> str:
    """Return what is wrong with a template's source, or ""."""
    if len(source.encode(errors="surrogatepass")) > SOURCE_BYTES_MAX:
        return f"expected at most {SOURCE_BYTES_MAX} bytes, got {len(source.encode(errors='surrogatepass'))}"
    if problem := _slow_to_read(source):
        return problem
    try:
        parse(source)
    except LiquidError as error:
        line = line_of(source, error.token.start_index) if error.token else 1
        return f"expected Liquid, got in line {line}: {error.message}"
    return ""


def line_of(source: str, index: int) -> int:
    return source.count("\n", 0, index) + 1


def _slow_to_read(source: str) -> str:
    """Return what would keep python-liquid's lexer busy, or "": its patterns backtrack (4,000 braces: 1.6 s)."""
    position, tags = 0, 0
    while found := _TAG_STARTS.search(source, position):
        start, tags = found.start(), tags + 1
        end = source.find("}}" if found[0] == "{{" else "%}", start)
        if end < 0:
            return f"expected Liquid, got in line {line_of(source, start)}: a tag that is not closed"
        if end - start > _TAG_MAX or _SPACES.search(source, start, end):
            at = line_of(source, start)
            return f"expected tags of at most {_TAG_MAX} characters without 50 spaces on end, got one in line {at}"
        position = end + 2
    if tags > _TAGS_MAX:
        return f"expected at most {_TAGS_MAX} tags, got {tags}"
    if len(_VERBATIM.findall(source)) > 20:
        return "expected at most 20 raw and doc blocks"
    return ""
