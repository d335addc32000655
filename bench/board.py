"""``board``: 100,000 entrants on one board: rows written a second beside bare ``ZADD``, reads alone and beside writes.

The store alone, with the durability asked for. A pipeline is what a carrier's pass brings: some commits' rows. A read
waits for the sync of what was written just before it, so beside writes its limit is a bare ``ZRANK`` beside bare
``ZADD`` at the same pace.
"""

import asyncio
import multiprocessing
import shutil
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import uvloop
from redis import Redis as BlockingRedis
from redis.asyncio import Redis

from bench.figures import median, percentile
from bench.options import Options, machine, show
from bench.processes import Steal, cpu_s
from domain.step import BoardScore
from store.boards import ROWS_MAX, Boards
from store.client import connect
from store.embedded import EmbeddedStore
from store.functions import load_functions

NAME = "bench-race@1"
BARE = "{board:bench-bare}:z"
ENTRANTS_EACH = 20  # for each of ``--players``: 100,000 by default
PASS_ROWS = 1_024  # rows of one pass of a carrier: what it brings in one pipeline
LIVE_ROWS_PER_S = 5_000  # written beside the reads: as many as bets that score, at the engine's rate
LIVE_ROWS = 50  # of one pass then
READS_PER_S = 300  # of each kind
CONNECTIONS = 16  # that read
TOP = 50
AROUND = 5
GOAL_MS = 5.0


def run(options: Options) -> dict[str, Any]:
    """Fill a board, write to it at full speed beside the reference, then read while it is written."""
    steal = Steal()
    with _store(options) as (url, server):
        result = uvloop.run(_measured(url, server, options))
    result |= {"stolen_percent": steal.percent(), "machine": machine(options)}
    rows = [
        ("entrants on one board", f"{result['entrants']:,}, {result['bytes_per_entrant']} bytes each"),
        (
            f"rows written, {PASS_ROWS} in a pass",
            f"{result['rows_per_s']:,}/s; bare ZADD {result['bare_rows_per_s']:,}/s: {result['ratio_to_bare']:.0%}",
        ),
        (
            "CPU of the server for a row",
            f"{result['cpu_us_per_row']} us; bare ZADD {result['bare_cpu_us_per_row']} us",
        ),
        (f"rank and {AROUND} rows on each side, limit {GOAL_MS:g} ms at p99", _told(result["rank_alone"])),
        ("bare ZRANK", _told(result["bare_rank_alone"])),
        *(
            (f"{named}, beside {LIVE_ROWS_PER_S:,} rows/s", _told(result[name]))
            for named, name in (
                ("the same", "rank"),
                ("bare ZRANK, bare ZADD", "bare_rank"),
                (f"the first {TOP} rows", "top"),
            )
        ),
        ("rank, while it is written at full speed", _told(result["rank_at_full_speed"])),
        ("CPU that the hypervisor gave to others meanwhile", f"{result['stolen_percent']} %"),
    ]
    show("board: one board, written and read", rows, result["machine"], options)
    return result


def _told(figures: dict[str, float]) -> str:
    return f"p50 {figures['p50_ms']} ms, p99 {figures['p99_ms']} ms, at most {figures['max_ms']} ms"


@contextmanager
def _store(options: Options) -> Any:
    directory = Path(tempfile.mkdtemp(prefix="ptb-"))
    store = EmbeddedStore(directory, durability=options.durability, maxmemory_mb=2_000)
    store.start()
    try:
        yield store.url, store.pid
    finally:
        store.stop()
        shutil.rmtree(directory, ignore_errors=True)


async def _measured(url: str, server: int, options: Options) -> dict[str, Any]:
    redis = connect(url)
    try:
        await load_functions(redis)
        boards, entrants = Boards(redis), options.players * ENTRANTS_EACH
        info: Any = redis
        before = int((await info.info("memory"))["used_memory"])
        versions = count(1)
        for start in range(0, entrants, PASS_ROWS):
            await boards.score(_rows(range(start, min(start + PASS_ROWS, entrants)), next(versions)))
        used = int((await info.info("memory"))["used_memory"]) - before
        r, ours, bare = Random(1), [], []
        passes = (_rows(r.sample(range(entrants), PASS_ROWS), version) for version in versions)
        for _ in range(options.rounds):
            ours.append(await _rate(options.seconds / 2, boards.score, passes, server))
            bare.append(await _rate(options.seconds / 2, partial(_bare, redis), passes, server))
        reads = await _reads(url, redis, entrants, options)
        ratio = median(one.rows_per_s / other.rows_per_s for one, other in zip(ours, bare, strict=True))
        return {
            "bench": "board",
            "entrants": (await boards.top(NAME, 1)).entrants,
            "bytes_per_entrant": round(used / entrants),
            "rows_per_s": round(median(rate.rows_per_s for rate in ours)),
            "bare_rows_per_s": round(median(rate.rows_per_s for rate in bare)),
            "ratio_to_bare": round(ratio, 3),
            "rounds": [
                {"rows_per_s": round(one.rows_per_s), "bare_rows_per_s": round(other.rows_per_s)}
                for one, other in zip(ours, bare, strict=True)
            ],
            "cpu_us_per_row": round(median(rate.cpu_us for rate in ours), 2),
            "bare_cpu_us_per_row": round(median(rate.cpu_us for rate in bare), 2),
            "goal_ms": GOAL_MS,
            "within_goal": reads["rank_alone"]["p99_ms"] < GOAL_MS,
            **reads,
        }
    finally:
        await redis.aclose()


