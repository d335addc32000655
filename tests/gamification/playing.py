"""A player to play with: events go in, steps come out, everything that happened is kept."""

from typing import Any

from domain.effects import Effect, Posting
from domain.entries import Command, Entry, Event, LogEntry, MessageRequest, TimerFired
from domain.player import Snapshot, changed_parts, snapshot_from_parts
from domain.step import Draws, Step, TimerOp, UniqueKey
from gamification.programme import compile_rules
from gamification.rules import Rules
from gamification.turn import take_turn

MONDAY = 1_772_409_600_000  # 2026-03-02T00:00:00Z
SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
NOON = MONDAY + 12 * HOUR


def programme(version: int = 1, timezone: str = "UTC", older: dict[int, Rules] | None = None, **kinds: Any) -> Rules:
    """Compile documents given as ``missions={...}, earn_rules={...}``."""
    documents = {kind.replace("_", "-"): documents for kind, documents in kinds.items()}
    return compile_rules(version, documents, timezone=timezone, older=older or {})


def mission(count: int = 2, event: str = "bet_placed", **more: Any) -> dict[str, Any]:
    return {"tasks": [{"id": "bets", "event": event, "count": count}], **more}


def points(amount: int, currency: str = "points") -> dict[str, Any]:
    return {"kind": "currency", "currency": currency, "amount": amount}


class Player:
    """Ada plays; her snapshot goes through its stored form after every turn."""

    def __init__(self, rules: Rules, now: int = NOON) -> None:
        self.rules = rules
        self.now = now
        self.snapshot = Snapshot("ada")
        self.effects: list[Effect] = []
        self.timers: list[TimerOp] = []
        self.keys: list[UniqueKey] = []
        self.requests: list[MessageRequest] = []
        self.log: list[LogEntry] = []

    def take(self, entry: Entry, now: int | None = None) -> list[Effect]:
        """Take one turn; return its effects."""
        self.now = self.now if now is None else now
        logged = LogEntry(f"{len(self.log) + 1}-0", self.now, entry)
        self.log.append(logged)
        step: Step[Snapshot] = take_turn(self.rules, self.snapshot, logged, Draws("seed", 0, logged.offset))
        parts = changed_parts(Snapshot("ada"), step.state)
        assert snapshot_from_parts("ada", 0, parts) == step.state, "the stored form loses something"
        self.snapshot = step.state
        self.effects += step.effects
        self.timers += step.timers
        self.keys += step.keys
        self.requests += step.requests
        return list(step.effects)

    def does(self, name: str, now: int | None = None, *, at: int | None = None, **properties: Any) -> list[Effect]:
        """Send an event that arrives ``now`` and occurred ``at`` (the same, unless given)."""
        self.now = self.now if now is None else now
        event = Event("ada", f"e{len(self.log) + 1}", name, self.now if at is None else at, properties)
        return self.take(event)

    def asks(self, name: str, now: int | None = None, **args: Any) -> list[Effect]:
        return self.take(Command("ada", f"cmd:{len(self.log) + 1}", name, args), now)

    def hears(self, timer: TimerFired, now: int | None = None) -> list[Effect]:
        return self.take(timer, timer.due if now is None else now)

    def balance(self, currency: str = "points") -> int:
        held = self.snapshot.wallet.get(currency)
        return held.balance if held else 0

    def status(self, mission_id: str) -> str:
        held = self.snapshot.missions.get(mission_id)
        return held.status if held else "available"


def kinds(effects: list[Effect]) -> list[str]:
    """Return what kinds of things happened, in order."""
    return [effect.__struct_config__.tag for effect in effects]  # type: ignore[misc]


def postings(effects: list[Effect]) -> list[Posting]:
    return [effect for effect in effects if isinstance(effect, Posting)]
