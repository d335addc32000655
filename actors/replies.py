"""Tells a waiting caller that its turn has committed.

A reply comes by pub/sub from the commit itself; when it is lost (a reconnect) the trace is read instead, so a
wait never depends on it.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from domain.effects import HistoryRecord, decode_reply
from store.keys import reply
from store.tasks import end

LOOK_AFTER_S = 0.25  # no reply by then: look into the trace, and again at twice the interval


class Replies:
    """Answers to the turns that this process waits for, by (player, offset)."""

    def __init__(self, redis: Redis, gateway: str) -> None:
        self.channel = reply(gateway)
        self._redis = redis
        self._waiting: dict[tuple[str, str], asyncio.Future[HistoryRecord]] = {}
        self._early: dict[tuple[str, str], HistoryRecord] = {}  # replies that overtook their append's answer
        self._looks: dict[tuple[str, str], asyncio.Task[HistoryRecord | None]] = {}  # under way, one for all who wait
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Subscribe, and keep subscribed through store restarts."""
        subscribed = asyncio.Event()
        self._task = asyncio.create_task(self._listen(subscribed))
        await subscribed.wait()

    async def stop(self) -> None:
        """Stop listening; those who still wait see their own time-out."""
        if self._task:
            await end(self._task)

    async def wait(
        self,
        player: str,
        offset: str,
        timeout_s: float,
        look: Callable[[], Coroutine[Any, Any, HistoryRecord | None]],
        *,
        first_look: bool = False,
    ) -> HistoryRecord | None:
        """Return what the turn at ``offset`` did, or None when the time ran out (the entry is safe in the log).

        Args:
            look: Reads the trace: the record if the turn has committed, else None.
            first_look: Look at once: the reply may have come long ago.
        """
        key = (player, offset)
        if (early := self._early.pop(key, None)) is not None:
            return early
        if first_look and (found := await self._look(key, look)) is not None:
            return found
        future = self._waiting.setdefault(key, asyncio.get_running_loop().create_future())
        loop = asyncio.get_running_loop()
        deadline, pause = loop.time() + timeout_s, LOOK_AFTER_S
        try:
            while (left := deadline - loop.time()) > 0:
                done, _ = await asyncio.wait({future}, timeout=min(left, pause))
                if done:
                    return future.result()
                if (found := await self._look(key, look)) is not None:
                    return found
                pause *= 2
            return await self._look(key, look)
        finally:
            if self._waiting.get(key) is future:
                del self._waiting[key]

    async def _look(
        self, key: tuple[str, str], look: Callable[[], Coroutine[Any, Any, HistoryRecord | None]]
    ) -> HistoryRecord | None:
        """Look once for all who wait for the same: a hundred equal requests must not need a hundred connections."""
        task = self._looks.get(key)
        if task is None:
            task = self._looks[key] = asyncio.create_task(look())
            task.add_done_callback(lambda done: self._looked(key, done))
        return await asyncio.shield(task)

    def _looked(self, key: tuple[str, str], done: asyncio.Task[HistoryRecord | None]) -> None:
        del self._looks[key]
        if not done.cancelled():
            done.exception()  # all who wait for it may have given up

    async def _listen(self, subscribed: asyncio.Event) -> None:
        while True:
            try:
                async with self._redis.pubsub() as pubsub:
                    await pubsub.subscribe(self.channel)
                    subscribed.set()
                    while True:
                        message = await pubsub.get_message(ignore_subscribe_messages=True, timeout=1.0)
                        if message:
                            self._arrived(message["data"])
            except (RedisError, OSError):
                await asyncio.sleep(0.2)  # the store restarts; waits fall back to the trace meanwhile

    def _arrived(self, data: bytes) -> None:
        answer = decode_reply(data)
        key = (answer.player, answer.offset)
        future = self._waiting.pop(key, None)
        if future is None:
            self._early[key] = answer.record
            while len(self._early) > 10_000:  # the caller gave up before; bounded, oldest first
                del self._early[next(iter(self._early))]
        elif not future.done():
            future.set_result(answer.record)