def _rows(players: Any, version: int) -> list[BoardScore]:
    """Return rows as bets leave them: a score that grew, a time that moved on."""
    now = time.time_ns() // 1_000_000
    return [
        BoardScore(NAME, f"player-{n:06}", version, float(version * 100 + n * 7_919 % 10_007), now) for n in players
    ]


async def _bare(redis: Redis, rows: list[BoardScore]) -> None:
    """Write rows as members of a bare sorted set, in commands of the same size."""
    pipe: Any = redis.pipeline(transaction=False)
    for start in range(0, len(rows), ROWS_MAX):
        pipe.zadd(BARE, {row.player: row.score for row in rows[start : start + ROWS_MAX]})
    await pipe.execute()


class Rate(NamedTuple):
    """How fast rows were written, and what of the server's CPU one took."""

    rows_per_s: float
    cpu_us: float


async def _rate(
    seconds: float, write: Callable[[list[BoardScore]], Awaitable[Any]], passes: Iterator[Any], server: int
) -> Rate:
    """Write for a while; making the rows up is not counted."""
    took, rows, before = 0.0, 0, cpu_s([server])
    while took < seconds:
        made = next(passes)
        began = time.perf_counter()
        await write(made)
        took += time.perf_counter() - began
        rows += len(made)
    return Rate(rows / took, (cpu_s([server]) - before) / rows * 1_000_000)


async def _reads(url: str, redis: Redis, entrants: int, options: Options) -> dict[str, dict[str, float]]:
    """Read with nobody writing, then while another process writes: at the pace of bets, then as fast as it can."""
    boards, r, seconds = Boards(redis), Random(2), options.seconds

    async def rank() -> None:
        table = await boards.around(NAME, f"player-{r.randrange(entrants):06}", AROUND)
        assert table.rank

    async def top() -> None:
        assert len((await boards.top(NAME, TOP)).rows) == TOP

    async def bare_rank() -> None:
        assert await redis.zrank(BARE, f"player-{r.randrange(entrants):06}") is not None

    for start in range(0, entrants, PASS_ROWS):
        await _bare(redis, _rows(range(start, min(start + PASS_ROWS, entrants)), 1))
    alone = [(await _latency(rank, seconds / 2), await _latency(bare_rank, seconds / 2)) for _ in range(options.rounds)]
    ours, theirs = zip(*alone, strict=True)
    found = {"rank_alone": _median(ours), "bare_rank_alone": _median(theirs)}
    with _writer(url, entrants, LIVE_ROWS, LIVE_ROWS_PER_S):
        found |= {"rank": await _latency(rank, seconds), "top": await _latency(top, seconds)}
    with _writer(url, entrants, LIVE_ROWS, LIVE_ROWS_PER_S, bare=True):
        found["bare_rank"] = await _latency(bare_rank, seconds)
    with _writer(url, entrants, PASS_ROWS, 0):
        return found | {"rank_at_full_speed": await _latency(rank, seconds)}


async def _latency(read: Callable[[], Awaitable[None]], seconds: float) -> dict[str, float]:
    """Time reads that begin at a steady pace, whether or not those before have been answered."""
    took: list[float] = []
    began = time.perf_counter()

    room = asyncio.Semaphore(CONNECTIONS)

    async def one(due: float) -> None:
        async with room:
            await read()
        took.append((time.perf_counter() - due) * 1_000)

    async with asyncio.TaskGroup() as group:
        for n in range(int(seconds * READS_PER_S)):
            due = began + n / READS_PER_S
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            group.create_task(one(due))
    return {
        "reads": len(took),
        "p50_ms": round(percentile(took, 0.5), 2),
        "p99_ms": round(percentile(took, 0.99), 2),
        "max_ms": round(max(took), 2),
    }


def _median(rounds: Sequence[dict[str, float]]) -> dict[str, float]:
    """Return the medians of rounds' figures."""
    return {name: round(median(each[name] for each in rounds), 2) for name in rounds[0]}


@contextmanager
def _writer(url: str, entrants: int, rows: int, rows_per_s: int, *, bare: bool = False) -> Any:
    """Have another process write until the context ends; ``bare``: to the reference."""
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    process = context.Process(target=_write, args=(url, entrants, rows, rows_per_s, bare, stop), daemon=True)
    process.start()
    client = BlockingRedis.from_url(url)
    try:
        command = "zadd" if bare else "fcall"
        writes = _calls(client, command)
        while _calls(client, command) == writes and process.is_alive():  # it has begun
            time.sleep(0.01)
        yield
        assert process.is_alive(), "the writer has ended"
    finally:
        stop.set()
        process.join(10)
        client.close()


def _calls(client: Any, command: str) -> int:
    return int(client.info("commandstats").get(f"cmdstat_{command}", {}).get("calls", 0))


def _write(url: str, entrants: int, rows: int, rows_per_s: int, bare: bool, stop: Any) -> None:
    async def write() -> None:
        redis = connect(url)
        score = partial(_bare, redis) if bare else Boards(redis).score
        r, began = Random(3), time.perf_counter()
        versions = count(time.time_ns() // 1_000)  # above all that was written before
        for n in count():
            if stop.is_set():
                break
            await score(_rows(r.sample(range(entrants), rows), next(versions)))
            if rows_per_s:
                await asyncio.sleep(max(0.0, began + n * rows / rows_per_s - time.perf_counter()))
        await redis.aclose()

    uvloop.run(write())
