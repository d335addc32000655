"""The director: decides who owns which partition, notices dead and paused members, and has stuck ones ended.

It decides nothing about safety: two owners at once are harmless, the fence in every write sees to that. It only
keeps work going: a member whose heartbeat does not move for a lease's length loses its partitions to others.
"""

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
from msgspec import Struct
from redis.asyncio import Redis
from redis.exceptions import RedisError

from actors.clock import Clock
from actors.ownership import LEASE_MS, Heartbeat
from store.keys import ASSIGNMENT, DIRECTOR, HOSTS

ROUND_S = 0.25
KILL_RELIEVED_MS = 30_000  # a silent member whose partitions others have taken over
KILL_ALONE_MS = 10_000  # the only one of its lane: a starved machine must not lose it, and nobody can take over
MOVES_MAX = 4  # partitions moved in one round to even out the load
LANES = ("players", "tower", "channels")


class Seen(Struct):
    """When the director last saw a member make progress, by its own clock."""

    heartbeat: Heartbeat
    moved_at: int  # ms


def assign(partitions: int, members: list[str], current: dict[int, str]) -> dict[int, str]:
    """Return who should own each partition.

    Who is there keeps what it has; orphans go to the least loaded; a newcomer is given a few partitions a round
    until the loads differ by one at most. Without members nothing changes.
    """
    if not members:
        return dict(current)
    load: dict[str, list[int]] = {member: [] for member in sorted(members)}
    orphans = []
    for partition in range(partitions):
        owner = current.get(partition, "")
        load[owner].append(partition) if owner in load else orphans.append(partition)
    for partition in orphans:
        min(load.values(), key=len).append(partition)
    for _ in range(MOVES_MAX):
        most, least = max(load.values(), key=len), min(load.values(), key=len)
        if len(most) - len(least) <= 1:
            break
        least.append(most.pop())
    return {partition: member for member, owned in load.items() for partition in owned}


class Director:
    """One round every quarter second, while it holds the director's lease.

    Args:
        end: Ends the process of a member that does not move (it is started anew by Ray).
        is_paused: Tells whether a member's process is stopped or gone, as against slow: then nothing is waited for.
    """

    def __init__(
        self,
        redis: Redis,
        clock: Clock,
        *,
        name: str,
        partitions: int,
        end: Callable[[Heartbeat], Awaitable[None]],
        is_paused: Callable[[Heartbeat], bool] = lambda _beat: False,
    ) -> None:
        self._redis = redis
        self._clock = clock
        self._name = name
        self._partitions = partitions
        self._end = end
        self._is_paused = is_paused
        self._seen: dict[str, Seen] = {}
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """End after this round."""
        self._stopping.set()

    async def run(self) -> None:
        """Direct until stopped; a store that does not answer is waited for."""
        while not self._stopping.is_set():
            try:
                if await self._lead():
                    await self.round()
            except (RedisError, OSError):
                self._seen.clear()  # nobody is called dead for the store's silence
            try:
                await asyncio.wait_for(self._stopping.wait(), ROUND_S)
            except TimeoutError:
                continue

    async def round(self) -> None:
        """Look at the heartbeats once and write the assignment that follows."""
        now = self._clock.now_ms()
        pipe = self._redis.pipeline(transaction=False)
        pipe.hgetall(HOSTS)
        pipe.hgetall(ASSIGNMENT)
        beats, assignment = await pipe.execute()
        self._look([msgspec.json.decode(beat, type=Heartbeat) for beat in beats.values()], now)
        changes: dict[str, str] = {}
        for lane in LANES:
            changes |= self._lane(lane, assignment, now)
        if changes:
            await self._redis.hset(ASSIGNMENT, mapping=changes)
        await self._end_stuck(now)

    def _look(self, beats: list[Heartbeat], now: int) -> None:
        present = {beat.name for beat in beats}
        for gone in [name for name in self._seen if name not in present]:
            del self._seen[gone]
        for beat in beats:
            seen = self._seen.get(beat.name)
            if seen is None or (seen.heartbeat.incarnation, seen.heartbeat.beat) != (beat.incarnation, beat.beat):
                self._seen[beat.name] = Seen(beat, now)

    def _lane(self, lane: str, assignment: dict[bytes, bytes], now: int) -> dict[str, str]:
        """Return the changes of one lane's assignment."""
        alive = [name for name, seen in self._seen.items() if seen.heartbeat.lane == lane and self._moves(seen, now)]
        prefix = f"{lane}:".encode()
        current = {
            int(field[len(prefix) :]): who.decode() for field, who in assignment.items() if field.startswith(prefix)
        }
        wanted = assign(self._partitions, alive, current)
        return {f"{lane}:{p}": who for p, who in wanted.items() if current.get(p) != who}

    def _moves(self, seen: Seen, now: int) -> bool:
        return now - seen.moved_at < LEASE_MS

    async def _end_stuck(self, now: int) -> None:
        """End members that make no progress, and take them from the list."""
        for name, seen in list(self._seen.items()):
            if now - seen.moved_at >= self._patience_ms(seen, now):
                del self._seen[name]
                await self._redis.hdel(HOSTS, name)
                await self._end(seen.heartbeat)

    def _patience_ms(self, seen: Seen, now: int) -> int:
        """Return how long a member may be silent.

        A courier's claims can be settled by others only once it is gone, and an exclusion is confirmed only then: no
        more than ``KILL_ALONE_MS``, whoever else there is.
        """
        lane, name = seen.heartbeat.lane, seen.heartbeat.name
        others = [o for o in self._seen.values() if o.heartbeat.lane == lane and o.heartbeat.name != name]
        if any(now - other.moved_at < KILL_ALONE_MS for other in others) and lane != "channels":
            return KILL_RELIEVED_MS
        return LEASE_MS if self._is_paused(seen.heartbeat) else KILL_ALONE_MS

    async def _lead(self) -> bool:
        """Take or renew the director's lease; True while it is ours."""
        if await self._redis.set(DIRECTOR, self._name, px=LEASE_MS, nx=True):
            return True
        if await self._redis.get(DIRECTOR) != self._name.encode():
            return False
        await self._redis.pexpire(DIRECTOR, LEASE_MS)
        return True
