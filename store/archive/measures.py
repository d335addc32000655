"""Metrics from archived events: one value a player at a time, by SQL over all players of a partition at once.

The meaning is that of ``gamification.metrics``, without its rings: windows end at the later of the time asked for and
the newest event that counts, edges are those of the rule's buckets. What SQL cannot say is done row by row: conditions,
by the interpreter of ``domain.conditions``; sums with fractions, in the order of the log; names of unique values.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import duckdb
import msgspec
import pyarrow as pa
from msgspec import Struct

from domain.conditions import PlayerContext, Tree, evaluate
from domain.entries import Event, decode_entry
from domain.player import Metric, Snapshot
from gamification.metrics import UNIQUE_MAX, counted, metric_value
from gamification.rules import AMOUNT_MAX, MetricRule

BATCH = 10_000  # rows looked at at once
_decode = msgspec.json.decode
_NUMBERS = "('UBIGINT', 'BIGINT', 'DOUBLE')"

Span = tuple[tuple[int, int], tuple[int, int] | None]  # offsets: after, up to and with (none: the end)
Value = int | float | None


class Measure(Struct, frozen=True):
    """A metric, and the events that it may count."""

    rule: MetricRule
    where: Tree | None = None
    spans: tuple[Span, ...] | None = None  # of the partition's log; none: all of it


def refusal(metric_id: str, where: Tree | None) -> str:
    """Return why a metric cannot be computed from the archive, "" when it can."""
    for subject in _subjects(where):
        if not subject.startswith("event."):
            return (
                f"the metric {metric_id} counts by {subject} as it was at each event, which the archive does not hold"
            )
    return ""


def _subjects(tree: Any) -> Iterator[str]:
    """Yield all that a tree asks for; metrics and segments as ``metric x``, ``segment x``."""
    if not isinstance(tree, Mapping):
        return
    for name in ("all", "any"):
        for child in tree.get(name, ()):
            yield from _subjects(child)
    if "not" in tree:
        yield from _subjects(tree["not"])
    if "field" in tree:
        yield str(tree["field"])
    for name in ("metric", "segment"):
        if name in tree:
            yield f"{name} {tree[name]}"


def nothing(rule: MetricRule) -> Value:
    """Return the value of a player without any event that counts."""
    return None if rule.aggregate in ("max", "last", "since") else 0


def values(con: duckdb.DuckDBPyConnection, measure: Measure, at: int) -> dict[str, Value]:
    """Return the metric of every player that has an event which counts, as of turn time ``at``.

    Args:
        con: Over the files of one partition (``store.archive.query.connected``).
    """
    rule = measure.rule
    rows = _rows(con, measure, at)
    width = rule.width_ms
    bucket = f"(occurred_at // {width})" if width else "0"
    now = at // width if width else 0
    oldest = f"greatest(newest, {now}) - {rule.buckets - 1}"
    if rule.aggregate == "since":
        found = con.execute(f"SELECT player, max(occurred_at) FROM ({rows}) GROUP BY player").fetchall()
        return {player: max(0, at - newest) // 1000 for player, newest in found}
    if rule.aggregate == "unique":
        return _unique(con, measure, rows, bucket, at)
    if rule.aggregate == "count":
        cells = f"SELECT player, {bucket} AS bucket, count(*) AS held FROM ({rows}) GROUP BY ALL"
        return dict(con.execute(_summed(cells, oldest)).fetchall())
    numbers = _numbers(rows, rule, bucket)
    if rule.aggregate == "sum":
        return _sums(con, numbers, oldest)
    best = "max(value)" if rule.aggregate == "max" else "last(value ORDER BY bucket, ms, n)"
    inside = f"SELECT *, max(bucket) OVER (PARTITION BY player) AS newest FROM ({numbers})"
    answer = con.execute(f"SELECT player, {best} FROM ({inside}) WHERE bucket >= {oldest} GROUP BY player")
    return dict(answer.fetchall())


def _summed(cells: str, oldest: str) -> str:
    inside = f"SELECT *, max(bucket) OVER (PARTITION BY player) AS newest FROM ({cells})"
    total = f"coalesce(sum(held) FILTER (WHERE bucket >= {oldest}), 0)"
    return f"SELECT player, {total} FROM ({inside}) GROUP BY player"


def _numbers(rows: str, rule: MetricRule, bucket: str) -> str:
    """Return the query of the rows whose value is a number within bounds."""
    found = f"SELECT *, {_extracted(rule)} AS j FROM ({rows})"
    typed = f"SELECT *, CASE WHEN json_type(j) IN {_NUMBERS} THEN j::DOUBLE END AS value FROM ({found})"
    return (
        f"SELECT player, ms, n, value, j, json_type(j) = 'DOUBLE' AS is_float, {bucket} AS bucket FROM ({typed}) "
        f"WHERE value BETWEEN -{AMOUNT_MAX} AND {AMOUNT_MAX}"
    )


def _sums(con: duckdb.DuckDBPyConnection, numbers: str, oldest: str) -> dict[str, Value]:
    """Add whole numbers in SQL; a player with fractions is added up in the order the ring adds."""
    cells = f"SELECT player, bucket, sum(value::BIGINT) AS held FROM ({numbers}) GROUP BY ALL"
    found: dict[str, Value] = dict(con.execute(_summed(cells, oldest)).fetchall())
    floats = f"SELECT DISTINCT player FROM ({numbers}) WHERE is_float"
    inside = f"SELECT *, max(bucket) OVER (PARTITION BY player) AS newest FROM ({numbers}) WHERE player IN ({floats})"
    ordered = f"SELECT player, bucket, j::VARCHAR, bucket >= {oldest} FROM ({inside}) ORDER BY player, ms, n"
    held: dict[str, dict[int, int | float]] = {}
    for player, bucket, text, is_inside in _fetched(con, ordered):
        cell = held.setdefault(player, {})
        if is_inside:
            cell[bucket] = cell[bucket] + _decode(text) if bucket in cell else _decode(text)
    return found | {player: sum(cells[bucket] for bucket in sorted(cells)) for player, cells in held.items()}


def _unique(con: duckdb.DuckDBPyConnection, measure: Measure, rows: str, bucket: str, at: int) -> dict[str, Value]:
    """Count names in the window; a player that ever had more than the metric holds is counted as the ring counts."""
    rule = measure.rule
    cells = f"SELECT player, {_extracted(rule)}::VARCHAR AS j, {bucket} AS bucket FROM ({rows})"
    sql = f"SELECT player, j, max(bucket) FROM ({cells}) WHERE j IS NOT NULL GROUP BY ALL"
    newest: dict[str, dict[str, int]] = {}
    for player, text, last in _fetched(con, sql):
        value = _decode(text)
        if isinstance(value, str | int | float):
            names = newest.setdefault(player, {})
            names[str(value)] = max(last, names.get(str(value), last))
    now = at // rule.width_ms if rule.width_ms else 0
    found: dict[str, Value] = {}
    for player, names in newest.items():
        oldest = max(now, *names.values()) - rule.buckets + 1
        found[player] = sum(last >= oldest for last in names.values())
    crowded = [player for player, names in newest.items() if len(names) > UNIQUE_MAX]
    return found | (_as_rings(con, rule, rows, crowded, at) if crowded else {})


def _as_rings(
    con: duckdb.DuckDBPyConnection, rule: MetricRule, rows: str, players: list[str], at: int
) -> dict[str, Value]:
    """Fold some players' events: which of too many values are held depends on their order."""
    found: dict[str, Value] = {}
    state: Metric | None = None
    current = ""
    sql = f"SELECT player, data FROM ({rows}) WHERE player IN (SELECT unnest(?)) ORDER BY player, ms, n"
    for player, data in _fetched(con, sql, players):
        if player != current:
            state, current = None, player
        event = decode_entry(data)
        assert isinstance(event, Event)
        state = counted(rule, state, event)
        found[player] = metric_value(rule, state, at)
    return found


