"""A recorded log into the engine: the map, the sources, and the sending against a stub of the gateway."""

import asyncio
import gzip
import io
import json
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from domain.errors import EngineError, Invalid, StoreDown
from playtower.replay import BATCH_BYTES_MAX, BATCH_EVENTS_MAX, ReplayReport, replay
from playtower.replay_map import Mapper, ReplayMap, Unmapped, read_map
from playtower.replay_source import CHUNK_ROWS, Source

EXAMPLES = Path(__file__).parents[2] / "examples"
PLAYS = ReplayMap.model_validate(
    {
        "player": "player-{player}",
        "event": "game_played",
        "timestamp": {"column": "time", "unit": "s"},
        "properties": {"score": {"column": "score", "type": "integer"}},
    }
)


def mapped(mapping: dict[str, Any], row: dict[str, Any], number: int = 1) -> dict[str, Any]:
    base = {"player": "who", "event": "seen", "timestamp": {"column": "t", "unit": "ms"}}
    return Mapper(ReplayMap.model_validate(base | mapping), "log").event({"t": 0, "who": "amelia", **row}, number)


def plays_csv(path: Path, rows: list[tuple[Any, Any, Any]]) -> Path:
    text = "player,time,score\n" + "".join(f"{player},{at},{score}\n" for player, at, score in rows)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


class Gateway:
    """What the gateway does, as far as a sender sees it: dedupe by message id, refuse what names no player."""

    def __init__(self, refuse: Callable[[int], httpx.Response | Exception | None] = lambda _: None) -> None:
        self.events: list[dict[str, Any]] = []
        self.batches: list[int] = []  # events in each
        self.bytes: list[int] = []
        self.calls = 0
        self.status_calls = 0
        self.refused = 0
        self.answered = asyncio.Event()
        self._refuse = refuse
        self._ids: set[str] = set()

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.MockTransport(self._answer))

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v1/status":
            self.status_calls += 1
            return httpx.Response(200, json={"backlog": max(0, 3 - self.status_calls)})
        assert request.headers["Authorization"] == "Bearer secret"
        self.calls += 1
        answer = self._refuse(self.calls)
        if isinstance(answer, Exception):
            self.refused += 1
            raise answer
        if answer is not None:
            self.refused += 1
            return answer
        batch = json.loads(request.content)["batch"]
        self.batches.append(len(batch))
        self.bytes.append(len(request.content))
        rejected, duplicates = [], 0
        for index, event in enumerate(batch):
            if not event.get("userId"):
                rejected.append({"index": index, "code": "no_player", "detail": "", "path": "userId"})
            elif event["messageId"] in self._ids:
                duplicates += 1
            else:
                self._ids.add(event["messageId"])
                self.events.append(event)
        self.answered.set()
        accepted = len(batch) - len(rejected) - duplicates
        return httpx.Response(
            200, json={"success": True, "accepted": accepted, "duplicates": duplicates, "rejected": rejected}
        )


