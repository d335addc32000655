"""What is done to days that are over: their small files are joined, and the store lets go of what the archive holds.

Trimming goes by whole days and in the order of the log. It stops before the first file that is missing or unreadable:
each file's footer names the offset before it, so a gap shows.
"""

import pyarrow as pa
import pyarrow.parquet as pq

from store.archive.files import Archive, File, day_of, note_of, place
from store.archive.source import Reached, Source
from store.archive.writing import clear_leftovers, joined_table
from store.keys import PLAYERS

JOINED_ROWS_MAX = 100_000  # of one file
JOINED_BYTES_MAX = 48 * 1024 * 1024  # of one file, compressed
_BATCH = 10_000  # rows looked at at once


async def keep_up(source: Source, archive: Archive, at: Reached, now: int, retention_ms: int) -> tuple[int, int]:
    """Look after one lane's past days; how many small files went, and how many log entries the store let go of."""
    await clear_leftovers(source, archive, at)
    joined = join_days(archive, at, now)
    return joined, await trim(source, archive, at, now, retention_ms)


def join_days(archive: Archive, at: Reached, now: int) -> int:
    """Join the files of every day that is over, up to the bounds of one file; how many files went."""
    tower, gone = at.lane is not PLAYERS, 0
    for kind in ("log", "decisions") if tower else ("log", "effects", "journey_steps"):
        days: dict[str, list[File]] = {}
        for file in archive.files(kind, at.partition, tower):
            if file.day < day_of(now) and place(file.last) <= place(at.cursor):
                days.setdefault(file.day, []).append(file)
        for files in days.values():
            for group in _groups(archive, files):
                _join(archive, group)
                gone += len(group) - 1
    return gone


def _groups(archive: Archive, files: list[File]) -> list[list[File]]:
    """Return runs of files, two at least, that make one file within the bounds."""
    if len(files) < 2:
        return []
    groups: list[list[File]] = [[]]
    rows = size = 0
    for file in files:
        its_rows = note_of(archive.root, file)["rows"]
        its_size = (archive.root / file.path).stat().st_size
        if rows + its_rows > JOINED_ROWS_MAX or size + its_size > JOINED_BYTES_MAX:
            groups.append([])
            rows = size = 0
        groups[-1].append(file)
        rows, size = rows + its_rows, size + its_size
    return [group for group in groups if len(group) > 1]


def _join(archive: Archive, group: list[File]) -> None:
    """Write one file of several; the moment it is there, they do not count."""
    table: pa.Table = archive.read(group[0])
    for file in group[1:]:
        table = joined_table(table, archive.read(file))
    first, last = group[0], group[-1]
    archive.put(File(first.kind, first.day, first.partition, first.tower, first.first, last.last), table)
    for file in group:
        archive.remove(file)


async def trim(source: Source, archive: Archive, at: Reached, now: int, retention_ms: int) -> int:
    """Let the store go of the days that ended before ``now - retention``, as far as the archive holds them.

    Returns how many log entries went. Snapshots, dedupe indexes, timers and the rest are left alone.

    Args:
        retention_ms: 0 keeps everything.
    """
    if retention_ms <= 0:
        return 0
    files = _held(archive, at, day_of(max(0, now - retention_ms)))
    if not files:
        return 0
    until = files[-1].last
    await source.note_trim(at.partition, at.lane, until, ended=False)
    if at.lane is PLAYERS:
        for file in files:
            players = _players(archive, file)
            await source.trim_histories(at.partition, at.lane, dict.fromkeys(players, until))
    else:
        for file in archive.files("decisions", at.partition, tower=True):
            if (
                place(file.last) > place(at.trimmed)
                and file.day <= files[-1].day
                and place(file.last) <= place(at.cursor)
            ):
                await source.trim_histories(at.partition, at.lane, _last_decisions(archive, file))
    gone = await source.trim_log(at.partition, at.lane, until)
    await source.note_trim(at.partition, at.lane, until, ended=True)
    return gone


def _held(archive: Archive, at: Reached, before: str) -> list[File]:
    """Return the next files of whole days, without a gap, that the store may let go of."""
    held: list[File] = []
    reached = at.trimmed
    for file in archive.files("log", at.partition, at.lane is not PLAYERS):
        if place(file.last) <= place(at.trimmed):
            continue
        if file.day >= before or place(file.last) > place(at.cursor) or place(file.last) > place(at.committed):
            break
        try:
            after = note_of(archive.root, file)["after"]
        except (OSError, pa.ArrowInvalid):
            break
        if not after or place(after) > place(reached):
            break
        held.append(file)
        reached = file.last
    return held


def _players(archive: Archive, file: File) -> set[str]:
    """Return whose turns of a log file left a record."""
    found: set[str] = set()
    with pq.ParquetFile(archive.root / file.path) as read:
        for batch in read.iter_batches(batch_size=_BATCH, columns=["player", "record"]):
            table = pa.Table.from_batches([batch])
            found.update(table.filter(table["record"].is_valid())["player"].to_pylist())
    return found


def _last_decisions(archive: Archive, file: File) -> dict[str, str]:
    """Return the last decision of each player in a file."""
    last: dict[str, str] = {}
    with pq.ParquetFile(archive.root / file.path) as read:
        for batch in read.iter_batches(batch_size=_BATCH, columns=["player", "offset"]):
            for player, offset in zip(batch["player"].to_pylist(), batch["offset"].to_pylist(), strict=True):
                if place(offset) > place(last.get(player, "0-0")):
                    last[player] = offset
    return last
