"""The rooms of the game, and what they bring together, by name."""

from collections.abc import Iterator
from typing import TypeVar

from pydantic import BaseModel

from gamification import (
    budgets,
    downgrades,
    jackpots,
    minigames,
    purses,
    quests,
    raffles,
    rollback,
    store,
    streaks,
    tournaments,
)
from gamification.room import Room

V = TypeVar("V")

ROOMS: tuple[Room, ...] = (
    purses.ROOM,
    downgrades.ROOM,
    streaks.ROOM,
    quests.ROOM,
    tournaments.ROOM,
    store.ROOM,
    budgets.ROOM,
    minigames.ROOM,
    raffles.ROOM,
    jackpots.ROOM,
    rollback.ROOM,
)

KINDS: dict[str, type[BaseModel]] = {kind: model for room in ROOMS for kind, model in room.kinds.items()}


def _once(field: str, named: Iterator[tuple[str, V]]) -> dict[str, V]:
    """Return what the rooms bring under one name each.

    Raises:
        ValueError: two bring the same.
    """
    together: dict[str, V] = {}
    for name, value in named:
        if name in together:
            raise ValueError(f"two rooms bring {field} {name!r}")
        together[name] = value
    return together


COMMANDS = _once("commands", ((name, it) for room in ROOMS for name, it in room.commands.items()))
TIMERS = _once("timers", ((name, it) for room in ROOMS for name, it in room.timers.items()))
ANSWERS = _once("answers", ((name, it) for room in ROOMS for name, it in room.answers.items()))
TOLD = _once("told", ((name, it) for room in ROOMS for name, it in room.told.items()))
VISITS = _once("visits", ((name, it) for room in ROOMS for name, it in room.visits.items()))
GIVERS = _once("givers", ((name, it) for room in ROOMS for name, it in room.givers.items()))
KEEPERS = _once("keepers", ((name, it) for room in ROOMS for name, it in room.keepers.items()))
SETTLE = tuple(room.settle for room in ROOMS if room.settle)
