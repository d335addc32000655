"""What is kept of how the live model does: references, the last look at drift, calls and what became of them.

``{watch}:references`` and ``{watch}:outcomes`` are hashes by publication, and by day and horizon;
``{watch}:calls:<UTC day>`` is what was said of some players on a day, kept until the longest horizon is over.
"""

from typing import Any

import msgspec
from msgspec import Struct
from redis.asyncio import Redis
from redis.exceptions import RedisError

from ml.watch.calls import Call, Outcome
from ml.watch.drift import Reference, Shift
from store.client import is_transient
from store.ports import Unavailable

CALLS_KEPT_S = 31 * 86_400
REFERENCES_MAX = 20
OUTCOMES_MAX = 400  # each of a day and one horizon: with three horizons 133 days
DRIFT = "{watch}:drift"
ASKED = "{watch}:drift-asked"
REFERENCES = "{watch}:references"
OUTCOMES = "{watch}:outcomes"

_json = msgspec.json.Encoder(order="deterministic")


class Drift(Struct, frozen=True):
    """One look."""

    at: int  # ms
    version: int  # of the model
    publication: int
    players: int  # that were sampled
    since: int  # ms, when the reference was taken
    rows: int  # of the reference
    against: str  # training, or first_look: of this publication
    shifts: list[Shift] = []


class Calls(Struct, frozen=True):
    """What was said on one day."""

    at: int  # ms
    publication: int
    calls: list[Call] = []


class Judged(Struct, frozen=True):
    """What became of a day's calls with one horizon."""

    day: str  # UTC, when they were made
    publication: int
    days: int  # the horizon
    outcomes: list[Outcome] = []  # by head; [] when nobody looked in time


class WatchedModels:
    """All of it in one store. Every method may raise ``Unavailable``."""

    def __init__(self, redis: Redis) -> None:
        self._redis: Any = redis

    async def drift(self) -> Drift | None:
        """Return the last look."""
        found = await _ask(self._redis.get(DRIFT))
        return msgspec.json.decode(found, type=Drift) if found else None

    async def keep_drift(self, drift: Drift) -> None:
        """Keep a look in the place of the last one; who asked for one has it."""
        pipe = self._redis.pipeline(transaction=True)
        pipe.set(DRIFT, _json.encode(drift))
        pipe.delete(ASKED)
        await _ask(pipe.execute())

    async def ask(self) -> None:
        """Ask for a look now."""
        await _ask(self._redis.set(ASKED, "1", ex=600))

    async def is_asked(self) -> bool:
        """Tell whether somebody waits for a look."""
        return bool(await _ask(self._redis.exists(ASKED)))

    async def reference(self, publication: int) -> Reference | None:
        """Return what players looked like when a publication was first looked at."""
        found = await _ask(self._redis.hget(REFERENCES, str(publication)))
        return msgspec.json.decode(found, type=Reference) if found else None

    async def keep_reference(self, publication: int, reference: Reference) -> None:
        """Keep it, once; the oldest publications are forgotten."""
        await _ask(self._redis.hsetnx(REFERENCES, str(publication), _json.encode(reference)))
        numbers = sorted(int(number) for number in await _ask(self._redis.hkeys(REFERENCES)))
        if old := numbers[: max(0, len(numbers) - REFERENCES_MAX)]:
            await _ask(self._redis.hdel(REFERENCES, *map(str, old)))

    async def calls(self, day: str) -> Calls | None:
        """Return what was said on a day."""
        found = await _ask(self._redis.get(_calls(day)))
        return msgspec.msgpack.decode(found, type=Calls) if found else None

    async def keep_calls(self, day: str, calls: Calls) -> None:
        """Keep what was said on a day, the first time."""
        await _ask(self._redis.set(_calls(day), msgspec.msgpack.encode(calls), nx=True, ex=CALLS_KEPT_S))

    async def judged(self) -> dict[tuple[str, int], Judged]:
        """Return what became of calls, by day and horizon."""
        found = [msgspec.json.decode(one, type=Judged) for one in (await _ask(self._redis.hgetall(OUTCOMES))).values()]
        return {(one.day, one.days): one for one in found}

    async def keep_judged(self, judged: Judged) -> None:
        """Keep it; the oldest days are forgotten."""
        await _ask(self._redis.hset(OUTCOMES, f"{judged.day}|{judged.days}", _json.encode(judged)))
        days = sorted(name.decode() for name in await _ask(self._redis.hkeys(OUTCOMES)))
        if old := days[: max(0, len(days) - OUTCOMES_MAX)]:
            await _ask(self._redis.hdel(OUTCOMES, *old))


def _calls(day: str) -> str:
    return f"{{watch}}:calls:{day}"


async def _ask(asked: Any) -> Any:
    try:
        return await asked
    except (RedisError, OSError) as error:
        raise (Unavailable(str(error)) if is_transient(error) else error) from error
