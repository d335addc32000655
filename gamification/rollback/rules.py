"""Which event says that others did not stand, and which those are.

A rollback is an event of a configured name whose status has a configured word (upper and lower case are one). The first
path of ``by`` under which it has a value decides what it is about: every event of the configured names with the same
value under the same path. So with ``by: [properties.transaction_id, properties.round_id]`` a rollback that names a
transaction unwinds that one, and one that names only the round unwinds bets and wins of the round alike.
"""

from dataclasses import dataclass
from typing import Literal

from domain.entries import Event
from domain.event_fields import Keys, field_value, keys_of
from gamification.rollback.config import RollbackConfig
from gamification.rules import Rules

NAME = "rollback"
_CHARS_MAX = 100  # of an id; longer ones name nothing


@dataclass(frozen=True, slots=True)
class RollbackRule:
    events: frozenset[str]
    status: Keys
    words: frozenset[str]
    by: tuple[tuple[str, Keys], ...]  # path, and as it is walked
    within_ms: int
    points: Literal["debt", "floor"]
    levels: Literal["kept", "lowered"]
    entries: int  # since the newer mark, at most


def compiled(config: RollbackConfig) -> RollbackRule:
    """Return the rule of a valid document."""
    return RollbackRule(
        frozenset(config.events),
        keys_of(config.status),
        frozenset(word.casefold() for word in config.words),
        tuple((path, keys_of(path)) for path in config.by),
        config.within * 1000,
        config.points,
        config.levels,
        config.entries,
    )


def rule_of(rules: Rules) -> RollbackRule | None:
    """Return the rule in force; None: nothing is kept, and nothing can be unwound."""
    found: RollbackRule | None = rules.rooms.get(NAME)
    return found


def is_rollback(rule: RollbackRule, event: Event) -> bool:
    """Tell whether an event of a configured name says that others did not stand."""
    status = field_value(event, rule.status)
    return isinstance(status, str) and status.casefold() in rule.words


def names(rule: RollbackRule, event: Event) -> list[str]:
    """Return the keys that an event can be rolled back by, in the order of ``by``: ``properties.round_id=r-7``."""
    found = []
    for path, keys in rule.by:
        value = field_value(event, keys)
        if isinstance(value, str | int) and not isinstance(value, bool) and 0 < len(str(value)) <= _CHARS_MAX:
            found.append(f"{path}={value}")
    return found
