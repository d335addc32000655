"""What is counted of everybody's events, and what is kept of that (``actors.watcher``, ``actors.notes``).

Hosts add: ``{watch}:hour:<hours since 1970>`` a hash, name -> events; ``{watch}:last`` a sorted set, name -> ms of its
newest event; ``{watch}:day:<UTC day>`` a hash of the day's counts; ``{watch}:players:<UTC day>`` who did anything
(HyperLogLog: .8 % off). The watcher alone writes the rest: ``{watch}:state``, ``{watch}:names`` (what is usual of each
name, and its alarm), ``{watch}:alarms`` (those that go on, by name), ``{watch}:told`` (alarms as they were opened or
ended, newest first), ``{watch}:books`` (day -> the ledger at its first look).
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec import Struct
from redis.asyncio import Redis
from redis.exceptions import RedisError, WatchError

from ml.watch.alarms import Alarm, Watched, open_alarm
from store.client import is_transient
from store.ports import Unavailable

NAMES_MAX = 500  # watched; names that come later are counted and not watched
NAME_MAX = 200  # characters
TOLD_MAX = 1_000
HOUR_KEPT_S = 7 * 86_400
DAY_KEPT_S = 400 * 86_400
DAYS_MAX = 400  # of books
LEASE = "{watch}:lease"
STATE = "{watch}:state"
NAMES = "{watch}:names"
LAST = "{watch}:last"
ALARMS = "{watch}:alarms"
TOLD = "{watch}:told"
BOOKS = "{watch}:books"

_state = msgspec.json.Encoder(order="deterministic")
_names = msgspec.msgpack.Encoder()
_watched = msgspec.msgpack.Decoder(Watched)


class Watching(Struct, frozen=True):
    """How far watching has come."""

    at: int = 0  # ms, the last look
    since: int = 0  # ms, from when on nothing was missed
    hour: int = 0  # the next one to be closed, hours since 1970
    zone: str = ""  # whose hours of the week are meant


class Told(Struct, frozen=True):
    """An alarm of a name, as it was opened or ended."""

    name: str
    alarm: Alarm


class Books(Struct, frozen=True):
    """The ledger and the players at one moment."""

    at: int = 0  # ms
    accounts: dict[str, int] = {}  # "issued:points" -> sum, below zero for what players got
    players: int = 0  # that there ever were


class Noted(Struct):
    """What a host has counted and not yet added."""

    hours: dict[tuple[int, str], int] = {}  # (hour, name) -> events
    last: dict[str, int] = {}  # name -> ms
    days: dict[tuple[str, str], int] = {}  # (UTC day, what) -> how many
    players: dict[str, set[str]] = {}  # UTC day -> who


class WatchStore:
    """All of it in one store. Every method may raise ``Unavailable``."""

    def __init__(self, redis: Redis) -> None:
        self._redis: Any = redis

    async def add(self, noted: Noted) -> None:
        """Add what a host counted, in one transaction."""
        pipe = self._redis.pipeline(transaction=True)
        for (hour, name), count in noted.hours.items():
            pipe.hincrby(_hour(hour), name, count)
        for hour in {hour for hour, _ in noted.hours}:
            pipe.expire(_hour(hour), HOUR_KEPT_S, nx=True)
        if noted.last:
            pipe.zadd(LAST, dict(noted.last), gt=True)
        for (day, what), count in noted.days.items():
            pipe.hincrby(_day(day), what, count)
        for day in {day for day, _ in noted.days}:
            pipe.expire(_day(day), DAY_KEPT_S, nx=True)
        for day, players in noted.players.items():
            pipe.pfadd(_players(day), *players)
            pipe.expire(_players(day), DAY_KEPT_S, nx=True)
        await _ask(pipe.execute())

    async def lead(self, who: str, lease_ms: int) -> bool:
        """Take or renew the lease; True while it is ours."""
        if await _ask(self._redis.set(LEASE, who, px=lease_ms, nx=True)):
            return True
        if await _ask(self._redis.get(LEASE)) != who.encode():
            return False
        await _ask(self._redis.pexpire(LEASE, lease_ms))
        return True

    async def state(self) -> Watching:
        """Return how far watching has come."""
        found = await _ask(self._redis.get(STATE))
        return msgspec.json.decode(found, type=Watching) if found else Watching()

    async def names(self) -> dict[str, Watched]:
        """Return what is known of each name."""
        found = await _ask(self._redis.hgetall(NAMES))
        return {name.decode(): _watched.decode(data) for name, data in found.items()}

    async def keep(
        self,
        before: Watching,
        after: Watching,
        names: Mapping[str, Watched],
        told: Iterable[Told],
        gone: Iterable[str] = (),
        oldest: int = 0,
    ) -> bool:
        """Write what a look gave; False when another watcher wrote since ``before`` was read.

        Args:
            oldest: ms; when names were seen before it, watched or not, is kept no longer.
        """
        async with self._redis.pipeline(transaction=True) as pipe:
            try:
                await pipe.watch(STATE)
                found = await pipe.get(STATE)
                if (msgspec.json.decode(found, type=Watching) if found else Watching()) != before:
                    return False
                pipe.multi()
                pipe.set(STATE, _state.encode(after))
                if names:
                    pipe.hset(NAMES, mapping={name: _names.encode(watched) for name, watched in names.items()})
                for name, watched in names.items():
                    alarm = open_alarm(watched)
                    pipe.hset(ALARMS, name, _state.encode(alarm)) if alarm else pipe.hdel(ALARMS, name)
                for name in gone:
                    pipe.hdel(NAMES, name)
                    pipe.hdel(ALARMS, name)
                    pipe.zrem(LAST, name)
                pipe.zremrangebyscore(LAST, "-inf", f"({oldest}")
                for one in told:
                    pipe.lpush(TOLD, _state.encode(one))
                pipe.ltrim(TOLD, 0, TOLD_MAX - 1)
                await pipe.execute()
            except WatchError:
                return False
            except (RedisError, OSError) as error:
                raise (Unavailable(str(error)) if is_transient(error) else error) from error
        return True

    async def counted(self, hour: int) -> dict[str, int]:
        """Return the events of an hour by name."""
        found = await _ask(self._redis.hgetall(_hour(hour)))
        return {name.decode(): int(count) for name, count in found.items()}

    async def last(self) -> dict[str, int]:
        """Return when each name was last seen, ms."""
        found = await _ask(self._redis.zrange(LAST, 0, -1, withscores=True))
        return {name.decode(): int(at) for name, at in found}

    async def alarms(self) -> list[Told]:
        """Return the alarms that go on, by name."""
        found = await _ask(self._redis.hgetall(ALARMS))
        return [Told(name.decode(), msgspec.json.decode(one, type=Alarm)) for name, one in sorted(found.items())]

    async def watched(self) -> int:
        """Return how many names are watched."""
        return int(await _ask(self._redis.hlen(NAMES)))

    async def told(self, most: int = TOLD_MAX) -> list[Told]:
        """Return alarms as they were opened or ended, newest first."""
        found = await _ask(self._redis.lrange(TOLD, 0, most - 1))
        return [msgspec.json.decode(one, type=Told) for one in found]

    async def day(self, day: str) -> dict[str, int]:
        """Return what was counted on a UTC day, ``players`` among it."""
        pipe = self._redis.pipeline(transaction=False)
        pipe.hgetall(_day(day))
        pipe.pfcount(_players(day))
        counted, players = await _ask(pipe.execute())
        return {what.decode(): int(count) for what, count in counted.items()} | {"players": int(players)}

    async def open_books(self, day: str, books: Books) -> None:
        """Keep the ledger as it is when a day is first looked at; a second time changes nothing."""
        await _ask(self._redis.hsetnx(BOOKS, day, _state.encode(books)))
        days = sorted(await _ask(self._redis.hkeys(BOOKS)))
        if old := days[: max(0, len(days) - DAYS_MAX)]:
            await _ask(self._redis.hdel(BOOKS, *old))

    async def books(self, days: list[str]) -> list[Books | None]:
        """Return the ledger as it was at the first look of each day; None where there was none."""
        found = await _ask(self._redis.hmget(BOOKS, days))
        return [msgspec.json.decode(one, type=Books) if one else None for one in found]


def _hour(hour: int) -> str:
    return f"{{watch}}:hour:{hour}"


def _day(day: str) -> str:
    return f"{{watch}}:day:{day}"


def _players(day: str) -> str:
    return f"{{watch}}:players:{day}"


async def _ask(asked: Any) -> Any:
    try:
        return await asked
    except (RedisError, OSError) as error:
        raise (Unavailable(str(error)) if is_transient(error) else error) from error
