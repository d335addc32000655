"""Questions to the archive: DuckDB over its files, reading only, with nothing of the world outside them.

The views are ``events``, ``effects``, ``decisions``, ``journey_steps`` and ``log`` (every entry of both lanes); times
are ``TIMESTAMP`` in UTC, and named so that no word of SQL must be quoted. A file that was joined into another while a
query ran is no error: the query runs again.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import duckdb

from store.archive.files import KINDS, File, counting, listed
from store.archive.rows import SCHEMAS

T = TypeVar("T")
MEMORY_MB = 1_024
TRIES = 5  # of a query whose files were joined meanwhile
ROWS_MAX = 10_000  # shown of one answer
_TYPES = {"int32": "INTEGER", "int64": "BIGINT", "bool": "BOOLEAN", "binary": "BLOB"}
_SPOT = 'epoch_ms("at") AS logged_at, "offset" AS log_offset'
_VIEWS = {
    "log": 'SELECT * EXCLUDE ("at", "offset") REPLACE (epoch_ms(occurred_at) AS occurred_at), '
    f"{_SPOT} FROM archived_log",
    "events": "SELECT partition, player, id, type, name, epoch_ms(occurred_at) AS occurred_at, applied, "
    "properties::JSON AS properties, traits::JSON AS traits, context::JSON AS context, day, "
    f"{_SPOT} FROM archived_log WHERE entry = 'event' AND lane = 'players'",
    "effects": f'SELECT * EXCLUDE ("at", "offset") REPLACE (effect::JSON AS effect), {_SPOT} FROM archived_effects',
    "decisions": 'SELECT * EXCLUDE ("at", "offset") REPLACE (CASE WHEN until > 0 THEN epoch_ms(until) END AS until, '
    'reasons::JSON AS reasons), epoch_ms("at") AS decided_at FROM archived_decisions',
    "journey_steps": f'SELECT * EXCLUDE ("at", "offset"), {_SPOT} FROM archived_journey_steps',
}


class QueryError(Exception):
    """The query cannot be answered; the message is a sentence for who asked."""


class Answer:
    """Rows of an answer, with their names."""

    def __init__(self, columns: list[str], rows: list[tuple[Any, ...]], *, more: bool) -> None:
        self.columns = columns
        self.rows = rows
        self.more = more  # there were more rows than asked for


def connected(root: Path, files: list[File], *, memory_mb: int = MEMORY_MB) -> duckdb.DuckDBPyConnection:
    """Return a connection that sees the archive's tables and views, and no other file.

    The tables ``archived_<kind>`` have the columns of the files and ``day``; times in them are ms.
    """
    con = duckdb.connect(
        ":memory:",
        config={
            "memory_limit": f"{memory_mb}MB",
            "threads": 1,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "temp_directory": "",
            "preserve_insertion_order": False,
        },
    )
    con.execute("SET allowed_directories = [?]", [f"{root.absolute()}/"])
    con.execute("SET enable_external_access = false")
    con.execute("SET TimeZone = 'UTC'")
    con.execute("SET parquet_metadata_cache = true")  # every question opens the same files
    for kind in KINDS:
        _table(con, root, kind, [file for file in files if file.kind == kind])
    for name, select in _VIEWS.items():
        con.execute(f"CREATE VIEW {name} AS {select}")
    con.execute("SET lock_configuration = true")
    return con


def over(root: Path, ask: Callable[[duckdb.DuckDBPyConnection], T], files: Callable[[], list[File]]) -> T:
    """Return what ``ask`` answers over a fresh connection to some files; again when one went away meanwhile.

    Raises:
        QueryError: it cannot be answered.
    """
    for left in reversed(range(TRIES)):
        con = None
        try:
            con = connected(root, files())
            return ask(con)
        except duckdb.IOException as error:
            if not left or ("No files found" not in str(error) and "No such file" not in str(error)):
                raise QueryError(_sentence(error)) from error
        except duckdb.OutOfMemoryException as error:
            raise QueryError(f"the answer needs more than {MEMORY_MB} MB; ask for fewer days, or for totals") from error
        except duckdb.Error as error:
            raise QueryError(_sentence(error)) from error
        finally:
            if con is not None:
                con.close()
    raise AssertionError("unreachable")


def query(root: Path, sql: str, *, limit: int = ROWS_MAX) -> Answer:
    """Answer one SELECT.

    Raises:
        QueryError: it is no single SELECT, or it fails.
    """
    if not root.is_dir():
        raise QueryError(f"there is no archive in {root}")

    def ask(con: duckdb.DuckDBPyConnection) -> Answer:
        statements = con.extract_statements(sql)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            raise QueryError("expected one SELECT; the archive is read and never written here")
        result = con.execute(statements[0])
        rows = result.fetchmany(limit + 1)
        return Answer([column[0] for column in result.description], rows[:limit], more=len(rows) > limit)

    return over(root, ask, lambda: counting(listed(root)))


def _table(con: duckdb.DuckDBPyConnection, root: Path, kind: str, files: list[File]) -> None:
    if files:
        paths = "[" + ", ".join(_quoted(str((root / file.path).absolute())) for file in files) + "]"
        columns = ", ".join(f'"{name}"' for name in SCHEMAS[kind].names)
        day = "strptime(regexp_extract(filename, 'day=([0-9-]+)', 1), '%Y-%m-%d')::DATE AS day"
        # effects have a column ``kind`` of their own: the directory's is left out
        source = f"read_parquet({paths}, union_by_name = true, hive_partitioning = false, filename = true)"
        con.execute(f"CREATE VIEW archived_{kind} AS SELECT {columns}, {day} FROM {source}")
        return
    columns = ", ".join(f'"{field.name}" {_TYPES.get(str(field.type), "VARCHAR")}' for field in SCHEMAS[kind])
    con.execute(f"CREATE TABLE archived_{kind} ({columns}, day DATE)")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _sentence(error: duckdb.Error) -> str:
    """Return DuckDB's first line without the name of its kind of error, and what it proposes."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip() and "^" not in line]
    first = re.sub(r"^\w+ Error: ", "", lines[0]) if lines else "it failed"
    hints = [line for line in lines[1:] if line.startswith(("Did you mean", "Candidate"))]
    return " ".join([first, *hints])
