"""Joins the appends of many requests into one flush, so that they share pipelines and fsyncs.

While one flush is on its way the next gathers: at low load an append leaves at once, at high load the batches
grow by themselves. What a request appended keeps its order.
"""

import asyncio
from collections import deque

from store.intake import Intake
from store.ports import Appended, Incoming, Verdict

FLUSH_MAX = 2_000  # entries of one flush; a pipeline of that size stays under 20 ms of server time
QUEUE_MAX = 20_000  # entries waiting in this process; beyond it callers are told BACKLOG

Answers = list[Appended | Verdict]


class Appender:
    """Coalesces appends. One instance a process."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._waiting: deque[tuple[list[Incoming], asyncio.Future[Answers]]] = deque()
        self._queued = 0
        self._flusher: asyncio.Task[None] | None = None

    async def append(self, entries: list[Incoming]) -> Answers:
        """Append and return when durable; BACKLOG for what found no room.

        Raises:
            Unavailable: the store did not answer; a retry with the same message ids is safe.
        """
        if not entries:
            return []
        if self._queued + len(entries) > QUEUE_MAX:
            return [Verdict.BACKLOG] * len(entries)
        done: asyncio.Future[Answers] = asyncio.get_running_loop().create_future()
        self._waiting.append((entries, done))
        self._queued += len(entries)
        if self._flusher is None or self._flusher.done():
            self._flusher = asyncio.create_task(self._flush_all())
        return await done

    async def _flush_all(self) -> None:
        while self._waiting:
            batch: list[tuple[list[Incoming], asyncio.Future[Answers]]] = []
            entries: list[Incoming] = []
            while self._waiting and (not entries or len(entries) + len(self._waiting[0][0]) <= FLUSH_MAX):
                batch.append(self._waiting.popleft())
                entries += batch[-1][0]
            await self._flush(batch, entries)

    async def _flush(
        self, batch: list[tuple[list[Incoming], asyncio.Future[Answers]]], entries: list[Incoming]
    ) -> None:
        try:
            answers = await self._intake.append(entries)
        except BaseException as error:
            for _, done in batch:
                if not done.done():
                    done.set_exception(error if isinstance(error, Exception) else ConnectionError("shutting down"))
            if not isinstance(error, Exception):
                raise
        else:
            start = 0
            for part, done in batch:
                if not done.done():
                    done.set_result(answers[start : start + len(part)])
                start += len(part)
        finally:
            self._queued -= len(entries)