def _rows(con: duckdb.DuckDBPyConnection, measure: Measure, at: int) -> str:
    """Return the query of the events that count, whatever their value."""
    rows = (
        "SELECT player, ms, n, occurred_at, properties, context, data FROM archived_log "
        f"WHERE lane = 'players' AND entry = 'event' AND applied AND \"at\" <= {at} "
        f"AND name = {_text(measure.rule.event)}"
    )
    if measure.spans is not None:
        spans = [
            f"((ms, n) > {after}" + (f" AND (ms, n) <= {until})" if until else ")") for after, until in measure.spans
        ]
        rows += f" AND ({' OR '.join(spans) or 'false'})"
    return rows if measure.where is None else _kept(con, rows, measure.where, measure.rule.id)


def _kept(con: duckdb.DuckDBPyConnection, rows: str, where: Tree, name: str) -> str:
    """Ask the condition of each event; the query of those it holds for."""
    table = _name(f"kept {name}")
    beside = con.cursor()  # the first reads on while this one writes
    beside.execute(f"CREATE OR REPLACE TABLE {table} (ms BIGINT, n BIGINT)")
    nobody = Snapshot("")
    reader = con.sql(f"SELECT ms, n, data FROM ({rows})").to_arrow_reader(BATCH)
    for batch in reader:
        found = [
            evaluate(where, PlayerContext(nobody, event)) for event in map(decode_entry, batch["data"].to_pylist())
            if isinstance(event, Event)
        ]  # fmt: skip
        kept = pa.Table.from_batches([batch]).select(["ms", "n"]).filter(pa.array(found, pa.bool_()))
        beside.register("kept_now", kept)
        beside.execute(f"INSERT INTO {table} SELECT ms, n FROM kept_now")
        beside.unregister("kept_now")
    beside.close()
    return f"SELECT r.* FROM ({rows}) r SEMI JOIN {table} k ON r.ms = k.ms AND r.n = k.n"


def _extracted(rule: MetricRule) -> str:
    """Return the value at the rule's path, as JSON; keys are quoted, so none is taken for a number or a wildcard."""
    root, *keys = rule.field
    path = "$" + "".join('."' + key.replace("\\", "\\\\").replace('"', '\\"') + '"' for key in keys)
    return f"json_extract({'context' if root == 'context' else 'properties'}, {_text(path)})"


def _fetched(con: duckdb.DuckDBPyConnection, sql: str, *arguments: Any) -> Iterator[tuple[Any, ...]]:
    answer = con.execute(sql, list(arguments))
    while rows := answer.fetchmany(BATCH):
        yield from rows


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _name(value: str) -> str:
    return '"' + value.replace('"', '""') + '"'
