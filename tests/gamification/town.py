"""Players and keepers together: what one relays to another arrives, in any order that the outboxes allow."""

from collections import deque
from random import Random
from typing import Any

from msgspec import structs

from domain.effects import Effect
from domain.entries import (
    Command,
    Entry,
    Event,
    KeeperAnswered,
    KeeperAsked,
    LogEntry,
    MergeAsked,
    Merged,
    MessageRequest,
    TimerFired,
)
from domain.ids import KEEPER_PREFIX
from domain.player import Snapshot, all_parts, changed_parts, snapshot_from_parts, with_parts
from domain.step import Draws, Grant, Step
from gamification.rules import Rules
from gamification.turn import take_grants, take_keeper_turn, take_turn
from tests.gamification.playing import NOON


class Town:
    """Every actor by its id; relays wait in a line for each pair of sender and receiver, as in the outboxes.

    Args:
        stores: Every snapshot goes through its stored form after each turn; not where thousands are in one.
    """

    def __init__(self, rules: Rules, now: int = NOON, *, stores: bool = True) -> None:
        self.stores = stores
        self.rules = rules
        self.now = now
        self.states: dict[str, Snapshot] = {}
        self.effects: dict[str, list[Effect]] = {}
        self.said: list[KeeperAnswered] = []  # what keepers answered or told
        self.lines: dict[tuple[str, str], deque[Entry]] = {}
        self.timers: set[TimerFired] = set()
        self.requests: list[MessageRequest] = []
        self.merged: dict[str, str] = {}
        self.turns = 0

    def take(self, entry: Entry, now: int | None = None) -> list[Effect]:
        """Take one turn of whom the entry is for; what it relays waits."""
        self.now = max(self.now, now or 0)
        actor = entry.player
        self.turns += 1
        logged = LogEntry(f"{self.turns}-0", self.now, entry)
        take = take_keeper_turn if actor.startswith(KEEPER_PREFIX) else take_turn
        before = self.states.get(actor, Snapshot(actor))
        return self._keep(actor, take(self.rules, before, logged, Draws("seed", 0, logged.offset)))

    def grants(self, player: str, *grants: Grant) -> list[Effect]:
        """Have the CRM give something to a player."""
        before = self.states.get(player, Snapshot(player))
        return self._keep(player, take_grants(self.rules, before, self.now, "e1", grants))

    def _keep(self, actor: str, step: Step[Snapshot]) -> list[Effect]:
        self.states[actor] = self._stored(step.state) if self.stores else step.state
        self.effects.setdefault(actor, []).extend(step.effects)
        for relay in step.relays:
            self.lines.setdefault((actor, relay.player), deque()).append(relay)
            if isinstance(relay, KeeperAnswered):
                self.said.append(relay)
        self.requests += step.requests
        for op in step.timers:
            (self.timers.add if op.set else self.timers.discard)(op.timer)
        return list(step.effects)

    def _stored(self, state: Snapshot) -> Snapshot:
        read = snapshot_from_parts(state.player, 0, changed_parts(Snapshot(state.player), state))
        assert read == state, "the stored form loses something"
        return read

    def does(self, player: str, name: str, **properties: Any) -> list[Effect]:
        """Send an event."""
        return self.take(Event(player, f"e{self.turns}", name, self.now, properties))

    def asks(self, player: str, name: str, **args: Any) -> list[Effect]:
        """Send a command; what a keeper answers comes with ``settle``."""
        return self.take(Command(player, f"cmd:{self.turns}", name, args))

    def merges(self, source: str, into: str) -> None:
        """Have a profile join another; what comes for it later is forwarded."""
        before = self.states[source]
        self.take(MergeAsked(source, into, "m1"))
        self.merged[source] = into
        self.lines.setdefault((source, into), deque()).append(Merged(into, source, all_parts(before), "m1"))

    def deliver(self, rng: Random | None = None) -> bool:
        """Deliver one relay: the first of some line; False when none waits."""
        if not self.lines:
            return False
        pair = rng.choice(list(self.lines)) if rng else next(iter(self.lines))
        entry = self.lines[pair].popleft()
        if not self.lines[pair]:
            del self.lines[pair]
        into = self.merged.get(entry.player)
        self.take(structs.replace(entry, player=into) if into else entry)
        return True

    def settle(self) -> None:
        """Deliver until nothing is on its way."""
        while self.deliver():
            continue

    def later(self, now: int) -> None:
        """Let time pass: timers that are due by then fire in their order, and what they relay arrives."""
        while due := sorted((timer for timer in self.timers if timer.due <= now), key=lambda timer: timer.due):
            self.timers.discard(due[0])
            self.take(due[0], max(self.now, due[0].due))
            self.settle()
        self.now = max(self.now, now)

    def replaces(self, actor: str, **parts: Any) -> None:
        """Replace parts of a snapshot."""
        self.states[actor] = with_parts(self.states[actor], **parts)

    def balance(self, player: str, currency: str = "points") -> int:
        """Return what a player has."""
        held = self.states[player].wallet.get(currency) if player in self.states else None
        return held.balance if held else 0

    def happened(self, player: str, kind: type[Effect]) -> list[Any]:
        """Return what happened to a player, of one kind."""
        return [effect for effect in self.effects.get(player, []) if isinstance(effect, kind)]

    def asked(self, op: str) -> int:
        """Return how many asks of an op are on their way to keepers."""
        return sum(isinstance(entry, KeeperAsked) and entry.op == op for line in self.lines.values() for entry in line)
