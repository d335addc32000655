"""Rows of a recorded log, in chunks of bounded size: JSON lines, CSV and Parquet, plain or gzipped.

A row's number is its place in the file from 1, sorted or not, so an event keeps its message id.
"""

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from domain.errors import Invalid

CHUNK_ROWS = 4_096
LINE_BYTES_MAX = 1 << 20  # a longer JSON line is no event

T = TypeVar("T")
Row = dict[str, Any]
Chunk = list[tuple[int, Row | None]]  # None: a row that cannot be read


class Source:
    """A file of rows.

    Args:
        columns: Those the map reads; of CSV and Parquet no others are decoded.

    Raises:
        Invalid: there is no such file, it is of no known kind, or a column is missing.
    """

    def __init__(self, path: Path, columns: list[str]) -> None:
        self.path = path
        self.stem = path.name.split(".")[0]
        suffixes = [suffix.lower() for suffix in path.suffixes]
        self._zipped = suffixes[-1:] == [".gz"]
        self._kind = _kind(path, suffixes[:-1] if self._zipped else suffixes)
        self._columns = columns
        if not path.is_file():
            raise Invalid(f"{path}: no such file", code="bad_file")
        self._size = path.stat().st_size
        self._raw: IO[bytes] | None = None
        self._share = 0.0
        self.rows: int | None = None
        self.torn = 0  # CSV rows with too few or too many cells, left out
        if self._kind == "parquet":
            self.rows = _checked(path, lambda: int(pq.read_metadata(path).num_rows))

    def share_read(self) -> float:
        """Return how much of the file's bytes were read, 0 to 1 (for progress where the rows are not counted)."""
        if self._raw is not None and not self._raw.closed and self._size:
            self._share = min(1.0, self._raw.tell() / self._size)
        return self._share

    def chunks(self) -> Iterator[Chunk]:
        """Read the rows in the order of the file."""
        with self.path.open("rb") as raw:
            self._raw = raw
            yield from self._lines(raw) if self._kind == "jsonl" else _numbered(self._batches(raw))

    def sorted_chunks(self, time_of: Callable[[Row], int | None]) -> Iterator[Chunk]:
        """Read the rows in the order of their times, ties and rows without one in the order of the file.

        Holds the columns that are read in memory: some 30 bytes a value of CSV and Parquet, the whole rows of JSON.
        """
        if self._kind == "jsonl":
            lines = [item for chunk in self.chunks() for item in chunk]
            lines.sort(key=lambda item: (_or_last(time_of(item[1])) if item[1] is not None else _LAST, item[0]))
            for start in range(0, len(lines), CHUNK_ROWS):
                yield lines[start : start + CHUNK_ROWS]
            return
        with self.path.open("rb") as raw:
            table = pa.Table.from_batches(list(self._batches(raw)))
        times = [_or_last(time_of(row)) for batch in table.to_batches(CHUNK_ROWS) for row in batch.to_pylist()]
        order = pc.sort_indices(pa.array(times, pa.int64()))  # stable
        for start in range(0, len(order), CHUNK_ROWS):
            places = order.slice(start, CHUNK_ROWS)
            numbers = [place + 1 for place in places.to_pylist()]
            yield list(zip(numbers, table.take(places).to_pylist(), strict=True))

    def _batches(self, raw: IO[bytes]) -> Iterator[pa.RecordBatch]:
        if self._kind == "parquet":
            file = _checked(self.path, lambda: pq.ParquetFile(raw))
            _require(self.path, self._columns, file.schema_arrow.names)
            for batch in file.iter_batches(batch_size=CHUNK_ROWS, columns=self._columns):
                yield _microseconds(batch)
            return
        stream = gzip.GzipFile(fileobj=raw) if self._zipped else raw
        options = pacsv.ConvertOptions(
            # As text: a type guessed from the first block would be wrong for a later one.
            include_columns=self._columns,
            column_types=dict.fromkeys(self._columns, pa.string()),
            strings_can_be_null=True,
            include_missing_columns=False,
        )
        parse = pacsv.ParseOptions(newlines_in_values=True, invalid_row_handler=self._skip_torn)
        reader = _checked(self.path, lambda: pacsv.open_csv(stream, parse_options=parse, convert_options=options))
        while (batch := _checked(self.path, lambda: _next(reader))) is not None:
            for start in range(0, batch.num_rows, CHUNK_ROWS):
                yield batch.slice(start, CHUNK_ROWS)

    def _skip_torn(self, _: Any) -> str:
        # Arrow gives no place for such a row: it has no number, at this reading and at every other.
        self.torn += 1
        return "skip"

    def _lines(self, raw: IO[bytes]) -> Iterator[Chunk]:
        stream: Any = gzip.GzipFile(fileobj=raw) if self._zipped else raw
        chunk: Chunk = []
        number = 0
        while line := _checked(self.path, lambda: stream.readline(LINE_BYTES_MAX)):
            number += 1
            if not line.strip():
                continue
            row = _object(line)
            while not line.endswith(b"\n") and (line := stream.readline(LINE_BYTES_MAX)):
                row = None  # a line longer than the bound; its rest is skipped
            chunk.append((number, row))
            if len(chunk) == CHUNK_ROWS:
                yield chunk
                chunk = []
        if chunk:
            yield chunk


_LAST = 2**62


def _or_last(ms: int | None) -> int:
    return _LAST if ms is None else ms


def _kind(path: Path, suffixes: list[str]) -> str:
    kinds = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".parquet": "parquet"}
    if not suffixes or suffixes[-1] not in kinds:
        raise Invalid(f"{path}: expected .jsonl, .ndjson, .csv (each also with .gz) or .parquet", code="bad_file")
    return kinds[suffixes[-1]]


def _checked(path: Path, read: Callable[[], T]) -> T:
    try:
        return read()
    except (pa.ArrowException, pa.ArrowInvalid, OSError, EOFError, KeyError) as error:
        raise Invalid(f"{path}: cannot be read: {error}", code="bad_file") from error


def _require(path: Path, columns: list[str], present: list[str]) -> None:
    missing = [name for name in columns if name not in present]
    if missing:
        raise Invalid(f"{path}: expected a column {missing[0]!r}, got {', '.join(present)[:300]}", code="bad_file")


def _next(reader: Any) -> pa.RecordBatch | None:
    try:
        return reader.read_next_batch()
    except StopIteration:
        return None


def _microseconds(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Bring nanosecond times to microseconds, which Python's datetimes have."""
    columns = [
        column.cast(pa.timestamp("us", column.type.tz), safe=False)
        if pa.types.is_timestamp(column.type) and column.type.unit == "ns"
        else column
        for column in batch.columns
    ]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def _numbered(batches: Iterator[pa.RecordBatch]) -> Iterator[Chunk]:
    number = 1
    for batch in batches:
        rows = batch.to_pylist()
        yield list(enumerate(rows, number))
        number += len(rows)


def _object(line: bytes) -> Row | None:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