class Pauses:
    """Stands for ``asyncio.sleep``: remembers, and lets the others run."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        await asyncio.sleep(0)


async def sent(gateway: Gateway, path: Path, mapping: ReplayMap = PLAYS, **options: Any) -> ReplayReport:
    async with gateway.client() as client:
        return await replay(
            path, mapping, url="http://engine", key="secret", client=client, **{"sleep": Pauses()} | options
        )


# --- the map -------------------------------------------------------------------------------------------------------


def test_a_row_becomes_an_event_with_the_file_and_row_as_its_id() -> None:
    assert Mapper(PLAYS, "plays").event({"player": "7", "time": "1421157288", "score": "12"}, 41) == {
        "type": "track",
        "event": "game_played",
        "messageId": "plays:41",
        "timestamp": "2015-01-13T13:54:48.000Z",
        "userId": "player-7",
        "properties": {"score": 12},
    }


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        pytest.param({"who": 17850.0}, "17850", id="a nullable integer column"),
        pytest.param({"who": " bob "}, "bob", id="spaces around"),
        pytest.param({"who": None}, None, id="no value"),
        pytest.param({"who": float("nan")}, None, id="not a number"),
        pytest.param({"who": ""}, None, id="an empty cell"),
    ],
)
def test_the_player_is_text_and_an_empty_one_is_left_out(row: dict[str, Any], expected: str | None) -> None:
    assert mapped({}, row).get("userId") == expected


def test_a_template_with_an_empty_cell_names_no_player() -> None:
    assert "userId" not in mapped({"player": "{shop}-{who}"}, {"shop": None})


@pytest.mark.parametrize(
    ("quantity", "event"),
    [(-1, "returned"), ("-3", "returned"), (0, "touched"), (5, "bought"), (None, None), ("many", None)],
)
def test_the_first_rule_that_holds_names_the_event(quantity: Any, event: str | None) -> None:
    rules = {
        "event": [
            {"name": "returned", "when": {"column": "n", "op": "lt", "value": 0}},
            {"name": "touched", "when": {"column": "n", "op": "in", "value": [0]}},
            {"name": "bought", "when": {"column": "n", "op": "gt", "value": 0}},
        ]
    }
    if event is None:
        with pytest.raises(Unmapped, match="no_event"):
            mapped(rules, {"n": quantity})
    else:
        assert mapped(rules, {"n": quantity})["event"] == event


LONDON = {"timezone": "Europe/London"}


@pytest.mark.parametrize(
    ("timestamp", "value", "expected"),
    [
        pytest.param({"unit": "s"}, "1.5", "1970-01-01T00:00:01.500Z", id="seconds as text"),
        pytest.param({"unit": "ns"}, 1_500_000_000, "1970-01-01T00:00:01.500Z", id="nanoseconds"),
        pytest.param(LONDON, datetime(2011, 6, 1, 9, 0), "2011-06-01T08:00:00.000Z", id="summer"),
        pytest.param(LONDON, datetime(2011, 1, 1, 9, 0), "2011-01-01T09:00:00.000Z", id="winter"),
        pytest.param(LONDON, "2011-06-01T09:00:00+02:00", "2011-06-01T07:00:00.000Z", id="own offset"),
        pytest.param(LONDON, datetime(2011, 10, 30, 1, 30), "2011-10-30T00:30:00.000Z", id="repeated hour"),
        pytest.param({"format": "%d.%m.%Y %H:%M"}, "24.12.2020 18:30", "2020-12-24T18:30:00.000Z", id="a format"),
    ],
)
def test_times_are_read_in_their_unit_format_and_zone(timestamp: dict[str, Any], value: Any, expected: str) -> None:
    assert mapped({"timestamp": {"column": "at", **timestamp}}, {"at": value})["timestamp"] == expected


@pytest.mark.parametrize("value", [None, "", "yesterday", float("nan"), 1e30, [1], -5])
def test_a_row_without_a_time_is_no_event(value: Any) -> None:
    with pytest.raises(Unmapped, match="bad_timestamp"):
        mapped({"timestamp": {"column": "at", "unit": "s"}}, {"at": value})


VALUE = {"product": ["n", "price"], "type": "money", "currency": "GBP"}


@pytest.mark.parametrize(
    ("spec", "row", "expected"),
    [
        pytest.param(VALUE, {"n": 3, "price": 0.35}, 105, id="exact"),
        pytest.param(VALUE, {"n": -2, "price": 1.25}, -250, id="signed"),
        pytest.param({**VALUE, "absolute": True}, {"n": -2, "price": "1.25"}, 250, id="absolute"),
        pytest.param({"column": "price", "type": "money", "currency": "JPY"}, {"price": 250}, 250, id="no minor unit"),
        pytest.param({"column": "price", "type": "money", "currency": "GBP"}, {"price": "much"}, None, id="no number"),
        pytest.param({"column": "n", "type": "integer"}, {"n": "12"}, 12, id="integer text"),
        pytest.param({"column": "n", "type": "integer"}, {"n": 12.0}, 12, id="integer float"),
        pytest.param({"column": "n", "type": "number"}, {"n": "0.5"}, 0.5, id="number"),
        pytest.param({"column": "n", "type": "number"}, {"n": 1e300}, None, id="huge"),
        pytest.param({"column": "n", "type": "string"}, {"n": 7.0}, "7", id="string"),
        pytest.param({"column": "n", "type": "boolean"}, {"n": "Yes"}, True, id="boolean"),
        pytest.param({"column": "n"}, {"n": float("inf")}, None, id="not JSON"),
        pytest.param({"column": "a.b"}, {"a": {"b": 5}}, 5, id="inside an object"),
        pytest.param({"value": "web"}, {}, "web", id="constant"),
    ],
)
def test_properties_have_their_type_or_are_left_out(spec: dict[str, Any], row: dict[str, Any], expected: Any) -> None:
    assert mapped({"properties": {"p": spec}}, row)["properties"].get("p") == expected


def test_money_brings_its_currency_along() -> None:
    money = {"column": "price", "type": "money", "currency": "GBP"}
    assert mapped({"properties": {"amount": money}}, {"price": 1})["properties"] == {"currency": "GBP", "amount": 100}


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("player: who", "event"),
        ("player: who\nevent: seen\ntimestamp: {column: t, timezone: Mars/Olympus}", "timestamp.timezone"),
        (
            "player: who\nevent: seen\ntimestamp: {column: t}\nproperties: {a: {column: x, product: [x, y]}}",
            "properties.a",
        ),
        ("player: who\nevent: seen\ntimestamp: {column: t}\nproperties: {a: {column: x, type: money}}", "properties.a"),
        ("player: who\nevent: seen\ntimestamp: {column: t}\nextra: 1", "extra"),
        ("player: [", "expected YAML"),
    ],
)
def test_a_bad_map_is_refused_with_the_place(tmp_path: Path, text: str, place: str) -> None:
    file = tmp_path / "map.yaml"
    file.write_text(text)
    with pytest.raises(Invalid) as refused:
        read_map(file)
    assert place in refused.value.detail


# --- the sources ---------------------------------------------------------------------------------------------------


def test_every_kind_of_file_gives_the_same_events(tmp_path: Path) -> None:
    rows = [(i % 5, 1_000 + i, i * 2) for i in range(10)]
    table = pa.Table.from_pylist([{"player": player, "time": at, "score": score} for player, at, score in rows])
    parquet = tmp_path / "plays.parquet"
    pq.write_table(table, parquet)
    lines = tmp_path / "plays.jsonl.gz"
    lines.write_bytes(gzip.compress("\n".join(json.dumps(row) for row in table.to_pylist()).encode()))
    files = [
        plays_csv(tmp_path / "plays.csv", rows), plays_csv(tmp_path / "plays.csv.gz", rows), parquet, lines,
    ]  # fmt: skip
    seen = []
    for file in files:
        source = Source(file, PLAYS.columns)
        mapper = Mapper(PLAYS, source.stem)
        seen.append([mapper.event(row, n) for chunk in source.chunks() for n, row in chunk if row is not None])
    assert len(seen[0]) == 10
    assert all(events == seen[0] for events in seen)


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_sorting_keeps_the_row_numbers_and_the_order_of_equals(tmp_path: Path, suffix: str) -> None:
    rows = [{"player": "a", "time": at, "score": 0} for at in (30, 10, 20, 10)]
    file = tmp_path / f"plays.{suffix}"
    if suffix == "csv":
        plays_csv(file, [(row["player"], row["time"], row["score"]) for row in rows])
    elif suffix == "jsonl":
        file.write_text("\n".join(map(json.dumps, rows)))
    else:
        pq.write_table(pa.Table.from_pylist(rows), file)
    source = Source(file, PLAYS.columns)
    mapper = Mapper(PLAYS, source.stem)
    chunks = source.sorted_chunks(mapper.occurred_ms)
    assert [number for chunk in chunks for number, _ in chunk] == [2, 4, 3, 1]


def test_a_file_is_read_in_chunks_of_bounded_size(tmp_path: Path) -> None:
    count = CHUNK_ROWS * 2 + 5
    table = pa.table({"player": ["a"] * count, "time": list(range(count)), "score": [0] * count})
    pq.write_table(table, tmp_path / "plays.parquet")
    chunks = list(Source(tmp_path / "plays.parquet", PLAYS.columns).chunks())
    assert max(map(len, chunks)) <= CHUNK_ROWS
    assert [number for chunk in chunks for number, _ in chunk] == list(range(1, count + 1))


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("plays.xlsx", b"", "expected .jsonl"),
        ("plays.csv", b"player,score\n1,2\n", "time"),
        ("plays.parquet", b"not parquet", "cannot be read"),
        ("plays.csv.gz", b"not gzip", "cannot be read"),
    ],
)
def test_a_file_that_is_not_what_it_says_is_refused(tmp_path: Path, name: str, content: bytes, problem: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(Invalid, match=problem):
        list(Source(tmp_path / name, PLAYS.columns).chunks())


# --- the sending ---------------------------------------------------------------------------------------------------


async def test_every_row_arrives_once_and_each_player_in_order(tmp_path: Path) -> None:
    rows = [(i * 7 % 50, 1_000 + i, i) for i in range(3_000)]
    gateway = Gateway()
    report = await sent(gateway, plays_csv(tmp_path / "plays.csv.gz", rows))
    assert (report.rows, report.accepted, report.complete_to, report.applied) == (3_000, 3_000, 3_000, True)
    assert Counter(event["messageId"] for event in gateway.events) == {f"plays:{n}": 1 for n in range(1, 3_001)}
    last: dict[str, int] = {}
    for event in gateway.events:
        assert last.get(event["userId"], -1) < event["properties"]["score"]
        last[event["userId"]] = event["properties"]["score"]
    assert max(gateway.batches) <= BATCH_EVENTS_MAX
    assert gateway.status_calls == 3  # until the backlog was 0


async def test_a_second_replay_changes_nothing(tmp_path: Path) -> None:
    file = plays_csv(tmp_path / "plays.csv", [(1, 10, 1), (2, 11, 2)])
    gateway = Gateway()
    await sent(gateway, file)
    report = await sent(gateway, file)
    assert (report.accepted, report.duplicates, len(gateway.events)) == (0, 2, 2)


async def test_large_events_make_smaller_batches(tmp_path: Path) -> None:
    file = tmp_path / "big.jsonl"
    file.write_text(
        "\n".join(json.dumps({"player": "a", "time": n, "score": n, "note": "x" * 20_000}) for n in range(60))
    )
    noted = {**PLAYS.model_dump(), "properties": {"note": {"column": "note"}}}
    mapping = ReplayMap.model_validate(noted)
    gateway = Gateway()
    report = await sent(gateway, file, mapping)
    assert report.accepted == 60
    assert max(gateway.bytes) <= BATCH_BYTES_MAX + len('{"batch":[]}')


async def test_rows_that_cannot_be_events_are_counted_by_reason(tmp_path: Path) -> None:
    file = tmp_path / "plays.jsonl"
    good = {"player": "a", "time": 1, "score": 1}
    lines = [good, {**good, "player": None}, {**good, "time": "soon"}]
    file.write_text("\n".join(map(json.dumps, lines)) + "\n{broken\n[1]\n" + "9" * 2_000_000 + "\n" + json.dumps(good))
    report = await sent(Gateway(), file)
    assert report.rejected == {"no_player": 1, "bad_timestamp": 1, "bad_row": 3}
    assert report.examples["bad_row"] == ["row 4", "row 5", "row 6"]
    assert (report.rows, report.accepted, report.answered) == (7, 2, 7)


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz"])
async def test_torn_csv_rows_are_counted(tmp_path: Path, suffix: str) -> None:
    report = await sent(Gateway(), plays_csv(tmp_path / f"plays{suffix}", [(1, 1, 1), (1, 2, "3,4"), (1, 3, 3)]))
    assert (report.rows, report.accepted, report.rejected) == (3, 2, {"bad_row": 1})


@pytest.mark.parametrize(
    ("refusal", "pause"),
    [
        pytest.param(httpx.Response(429, headers={"Retry-After": "3"}), 3.0, id="too much"),
        pytest.param(httpx.Response(503, headers={"Retry-After": "1"}), 1.0, id="no store"),
        pytest.param(httpx.ConnectError("down"), 0.2, id="no gateway"),
        pytest.param(httpx.ReadTimeout("slow"), 0.2, id="no answer"),
    ],
)
async def test_an_overloaded_engine_is_asked_again_when_it_said(
    tmp_path: Path, refusal: httpx.Response | Exception, pause: float
) -> None:
    pauses = Pauses()
    gateway = Gateway(lambda call: refusal if call == 1 else None)
    report = await sent(gateway, plays_csv(tmp_path / "plays.csv", [(1, 1, 1)]), sleep=pauses)
    assert (report.accepted, report.retries, pauses.seconds[0]) == (1, 1, pause)


async def test_a_refused_key_ends_it_at_once(tmp_path: Path) -> None:
    gateway = Gateway(lambda _: httpx.Response(401, json={"detail": "no such key"}))
    with pytest.raises(EngineError, match="no such key"):
        await sent(gateway, plays_csv(tmp_path / "plays.csv", [(i, 1, 1) for i in range(100)]))
    assert gateway.calls <= 8  # one a lane


async def test_an_engine_that_stays_away_ends_it(tmp_path: Path) -> None:
    gateway = Gateway(lambda _: httpx.Response(503, headers={"Retry-After": "60"}))
    with pytest.raises(StoreDown, match="no answer of success"):
        await sent(gateway, plays_csv(tmp_path / "plays.csv", [(1, 1, 1)]))
    assert gateway.calls == 4


async def test_stopping_says_how_far_it_came_and_the_next_run_does_the_rest(tmp_path: Path) -> None:
    file = plays_csv(tmp_path / "plays.csv", [(i % 3, i, i) for i in range(12_000)])
    gateway, stop = Gateway(), asyncio.Event()

    def on_progress(report: ReplayReport, _: Source) -> None:
        if report.accepted >= 2_000:
            stop.set()

    report = await sent(gateway, file, stop=stop, on_progress=on_progress)
    assert report.interrupted
    assert 0 < report.complete_to < 12_000
    arrived = {event["messageId"] for event in gateway.events}
    assert arrived >= {f"plays:{n}" for n in range(1, report.complete_to + 1)}
    rest = await sent(gateway, file)
    assert rest.accepted + rest.duplicates == len(gateway.events) == 12_000


async def test_a_limit_takes_the_first_rows_only(tmp_path: Path) -> None:
    file = plays_csv(tmp_path / "plays.csv", [(i, i, i) for i in range(20)])
    report = await sent(Gateway(), file, limit=7)
    assert (report.rows, report.accepted) == (7, 7)


async def test_at_a_terminal_it_shows_what_became_of_the_rows(tmp_path: Path) -> None:
    file = plays_csv(tmp_path / "plays.csv", [(1, 1, 1), ("", 2, 2)])
    console = Console(file=io.StringIO(), width=120)
    report = await sent(Gateway(), file, console=console)
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    assert report.rejected == {"no_player": 1}
    assert "2 rows in" in shown
    assert "no_player: 1" in shown
    assert "All of them applied." in shown


def test_the_report_is_what_the_contract_says() -> None:
    report = ReplayReport(rows=3, accepted=1, duplicates=1, rejected=Counter(no_player=1), seconds=1.5)
    assert report.as_json() == {
        "file": "", "rows": 3, "accepted": 1, "duplicates": 1, "rejected": {"no_player": 1}, "seconds": 1.5,
        "events_per_s": 2.0, "retries": 0, "complete_to": 0, "interrupted": False, "applied": None,
    }  # fmt: skip


# --- the examples --------------------------------------------------------------------------------------------------


def test_the_shop_map_reads_the_shop_log() -> None:
    mapping = read_map(EXAMPLES / "replay" / "shop" / "map.yaml")
    source = Source(EXAMPLES / "data" / "online_retail.parquet", mapping.columns)
    mapper = Mapper(mapping, source.stem)
    chunk = next(source.chunks())
    events = [mapper.event(row, number) for number, row in chunk if row is not None]
    assert source.rows == 541_909
    assert events[0]["userId"] == "17850"
    assert events[0]["messageId"] == "online_retail:1"
    assert events[0]["properties"]["amount"] == 1530  # 6 x 2.55 pounds
    assert {event["event"] for event in events} == {"order_line_purchased", "order_line_returned"}
    assert all(event["properties"]["amount"] >= 0 for event in events)
    assert any("userId" not in event for event in events)


def test_the_game_map_reads_the_game_log(tmp_path: Path) -> None:
    mapping = read_map(EXAMPLES / "replay" / "game_plays" / "map.yaml")
    source = Source(plays_csv(tmp_path / "plays.csv.gz", [(0, 1421157288, 7)]), mapping.columns)
    ((_, row),) = next(source.chunks())
    assert row is not None
    event = Mapper(mapping, source.stem).event(row, 1)
    assert (event["userId"], event["event"], event["properties"]) == ("player-0", "game_played", {"score": 7})
