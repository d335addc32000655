"""A keeper's turn: an actor that keeps what many players share (a budget, a stock, a tournament's list, a pot).

It is a virtual actor like a player's: single-threaded turns, its state committed with the offset, its only input the
log. So "never more than the budget" needs no lock: whoever wants some asks (``asking``), and is answered once.
"""

from typing import Any

from domain.effects import Effect
from domain.entries import Barrier, Entry, KeeperAnswered, KeeperAsked, TimerFired, WalkAsked
from domain.ids import keeper_of
from domain.player import Snapshot, with_parts
from domain.step import Draws, Freeze, Step, TimerOp
from gamification.rules import Rules


class Keeper:
    """Mutable, and gone with the turn; only ``finished`` leaves it."""

    __slots__ = (
        "at",
        "barriers",
        "cause",
        "draws",
        "effects",
        "freezes",
        "id",
        "kept",
        "kind",
        "name",
        "offset",
        "relays",
        "rules",
        "start",
        "timers",
        "walks",
    )

    def __init__(self, rules: Rules, start: Snapshot, at: int, offset: str, cause: str, draws: Draws) -> None:
        self.rules = rules
        self.start = start
        self.id = start.player
        self.kind, self.name = keeper_of(start.player)
        self.at = at
        self.offset = offset
        self.cause = cause
        self.draws = draws
        self.kept: dict[str, Any] = start.kept  # replaced whole, never changed in place
        self.effects: list[Effect] = []
        self.timers: list[TimerOp] = []
        self.relays: list[Entry] = []
        self.freezes: list[Freeze] = []
        self.barriers: list[Barrier] = []
        self.walks: list[WalkAsked] = []  # each partition visits its own players; an id is walked once

    def answer(self, asked: KeeperAsked, code: str = "ok", **data: Any) -> None:
        """Answer an ask, into the log of who asked."""
        self.relays.append(
            KeeperAnswered(asked.asker, self.id, asked.id, asked.op, code, data, asked.reply_to, asked.cause)
        )

    def tell(self, player: str, op: str, key: str, **data: Any) -> None:
        """Tell a player something unasked; ``key`` is unique for what it is about."""
        self.relays.append(KeeperAnswered(player, self.id, key, op, "ok", data, cause=f"{self.id}|{key}"))

    def set_timer(self, kind: str, ref: str, due: int, generation: int = 0) -> None:
        self.timers.append(TimerOp(TimerFired(self.id, kind, ref, due, generation)))

    def clear_timer(self, kind: str, ref: str, due: int, generation: int = 0) -> None:
        self.timers.append(TimerOp(TimerFired(self.id, kind, ref, due, generation), set=False))

    def finished(self) -> Step[Snapshot]:
        """Return the step."""
        state = self.start if self.kept is self.start.kept else with_parts(self.start, kept=self.kept)
        return Step(
            state,
            tuple(self.effects),
            tuple(self.timers),
            relays=tuple(self.relays),
            freezes=tuple(self.freezes),
            barriers=(*self.barriers, *self.walks),
        )
