"""Which channels the towers were told to be closed: kept, so that a courier that starts anew can say when they open."""

from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from domain.entries import ChannelChanged, encode_entry
from store.client import is_transient
from store.intake import Intake
from store.keys import CLOSED, TOWER
from store.ports import Unavailable


class Closures:
    """Tells the tower of a partition that a channel closed or opened. All raise ``Unavailable``."""

    def __init__(self, redis: Redis, intake: Intake) -> None:
        self._redis: Any = redis
        self._intake = intake

    async def told(self, partitions: list[int]) -> dict[int, dict[str, str]]:
        """Return the channels that the partitions' towers believe closed, with the reasons."""
        found: dict[int, dict[str, str]] = {partition: {} for partition in partitions}
        try:
            values = await self._redis.hgetall(CLOSED)
        except (RedisError, OSError) as error:
            raise (Unavailable(str(error)) if is_transient(error) else error) from error
        for field, reason in values.items():
            partition, _, channel = field.decode().partition(":")
            if int(partition) in found:
                found[int(partition)][channel] = reason.decode()
        return found

    async def tell(self, partition: int, key: str, changed: ChannelChanged) -> None:
        """Append the change to the tower's log, once for a key, which is kept for days.

        A closing is noted before it is told, an opening forgotten after: what is cut short is told once too often.
        """
        field = f"{partition}:{changed.channel}"
        try:
            if not changed.open:
                await self._redis.hset(CLOSED, field, changed.reason)
            await self._intake.append_internal(partition, key, encode_entry(changed), TOWER, at=changed.at)
            if changed.open:
                await self._redis.hdel(CLOSED, field)
        except (RedisError, OSError) as error:
            raise (Unavailable(str(error)) if is_transient(error) else error) from error
