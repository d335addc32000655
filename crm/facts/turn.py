"""What one entry tells of a player, while it is being heard: facts and records as they change, and what goes along."""

from collections.abc import Mapping
from typing import Any

from domain.effects import Effect
from domain.entries import Entry, MessageRequest

_AT_REST: dict[str, Any] = {
    "support_case": {"open": False, "since": 0, "cases": []},
    "round_in_play": {"open": False, "since": 0},
    "consent": {},
    "consent_pending": [],
    "exclusions": {},
    "reach": {},
    "suppressed": {},
}
"""What the tower takes for granted of a player of whom nothing was told."""


class Heard:
    """Mutable, and gone with the turn.

    Args:
        told: The part ``air`` before; it is left as it was.
        at: Turn time, ms.
        cause: Id of the entry.
    """

    __slots__ = ("air", "at", "cause", "effects", "entries", "facts", "lifts", "mutes", "player", "requests", "stops")

    def __init__(self, player: str, told: Mapping[str, Any], at: int, cause: str) -> None:
        self.player = player
        self.at = at
        self.cause = cause
        self.air: Mapping[str, Any] = told
        self.facts: dict[str, Any] = {}  # to be told, by name
        self.effects: list[Effect] = []
        self.entries: list[Entry] = []  # for the tower's log, after the facts
        self.requests: list[MessageRequest] = []  # with the template's variables, not yet rendered
        self.stops: list[str] = []  # reasons to stop the player for, ``reason`` or ``reason|until``
        self.lifts: list[str] = []  # reasons that no longer stop them
        self.mutes: list[tuple[bool, str]] = []  # set, mark

    def tell(self, name: str, value: Any, *, again: bool = False) -> None:
        """Tell the tower a fact if it is news.

        Args:
            again: Even if it was told before.
        """
        if again or value != self.air.get(name, _AT_REST.get(name)):
            self.keep(name, value)
            self.facts[name] = value

    def keep(self, name: str, value: Any) -> None:
        """Keep a record that the tower need not know; an empty one is forgotten."""
        if value or name in _AT_REST or value is None:
            self.air = {**self.air, name: value}
        elif name in self.air:
            self.air = {held: other for held, other in self.air.items() if held != name}

    def mute(self, mark: str) -> None:
        """Let nothing with this mark be sent any more, whatever waits already."""
        self.mutes.append((True, mark))

    def unmute(self, mark: str) -> None:
        """Let what has this mark be sent again."""
        self.mutes.append((False, mark))
