"""A store to archive: logs, records and decisions as commits leave them, and archivists that can be cut short."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
from redis.asyncio import Redis

from domain.decisions import Decision, encode_decision
from domain.effects import Effect, HistoryRecord, JourneyEntered, Posting, encode_record
from domain.entries import Entry, Event, Fact, MessageRequest, encode_entry
from store.archive.files import Archive, Disk, counting, listed, place
from store.archive.source import Reached, Source
from store.archive.upkeep import keep_up
from store.archive.writing import run_pass
from store.keys import PLAYERS, TOWER, Lane

DAY = 86_400_000
MONDAY = 1_772_409_600_000  # 2026-03-02T00:00:00Z


class Cut(Exception):
    """The process died here."""


class Cuts:
    """Counts steps and dies at one of them."""

    def __init__(self, at: int = -1) -> None:
        self.at = at
        self.steps: list[str] = []

    def step(self, name: str) -> None:
        self.steps.append(name)
        if len(self.steps) - 1 == self.at:
            raise Cut(f"{self.at}: {name}")


class CutDisk(Disk):
    """Dies before or after any of its steps; a write may be left half done."""

    def __init__(self, cuts: Cuts) -> None:
        self._cuts = cuts

    def write(self, path: Path, table: pa.Table) -> None:
        self._cuts.step("before write")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"PAR1 half")
        self._cuts.step("half of write")
        super().write(path, table)
        self._cuts.step("after write")

    def sync(self, path: Path) -> None:
        self._cuts.step("before sync")
        super().sync(path)

    def rename(self, path: Path, to: Path) -> None:
        self._cuts.step("before rename")
        super().rename(path, to)
        self._cuts.step("after rename")

    def remove(self, path: Path) -> None:
        self._cuts.step("before remove")
        super().remove(path)
        self._cuts.step("after remove")


class CutSource(Source):
    """Dies around every write to the store."""

    def __init__(self, redis: Redis, partitions: int, cuts: Cuts) -> None:
        super().__init__(redis, partitions)
        self._cuts = cuts

    async def move(self, at: Reached, to: str, count: int, decided: dict[str, str]) -> None:
        self._cuts.step("before move")
        await super().move(at, to, count, decided)
        self._cuts.step("after move")

    async def trim_log(self, p: int, lane: Lane, until: str) -> int:
        self._cuts.step("before trim of the log")
        gone = await super().trim_log(p, lane, until)
        self._cuts.step("after trim of the log")
        return gone

    async def trim_histories(self, p: int, lane: Lane, until: dict[str, str]) -> None:
        self._cuts.step("before trim of histories")
        await super().trim_histories(p, lane, until)
        self._cuts.step("after trim of histories")

    async def note_trim(self, p: int, lane: Lane, until: str, *, ended: bool) -> None:
        self._cuts.step("before note")
        await super().note_trim(p, lane, until, ended=ended)
        self._cuts.step("after note")


class Filled:
    """A partition that players play in; what they did is kept here too."""

    def __init__(self, redis: Redis, partition: int = 0) -> None:
        self._redis: Any = redis
        self.p = partition
        self.logged: dict[str, list[tuple[str, bytes]]] = {"players": [], "tower": []}
        self.records: dict[str, bytes] = {}  # offset -> record
        self.decisions: list[tuple[str, str, bytes]] = []

    async def plays(self, player: str, at: int, *effects: Effect, entry: Entry | None = None) -> str:
        """One committed turn."""
        n = len(self.logged["players"])
        event = entry or Event(player, f"e{n}", "bet_placed", at, {"amount": n}, {"tier": "gold"} if n % 7 == 0 else {})
        offset = await self._append(PLAYERS, at, event)
        if effects:
            record = encode_record(HistoryRecord(f"e{n}", "bet_placed", at, effects))
            await self._redis.xadd(PLAYERS.history(self.p, player), {"d": record}, id=offset)
            self.records[offset] = record
        return offset

    async def judges(self, player: str, at: int) -> None:
        """One committed turn of the tower."""
        n = len(self.logged["tower"])
        asked = MessageRequest(player, f"req_0_{n}", "hi", "promo", ("best",), at, at + DAY)
        await self._append(TOWER, at, asked if n % 3 else Fact(player, "timezone", "Europe/Kyiv", at))
        data = encode_decision(Decision(f"req_0_{n}", "hi", "promo", "refused", at, reasons=("cap",)))
        offset = await self._redis.xadd(TOWER.history(self.p, player), {"d": data})
        self.decisions.append((player, offset.decode(), data))

    async def _append(self, lane: Lane, at: int, entry: Entry) -> str:
        n = len(self.logged[lane.name])
        offset, data = f"{at}-{n}", encode_entry(entry)
        await self._redis.xadd(lane.log(self.p), {"a": at, "e": data}, id=offset)
        await self._redis.hset(lane.meta(self.p), mapping={"off": offset, "at": at})
        await self._redis.hincrby(lane.meta(self.p), "done", 1)
        self.logged[lane.name].append((offset, data))
        return offset


async def some_days(filled: Filled, days: range, a_day: int = 6) -> None:
    """Fill days with turns of three players and the tower's."""
    for day in days:
        for n in range(a_day):
            at, player = MONDAY + day * DAY + n * 1_000, f"p{n % 3}"
            effects: list[Effect] = [Posting("points", 5, 5 * n, "earn-rules/x")] if n % 2 else []
            if n == 3:
                effects.append(JourneyEntered("welcome", 1, 1))
            await filled.plays(player, at, *effects)
            if n % 2:
                await filled.judges(player, at)


async def archived_all(source: Source, archive: Archive) -> int:
    """Run passes until nothing waits."""
    total = 0
    while waiting := [at for at in await source.reached() if at.waiting]:
        for at in waiting:
            total += await run_pass(source, archive, at)
    return total


async def kept_up(source: Source, archive: Archive, now: int, retention_ms: int = 0) -> None:
    for at in await source.reached():
        await keep_up(source, archive, at, now, retention_ms)


def rows_of(root: Path, kind: str) -> Iterator[dict[str, Any]]:
    """Return the rows of the files that count, in the order of the log."""
    import pyarrow.parquet as pq

    for file in counting(listed(root)):
        if file.kind == kind:
            rows = pq.ParquetFile(root / file.path).read().to_pylist()
            assert all(place(row["offset"]) <= place(file.last) for row in rows if kind != "decisions")
            yield from rows
