"""The archivist: moves what is committed into the archive, joins the files of past days, and trims the store.

One a store, by a lease in the store and a lock on the archive's directory. It yields: its process runs at a low
priority, a pass is bounded, and nobody waits for it.
"""

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct
from redis.asyncio import Redis
from redis.exceptions import RedisError

from store.archive.files import Archive, ArchiveBusy
from store.archive.source import CursorMoved, Reached, Source
from store.archive.upkeep import keep_up
from store.archive.writing import SMALL, run_pass

ROUND_S = 5.0
LEASE_MS = 60_000  # longer than any pass; a successor waits for the directory's lock anyway
UPKEEP_EVERY_MS = 600_000


class Tally(Struct):
    """What one archivist has done."""

    entries: int = 0
    passes: int = 0
    joined: int = 0  # small files that became part of others
    trimmed: int = 0  # log entries


class Archivist:
    """Archives one store.

    Args:
        clock: The store's: with ``log`` a day is over when the recorded time has passed it.
        wait_ms: An entry is archived when it is as old as that, or when ``SMALL`` of its lane wait.
        retention_ms: The store keeps what is younger; 0: everything.
    """

    def __init__(
        self,
        redis: Redis,
        root: Path,
        *,
        name: str,
        partitions: int,
        clock: str = "store",
        wait_ms: int = 300_000,
        retention_ms: int = 0,
    ) -> None:
        self.source = Source(redis, partitions)
        self.tally = Tally()
        self._root = root
        self._name = name
        self._clock = clock
        self._wait_ms = wait_ms
        self._retention_ms = retention_ms
        self._archive: Archive | None = None
        self._upkept_at = 0
        self.on_pass: Callable[[int], None] = lambda _entries: None
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """End after this pass."""
        self._stopping.set()

    async def run(self) -> None:
        """Archive until stopped; a store that does not answer, or another archivist, is waited for."""
        try:
            while not self._stopping.is_set():
                try:
                    if await self.source.hold(self._name, LEASE_MS) and self._open():
                        await self._round_asked()
                except (RedisError, OSError, CursorMoved) as error:
                    print(f"playtower: archiving goes on later: {error!r}", file=sys.stderr, flush=True)  # noqa: T201
                try:
                    await asyncio.wait_for(self._stopping.wait(), ROUND_S)
                except TimeoutError:
                    continue
        finally:
            self.close()

    async def _round_asked(self) -> None:
        """Take a round; a whole one when somebody asked for it."""
        who = await self.source.asked()
        await self.round(everything=bool(who))
        if who:
            await self.source.answer(who)

    async def round(self, *, everything: bool = False) -> int:
        """Archive what is due, and at times look after past days; how many entries were archived.

        Args:
            everything: What has been committed is due, however little and young; past days too.
        """
        archive = self._opened()
        entries = 0
        for lane in await self._due(everything):
            at: Reached | None = lane
            while at is not None and at.waiting and not self._stopping.is_set():
                count = await run_pass(self.source, archive, at)
                entries += count
                self.on_pass(count)
                self.tally.entries, self.tally.passes = self.tally.entries + count, self.tally.passes + 1
                await self.source.hold(self._name, LEASE_MS)
                at = await self._again(at) if count else None
                if at is not None and at.waiting < SMALL and not everything:
                    break
        now = await self.source.now_ms()
        if everything or now - self._upkept_at >= UPKEEP_EVERY_MS:
            self._upkept_at = now
            await self.upkeep(now)
        return entries

    async def upkeep(self, now: int) -> None:
        """Join the files of past days; trim what is older than the retention."""
        archive = self._opened()
        for at in await self.source.reached():
            if self._stopping.is_set():
                return
            today = at.at if self._clock == "log" else now
            joined, trimmed = await keep_up(self.source, archive, at, today, self._retention_ms)
            self.tally.joined, self.tally.trimmed = self.tally.joined + joined, self.tally.trimmed + trimmed
            await self.source.hold(self._name, LEASE_MS)

    def close(self) -> None:
        """Give the directory back."""
        if self._archive is not None:
            self._archive.close()
            self._archive = None

    def _open(self) -> bool:
        try:
            self._opened()
        except ArchiveBusy:
            return False
        return True

    def _opened(self) -> Archive:
        if self._archive is None:
            self._archive = Archive(self._root)
        return self._archive

    async def _due(self, everything: bool) -> list[Reached]:
        waiting = [at for at in await self.source.reached() if at.waiting]
        if everything:
            return waiting
        oldest, now = await self.source.oldest(waiting) if waiting else [], await self.source.now_ms()
        return [
            at
            for at, since in zip(waiting, oldest, strict=True)
            if at.waiting >= SMALL or (since and now - since >= self._wait_ms)
        ]

    async def _again(self, before: Reached) -> Reached:
        """Read how far a lane is now."""
        return next(
            at for at in await self.source.reached() if (at.partition, at.lane) == (before.partition, before.lane)
        )
