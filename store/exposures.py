"""How often a player was shown what in the slots of pages, on one of their days. For capping only: events are the
record.

One hash a player, ``{p}:shown:<player>``: ``<slot>|<day>|<template>`` -> how often. It is forgotten three days after
the last exposure; a field of an earlier day goes with the first exposure of a later one.
"""

from collections.abc import Iterable
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from domain.ids import partition_of
from store.client import is_transient
from store.keys import shown
from store.ports import Unavailable

KEPT_S = 3 * 86_400
FIELDS_MAX = 500  # of one player; beyond it the hash begins anew


class Exposures:
    """Counts exposures. All raise ``Unavailable``."""

    def __init__(self, redis: Redis, partitions: int) -> None:
        self._redis: Any = redis
        self._partitions = partitions

    async def count(self, player: str, slot: str, day: int, template: str) -> None:
        """Count one exposure."""
        key = shown(partition_of(player, self._partitions), player)
        try:
            fields = await self._redis.hkeys(key)
            if old := [field for field in fields if _day(field) < day - 1]:
                await self._redis.hdel(key, *old)
            pipe = self._redis.pipeline(transaction=False)
            if len(fields) - len(old) >= FIELDS_MAX:
                pipe.delete(key)
            pipe.hincrby(key, f"{slot}|{day}|{template}", 1)
            pipe.expire(key, KEPT_S)
            await pipe.execute()
        except (RedisError, OSError) as error:
            raise (Unavailable(str(error)) if is_transient(error) else error) from error


def shown_today(fields: Iterable[tuple[bytes, bytes]], slot: str, day: int) -> dict[str, int]:
    """Return how often each template was shown in a slot on a day, of the hash as stored."""
    prefix = f"{slot}|{day}|"
    return {
        name.removeprefix(prefix): int(count) for field, count in fields if (name := field.decode()).startswith(prefix)
    }


def _day(field: bytes) -> int:
    day = field.decode().split("|", 2)[1]
    return int(day) if day.isdigit() else 0
