"""The archive: everything committed is in it once, whatever was cut short, and the store lets go of nothing else."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from domain.effects import Posting
from store.archive.files import Archive, ArchiveBusy, Disk, counting, listed
from store.archive.source import CursorMoved, Source
from store.archive.writing import run_pass
from store.keys import PLAYERS, TOWER
from tests.store.archiving import (
    DAY,
    MONDAY,
    Cut,
    CutDisk,
    Cuts,
    CutSource,
    Filled,
    archived_all,
    kept_up,
    rows_of,
    some_days,
)

pytestmark = pytest.mark.redis
Opened = Callable[..., Archive]


@pytest.fixture
def opened() -> Iterator[Opened]:
    """Open archives; they are closed at the end."""
    held: list[Archive] = []

    def open_one(root: Path, disk: Disk | None = None) -> Archive:
        held.append(Archive(root, disk))
        return held[-1]

    yield open_one
    for archive in held:
        archive.close()


async def test_what_was_committed_is_in_the_archive_byte_for_byte(redis: Redis, tmp_path: Path, opened: Opened) -> None:
    filled = Filled(redis)
    await some_days(filled, range(3))
    await archived_all(Source(redis, 1), opened(tmp_path))
    check_whole(filled, tmp_path)
    assert sorted({file.day for file in listed(tmp_path)}) == ["2026-03-02", "2026-03-03", "2026-03-04"]
    effects = list(rows_of(tmp_path, "effects"))
    assert effects[0] | {"ms": 0} == {
        "partition": 0, "player": "p1", "offset": f"{MONDAY + 1000}-1", "ms": 0, "n": 1, "at": MONDAY + 1_000,
        "record_id": "e1", "name": "bet_placed", "place": 0, "kind": "points",
        "effect": '{"currency":"points","amount":5,"balance_after":5,"rule":"earn-rules/x"}',
    }  # fmt: skip
    assert [row["journey"] for row in rows_of(tmp_path, "journey_steps")] == ["welcome"] * 3


async def test_a_pass_is_bounded_in_days(
    redis: Redis, tmp_path: Path, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("store.archive.writing.DAYS_MAX", 2)
    filled, source, archive = Filled(redis), Source(redis, 1), opened(tmp_path)
    await some_days(filled, range(5))
    (at, _) = await source.reached()
    assert await run_pass(source, archive, at) == 12
    await archived_all(source, archive)
    check_whole(filled, tmp_path)


async def test_what_is_not_committed_yet_is_left_for_later(redis: Redis, tmp_path: Path, opened: Opened) -> None:
    filled = Filled(redis)
    offset = await filled.plays("ada", MONDAY)
    await filled.plays("ada", MONDAY + 1)
    await redis.hset(PLAYERS.meta(0), "off", offset)
    source, archive = Source(redis, 1), opened(tmp_path)
    await archived_all(source, archive)
    assert [row["id"] for row in rows_of(tmp_path, "log")] == ["e0"]


async def test_a_quiet_partition_has_one_file_a_day_and_not_one_a_pass(
    redis: Redis, tmp_path: Path, opened: Opened
) -> None:
    filled, source, archive = Filled(redis), Source(redis, 1), opened(tmp_path)
    for day in range(2):
        for n in range(5):
            await filled.plays("ada", MONDAY + day * DAY + n, Posting("points", 1, n, "r"))
            await archived_all(source, archive)
    check_whole(filled, tmp_path)
    assert len([file for file in listed(tmp_path) if file.kind == "log"]) == 2


@pytest.mark.slow
async def test_a_crash_at_any_step_loses_nothing_and_doubles_nothing(
    redis: Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The archivist dies at every step it takes, one after another, and its successor finishes the work."""
    monkeypatch.setattr("store.archive.writing.ENTRIES_MAX", 7)
    monkeypatch.setattr("store.archive.writing.SMALL", 5)
    at, steps = 0, 1
    while at < steps:
        await redis.flushall()
        filled, root, cuts = Filled(redis), tmp_path / str(at), Cuts(at)
        await some_days(filled, range(1))
        with contextlib.suppress(Cut):
            await _worked(redis, root, cuts, filled)
        check_once(filled, root)
        steps = max(steps, len(cuts.steps) + 1)
        await _worked(redis, root, Cuts(), filled)
        check_whole(filled, root)
        kept = {offset.decode() for offset, _ in await redis.xrange(PLAYERS.log(0))}
        assert kept == {offset for offset, _ in filled.logged["players"][12:]}, "two days went, one is kept"
        at += 1
    assert steps > 60


