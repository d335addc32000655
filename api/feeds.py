"""Reads the feeds of connected players when they are poked, and hands the entries to their sockets.

One pub/sub connection a process, subscribed to every partition's poke channel from the first socket on; one pipeline
reads the feeds of all players that were poked meanwhile. Pokes are hints: what counts is each socket's position in
its feed, so after a reconnect every feed is read again and nothing is missed.
"""

import asyncio
from collections import defaultdict
from typing import Any, Protocol

from redis.asyncio import Redis
from redis.exceptions import RedisError

from domain.ids import partition_of
from store.keys import feed, poke
from store.tasks import end

READ_MAX = 64  # entries of one player in one read; more are read when there is room again
PLAYERS_MAX = 500  # in one pipeline
WHOLE = 2**31  # as n: all frames of the entry
PAUSE_S = 0.2  # after an error of the store

Position = tuple[int, int, int]  # stream id and the frame within the entry


class Subscriber(Protocol):
    """A socket, as the feeds see it."""

    player: str
    position: Position | None  # None: not ready yet

    def has_room(self) -> bool:
        """Tell whether it can take a frame now; when not, it asks again by ``Feeds.mark``."""

    def take(self, entries: list[tuple[bytes, dict[bytes, bytes]]]) -> bool:
        """Take what lies after its position; True when all was taken."""


class Feeds:
    """The connected sockets of this process, by player."""

    def __init__(self, redis: Redis, partitions: int) -> None:
        self._redis: Any = redis
        self._partitions = partitions
        self._sockets: dict[str, set[Subscriber]] = defaultdict(set)
        self._dirty: dict[str, None] = {}
        self._awake = asyncio.Event()
        self._listening = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def connected(self) -> int:
        """Return how many sockets are open."""
        return sum(map(len, self._sockets.values()))

    def online(self, player: str) -> bool:
        """Tell whether the player has a socket at this gateway."""
        return player in self._sockets

    async def join(self, socket: Subscriber) -> None:
        """Add a socket; from here on no poke is missed, so its position may be read."""
        if not self._tasks:
            self._tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._pump())]
        self._sockets[socket.player].add(socket)
        await self._listening.wait()

    def leave(self, socket: Subscriber) -> None:
        """Forget a socket."""
        sockets = self._sockets.get(socket.player)
        if sockets is not None:
            sockets.discard(socket)
            if not sockets:
                del self._sockets[socket.player]

    def mark(self, player: str) -> None:
        """Have the player's feed read soon."""
        if player in self._sockets:
            self._dirty[player] = None
            self._awake.set()

    async def stop(self) -> None:
        """Stop reading."""
        await end(*self._tasks)

    async def _listen(self) -> None:
        while True:
            try:
                async with self._redis.pubsub() as pubsub:
                    await pubsub.subscribe(*(poke(p) for p in range(self._partitions)))
                    await self._hear(pubsub)
            except (RedisError, OSError):
                self._listening.clear()
                await asyncio.sleep(PAUSE_S)

    async def _hear(self, pubsub: Any) -> None:
        confirmed = 0
        while True:
            message = await pubsub.get_message(timeout=1.0)
            if message is None:
                continue
            if message["type"] == "subscribe":
                confirmed += 1
                if confirmed == self._partitions:
                    self._listening.set()
                    for player in self._sockets:  # what was published before is not known
                        self.mark(player)
            elif message["type"] == "message":
                for player in message["data"].decode().split("\n"):
                    self.mark(player)

    async def _pump(self) -> None:
        while True:
            await self._awake.wait()
            self._awake.clear()
            while self._dirty:
                players = list(self._dirty)[:PLAYERS_MAX]
                for player in players:
                    del self._dirty[player]
                try:
                    await self._read(players)
                except (RedisError, OSError):
                    for player in players:
                        self.mark(player)
                    await asyncio.sleep(PAUSE_S)

    async def _read(self, players: list[str]) -> None:
        pipe = self._redis.pipeline(transaction=False)
        asked: list[tuple[str, list[Subscriber]]] = []
        for player in players:
            waiting = [s for s in self._sockets.get(player, ()) if s.position is not None and s.has_room()]
            if waiting:
                ms, n, _ = min(s.position for s in waiting if s.position is not None)
                pipe.xrange(feed(partition_of(player, self._partitions), player), f"{ms}-{n}", "+", count=READ_MAX)
                asked.append((player, waiting))
        if not asked:
            return
        for (player, waiting), entries in zip(asked, await pipe.execute(), strict=True):
            taken = [socket.take(entries) for socket in waiting]
            if len(entries) == READ_MAX and any(taken):
                self.mark(player)


def parse_cursor(cursor: str) -> Position:
    """Read a cursor: ``<stream id>.<n>``, or a stream id for the whole entry.

    Raises:
        ValueError: it is neither.
    """
    stream_id, _, n = cursor.partition(".")
    ms, _, seq = stream_id.partition("-")
    position = int(ms), int(seq), int(n) if n else WHOLE
    if min(position) < 0 or max(position) >= 2**63:
        raise ValueError("out of range")
    return position


def place_of(stream_id: bytes) -> tuple[int, int]:
    """Return a stream id as numbers."""
    ms, _, n = stream_id.partition(b"-")
    return int(ms), int(n)
