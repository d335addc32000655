"""A player driven by hand through the game's turn and the CRM's, with a clock that fires the timers it was given."""

from typing import Any

from actors.programme import Programme, compile_programme
from crm.turn import take_turn as take_crm_turn
from domain.calendar import as_ms
from domain.conditions import PlayerContext, evaluate
from domain.effects import Effect, SegmentEntered, SegmentLeft
from domain.entries import Entry, Event, LogEntry, TimerFired
from domain.player import Snapshot, changed_parts, snapshot_from_parts
from domain.step import Draws, Step, joined
from gamification.turn import take_turn

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000


def at(text: str) -> int:
    """Return ms of an ISO time with its offset (``2026-03-10T12:00:00+00:00``)."""
    from datetime import datetime

    return as_ms(datetime.fromisoformat(text))


NOON = at("2026-03-02T12:00:00+00:00")  # a Monday


def programme(version: int = 1, timezone: str = "UTC", **kinds: Any) -> Programme:
    """Compile documents given as ``segments={...}, earn_rules={...}``; a segment may be its bare tree."""
    documents = {kind.replace("_", "-"): dict(named) for kind, named in kinds.items()}
    for name, segment in documents.get("segments", {}).items():
        documents["segments"][name] = segment if "where" in segment else {"where": segment}
    return compile_programme(version, documents | {"settings": {"main": {"timezone": timezone}}})


class Person:
    """Ada. Her snapshot goes through its stored form after every turn; her timers are kept as the store keeps them."""

    def __init__(self, live: Programme, now: int = NOON, snapshot: Snapshot | None = None) -> None:
        self.live = live
        self.now = now
        self.snapshot = snapshot or Snapshot("ada")
        self.timers: dict[TimerFired, None] = {}
        self.groups: set[str] = set()
        self.last: Step[Snapshot] = Step(self.snapshot)
        self.turns = 0
        self.fired = 0

    @property
    def segments(self) -> set[str]:
        return set(self.snapshot.segments.member)

    def take(self, entry: Entry) -> list[Effect]:
        """Take one turn, now; return what the segments did."""
        self.turns += 1
        logged = LogEntry(f"{self.turns}-0", self.now, entry)
        played = take_turn(self.live.rules, self.snapshot, logged, Draws("seed", 0, logged.offset))
        judged = take_crm_turn(self.live.crm, self.live.metrics, self.snapshot, played.state, logged)
        self.last = joined(played, judged)
        if isinstance(entry, Event | TimerFired):
            assert changed_parts(played.state, judged.state).keys() <= {"segments"}
        parts = changed_parts(Snapshot("ada"), self.last.state)
        self.snapshot = snapshot_from_parts("ada", self.turns, parts)
        assert self.snapshot.segments == self.last.state.segments, "the stored form loses something"
        for op in self.last.timers:
            if op.set:
                self.timers[op.timer] = None
            else:
                self.timers.pop(op.timer, None)
        for group in self.last.groups:
            assert (group.group in self.groups) is not group.add, "a group says again what it said"
            (self.groups.add if group.add else self.groups.discard)(group.group)
        return [effect for effect in self.last.effects if isinstance(effect, SegmentEntered | SegmentLeft)]

    def does(
        self, name: str, *, after: int = 0, at: int | None = None, traits: Any = None, **properties: Any
    ) -> list[Effect]:
        """Let time pass, timers firing on their way; then an event happens and is told at once (or ``at`` before)."""
        self.waits(after)
        happened = self.now if at is None else at
        event = Event("ada", f"e{self.turns}", name, happened, properties, traits=traits or {})
        return self.take(event)

    def waits(self, ms: int) -> list[tuple[int, Effect]]:
        """Let time pass; return when which segment changed."""
        until, changes = self.now + ms, []
        while (timer := min(self.timers, key=lambda timer: timer.due, default=None)) and timer.due <= until:
            del self.timers[timer]
            self.fired += 1
            assert self.fired < 2_000, "a timer is set again for the moment it fired at"
            self.now = max(self.now, timer.due)
            changes += [(self.now, effect) for effect in self.take(timer)]
        self.now = until
        return changes

    def oracle(self) -> set[str]:
        """Return the segments that the trees themselves say she is in, now, judged one after another."""
        inside: dict[str, bool] = {}
        asked = PlayerContext(
            self.snapshot,
            metric=lambda metric: self.live.metrics.metric(self.snapshot, metric, self.now),
            segment=inside.get,
            now=self.now,
            zone=self.live.crm.timezone,
        )
        for name, condition in self.live.crm.segments.conditions.items():
            inside[name] = evaluate(condition.tree, asked)
        return {name for name, is_in in inside.items() if is_in}
