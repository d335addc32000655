"""A process that owns partitions of one lane: what hosts, coordinator and couriers have in common.

Ownership is what the store says: the director writes who should own what, an owner acquires what is free and gives
back what is no longer its own. Nothing but start and stop goes through Ray.
"""

import asyncio
import os
import socket
from collections.abc import Collection
from typing import Any

import msgspec
from msgspec import Struct
from redis.asyncio import Redis
from redis.exceptions import RedisError

from actors.clock import Clock
from store.keys import ASSIGNMENT, HOSTS
from store.ports import Unavailable

LEASE_MS = 2_000  # liveness only; safety is the fencing in every write
CONTROL_EVERY_MS = 250  # heartbeat and assignment
RENEW_EVERY_MS = 600  # three chances within a lease


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
    channels: dict[str, dict[str, Any]] = {}  # of a courier, by channel (``actors.courier.counts``)


class Ownership:
    """The loop of an owner; what it does with its partitions is its subclass's."""

    def __init__(self, redis: Redis, clock: Clock, *, name: str, lane: str, incarnation: str) -> None:
        self._redis = redis
        self._clock = clock
        self._lane = lane
        self._stopping = asyncio.Event()
        self._due: dict[str, int] = {}
        self.heartbeat = Heartbeat(name, lane, os.getpid(), socket.gethostname(), incarnation)

    # What a subclass gives

    def _owned(self) -> Collection[int]:
        """Return the partitions that are owned now."""
        raise NotImplementedError

    async def _acquire(self, partition: int) -> None:
        """Take a partition if its lease is free."""
        raise NotImplementedError

    async def _release(self, partition: int) -> None:
        """Give a partition back at once."""
        raise NotImplementedError

    async def _round(self) -> None:
        """Make progress: ``_keep``, then the work."""
        raise NotImplementedError

    def _describe(self, beat: Heartbeat) -> None:
        """Say in the heartbeat what there is to say."""
        raise NotImplementedError

    async def _finish(self) -> None:
        """End what is under way, before the partitions are given back."""

    # The loop

    def stop(self) -> None:
        """Ask the loop to finish its step, give its partitions back and end."""
        self._stopping.set()

    async def run(self) -> None:
        """Own and work until stopped. A store that does not answer is waited for."""
        while not self._stopping.is_set():
            try:
                await self._round()
            except (Unavailable, RedisError, OSError):
                await self._pause(0.1)
        await self._finish()
        for partition in list(self._owned()):
            try:
                await self._release(partition)
            except (Unavailable, RedisError, OSError):
                break  # the lease lapses by itself
        await self._forget()

    async def _control(self, now: int) -> None:
        """Say that we live, learn what is ours, take it and give back the rest."""
        mine = self._mine(await self._say(now))
        for partition in [p for p in self._owned() if p not in mine]:
            await self._release(partition)
        for partition in mine:
            if partition not in self._owned():
                await self._acquire(partition)

    async def _say(self, now: int) -> dict[bytes, bytes]:
        """Write the heartbeat; the assignment of all lanes."""
        beat = self.heartbeat
        beat.at, beat.partitions = now, sorted(self._owned())
        self._describe(beat)
        pipe = self._redis.pipeline(transaction=False)
        pipe.hset(HOSTS, beat.name, msgspec.json.encode(beat))
        pipe.hgetall(ASSIGNMENT)
        _, assignment = await pipe.execute()
        found: dict[bytes, bytes] = assignment
        return found

    def _mine(self, assignment: dict[bytes, bytes]) -> set[int]:
        name, prefix = self.heartbeat.name.encode(), f"{self._lane}:".encode()
        return {
            int(field[len(prefix) :]) for field, who in assignment.items() if who == name and field.startswith(prefix)
        }

    def _is_due(self, what: str, now: int, every_ms: int) -> bool:
        if 0 <= now - self._due.get(what, 0) < every_ms:
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
