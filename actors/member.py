"""A process that owns partitions of one lane: the loop that a ``HostActor`` and the ``CoordinatorActor`` run.

It pulls from the logs; nothing but start and stop goes through Ray.
"""

import asyncio
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Generic, TypeVar

from redis.asyncio import Redis
from redis.exceptions import RedisError

from actors.carrier import Carrier
from actors.clock import Clock
from actors.notes import FLUSH_EVERY_MS as NOTES_EVERY_MS
from actors.notes import Notes
from actors.ownership import CONTROL_EVERY_MS, LEASE_MS, RENEW_EVERY_MS, Heartbeat, Ownership
from actors.processor import Folded, Processor
from actors.recent import Recent
from store.ports import Unavailable

S = TypeVar("S")

FIRE_EVERY_MS = 200  # due timers
IDLE_MS = 30_000  # players without a turn in such a period become bytes
SWEEP_MOST = 32  # of them in one round: about 1 ms
BLOCK_MS = 50  # wait for entries when there are none

__all__ = ["LEASE_MS", "Heartbeat", "Member"]


class Member(Ownership, Generic[S]):
    """One owner of partitions.

    Args:
        dedicated: Tells which players live in processes of their own, for the heartbeat.
        carrier: Carries what commits left for other partitions and walks through the players; the tower has none.
        notes: Counts what was committed, for whoever watches the whole; the tower has none.
        on_idle: Called twice a minute; what it does must be little.
    """

    def __init__(
        self,
        redis: Redis,
        processor: Processor[S],
        clock: Clock,
        *,
        name: str,
        lane: str,
        incarnation: str,
        dedicated: Callable[[], tuple[dict[str, int], int, int]] = lambda: ({}, 0, 0),
        carrier: Carrier | None = None,
        notes: Notes | None = None,
        on_idle: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(redis, clock, name=name, lane=lane, incarnation=incarnation)
        self._processor = processor
        self._dedicated = dedicated
        self._carrier = carrier
        self._on_idle = on_idle
        self._notes = notes
        self._pass: asyncio.Task[None] | None = None  # of the carrier
        self._recent = Recent()
        processor.on_commit = self._committed

    async def run(self) -> None:
        """Own and work until stopped; whatever ends it, nothing is carried any more."""
        try:
            await super().run()
        finally:
            if self._pass is not None:
                self._pass.cancel()

    def _committed(self, partition: int, folded: Folded[S]) -> None:
        """Remember what the live page shows, what there is to carry, and what is counted."""
        self._recent.add(folded.recent)
        if self._notes is not None:
            self._notes.add(self._processor.owned[partition].batch, folded)
        if self._carrier is not None:
            self._carrier.committed(partition, folded.commit)

    def _owned(self) -> Collection[int]:
        return self._processor.owned.keys()

    async def _acquire(self, partition: int) -> None:
        await self._processor.acquire(partition)

    async def _release(self, partition: int) -> None:
        await self._processor.release(partition)

    async def _round(self) -> None:
        now = self._clock.now_ms()
        if self._is_due("control", now, CONTROL_EVERY_MS):
            await self._control(now)
        if self._is_due("renew", now, RENEW_EVERY_MS) and self._processor.owned:
            await self._processor.renew()
        if self._is_due("fire", now, FIRE_EVERY_MS):
            await self._processor.fire()
        self._sweep(now)
        if self._notes is not None and self._is_due("notes", now, NOTES_EVERY_MS):
            await self._notes.flush()
        if self._processor.owned:
            await self._work()
        else:
            await self._pause(BLOCK_MS / 1000)
        self.heartbeat.beat += 1

    async def _work(self) -> None:
        """Take a step; beside it what the steps before left behind is carried.

        Each call of the store waits for its disk: with steps that waited for the carrying too, a season's events took
        a tenth more CPU each, and a tenth fewer came through (docs/benchmarks.md). Neither is cut short when the other
        fails: a commit that is cut short puts its partitions in doubt.
        """
        if self._carrier is None:
            await self._processor.step(BLOCK_MS)
            return
        block_ms = min(BLOCK_MS, self._carrier.idle_ms())
        self._set_out(self._carrier)
        await self._processor.step(block_ms)

    def _set_out(self, carrier: Carrier) -> None:
        """Begin the next pass, unless one is still under way; one that failed is heard of here, and begins again."""
        if self._pass is not None:
            if not self._pass.done():
                return
            ended, self._pass = self._pass, None
            ended.result()
        self._pass = asyncio.create_task(self._carry(carrier))

    def _sweep(self, now: int) -> None:
        """Passivate a bounded number of idle players."""
        owned = self._processor.owned.values()
        if self._is_due("idle", now, IDLE_MS):
            for partition in owned:
                partition.activations.turn_over()
            self._on_idle()
        room = SWEEP_MOST
        for partition in owned:
            room -= partition.activations.sweep(room)

    async def _finish(self) -> None:
        if self._pass is not None:
            with suppress(Unavailable, RedisError, OSError):  # the next owner carries what is left
                await self._pass
        if self._notes is not None:
            await self._notes.flush()

    async def _carry(self, carrier: Carrier) -> None:
        """Do a bounded part of what commits left behind: first the relays somebody waits for, then the walks."""
        carrier.owns({partition: processor.token for partition, processor in self._processor.owned.items()})
        await carrier.carry()
        await carrier.walk()

    def _describe(self, beat: Heartbeat) -> None:
        tally = self._processor.tally
        beat.stopped = {str(p): why for p, why in self._processor.stopped.items()}
        beat.entries, beat.commits, beat.lost = tally.entries, tally.commits, tally.lost
        beat.players = sum(len(p.activations) for p in self._processor.owned.values())
        beat.dedicated, beat.dedicated_refused, beat.dedicated_failed = self._dedicated()
        beat.recent, beat.steps = list(self._recent.completions), list(self._recent.steps)
        beat.counts = dict(self._recent.counts)
