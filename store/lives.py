"""Which couriers have lived, and which of them are known to be dead: what they left in flight is settled only then.

A courier notes its life before its first claim. It is known to be over when its process is gone: seen on its own
machine (a pid with another start time is another process), or because Ray, which starts an actor's next process only
after the last one has ended, has started the next one under the same name.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from redis.asyncio import Redis
from redis.exceptions import RedisError

from store.client import is_transient
from store.keys import ENDED, LIVES
from store.ports import Unavailable

ENDED_KEPT_MS = 30 * 86_400_000  # nothing stays in flight for so long


class Life(Struct, frozen=True):
    """One process of a courier, from start to end."""

    incarnation: str
    name: str
    node: str
    pid: int
    started: str = ""  # when, in the kernel's ticks: pids are used again


class Lives:
    """The lives of a store's couriers. All raise ``Unavailable``."""

    def __init__(self, redis: Redis) -> None:
        self._redis: Any = redis

    async def begin(self, life: Life) -> None:
        """Note a life."""
        await _ask(self._redis.hset(LIVES, life.incarnation, msgspec.json.encode(life)))

    async def all(self) -> list[Life]:
        """Return the lives that are not known to be over."""
        found = await _ask(self._redis.hgetall(LIVES))
        return [msgspec.json.decode(value, type=Life) for value in found.values()]

    async def end(self, incarnations: Iterable[str], now: int) -> None:
        """Note that these processes are known to be dead."""
        gone = list(incarnations)
        if not gone:
            return
        pipe = self._redis.pipeline(transaction=True)
        pipe.hset(ENDED, mapping=dict.fromkeys(gone, str(now)))
        pipe.hdel(LIVES, *gone)
        await _ask(pipe.execute())

    async def ended(self, incarnations: Iterable[str]) -> set[str]:
        """Return those of them that are known to be dead."""
        asked = sorted(set(incarnations))
        if not asked:
            return set()
        found = await _ask(self._redis.hmget(ENDED, asked))
        return {incarnation for incarnation, at in zip(asked, found, strict=True) if at is not None}

    async def settled(self, incarnation: str) -> None:
        """Forget a life that ends with nothing in flight: nobody will ask for it."""
        await _ask(self._redis.hdel(LIVES, incarnation))

    async def tidy(self, now: int) -> None:
        """Forget the dead of long ago."""
        found = await _ask(self._redis.hgetall(ENDED))
        if old := [incarnation for incarnation, at in found.items() if now - int(at) > ENDED_KEPT_MS]:
            await _ask(self._redis.hdel(ENDED, *old))


def started_at(pid: int) -> str:
    """Return when a process of this machine began, "" when there is none (Linux)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] in "ZX" else fields[19]


def life_of(incarnation: str, name: str) -> Life:
    """Return the life of this process."""
    pid = os.getpid()
    return Life(incarnation, name, os.uname().nodename, pid, started_at(pid))


def is_gone(life: Life) -> bool:
    """Tell whether the process of a life on this machine is gone; of another machine's nothing is known here."""
    return life.node == os.uname().nodename and started_at(life.pid) != life.started


async def _ask(asked: Any) -> Any:
    try:
        return await asked
    except (RedisError, OSError) as error:
        raise (Unavailable(str(error)) if is_transient(error) else error) from error
