"""What is known of choices: read where players are folded, and added up and published by one process of the engine."""

import asyncio
import sys
from collections.abc import Mapping

from redis.exceptions import RedisError

from actors.clock import Clock
from actors.programme import ProgrammeVersions
from domain.errors import EngineError
from ml.choices.beliefs import ArmSums, Beliefs, learnt
from store.beliefs import BeliefsStore
from store.ports import Unavailable

CACHE_MAX = 4  # numbers kept in a process, some 40 KB each; partitions are at the same one, or next to it
NEWS_SHARE = 0.01  # outcomes more than were published that say something new; each publication is an entry in every log

Known = Mapping[str, Mapping[str, ArmSums]]


class BeliefVersions:
    """Beliefs by number. What was stored under a number never changes, so what was read stays true."""

    def __init__(self, stored: BeliefsStore) -> None:
        self._stored = stored
        self._held: dict[int, Beliefs] = {0: Beliefs()}

    def get(self, number: int) -> Beliefs:
        """Return a number that is in memory."""
        return self._held[number]

    async def ensure(self, number: int) -> Beliefs:
        """Return a number, read when it is not in memory.

        Raises:
            NotFound: there is no such number any more.
        """
        if number not in self._held:
            found = await self._stored.get(number)
            while len(self._held) > CACHE_MAX:
                del self._held[next(held for held in self._held if held)]
            self._held[number] = found
        return self._held[number]


class Learner:
    """Adds up what the partitions counted, every so often, and publishes it when it says something new.

    Two of them at once do no harm: both publish what is true. A store that does not answer is asked again next time.
    """

    def __init__(self, stored: BeliefsStore, programmes: ProgrammeVersions, clock: Clock, *, every_s: float) -> None:
        self._stored = stored
        self._programmes = programmes
        self._clock = clock
        self._every_s = every_s
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """End after this round."""
        self._stopping.set()

    async def run(self) -> None:
        """Learn until stopped."""
        is_resumed = False
        while not self._stopping.is_set():
            try:
                if not is_resumed:
                    await self._stored.resume(at=self._clock.now_ms())
                    is_resumed = True
                await self.round()
            except (Unavailable, RedisError, OSError, EngineError) as error:  # the next round begins with the same sums
                _tell(f"learning goes on later: {error!r}")
            try:
                await asyncio.wait_for(self._stopping.wait(), self._every_s)
            except TimeoutError:
                continue

    async def round(self) -> int | None:
        """Publish what is new; its number, None when nothing was published."""
        keys = (await self._programmes.live()).crm.choices.keys
        if not keys:
            return None
        found = learnt(await self._stored.sums(), 0, keys).choices
        live = await self._stored.get(await self._stored.live_number())
        if not is_news(live.choices, found):
            return None
        number = await self._stored.publish(found, at=self._clock.now_ms())
        if number is None:
            _tell("learning rests: a partition stands still, far behind what was published (`playtower status`)")
        return number


def is_news(before: Known, found: Known) -> bool:
    """Tell whether so much more is known of a choice that draws would be others."""
    for key, arms in found.items():
        had = sum(sums.n for sums in before.get(key, {}).values())
        more = sum(sums.n for sums in arms.values()) - had
        if more >= max(1.0, had * NEWS_SHARE):
            return True
    return False


def _tell(line: str) -> None:
    print(f"playtower: {line}", file=sys.stderr, flush=True)  # noqa: T201 - Ray keeps it in its log
