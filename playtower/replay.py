"""``playtower replay``: a recorded log into a running engine, through the front door (``POST /v1/batch``).

Order: rows are dealt to lanes by the crc32 of the player's id, and a lane has one request in flight. The number of
lanes is a power of two, as the number of partitions is, so not only each player but each partition sees the order of
the file. A store with ``--clock log`` needs that: a partition's time is its records' (docs/adr/0005).

Running it again is safe and is also how to resume: message ids are file and row, so the engine knows what it has.
"""

import asyncio
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zlib import crc32

import httpx
import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from domain.errors import EngineError, Invalid, StoreDown
from playtower.replay_map import Mapper, ReplayMap, Unmapped, read_map
from playtower.replay_source import Chunk, Source

BATCH_EVENTS_MAX = 400
BATCH_BYTES_MAX = 480_000  # the gateway takes 500 KB
LANES = 8
_LANE_BACKLOG = 4  # batches waiting in a lane, then the reader waits
_RETRY_FIRST_S = 0.2
_RETRY_MAX_S = 10.0
_PATIENCE_S = 180.0  # without one answer of success
_POLL_S = 0.2
_EXAMPLES_MAX = 5

_encode = msgspec.json.Encoder().encode
Sleep = Callable[[float], Awaitable[None]]


@dataclass
class ReplayReport:
    """What became of the rows: each is accepted, a duplicate or rejected, once all are answered."""

    file: str = ""
    rows: int = 0  # read
    accepted: int = 0
    duplicates: int = 0
    rejected: Counter[str] = field(
        default_factory=Counter
    )  # by code: the engine's, or bad_row, no_event, bad_timestamp
    examples: dict[str, list[str]] = field(default_factory=dict)  # by code: message ids or rows of the first few
    retries: int = 0
    seconds: float = 0.0  # from the first row to the last turn
    complete_to: int = 0  # rows from the start that were all answered
    interrupted: bool = False
    applied: bool | None = None  # the engine's backlog was seen empty after the last row; None: it could not be asked

    @property
    def answered(self) -> int:
        """How many rows have their answer."""
        return self.accepted + self.duplicates + self.rejected.total()

    @property
    def events_per_s(self) -> float:
        """Rows answered in a second, the engine's turns included."""
        return self.answered / self.seconds if self.seconds else 0.0

    def as_json(self) -> dict[str, Any]:
        """Return the object of ``--json``."""
        return {
            "file": self.file,
            "rows": self.rows,
            "accepted": self.accepted,
            "duplicates": self.duplicates,
            "rejected": dict(self.rejected),
            "seconds": round(self.seconds, 3),
            "events_per_s": round(self.events_per_s, 1),
            "retries": self.retries,
            "complete_to": self.complete_to,
            "interrupted": self.interrupted,
            "applied": self.applied,
        }

    def reject(self, code: str, example: str) -> None:
        """Count a row that was not taken."""
        self.rejected[code] += 1
        shown = self.examples.setdefault(code, [])
        if len(shown) < _EXAMPLES_MAX:
            shown.append(example)


OnProgress = Callable[[ReplayReport, Source], None]


@dataclass(frozen=True)
class _Batch:
    first: int  # position of its first row, from 0
    ids: tuple[str, ...]
    body: bytes


