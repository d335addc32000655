"""A process that owns partitions of one lane: the loop that a ``HostActor`` and the ``CoordinatorActor`` run.

It pulls from the logs; nothing but start and stop goes through Ray. Ownership is what the store says: the director
writes who should own what, a member acquires what is free and gives back what is no longer its own.
"""

import asyncio
import os
import socket
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import Struct
from redis.asyncio import Redis
from redis.exceptions import RedisError

from actors.carrier import Carrier
from actors.clock import Clock
from actors.processor import Folded, Processor
from actors.recent import Recent
from store.keys import ASSIGNMENT, HOSTS
from store.ports import Unavailable

S = TypeVar("S")

LEASE_MS = 2_000  # liveness only; safety is the fencing in every write
CONTROL_EVERY_MS = 250  # heartbeat and assignment
RENEW_EVERY_MS = 600  # three chances within a lease
FIRE_EVERY_MS = 200  # due timers
SWEEP_EVERY_MS = 30_000  # idle players become bytes
BLOCK_MS = 50  # wait for entries when there are none


class Heartbeat(Struct):
    """What a member says of itself, a few times a second. ``beat`` rises only while its loop makes progress."""

    name: str
    lane: str
    pid: int
    node: str
    incarnation: str
    beat: int = 0
    at: int = 0  # ms, the member's clock
    partitions: list[int] = []
    stopped: dict[str, str] = {}  # partition -> why, for a person
    entries: int = 0
    commits: int = 0
    lost: int = 0
    players: int = 0  # in memory as objects
    dedicated: dict[str, Any] = {}  # player -> pid of its own process
    dedicated_refused: int = 0  # stayed shared because --dedicated-max was reached
    dedicated_failed: int = 0  # processes ended because they did not come up or did not answer
    recent: list[Any] = []  # completions or decisions
    steps: list[Any] = []  # of journeys
    counts: dict[str, int] = {}  # changes of segments and journeys since it started


class Member(Generic[S]):
    """One owner of partitions.

    Args:
        dedicated: Tells which players live in processes of their own, for the heartbeat.
        carrier: Carries what commits left for other partitions and walks through the players; the tower has none.
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
    ) -> None:
        self._redis = redis
        self._processor = processor
        self._clock = clock
        self._lane = lane
        self._dedicated = dedicated
        self._carrier = carrier
        self._recent = Recent()
        self._stopping = asyncio.Event()
        self._due = {"control": 0, "renew": 0, "fire": 0, "sweep": 0}
        processor.on_commit = self._committed
        self.heartbeat = Heartbeat(name, lane, os.getpid(), socket.gethostname(), incarnation)

    def _committed(self, partition: int, folded: Folded[S]) -> None:
        """Remember what the live page shows, and what there is to carry."""
        self._recent.add(folded.recent)
        if self._carrier is not None:
            self._carrier.committed(partition, folded.commit)

    def stop(self) -> None:
        """Ask the loop to finish its step, give its partitions back and end."""
        self._stopping.set()

    async def run(self) -> None:
        """Own, fold and commit until stopped. A store that does not answer is waited for."""
        while not self._stopping.is_set():
            try:
                await self._round()
            except (Unavailable, RedisError, OSError):
                await self._pause(0.1)
        for partition in list(self._processor.owned):
            try:
                await self._processor.release(partition)
            except (Unavailable, RedisError, OSError):
                break  # the lease lapses by itself
        await self._forget()

    async def _round(self) -> None:
        now = self._clock.now_ms()
        if self._is_due("control", now, CONTROL_EVERY_MS):
            await self._control(now)
        if self._is_due("renew", now, RENEW_EVERY_MS) and self._processor.owned:
            await self._processor.renew()
        if self._is_due("fire", now, FIRE_EVERY_MS):
            await self._processor.fire()
        if self._is_due("sweep", now, SWEEP_EVERY_MS):
            for partition in self._processor.owned.values():
                partition.activations.sweep()
        if self._processor.owned:
            await self._processor.step(0 if self._carrier is not None and self._carrier.is_busy else BLOCK_MS)
            if self._carrier is not None:
                await self._carry(self._carrier)
        else:
            await self._pause(BLOCK_MS / 1000)
        self.heartbeat.beat += 1

    async def _carry(self, carrier: Carrier) -> None:
        """Do a bounded part of what commits left behind: first the relays somebody waits for, then the walks."""
        carrier.owns({partition: processor.token for partition, processor in self._processor.owned.items()})
        await carrier.carry()
        await carrier.walk()

    async def _control(self, now: int) -> None:
        """Say that we live, learn what is ours, take it and give back the rest."""
        pipe = self._redis.pipeline(transaction=False)
        pipe.hset(HOSTS, self.heartbeat.name, msgspec.json.encode(self._beat(now)))
        pipe.hgetall(ASSIGNMENT)
        _, assignment = await pipe.execute()
        mine = self._mine(assignment)
        for partition in [p for p in self._processor.owned if p not in mine]:
            await self._processor.release(partition)
        for partition in mine:
            if partition not in self._processor.owned:
                await self._processor.acquire(partition)

    def _mine(self, assignment: dict[bytes, bytes]) -> set[int]:
        name, prefix = self.heartbeat.name.encode(), f"{self._lane}:".encode()
        return {
            int(field[len(prefix) :]) for field, who in assignment.items() if who == name and field.startswith(prefix)
        }

    def _beat(self, now: int) -> Heartbeat:
        beat, tally = self.heartbeat, self._processor.tally
        beat.at = now
        beat.partitions = sorted(self._processor.owned)
        beat.stopped = {str(p): why for p, why in self._processor.stopped.items()}
        beat.entries, beat.commits, beat.lost = tally.entries, tally.commits, tally.lost
        beat.players = sum(len(p.activations) for p in self._processor.owned.values())
        beat.dedicated, beat.dedicated_refused, beat.dedicated_failed = self._dedicated()
        beat.recent, beat.steps = list(self._recent.completions), list(self._recent.steps)
        beat.counts = dict(self._recent.counts)
        return beat

    def _is_due(self, what: str, now: int, every_ms: int) -> bool:
        if 0 <= now - self._due[what] < every_ms:
            return False
        self._due[what] = now
        return True

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return

    async def _forget(self) -> None:
        try:
            await self._redis.hdel(HOSTS, self.heartbeat.name)
        except (RedisError, OSError):
            return  # the director notices a member that no longer beats
