"""What a template may name, and what its writer is told of a name that does not exist.

Checked when a template is written and when a programme is published, not when a stored version is loaded: a word that
a later release takes away must not stop a partition that runs an older programme.
"""

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from crm.markers import LINK_NAMES
from crm.sandbox import nearest, parse
from crm.sources import ANY, Name, line_of, names_used

if TYPE_CHECKING:
    from crm.config import TemplateConfig

_CHANGED_LINK = re.compile(r"\{\{-?\s*(links\.\w+)\s*\|[^}]*\}\}")  # a filter would change the place of an address
OPEN: frozenset[str] = frozenset()  # a root whose second names are anybody's
ROOTS: Mapping[str, frozenset[str]] = {
    "player": frozenset(
        (
            *("id", "traits", "balance", "lifetime", "level", "levels"),
            *("missions", "segments", "timezone", "locale", "tone"),
        )
    ),
    "event": frozenset(("id", "name", "properties", "context", "occurred_at")),
    "journey": OPEN,  # what the journey's nodes bring
    "mission": frozenset(("id", "name", "completion_id", "claim", "rewards")),
    "achievement": frozenset(("id", "name", "stage", "rewards")),
    "level": frozenset(("id", "name", "system", "rewards")),
    "streak": frozenset(("id", "name", "count", "rewards")),
    "quest": frozenset(("id", "name", "rewards")),
    "tournament": frozenset(("id", "run", "name", "rank", "score", "rewards")),
    "raffle": frozenset(("id", "name", "prize", "ticket", "win", "rewards")),
    "purchase": OPEN,
    "reward": frozenset(("reason", "rule", "rewards", "instead")),  # one that a budget had no room for
    "missions": OPEN,  # a list
    "recommendations": frozenset(("missions",)),
    "now": frozenset(("date", "time", "weekday")),
    "tone": OPEN,
    "links": frozenset(LINK_NAMES),  # outside; their addresses are made when the message is sent
}


def unknown_names(config: "TemplateConfig") -> Iterator[str]:
    """Yield what is wrong with the names of a template, as ``path: expected ..., got ...``."""
    for path, language, source in config.sources():
        where = f"{path}: {language}: " if language else f"{path}: "
        for name in _names(source):
            if problem := _problem(name, config.variables):
                yield f"{where}line {name.line}: {problem}"
        if changed := _CHANGED_LINK.search(source):
            at = line_of(source, changed.start())
            yield f"{where}line {at}: expected a link as it is, {{{{ {changed[1]} }}}}, got {changed[0][:60]}"


def _names(source: str) -> list[Name]:
    if "{{" not in source and "{%" not in source:
        return []
    return sorted(names_used(parse(source), source), key=lambda name: name.line)


def _problem(name: Name, declared: tuple[str, ...]) -> str:
    if name.root not in ROOTS:
        if name.root in declared:
            return ""
        known = [*ROOTS, *declared]
        near = nearest(name.root, known) or f", expected one of {' '.join(known)}, or a name in `variables`"
        return f"there is no {name.root!r}{near}"
    names = ROOTS[name.root]
    if not names or name.second in ("", ANY) or name.second in names:
        return ""
    near = nearest(name.second, names) or f", expected one of {' '.join(sorted(names))}"
    return f"{name.root!r} has no {name.second!r}{near}"


def taken(names: tuple[Any, ...]) -> list[str]:
    """Return the declared variables whose names mean something already."""
    return [name for name in names if name in ROOTS]