class _Lane:
    """The events of some players, in order, cut into batches."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[_Batch | None] = asyncio.Queue(_LANE_BACKLOG)
        self.unanswered: list[int] = []  # first positions of the batches sealed and not answered, ascending
        self._events: list[bytes] = []
        self._ids: list[str] = []
        self._bytes = 0
        self._first = 0

    def add(self, position: int, message_id: str, event: bytes) -> _Batch | None:
        """Put an event in; returns a batch when this one did not fit into it any more."""
        full = len(self._events) == BATCH_EVENTS_MAX or self._bytes + len(event) + 1 > BATCH_BYTES_MAX
        sealed = self.seal() if full else None
        if not self._events:
            self._first = position
        self._events.append(event)
        self._ids.append(message_id)
        self._bytes += len(event) + 1
        return sealed

    def seal(self) -> _Batch | None:
        """Return what was put in as a batch, None when there is nothing."""
        if not self._events:
            return None
        body = b'{"batch":[' + b",".join(self._events) + b"]}"
        batch = _Batch(self._first, tuple(self._ids), body)
        self.unanswered.append(batch.first)
        self._events, self._ids, self._bytes = [], [], 0
        return batch

    def first_unanswered(self, otherwise: int) -> int:
        """Return the position up to which this lane is done."""
        if self.unanswered:
            return self.unanswered[0]
        return self._first if self._events else otherwise


async def replay(
    path: Path,
    mapping: ReplayMap | Path,
    *,
    url: str,
    key: str,
    sort: bool = False,
    limit: int | None = None,
    lanes: int = LANES,
    console: Console | None = None,
    on_progress: OnProgress | None = None,
    stop: asyncio.Event | None = None,
    client: httpx.AsyncClient | None = None,
    sleep: Sleep = asyncio.sleep,
) -> ReplayReport:
    """Send every row of the file as an event, and wait until the engine has applied them.

    Args:
        mapping: The map, or its file.
        console: Shows progress and a summary there, and takes ctrl-C as ``stop``.
        sort: In the order of the rows' times; the file is then read into memory first.
        lanes: Requests in flight, a power of two.
        stop: Set it to end early: what is in flight is answered, and the report says how far it came.

    Raises:
        Invalid: the file or the map is not usable.
        EngineError: the engine refused for good (a wrong key), or did not answer for three minutes.
    """
    if lanes < 1 or lanes & (lanes - 1):
        raise Invalid(f"expected a power of two of lanes, got {lanes}")
    if isinstance(mapping, Path):
        mapping = read_map(mapping)
    source = Source(path, mapping.columns)
    own = client or httpx.AsyncClient(timeout=30, limits=httpx.Limits(max_connections=lanes + 1))
    with _terminal(console, source, limit) if console else nullcontext((stop, on_progress)) as (stop, on_progress):
        try:
            report = await _Replay(source, mapping, own, url, key, lanes, stop, sleep, on_progress).run(sort, limit)
        finally:
            if client is None:
                await own.aclose()
    if console:
        _summarise(console, report)
    return report


class _Replay:
    def __init__(
        self,
        source: Source,
        mapping: ReplayMap,
        client: httpx.AsyncClient,
        url: str,
        key: str,
        lanes: int,
        stop: asyncio.Event | None,
        sleep: Sleep,
        on_progress: OnProgress | None,
    ) -> None:
        self._source = source
        self._mapper = Mapper(mapping, source.stem)
        self._client = client
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        self._lanes = [_Lane() for _ in range(lanes)]
        self._stop = stop or asyncio.Event()
        self._sleep = sleep
        self._on_progress = on_progress
        self._report = ReplayReport(str(source.path))
        self._started = time.perf_counter()

    async def run(self, sort: bool, limit: int | None) -> ReplayReport:
        report = self._report
        senders = [asyncio.create_task(self._send_all(lane)) for lane in self._lanes]
        reader = asyncio.create_task(self._deal(sort, limit))
        try:
            # The first to fail ends all: a reader that waits for a dead lane would wait for ever.
            await _first_failure([reader, *senders])
        except BaseException:
            for task in (reader, *senders):
                task.cancel()
            await asyncio.gather(reader, *senders, return_exceptions=True)
            raise
        finally:
            self._mark()
        report.interrupted = self._stop.is_set()
        report.rejected.update({"bad_row": self._source.torn} if self._source.torn else {})
        report.rows += self._source.torn
        report.complete_to = min(lane.first_unanswered(report.rows) for lane in self._lanes)
        if not report.interrupted:
            report.applied = await self._applied()
        self._mark()
        return report

    def _mark(self) -> None:
        self._report.seconds = time.perf_counter() - self._started
        if self._on_progress:
            self._on_progress(self._report, self._source)

    async def _deal(self, sort: bool, limit: int | None) -> None:
        """Read, map and deal the rows to the lanes; a full lane makes it wait, so memory is bounded."""
        position = 0
        async for chunk in self._chunks(sort):
            taken = chunk if limit is None else chunk[: limit - position]
            dealt = await asyncio.to_thread(self._map, taken, position)
            position += len(taken)
            for lane, batch in dealt:
                await lane.queue.put(batch)
            self._report.rows = position
            self._mark()
            if self._stop.is_set() or (limit is not None and position >= limit):
                break
        for lane in self._lanes:
            if not self._stop.is_set() and (rest := lane.seal()) is not None:
                await lane.queue.put(rest)
            await lane.queue.put(None)

    async def _chunks(self, sort: bool) -> AsyncIterator[Chunk]:
        source, mapper = self._source, self._mapper
        chunks: Iterator[Chunk] = source.sorted_chunks(mapper.occurred_ms) if sort else source.chunks()
        while (chunk := await asyncio.to_thread(next, chunks, None)) is not None:
            yield chunk

    def _map(self, chunk: Chunk, position: int) -> list[tuple[_Lane, _Batch]]:
        """Turn rows into batches. Rows without a player go along: the engine refuses, counts and keeps them."""
        report, lanes, mapper = self._report, self._lanes, self._mapper
        sealed: list[tuple[_Lane, _Batch]] = []
        for number, row in chunk:
            position += 1
            if row is None:
                report.reject("bad_row", f"row {number}")
                continue
            try:
                event = mapper.event(row, number)
            except Unmapped as error:
                report.reject(error.code, f"row {number}")
                continue
            body = _encode(event)
            if len(body) > BATCH_BYTES_MAX:
                report.reject("too_large", f"row {number}")
                continue
            lane = lanes[crc32(event.get("userId", "").encode()) % len(lanes)]
            batch = lane.add(position - 1, event["messageId"], body)
            if batch is not None:
                sealed.append((lane, batch))
        return sealed

    async def _send_all(self, lane: _Lane) -> None:
        while (batch := await lane.queue.get()) is not None:
            if self._stop.is_set():
                continue  # emptied unsent, so the reader can end
            answer = await self._send(batch)
            if answer is None:
                continue
            self._count(batch, answer)
            lane.unanswered.pop(0)
            self._mark()

    async def _send(self, batch: _Batch) -> dict[str, Any] | None:
        """Post a batch until it is answered: nothing was applied, or the engine knows the message ids.

        Returns None when it was stopped before an answer.
        """
        delay, waited = _RETRY_FIRST_S, 0.0
        while True:
            after: float | None = None
            try:
                response = await self._client.post(f"{self._url}/v1/batch", content=batch.body, headers=self._headers)
            except httpx.TransportError as error:
                problem = f"{type(error).__name__}: {error}"
            else:
                if response.status_code == 200:
                    return _object(response)
                problem = _problem(response)
                if response.status_code not in (408, 429) and response.status_code < 500:
                    raise EngineError(f"the engine refused a batch for good: {problem}", code="replay_refused")
                after = _retry_after(response)
            pause = after if after is not None else delay
            delay = min(delay * 2, _RETRY_MAX_S)
            waited += pause
            if waited > _PATIENCE_S:
                raise StoreDown(f"no answer of success for {_PATIENCE_S:.0f} s: {problem}")
            self._report.retries += 1
            if self._stop.is_set():
                return None
            await self._pause(pause)

    async def _pause(self, seconds: float) -> None:
        """Sleep, but not through a stop."""
        tasks = [asyncio.ensure_future(self._sleep(seconds)), asyncio.ensure_future(self._stop.wait())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()

    def _count(self, batch: _Batch, answer: dict[str, Any]) -> None:
        rejected = [item for item in answer.get("rejected") or [] if isinstance(item, dict)]
        for item in rejected:
            place = item.get("index")
            known = isinstance(place, int) and 0 <= place < len(batch.ids)
            self._report.reject(str(item.get("code") or "rejected"), batch.ids[place] if known else "")  # type: ignore[index]
        duplicates = answer.get("duplicates") or 0
        duplicates = len(duplicates) if isinstance(duplicates, list) else int(duplicates)
        self._report.duplicates += duplicates
        self._report.accepted += len(batch.ids) - len(rejected) - duplicates

    async def _applied(self) -> bool | None:
        """Wait until the engine's backlog is empty: only then is what was accepted also applied."""
        idle, least = 0.0, None
        while idle < _PATIENCE_S and not self._stop.is_set():
            backlog = await self._backlog()
            if backlog == 0:
                return True
            if backlog is None and least is None and idle > 5:
                return None
            if backlog is not None and (least is None or backlog < least):
                idle, least = 0.0, backlog
            await self._pause(_POLL_S)
            idle += _POLL_S
            self._mark()
        return False

    async def _backlog(self) -> int | None:
        with suppress(httpx.TransportError, ValueError, TypeError):
            response = await self._client.get(f"{self._url}/v1/status", headers=self._headers)
            if response.status_code == 200:
                return int(_object(response)["backlog"])
        return None


