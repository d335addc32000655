"""A player on journeys, with a clock of their own: events go in, timers fire when they are due, everything is kept.

After every turn the laws hold that nobody asked about: the stored form loses nothing, the timers set are those that the
records know of, and the groups are where the players wait.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any

from msgspec import structs

from crm.choices.chance import Chance
from crm.programme import CrmRules, compile_crm
from crm.turn import follow_up, take_turn
from domain.effects import Effect, JourneyEnded, JourneyEntered, JourneyStepped, SegmentEntered
from domain.entries import Command, Entry, Event, LogEntry, MessageRequest, TimerFired, Visited
from domain.player import Balance, Profile, Snapshot, changed_parts, snapshot_from_parts, with_parts
from domain.step import Draws, Grant, Step

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
NOON = 1_772_452_800_000  # Monday 2026-03-02T12:00:00Z
FOLLOW_UPS_MAX = 4
TEXT = {"channel": "in_app", "title": {"en": "t"}, "body": {"en": "b"}}


def programme(
    version: int = 1, older: dict[int, CrmRules] | None = None, *, timezone: str = "UTC", **kinds: dict[str, Any]
) -> CrmRules:
    """Compile ``journeys={...}`` and what they need; templates that messages name are made up unless given."""
    journeys = kinds.get("journeys", {})
    named = {
        node["template"] for journey in journeys.values() for node in journey["nodes"] if node["kind"] == "message"
    }
    kinds["templates"] = dict.fromkeys(named, TEXT) | kinds.get("templates", {})
    kinds.setdefault("settings", {"main": {"timezone": timezone}})
    return compile_crm(version, kinds, older=older or {})


def journey(*nodes: dict[str, Any], entry: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """Write a journey of these nodes, begun by ``signed_up`` unless said otherwise."""
    return {"entry": entry or {"event": "signed_up"}, "nodes": list(nodes), **more}


def message(node: str, next: str | None = None, **more: Any) -> dict[str, Any]:
    return {"id": node, "kind": "message", "template": node, "purpose": "service", "next": next, **more}


def delay(node: str, lasts: str, next: str | None = None, **more: Any) -> dict[str, Any]:
    return {"id": node, "kind": "delay", "for": lasts, "next": next, **more}


def wait(node: str, event: str, timeout: str | None = None, **more: Any) -> dict[str, Any]:
    return {"id": node, "kind": "wait", "for": {"event": event}, "timeout_s": timeout, **more}


def field(name: str, op: str, value: Any) -> dict[str, Any]:
    return {"field": name, "op": op, "value": value}


class World:
    """Metrics that a test sets by hand; time moves them only where it says so."""

    def __init__(self) -> None:
        self.metrics: dict[str, float] = {}

    def metric(self, state: Snapshot, metric_id: str, now: int, /) -> float | None:  # noqa: ARG002
        return self.metrics.get(metric_id)

    def metric_changes(self, *_: Any) -> int:
        return 0


class Traveller:
    """Ada travels."""

    def __init__(self, rules: CrmRules, now: int = NOON, *, player: str = "ada", timezone: str = "") -> None:
        self.rules = rules
        self.now = now
        self.world = World()
        self.snapshot = Snapshot(player, profile=Profile(timezone=timezone))
        self.effects: list[Effect] = []
        self.requests: list[MessageRequest] = []
        self.grants: list[Grant] = []
        self.log: list[LogEntry] = []
        self.turns: list[tuple[str, tuple[Effect, ...]]] = []
        self.timers: set[TimerFired] = set()
        self.groups: set[str] = set()

    # what happens

    def does(self, name: str, **properties: Any) -> list[Effect]:
        """Send an event; it arrives now."""
        return self.take(Event(self.snapshot.player, f"e{len(self.log)}", name, self.now, properties))

    def asks(self, name: str, **args: Any) -> list[Effect]:
        return self.take(Command(self.snapshot.player, f"cmd:{len(self.log)}", name, args))

    def is_visited(self, journey_id: str, **args: Any) -> list[Effect]:
        return self.take(Visited(self.snapshot.player, f"walk:{len(self.log)}", "journey", journey_id, args))

    def has(self, **traits: Any) -> None:
        """Change the profile beside the journeys, as an ``identify`` would."""
        profile = self.snapshot.profile
        self.snapshot = with_parts(self.snapshot, profile=structs.replace(profile, traits={**profile.traits, **traits}))

    def was_seen(self, at: int) -> None:
        """Let the player be known, and last seen at a time."""
        profile = structs.replace(self.snapshot.profile, first_seen_at=at, last_seen_at=at)
        self.snapshot = with_parts(self.snapshot, profile=profile)

    def waits(self, ms: int) -> None:
        """Let time pass; timers fire when they are due, in order."""
        until = self.now + ms
        while due := [timer for timer in self.timers if timer.due <= until]:
            timer = min(due, key=lambda timer: (timer.due, timer.ref))
            self.now = max(self.now, timer.due)
            self.timers.discard(timer)
            self.take(timer)
        self.now = until

    def take(self, entry: Entry, before: Snapshot | None = None) -> list[Effect]:
        """Take one turn as the actor does: the CRM's part, then follow-ups; return its effects.

        Args:
            before: The player before the game's part of the turn, when that changed something.
        """
        logged = LogEntry(f"{len(self.log) + 1}-0", self.now, entry)
        self.log.append(logged)
        state = self.snapshot
        before = state if before is None else before
        effects: list[Effect] = []
        chance = Chance(
            Draws("seed", 0, f"{state.player}/{logged.offset}")
        )  # of one partition no two offsets are alike
        step = self._apply(take_turn(self.rules, self.world, before, state, logged, chance), effects)
        for _ in range(FOLLOW_UPS_MAX):
            if not step.grants and step.state.profile is state.profile:
                break
            before, state = state, self._granted(step)
            step = self._apply(follow_up(self.rules, self.world, before, state, logged, chance), effects)
        self.effects += effects
        self.turns.append((logged.offset, tuple(effects)))
        self.check()
        return effects

    def _apply(self, step: Step[Snapshot], effects: list[Effect]) -> Step[Snapshot]:
        parts = changed_parts(Snapshot(step.state.player), step.state)
        assert snapshot_from_parts(step.state.player, 0, parts) == step.state, "the stored form loses something"
        for timer in step.timers:
            if timer.set:
                assert timer.timer not in self.timers, "a timer was set twice"
                self.timers.add(timer.timer)
            else:
                assert timer.timer in self.timers, f"a timer was cleared that is not set: {timer.timer}"
                self.timers.discard(timer.timer)
        for group in step.groups:
            (self.groups.add if group.add else self.groups.discard)(group.group)
        self.requests += step.requests
        self.grants += step.grants
        effects += step.effects
        self.snapshot = step.state
        return step

    def _granted(self, step: Step[Snapshot]) -> Snapshot:
        wallet = dict(step.state.wallet)
        for grant in step.grants:
            held = wallet.get(grant.currency, Balance())
            wallet[grant.currency] = Balance(held.balance + grant.amount, held.lifetime + grant.amount)
        self.snapshot = with_parts(step.state, wallet=wallet)
        return self.snapshot

    def check(self) -> None:
        """Assert what is true after every turn."""
        active = {name: r.active for name, r in self.snapshot.journeys.items() if r.active is not None}
        expected = {(f"{name}#{walk.number}", walk.armed, walk.generation) for name, walk in active.items()}
        timers = {(t.ref, t.due, t.generation) for t in self.timers if t.kind == "journey"}
        assert timers == expected, "timers are not what the records say"
        groups = {group for group in self.groups if group.startswith("journeys/")}
        assert groups == {f"journeys/{name}/{walk.node}" for name, walk in active.items()}, (
            "groups are not the records'"
        )
        times = Counter(request.id for request in self.requests)
        assert not [key for key, count in times.items() if count > 1], "a pass asked twice"

    # what came of it

    def at(self, journey_id: str = "j") -> str:
        """Return the node the player waits at, or how the last walk ended in capitals, or nothing."""
        record = self.snapshot.journeys.get(journey_id)
        if record is None:
            return ""
        return record.active.node if record.active else record.outcome.upper()

    def told(self) -> list[str]:
        """Return the templates of the messages asked for, in order."""
        return [request.template for request in self.requests]

    def steps(self, journey_id: str = "j") -> list[tuple[str, ...]]:
        """Return the steps recorded: (node, outcome, reason)."""
        return [
            (e.node, e.outcome, e.reason)
            for e in self.effects
            if isinstance(e, JourneyStepped) and e.journey == journey_id
        ]

    def entries(self, journey_id: str = "j") -> list[JourneyEntered]:
        return [e for e in self.effects if isinstance(e, JourneyEntered) and e.journey == journey_id]

    def endings(self, journey_id: str = "j") -> list[tuple[str, str, str]]:
        """Return how walks ended: (outcome, reason, node)."""
        return [
            (e.outcome, e.reason, e.node)
            for e in self.effects
            if isinstance(e, JourneyEnded) and e.journey == journey_id
        ]

    def entered_segments(self) -> list[str]:
        return [e.segment for e in self.effects if isinstance(e, SegmentEntered)]


Change = Callable[[Traveller], object]
