"""What the store has let go of, read back from the archive: logs in order, a player's records, one event.

Slower than the store by far: files are opened, and searched by what their names and footers say. Blocking; callers in
an event loop use a thread.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from msgspec import Struct

from store.archive.files import File, counting, listed, note_of, place

PAGE = 2_000  # rows at once
LAST = "99999999999999-0"  # after every offset


class ArchiveGap(Exception):
    """The archive lacks entries that the store let go of."""


class Row(Struct, frozen=True):
    """An entry of a log as it was stored, and the record of its turn."""

    offset: str
    at: int
    data: bytes
    record: bytes | None
    player: str = ""


def lane_files(root: Path, kind: str, partition: int, *, tower: bool = False) -> list[File]:
    """Return the files of one lane that count, in the order of the log."""
    names = f"p{partition:02d}{'t' if tower else ''}-"
    return counting(file for file in listed(root, kind, names) if file.tower is tower and file.partition == partition)


def log_rows(root: Path, partition: int, until: str, *, tower: bool = False) -> Iterator[list[Row]]:
    """Yield a lane's entries from the first to ``until``, in order, each once.

    Raises:
        ArchiveGap: a file is missing or cannot be read.
    """
    reached = "0-0"
    for file in lane_files(root, "log", partition, tower=tower):
        if place(reached) >= place(until):
            return
        try:
            after = note_of(root, file)["after"]
            if place(after) > place(reached):
                raise ArchiveGap(f"the archive goes from {reached} to {after} without a file")
            for rows in _pages(root, file):
                fresh = [row for row in rows if place(reached) < place(row.offset) <= place(until)]
                if fresh:
                    yield fresh
        except (OSError, pa.ArrowInvalid) as error:
            raise ArchiveGap(f"{file.path} cannot be read: {error}") from error
        reached = file.last
    if place(reached) < place(until):
        raise ArchiveGap(f"the archive ends at {reached}")


def records_before(root: Path, partition: int, player: str, before: str, limit: int) -> list[tuple[str, bytes]]:
    """Return a player's last history records before an offset, newest first, as (offset, record)."""
    return _newest(root, "log", partition, player, before, limit, column="record", tower=False)


def decisions_before(root: Path, partition: int, player: str, before: str, limit: int) -> list[tuple[str, bytes]]:
    """Return the tower's last decisions about a player before an id, newest first, as (id, decision)."""
    return _newest(root, "decisions", partition, player, before, limit, column="data", tower=True)


def decided_requests(root: Path, partition: int) -> dict[str, dict[str, str]]:
    """Return all decisions of a partition in the archive: player -> id -> request."""
    found: dict[str, dict[str, str]] = {}
    for file in lane_files(root, "decisions", partition, tower=True):
        table = pq.read_table(root / file.path, columns=["player", "offset", "request_id"], partitioning=None)
        for player, offset, request in zip(*(table[name].to_pylist() for name in table.column_names), strict=True):
            found.setdefault(player, {})[offset] = request
    return found


def find_event(root: Path, event_id: str) -> list[tuple[int, Row]]:
    """Return every entry of a player's log with this id, as (partition, entry); looks through the whole archive."""
    found = []
    for file in counting(listed(root, "log")):
        if file.tower:
            continue
        table = _matching(root, file, pc.field("id") == event_id)
        found += [(file.partition, row) for row in _rows(table)]
    return found


def entry_at(root: Path, partition: int, offset: str) -> Row | None:
    """Return the entry of the players' log at an offset."""
    ms, n = place(offset)
    for file in lane_files(root, "log", partition):
        if place(file.first) <= (ms, n) <= place(file.last):
            for row in _rows(_matching(root, file, (pc.field("ms") == ms) & (pc.field("n") == n))):
                return row
    return None


def _newest(
    root: Path, kind: str, partition: int, player: str, before: str, limit: int, *, column: str, tower: bool
) -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    ms, n = place(before)
    wanted = (pc.field("player") == player) & pc.field(column).is_valid()
    wanted &= (pc.field("ms") < ms) | ((pc.field("ms") == ms) & (pc.field("n") < n))
    for file in reversed(lane_files(root, kind, partition, tower=tower)):
        if kind == "log" and place(file.first) >= (ms, n):
            continue
        table = _matching(root, file, wanted, ["offset", "ms", "n", column])
        found += list(zip(table["offset"].to_pylist(), table[column].to_pylist(), strict=True))
        found.sort(key=lambda pair: place(pair[0]), reverse=True)
        if len(found) >= limit and kind == "log":
            break
    return found[:limit]


def _matching(root: Path, file: File, wanted: Any, columns: list[str] | None = None) -> pa.Table:
    try:
        return pq.read_table(root / file.path, columns=columns, filters=wanted, partitioning=None)
    except FileNotFoundError:  # joined into another meanwhile, which the caller sees when it asks again
        raise ArchiveGap(f"{file.path} went away while it was read") from None


def _pages(root: Path, file: File) -> Iterator[list[Row]]:
    with pq.ParquetFile(root / file.path) as read:
        for batch in read.iter_batches(batch_size=PAGE, columns=["offset", "at", "data", "record", "player"]):
            yield _rows(pa.Table.from_batches([batch]))


def _rows(table: pa.Table) -> list[Row]:
    columns = (table[name].to_pylist() for name in ("offset", "at", "data", "record", "player"))
    return [Row(*values) for values in zip(*columns, strict=True)]