async def _first_failure(tasks: list[asyncio.Task[None]]) -> None:
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    for task in done:
        task.result()


def _object(response: httpx.Response) -> dict[str, Any]:
    value = response.json()
    return value if isinstance(value, dict) else {}


def _problem(response: httpx.Response) -> str:
    detail = ""
    with suppress(ValueError):
        detail = str(_object(response).get("detail") or "")
    return f"{response.status_code} {detail or response.text[:200]}".strip()


def _retry_after(response: httpx.Response) -> float | None:
    value = response.headers.get("Retry-After", "")
    return float(value) if value.isdigit() else None


# --- at a terminal -----------------------------------------------------------------------------------------------


@contextmanager
def _terminal(console: Console, source: Source, limit: int | None) -> Iterator[tuple[asyncio.Event, OnProgress]]:
    """Show a progress bar, and let ctrl-C set an event; a second one ends at once."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    signals = (signal.SIGINT, signal.SIGTERM)

    def end(number: int) -> None:
        stop.set()
        loop.remove_signal_handler(number)

    for number in signals:
        loop.add_signal_handler(number, end, number)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        _Counts(),
        TimeRemainingColumn(),
    )
    try:
        with Progress(*columns, console=console, refresh_per_second=4) as progress:
            bar = progress.add_task(source.path.name, total=1.0, report=None)
            yield stop, lambda report, _: progress.update(bar, completed=_share(report, source, limit), report=report)
    finally:
        for number in signals:
            loop.remove_signal_handler(number)


def _share(report: ReplayReport, source: Source, limit: int | None) -> float:
    total = source.rows if limit is None else min(limit, source.rows or limit)
    if total:
        return report.answered / total
    return source.share_read() * (report.answered / report.rows if report.rows else 0.0)


class _Counts(ProgressColumn):
    def render(self, task: Task) -> Text:
        report: ReplayReport | None = task.fields.get("report")
        if report is None:
            return Text("reading", no_wrap=True)
        parts = [f"{report.events_per_s:,.0f} rows/s", f"{report.accepted:,} accepted"]
        if report.duplicates:
            parts.append(f"{report.duplicates:,} duplicates")
        parts += [f"{times:,} {code}" for code, times in report.rejected.most_common(3)]
        if report.retries:
            parts.append(f"{report.retries:,} retries")
        return Text(" · ".join(parts), no_wrap=True, overflow="ellipsis")


def _summarise(console: Console, report: ReplayReport) -> None:
    def say(text: str, style: str = "") -> None:
        console.print(text, style=style, markup=False, highlight=False)

    if report.interrupted:
        say(
            f"Stopped: every row up to {report.complete_to:,} is in the engine, some later ones may be. "
            "Run the same command again to go on.",
            "yellow",
        )
    say(
        f"{report.rows:,} rows in {report.seconds:,.1f} s ({report.events_per_s:,.0f}/s): "
        f"{report.accepted:,} accepted, {report.duplicates:,} duplicates, {report.rejected.total():,} rejected."
    )
    for code, times in report.rejected.most_common():
        say(f"  {code}: {times:,} (first: {', '.join(report.examples.get(code, [])) or 'no place known'})")
    if report.rejected.get("too_late"):
        say(
            "  too_late: this store runs on its own clock and refuses old events. Recorded logs belong into a store "
            "made with `playtower serve --clock log --data-dir <new directory>`.",
            "yellow",
        )
    if report.applied:
        say("All of them applied.", "green")
    elif report.applied is None and not report.interrupted:
        say("The engine's backlog could not be read, so some may still be waiting for their turn.", "yellow")
    elif report.applied is False and not report.interrupted:
        say("The engine has not applied all of them; its backlog no longer falls.", "red")
