"""What the keeper of a run keeps: numbers and short lists, whatever the number of entrants."""

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct

OVER = frozenset({"finished", "cancelled"})
OPEN = frozenset({"registering", "running"})


class Kept(Struct, frozen=True):
    """One run. An empty one is never stored: nothing needs it."""

    status: str = ""  # registering running closing freezing awaiting_approval paying finished cancelled
    starts: int = 0  # ms; of whoever joined first: a later version of the programme does not move them
    ends: int = 0
    settle: int = 0
    entrants: int = 0  # seats taken
    size: int = 0  # of a cohort; 0: one board for all
    tiers: list[str] = []
    cohorts: dict[str, list[int]] = {}  # number of the tier -> cohorts opened, seats taken in the last
    round: int = 0  # of barriers: after the first all asks are answered, after the second all scores are on the boards
    passed: list[int] = []  # partitions that have passed the present one
    approval: bool = False
    waiting: list[str] = []  # boards that are asked to freeze
    frozen: int = 0  # boards asked so far, in the order of ``boards``
    ranked: int = 0  # players on the boards
    paid: int = 0  # prizes told
    table: list[list[Any]] = []  # the first of a run without cohorts: player, score, ms
    reason: str = ""  # of a cancellation
    over_at: int = 0  # ms


def kept_from(kept: dict[str, Any]) -> Kept:
    """Read what a keeper stored."""
    return msgspec.convert(kept, Kept)


def stored(kept: Kept) -> dict[str, Any]:
    """Return it as a keeper stores it."""
    plain: dict[str, Any] = msgspec.to_builtins(kept)
    return plain


def board_of(name: str, kept: Kept, tier: int, cohort: int) -> str:
    """Return the board of a cohort, ``<tournament>@<run>/c<tier>-<n>``; without cohorts the run's own."""
    return f"{name}/c{tier}-{cohort}" if kept.size else name


def boards(name: str, kept: Kept) -> Iterator[str]:
    """Yield the boards of a run, always in the same order."""
    if not kept.size:
        yield name
        return
    for tier in range(max(1, len(kept.tiers))):
        for cohort in range(1, kept.cohorts.get(str(tier), [0, 0])[0] + 1):
            yield board_of(name, kept, tier, cohort)


def tier_of_board(board: str) -> int:
    """Return the number of the tier that a cohort's board is of; 0 for any other."""
    cohort = board.rpartition("/c")[2]
    tier = cohort.partition("-")[0]
    return int(tier) if tier.isdecimal() else 0
