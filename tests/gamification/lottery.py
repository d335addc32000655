"""A town whose players also pay tolls and whose keepers ask for barriers, over a few partitions."""

from collections import deque

from domain.effects import Effect
from domain.entries import Barrier, BarrierPassed, Contributed, Entry, KeeperAnswered, LogEntry
from domain.ids import KEEPER_PREFIX, partition_of
from domain.player import Snapshot, changed_parts, snapshot_from_parts
from domain.step import Draws, Step
from gamification.turn import take_keeper_turn, take_turn
from tests.gamification.town import Town

PARTITIONS = 3
SEED = "seed"


class Lottery(Town):
    """As ``Town``; tolls and barriers wait in the same lines as relays, behind what was sent before."""

    def take(self, entry: Entry, now: int | None = None) -> list[Effect]:
        """Take one turn of whom the entry is for; what it sends waits."""
        self.now = max(self.now, now or 0)
        actor = entry.player
        self.turns += 1
        logged = LogEntry(f"{self.turns}-0", self.now, entry)
        take = take_keeper_turn if actor.startswith(KEEPER_PREFIX) else take_turn
        step: Step[Snapshot] = take(
            self.rules, self.states.get(actor, Snapshot(actor)), logged, Draws(SEED, 0, logged.offset)
        )
        parts = changed_parts(Snapshot(actor), step.state)
        self.states[actor] = snapshot_from_parts(actor, 0, parts)
        assert self.states[actor] == step.state, "the stored form loses something"
        self.effects.setdefault(actor, []).extend(step.effects)
        for relay in step.relays:
            self._send(actor, relay)
            if isinstance(relay, KeeperAnswered):
                self.said.append(relay)
        for toll in step.tolls:
            self._send(actor, Contributed(toll.keeper, ((actor, toll.amount, toll.cause),)))
        for barrier in step.barriers:
            assert isinstance(barrier, Barrier)
            for partition in range(PARTITIONS):  # behind all that those of the partition have sent to that keeper
                self._put(partition, BarrierPassed(barrier.keeper, barrier.id, partition, PARTITIONS))
        for op in step.timers:
            (self.timers.add if op.set else self.timers.discard)(op.timer)
        return list(step.effects)

    def _send(self, sender: str, entry: Entry) -> None:
        self._put(partition_of(sender, PARTITIONS), entry)

    def _put(self, partition: int, entry: Entry) -> None:
        self.lines.setdefault((f"partition {partition}", entry.player), deque()).append(entry)
