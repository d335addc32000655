"""How often a player was shown what in the slots of pages, on one of their days, and what was drawn for them there.

One hash a player, ``{p}:shown:<player>``. It is forgotten three days after the last exposure; a field of an earlier day
goes with the first exposure or draw of a later one.

- ``<slot>|<day>|<template>`` -> how often. For capping only: events are the record.
- ``~<slot>|<day>|<n>`` -> the ``n``-th draw of the slot's choice, JSON (``Drawn``). The last one holds for the day.
- ``+<slot>|<day>|<n>`` -> id of the exposure that told of it first: of one draw one exposure counts.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec import Struct
from redis.asyncio import Redis
from redis.exceptions import RedisError

from domain.ids import partition_of
from store.client import is_transient
from store.keys import shown
from store.ports import Unavailable

KEPT_S = 3 * 86_400
FIELDS_MAX = 500  # of one player; beyond it counting begins anew
_DRAWS = (b"~", b"+")  # how fields of draws begin
DRAWS_MAX = 12  # of one slot and day: a draw is made again when what was drawn may not be shown any more
# KEYS hash | ARGV field value seconds. The first value stays; it is the answer.
_KEEP = """
redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[3])
return redis.call('HGET', KEYS[1], ARGV[1])
"""


class Drawn(Struct, frozen=True):
    """What a choice drew for a slot: all that learning needs to know of the moment."""

    choice: str
    arm: str  # the template
    propensity: int  # 1e-6
    by: str  # policy, floor, holdout, only
    x: tuple[int, ...] = ()  # the player as the choice saw them, 1e-6
    n: int = 0  # of the slot's draws on that day
    generation: str = ""  # of the choice: what its outcomes mean


class Exposures:
    """Counts exposures and keeps draws. All raise ``Unavailable``."""

    def __init__(self, redis: Redis, partitions: int) -> None:
        self._redis: Any = redis
        self._partitions = partitions

    async def count(self, player: str, slot: str, day: int, template: str) -> None:
        """Count one exposure."""
        key = self._key(player)
        try:
            fields = await self._redis.hkeys(key)
            if old := [field for field in fields if _day(field) < day - 1]:
                await self._redis.hdel(key, *old)
            pipe = self._redis.pipeline(transaction=False)
            if len(fields) - len(old) >= FIELDS_MAX:  # draws stay: one that is forgotten would be made anew
                pipe.hdel(key, *(field for field in fields if field[:1] not in _DRAWS))
            pipe.hincrby(key, f"{slot}|{day}|{template}", 1)
            pipe.expire(key, KEPT_S)
            await pipe.execute()
        except (RedisError, OSError) as error:
            raise (Unavailable(str(error)) if is_transient(error) else error) from error

    async def keep(self, player: str, slot: str, day: int, drawn: Drawn) -> Drawn:
        """Keep a draw; the one that is in force under its number: another request may have come first."""
        kept = await self._kept(player, f"~{slot}|{day}|{drawn.n}", msgspec.json.encode(drawn))
        return msgspec.json.decode(kept, type=Drawn)

    async def told_of(self, player: str, slot: str, day: int, n: int, exposure: str, *, arm: str) -> Drawn | None:
        """Return the draw that an exposure tells of; None when another did before, or the draw is not known any more.

        Asked again for the same exposure the answer is the same.

        Args:
            arm: What was shown. A draw of another arm is another profile's, which joined this one meanwhile.
        """
        held = await self._ask(self._redis.hget(self._key(player), f"~{slot}|{day}|{n}"))
        if held is None or (drawn := msgspec.json.decode(held, type=Drawn)).arm != arm:
            return None
        first = await self._kept(player, f"+{slot}|{day}|{n}", exposure.encode())
        if first != exposure.encode():
            return None
        return drawn

    async def _kept(self, player: str, field: str, value: bytes) -> bytes:
        kept: bytes = await self._ask(self._redis.eval(_KEEP, 1, self._key(player), field, value, KEPT_S))
        return kept

    def _key(self, player: str) -> str:
        return shown(partition_of(player, self._partitions), player)

    async def _ask(self, asked: Any) -> Any:
        try:
            return await asked
        except (RedisError, OSError) as error:
            raise (Unavailable(str(error)) if is_transient(error) else error) from error


def shown_today(fields: Iterable[tuple[bytes, bytes]], slot: str, day: int) -> dict[str, int]:
    """Return how often each template was shown in a slot on a day, of the hash as stored."""
    prefix = f"{slot}|{day}|"
    return {
        name.removeprefix(prefix): int(count) for field, count in fields if (name := field.decode()).startswith(prefix)
    }


def drawn_today(fields: Mapping[bytes, bytes], slot: str, day: int) -> Drawn | None:
    """Return the last draw of a slot on a day, of the hash as stored; None: there was none."""
    prefix = f"~{slot}|{day}|".encode()
    numbers = [int(field.removeprefix(prefix)) for field in fields if field.startswith(prefix)]
    return msgspec.json.decode(fields[prefix + str(max(numbers)).encode()], type=Drawn) if numbers else None


def _day(field: bytes) -> int:
    day = field.decode().split("|", 2)[1]
    return int(day) if day.isdigit() else 0
