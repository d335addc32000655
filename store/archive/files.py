"""The files of the archive: their names, which of them count, and how one comes to be there whole or not at all.

``kind=log/day=2026-11-22/p07-<first offset>_<last offset>.parquet``; the tower's lane is ``p07t-``. The day is that of
the rows' ``at``, UTC. A file whose range lies within another's of the same kind, day and lane was joined into it and
does not count: so a join is one rename, whatever happens to the small files afterwards.
"""

import fcntl
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq
from msgspec import Struct

from domain.calendar import as_datetime

KINDS = ("log", "effects", "decisions", "journey_steps")
ASIDE = "aside"  # files that say more than the store knows: a person looks
ROW_GROUP = 32_768  # rows
_TEMPORARY = ".tmp"
_NAME = re.compile(r"p(\d+)(t?)-(\d+-\d+)_(\d+-\d+)\.parquet")
_DAY = re.compile(r"day=(\d{4}-\d\d-\d\d)")

Place = tuple[int, int]


class ArchiveBusy(Exception):
    """Another process writes this archive."""


def place(offset: str) -> Place:
    """Return an offset as numbers, which compare as the log is ordered."""
    ms, _, n = offset.partition("-")
    return int(ms), int(n or 0)


def day_of(at: int) -> str:
    """Return the UTC day of a time in ms, ``2026-11-22``."""
    return as_datetime(at).date().isoformat()


class File(Struct, frozen=True):
    """One file, by what its name says."""

    kind: str
    day: str
    partition: int
    tower: bool
    first: str  # offset in the lane's log
    last: str

    @property
    def path(self) -> Path:
        """Return the path below the archive's directory."""
        name = f"p{self.partition:02d}{'t' if self.tower else ''}-{self.first}_{self.last}.parquet"
        return Path(f"kind={self.kind}", f"day={self.day}", name)

    @property
    def shelf(self) -> tuple[str, str, int, bool]:
        """Return what files must share to cover one another."""
        return self.kind, self.day, self.partition, self.tower

    def covers(self, other: "File") -> bool:
        """Tell whether the other was joined into this one."""
        return (
            self != other
            and self.shelf == other.shelf
            and place(self.first) <= place(other.first)
            and place(other.last) <= place(self.last)
        )


def read_name(path: Path) -> File | None:
    """Return what the last three parts of a path say, None when it is no file of the archive."""
    name, day = _NAME.fullmatch(path.name), _DAY.fullmatch(path.parent.name)
    kind = path.parent.parent.name.removeprefix("kind=")
    if not name or not day or kind not in KINDS:
        return None
    return File(kind, day[1], int(name[1]), bool(name[2]), name[3], name[4])


def listed(root: Path, only: str = "", names: str = "") -> list[File]:
    """Return every whole file in the archive, those that were joined into others too.

    Args:
        only: One kind of files; "" all.
        names: What their names begin with.
    """
    kinds = (only,) if only else KINDS
    found = (read_name(path) for kind in kinds for path in (root / f"kind={kind}").glob(f"day=*/{names}*.parquet"))
    return sorted((file for file in found if file), key=_order)


def counting(files: Iterable[File]) -> list[File]:
    """Return the files that count, each row in one of them; in the order of their offsets."""
    shelves: dict[tuple[str, str, int, bool], list[File]] = {}
    for file in files:
        shelves.setdefault(file.shelf, []).append(file)
    return sorted((file for shelf in shelves.values() for file in _uncovered(shelf)), key=_order)


def _uncovered(shelf: list[File]) -> list[File]:
    kept: list[File] = []
    for file in sorted(shelf, key=lambda f: (place(f.first), tuple(-x for x in place(f.last)))):
        if not kept or place(file.last) > place(kept[-1].last):
            kept.append(file)
    return kept


def _order(file: File) -> tuple[str, int, bool, Place, str]:
    return file.kind, file.partition, file.tower, place(file.first), file.day


class Disk:
    """What the archive asks of the file system, a step each, so that tests can fail at any of them."""

    def write(self, path: Path, table: pa.Table) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, path, compression="zstd", row_group_size=ROW_GROUP)

    def sync(self, path: Path) -> None:
        """Have a file, or the names in a directory, on the disk before anything that follows."""
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def rename(self, path: Path, to: Path) -> None:
        to.parent.mkdir(parents=True, exist_ok=True)
        path.replace(to)

    def remove(self, path: Path) -> None:
        path.unlink(missing_ok=True)


class Archive:
    """The archive of one store, open for writing by this process alone.

    The kernel keeps others out (``flock``): a process that was paused and wakes holds the lock still, so it cannot
    write beside its successor.

    Raises:
        ArchiveBusy: another process has it open.
    """

    def __init__(self, root: Path, disk: Disk | None = None) -> None:
        self.root = root
        self.disk = disk or Disk()
        root.mkdir(parents=True, exist_ok=True)
        self._lock: IO[str] = (root / "lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as busy:
            self._lock.close()
            raise ArchiveBusy(f"another process writes the archive in {root}") from busy
        for orphan in root.glob(f"kind=*/day=*/*{_TEMPORARY}"):
            self.disk.remove(orphan)
        self._files: dict[tuple[str, int, bool], set[File]] = {}
        for file in listed(root):
            self._of(file).add(file)

    def close(self) -> None:
        """Let others in."""
        self._lock.close()

    def __enter__(self) -> "Archive":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def files(self, kind: str, partition: int, tower: bool) -> list[File]:
        """Return the files of one lane that count, in the order of their offsets."""
        return counting(self._files.get((kind, partition, tower), ()))

    def covered(self, kind: str, partition: int, tower: bool) -> list[File]:
        """Return the files of one lane that were joined into others."""
        every = self._files.get((kind, partition, tower), set())
        return sorted(every - set(counting(every)), key=_order)

    def put(self, file: File, table: pa.Table) -> None:
        """Have the file there with these rows, whole, before this returns; until then nothing of it is seen."""
        path = self.root / file.path
        temporary = path.with_name(path.name + _TEMPORARY)
        fresh = [parent for parent in (path.parent, path.parent.parent) if not parent.exists()]
        self.disk.write(temporary, table)
        self.disk.sync(temporary)
        self.disk.rename(temporary, path)
        self.disk.sync(path.parent)
        for parent in fresh:
            self.disk.sync(parent.parent)
        self._of(file).add(file)

    def remove(self, file: File) -> None:
        """Remove a file."""
        self.disk.remove(self.root / file.path)
        self._of(file).discard(file)

    def set_aside(self, file: File) -> None:
        """Take a file out of the archive and keep it for a person."""
        self.disk.rename(self.root / file.path, self.root / ASIDE / file.path)
        self._of(file).discard(file)

    def read(self, file: File) -> pa.Table:
        """Read a file's rows."""
        return pq.ParquetFile(self.root / file.path).read()

    def _of(self, file: File) -> set[File]:
        return self._files.setdefault((file.kind, file.partition, file.tower), set())


def note_of(root: Path, file: File) -> dict[str, Any]:
    """Return what a file's footer says of it: ``rows``, and ``after``, the offset that the lane's log had before it.

    Raises:
        OSError: it cannot be read (``pyarrow.ArrowInvalid`` when it is no Parquet file).
    """
    footer = pq.read_metadata(root / file.path)
    stored = footer.metadata or {}
    return {"rows": footer.num_rows, "after": stored.get(b"playtower.after", b"").decode()}


def with_note(table: pa.Table, after: str) -> pa.Table:
    """Return the table with the note that ``note_of`` reads."""
    return table.replace_schema_metadata({"playtower.after": after, "playtower.format": "1"})
