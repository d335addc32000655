"""One pass: what one lane of a partition has committed goes into files, and only then the cursor moves.

A crash anywhere leaves a temporary file, or whole files beyond the cursor. Both go when the lane is next written, and
the same rows are written again: nothing in the store was let go, since the cursor had not moved. A small file of the
same day is joined into the new one, so a quiet partition has one file a day and not one a pass.
"""

from collections.abc import Mapping

import pyarrow as pa
from msgspec import structs

from domain.calendar import DAY_MS
from store.archive.files import Archive, File, day_of, place, with_note
from store.archive.rows import Raw, Rows, decision_row, effect_rows, log_row, size_of, table_of
from store.archive.source import Reached, Source
from store.keys import PLAYERS

ENTRIES_MAX = 20_000  # of one pass
BYTES_MAX = 64 * 1024 * 1024  # of one pass, as stored; the rows take about four times that
DAYS_MAX = 60  # of one pass; a replayed year has many
SMALL = 5_000  # rows; a file with fewer is joined with what follows on its day

Tables = dict[tuple[str, str], tuple[str, str, pa.Table]]  # kind, day -> first offset, last offset, rows


async def run_pass(source: Source, archive: Archive, at: Reached) -> int:
    """Archive the next committed entries of one lane; how many.

    Raises:
        CursorMoved: another archivist was here; nothing was moved.
    """
    await clear_leftovers(source, archive, at)
    raws = await _gathered(source, at)
    if not raws:
        return 0
    tables = _entries(at, raws)
    decided: dict[str, str] = {}
    if at.lane is not PLAYERS:
        players = list(dict.fromkeys(raw.player for raw in raws if raw.player))
        found = await source.decisions(at.partition, players)
        tables |= _decisions(at, found, raws[0].offset, raws[-1].offset)
        decided = {player: offset for player, offset, _ in found}
    joined = _write(archive, at, tables)
    await source.move(at, raws[-1].offset, len(raws), decided)
    for file in joined:
        archive.remove(file)
    return len(raws)


async def clear_leftovers(source: Source, archive: Archive, at: Reached) -> None:
    """Take away what a pass that did not finish left, and small files that were joined into others.

    Rows that the store does not know (it was restored from an older copy) are set aside with their file, for a person.
    """
    tower = at.lane is not PLAYERS
    for kind in _kinds(tower):
        for file in archive.covered(kind, at.partition, tower):
            by = next(other for other in archive.files(kind, at.partition, tower) if other.covers(file))
            if place(by.last) <= place(at.cursor):
                archive.remove(file)
        for file in [*archive.files(kind, at.partition, tower), *archive.covered(kind, at.partition, tower)]:
            if place(file.last) > place(at.cursor):
                await _take_back(source, archive, file, at)


async def _take_back(source: Source, archive: Archive, file: File, at: Reached) -> None:
    """Leave of a file what the cursor says is archived; the rest comes again, or is kept aside if the store lost it."""
    if place(file.first) <= place(at.cursor):
        table = archive.read(file)
        known = await _known(source, file, table, at)
        archive.put(structs.replace(file, last=at.cursor), table.filter(pa.array(known, pa.bool_())))
    if place(file.last) <= place(at.committed):
        archive.remove(file)
    else:
        archive.set_aside(file)


async def _known(source: Source, file: File, table: pa.Table, at: Reached) -> list[bool]:
    """Tell of each row whether the cursor has passed it."""
    spots = zip(table["ms"].to_pylist(), table["n"].to_pylist(), strict=True)
    if file.kind != "decisions":
        return [spot <= place(at.cursor) for spot in spots]
    players = table["player"].to_pylist()
    last = await source.decided(at.partition, list(dict.fromkeys(players)))
    return [spot <= place(last.get(player, "0-0")) for spot, player in zip(spots, players, strict=True)]


async def _gathered(source: Source, at: Reached) -> list[Raw]:
    raws: list[Raw] = []
    after, size = at.cursor, 0
    while len(raws) < ENTRIES_MAX and size < BYTES_MAX:
        page = await source.page(at, after, ENTRIES_MAX - len(raws))
        if not page:
            break
        raws += page
        size += size_of(page)
        after = page[-1].offset
    return _within_days(raws)


def _within_days(raws: list[Raw]) -> list[Raw]:
    """Return the entries of the first days: each makes files of its own, and a pass must not take long."""
    days = list(dict.fromkeys(raw.at // DAY_MS for raw in raws))
    if len(days) <= DAYS_MAX:
        return raws
    return [raw for raw in raws if raw.at // DAY_MS < days[DAYS_MAX]]


def _entries(at: Reached, raws: list[Raw]) -> Tables:
    """Return the log's rows and those of what the turns did, by day."""
    tables: Tables = {}
    after = at.cursor
    for day, some in _by_day(raws).items():
        first, last = some[0].offset, some[-1].offset
        log = table_of("log", [log_row(at.partition, at.lane.name, raw) for raw in some])
        tables["log", day] = (first, last, with_note(log, after))
        effects: Rows = []
        steps: Rows = []
        for raw in some:
            of_effects, of_steps = effect_rows(at.partition, raw)
            effects += of_effects
            steps += of_steps
        for kind, rows in (("effects", effects), ("journey_steps", steps)):
            if rows:
                tables[kind, day] = (first, last, table_of(kind, rows))
        after = last
    return tables


def _decisions(at: Reached, found: list[tuple[str, str, bytes]], first: str, last: str) -> Tables:
    days: dict[str, Rows] = {}
    for player, offset, data in found:
        row = decision_row(at.partition, player, offset, data)
        days.setdefault(day_of(row["at"]), []).append(row)
    return {("decisions", day): (first, last, table_of("decisions", rows)) for day, rows in days.items()}


def _by_day(raws: list[Raw]) -> Mapping[str, list[Raw]]:
    """Return the entries by the UTC day of their ``at``, which never falls in a log."""
    days: dict[str, list[Raw]] = {}
    for raw in raws:
        days.setdefault(day_of(raw.at), []).append(raw)
    return days


def _write(archive: Archive, at: Reached, tables: Tables) -> list[File]:
    """Write every table, each joined with the small file before it on its day; the files that were joined."""
    tower = at.lane is not PLAYERS
    joined = []
    for (kind, day), (first, last, table) in tables.items():
        before = [file for file in archive.files(kind, at.partition, tower) if file.day == day]
        if before and (held := archive.read(before[-1])).num_rows < SMALL:
            joined.append(before[-1])
            first = before[-1].first
            table = joined_table(held, table)
        archive.put(File(kind, day, at.partition, tower, first, last), table)
    return joined


def joined_table(earlier: pa.Table, later: pa.Table) -> pa.Table:
    """Return both tables' rows as one table, with the note of the earlier; columns that one lacks are null."""
    note = earlier.schema.metadata
    table = pa.concat_tables([earlier, later], promote_options="default")
    return table.replace_schema_metadata(note)


def _kinds(tower: bool) -> tuple[str, ...]:
    return ("log", "decisions") if tower else ("log", "effects", "journey_steps")
