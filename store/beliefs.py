"""What is learnt about choices, in the store: sums by partition, and the beliefs that were published of them.

Partitions count in their commits (``store.keys.choice_sums``). Beliefs are those sums, added up now and then:
immutable, numbered from 1, stored first and then announced in every partition's log, so a draw follows from the log
alone (docs/adr/0011). A number is kept until every partition has come to a later one.

Fields of the hash: ``last``; ``<n>`` the beliefs; ``told:<n>`` once every partition's log has it; ``published``, the
highest of those; ``kept``, the lowest number that may still be there.
"""

from redis.asyncio import Redis

from domain.entries import BeliefsPublished, encode_entry
from domain.errors import NotFound
from ml.choices.beliefs import ArmSums, Beliefs, Counts, decode_beliefs, encode_beliefs, summed
from store.announcing import Announcing, part_place
from store.intake import Intake
from store.keys import BELIEFS, PLAYERS, choice_sums

KEPT_MAX = 500  # numbers; while a partition stands still so far behind, nothing new is published
_PLACE = 8  # of ``beliefs`` in a partition's stored state (``actors.partition``)


class BeliefsStore(Announcing):
    """Sums and beliefs of one store.

    Args:
        intake: The way into the partitions' logs; without it beliefs can be read, and no more.
    """

    def __init__(self, redis: Redis, intake: Intake | None = None) -> None:
        super().__init__(redis, intake)

    async def sums(self) -> Counts:
        """Return what all partitions counted, added up."""
        pipe = self._redis.pipeline(transaction=False)
        for p in range(self._logs().partitions):
            pipe.hgetall(choice_sums(p))
        found = await self._ask(pipe.execute())
        return summed({name.decode(): int(value) for name, value in fields.items()} for fields in found)

    async def live_number(self) -> int:
        """Return the number of the beliefs that every partition has been told of; 0: none were published."""
        return int(await self._ask(self._redis.hget(BELIEFS, "published")) or 0)

    async def get(self, number: int) -> Beliefs:
        """Return beliefs by number; of number 0 nothing is known of anything.

        Raises:
            NotFound: there are none, or none any more.
        """
        if not number:
            return Beliefs()
        data = await self._ask(self._redis.hget(BELIEFS, str(number)))
        if data is None:
            raise NotFound(f"there are no beliefs {number}", code="version_not_found")
        return decode_beliefs(data)

    async def publish(self, choices: dict[str, dict[str, ArmSums]], *, at: int) -> int | None:
        """Store what is known of choices and have every partition draw with it; its number.

        None: a partition stands still and is too far behind. A number whose reply was lost is left out for ever.

        Args:
            at: ms, now: how long the keys are kept under which the logs take it once.
        """
        kept = await self._trim()
        last = int(await self._ask(self._redis.hget(BELIEFS, "last")) or 0)
        if last - kept >= KEPT_MAX:
            return None
        number = int(await self._ask(self._redis.hincrby(BELIEFS, "last", 1)))
        await self._ask(self._redis.hset(BELIEFS, str(number), encode_beliefs(Beliefs(number, choices))))
        await self._tell(number, at)
        return number

    async def resume(self, *, at: int) -> list[int]:
        """Complete what a crash cut short: beliefs that are stored, and not told to all."""
        live = await self.live_number()
        last = int(await self._ask(self._redis.hget(BELIEFS, "last")) or 0)
        held = [n for n in range(live + 1, last + 1) if await self._ask(self._redis.hexists(BELIEFS, str(n)))]
        for number in held:
            await self._tell(number, at)
        return held

    async def _tell(self, number: int, at: int) -> None:
        body = encode_entry(BeliefsPublished(number))
        await self._announce(BELIEFS, number, f"beliefs:{number}", body, at=at)

    async def _trim(self) -> int:
        """Forget what no partition can need any more; return the lowest number that is kept."""
        pipe = self._redis.pipeline(transaction=False)
        for p in range(self._logs().partitions):
            pipe.hget(PLAYERS.meta(p), "part")
        reached = min(self._come_to(part) for part in await self._ask(pipe.execute()))
        kept = int(await self._ask(self._redis.hget(BELIEFS, "kept")) or 1)
        gone = [name for n in range(kept, reached) for name in (str(n), f"told:{n}")]
        if gone:
            await self._ask(self._redis.hdel(BELIEFS, *gone))
            await self._ask(self._redis.hset(BELIEFS, "kept", reached))
        return max(kept, reached)

    def _come_to(self, part: bytes | None) -> int:
        return part_place(part, _PLACE)
