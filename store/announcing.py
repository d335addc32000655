"""How what is published reaches every partition: by an entry of its own in each log (programmes, models).

Each log gets it once, under a key; when all have it, it is marked as told, and so a publish that was cut short is
resumed. A partition has passed it once its committed state says so.
"""

import asyncio
from typing import Any

import msgspec
from msgspec import Struct
from redis.asyncio import Redis
from redis.exceptions import RedisError

from store.client import is_transient
from store.intake import Intake
from store.keys import PLAYERS
from store.ports import Unavailable

LOOK_EVERY_S = 0.02
# KEYS hash | ARGV number. Notes that all have been told; ``published`` only ever rises.
_RAISE = """
local cur = tonumber(redis.call('HGET', KEYS[1], 'published') or '0')
redis.call('HSET', KEYS[1], 'told:' .. ARGV[1], '1')
if tonumber(ARGV[1]) > cur then redis.call('HSET', KEYS[1], 'published', ARGV[1]) end
return 'OK'
"""


class Passed(Struct, frozen=True):
    """How many partitions run what was published, or something later."""

    passed: int
    of: int

    @property
    def all(self) -> bool:
        return self.passed >= self.of


class Announcing:
    """The part that programmes and models share; numbers rise with each publication.

    Args:
        intake: The way into the partitions' logs; without it nothing can be published.
    """

    def __init__(self, redis: Redis, intake: Intake | None) -> None:
        self._redis = redis
        self._intake = intake

    def _come_to(self, part: bytes | None) -> int:
        """Return the number that a partition's stored state has come to."""
        raise NotImplementedError

    async def _announce(self, held: str, number: int, key: str, body: bytes, *, at: int | None = None) -> None:
        """Append an entry to every partition's log, each once, and mark it as told in the hash ``held``.

        Args:
            at: ms; the logs remember the key as long as an event's of then. None: for ever.
        """
        intake = self._logs()
        await asyncio.gather(*(intake.append_internal(p, key, body, at=at) for p in range(intake.partitions)))
        await self._ask(self._redis.eval(_RAISE, 1, held, str(number)))

    async def passed(self, number: int) -> Passed:
        """Return how many partitions have come to a number, or a higher one."""
        partitions = self._logs().partitions
        pipe = self._redis.pipeline(transaction=False)
        for p in range(partitions):
            pipe.hget(PLAYERS.meta(p), "part")
        parts = await self._ask(pipe.execute())
        return Passed(sum(self._come_to(part) >= number for part in parts), partitions)

    async def wait_passed(self, number: int, timeout_s: float) -> Passed:
        """Wait until all partitions have come to a number, or the time runs out."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        while not (passed := await self.passed(number)).all and loop.time() < deadline:  # noqa: ASYNC110
            # the hosts' commits tell nobody here; a look is one pipeline
            await asyncio.sleep(min(LOOK_EVERY_S, max(deadline - loop.time(), 0)))
        return passed

    def _logs(self) -> Intake:
        assert self._intake is not None, "publishing needs an intake"
        return self._intake

    async def _ask(self, asked: Any) -> Any:
        """Await a reply.

        Raises:
            Unavailable: the store did not answer.
        """
        try:
            return await asked
        except (RedisError, OSError) as error:
            raise (Unavailable(str(error)) if is_transient(error) else error) from error


def part_place(part: bytes | None, place: int) -> int:
    """Return a number of a partition's stored state by its place; 0 where there is none yet."""
    state = msgspec.msgpack.decode(part) if part else []
    return int(state[place]) if len(state) > place else 0