async def _worked(redis: Redis, root: Path, cuts: Cuts, filled: Filled) -> None:
    source, archive = CutSource(redis, 1, cuts), Archive(root, CutDisk(cuts))
    try:
        await archived_all(source, archive)
        if len(filled.logged["players"]) == 6:
            await some_days(filled, range(1, 3))
        await archived_all(source, archive)
        await kept_up(source, archive, MONDAY + 3 * DAY + DAY // 2, DAY)
    finally:
        archive.close()


async def test_the_new_file_and_its_name_are_on_the_disk_before_the_cursor_moves(
    redis: Redis, tmp_path: Path, opened: Opened
) -> None:
    filled, cuts = Filled(redis), Cuts()
    await filled.plays("ada", MONDAY, Posting("points", 1, 1, "r"))
    await archived_all(CutSource(redis, 1, cuts), opened(tmp_path, CutDisk(cuts)))
    steps = cuts.steps[: cuts.steps.index("before move")]
    for part in " ".join(steps).split("before write")[1:]:
        wanted = ("after write", "before sync", "before rename", "after rename", "before sync")
        places = [part.index(word) for word in wanted[:4]]
        assert places == sorted(places)
        assert part.index("before sync", part.index("after rename")) > 0


async def test_two_archivists_cannot_write_one_archive(tmp_path: Path, opened: Opened) -> None:
    held = opened(tmp_path)
    with pytest.raises(ArchiveBusy, match="another process writes"):
        opened(tmp_path)
    held.close()
    opened(tmp_path).close()


async def test_a_cursor_that_another_moved_is_not_moved_back(redis: Redis, tmp_path: Path, opened: Opened) -> None:
    filled, source = Filled(redis), Source(redis, 1)
    await filled.plays("ada", MONDAY)
    (old,) = [at for at in await source.reached() if at.waiting]
    await filled.plays("ada", MONDAY + 1)
    await archived_all(source, opened(tmp_path / "one"))
    with pytest.raises(CursorMoved):
        await run_pass(source, opened(tmp_path / "two"), old)


async def test_nothing_is_trimmed_behind_a_file_that_is_missing(redis: Redis, tmp_path: Path, opened: Opened) -> None:
    filled, source, archive = Filled(redis), Source(redis, 1), opened(tmp_path)
    await some_days(filled, range(4))
    await archived_all(source, archive)
    (second,) = [
        file for file in listed(tmp_path) if file.kind == "log" and file.day == "2026-03-03" and not file.tower
    ]
    (tmp_path / second.path).unlink()
    archive.close()
    await kept_up(source, opened(tmp_path), MONDAY + 10 * DAY, DAY)
    left = {int(offset.split(b"-")[0]) // DAY - MONDAY // DAY for offset, _ in await redis.xrange(PLAYERS.log(0))}
    assert left == {1, 2, 3}


async def test_what_is_younger_than_the_retention_stays_in_the_store(
    redis: Redis, tmp_path: Path, opened: Opened
) -> None:
    filled, source, archive = Filled(redis), Source(redis, 1), opened(tmp_path)
    await some_days(filled, range(5))
    await archived_all(source, archive)
    await kept_up(source, archive, MONDAY + 4 * DAY + DAY // 2, 2 * DAY)
    for key in (PLAYERS.log(0), PLAYERS.history(0, "p1"), TOWER.log(0)):
        days = {int(offset.split(b"-")[0]) // DAY - MONDAY // DAY for offset, _ in await redis.xrange(key)}
        assert days == {2, 3, 4}, key
    judged = await redis.xlen(TOWER.history(0, "p1"))
    assert judged == 3, "decisions of the first two days went with them"
    check_whole(filled, tmp_path)


async def test_after_a_restore_of_an_older_store_the_newer_rows_are_set_aside(
    redis: Redis, tmp_path: Path, opened: Opened
) -> None:
    filled, source, archive = Filled(redis), Source(redis, 1), opened(tmp_path)
    await some_days(filled, range(1))
    await archived_all(source, archive)
    old = {lane.meta(0): await redis.hgetall(lane.meta(0)) for lane in (PLAYERS, TOWER)}
    cursors = {key: await redis.hgetall(key) for key in ("{0}:archived", "{0}:archived:decisions")}
    before = list(rows_of(tmp_path, "log")), list(rows_of(tmp_path, "decisions"))
    for n in range(3):
        await filled.plays("lost", MONDAY + 50_000 + n)
        await filled.judges("lost", MONDAY + 50_000 + n)
    await archived_all(source, archive)
    for key, fields in (old | cursors).items():
        await redis.delete(key)
        await redis.hset(key, mapping=fields)
    await redis.xtrim(PLAYERS.log(0), maxlen=0, approximate=False)
    await redis.hset(PLAYERS.meta(0), mapping={"off": f"{MONDAY + 40_000}-0"})
    await redis.hset(TOWER.meta(0), mapping={"off": f"{MONDAY + 40_000}-0"})
    await archived_all_once(source, archive)
    assert (list(rows_of(tmp_path, "log")), list(rows_of(tmp_path, "decisions"))) == before
    assert list((tmp_path / "aside").rglob("*.parquet"))


async def archived_all_once(source: Source, archive: Archive) -> None:
    for at in await source.reached():
        await run_pass(source, archive, at)


def check_whole(filled: Filled, root: Path) -> None:
    """Every entry, record and decision is there once, in the order of the log."""
    rows = list(rows_of(root, "log"))
    for lane in ("players", "tower"):
        assert [(r["offset"], r["data"]) for r in rows if r["lane"] == lane] == filled.logged[lane]
    assert {r["offset"]: r["record"] for r in rows if r["record"]} == filled.records
    decided = sorted((r["player"], r["offset"], r["data"]) for r in rows_of(root, "decisions"))
    assert decided == sorted(filled.decisions)
    assert {r["offset"] for r in rows_of(root, "effects")} == set(filled.records)
    assert not list(root.rglob("*.tmp"))
    assert listed(root) == counting(listed(root)), "files that do not count are gone"


def check_once(filled: Filled, root: Path) -> None:
    """Right after a crash: no row is in two files that count, and none that was not committed."""
    for kind in ("log", "effects", "decisions", "journey_steps"):
        rows = [(r.get("lane"), r["player"], r["offset"], r.get("place")) for r in rows_of(root, kind)]
        assert len(rows) == len(set(rows))
    offsets = {offset for lane in filled.logged.values() for offset, _ in lane}
    assert {r["offset"] for r in rows_of(root, "log")} <= offsets


def test_a_disk_is_synced_by_name_and_by_content(tmp_path: Path) -> None:
    Disk().sync(tmp_path)
