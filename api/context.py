"""What every endpoint works with, made once a process and kept on ``app.state.context``."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends
from redis.asyncio import Redis
from redis.exceptions import RedisError
from starlette.requests import HTTPConnection

from actors.appender import Answers, Appender
from actors.clock import Clock, SystemClock
from actors.ref import Players
from actors.replies import Replies
from api.feeds import Feeds
from api.learning import Learning
from api.mappings import DEFAULT, Mappings, compiled
from api.masks import EventMask
from api.settings import Settings
from api.visible import visible_segments
from domain.errors import StoreDown
from store.access import Access, KeyRing
from store.client import connect, is_transient
from store.dead_letters import DeadLetters
from store.identity import Identity, read_identity
from store.intake import Intake
from store.learned import Learned
from store.ports import Incoming, Unavailable
from store.programmes import Documents, Programmes
from store.tasks import end

LOOK_EVERY_S = 1.0  # at the programme and at the store's memory
STORE_CONNECTIONS = 100  # of a gateway; calls beyond wait for each other, up to the time a command may take


class LiveProgramme:
    """The live programme's documents, at most a second old."""

    def __init__(self, programmes: Programmes) -> None:
        self._programmes = programmes
        self.version = 0
        self.documents: Documents = {}
        self.masks: dict[str, EventMask] = {}  # by event name
        self._mappings = {DEFAULT: Mappings()}  # by key id
        self.visible: frozenset[str] = frozenset()  # segments that their members see

    async def refresh(self) -> None:
        """Read the live version if it changed."""
        version, documents = await self._programmes.current()
        if version != self.version:
            self.masks = {name: EventMask.of(document) for name, document in documents.get("events", {}).items()}
            self._mappings = compiled(documents, self.masks)
            self.visible = visible_segments(documents.get("segments", {}))
            self.version, self.documents = version, documents

    def mappings(self, source: str) -> Mappings:
        """Return what holds for events sent with a key."""
        return self._mappings.get(source) or self._mappings[DEFAULT]


@dataclass
class Context:
    """The process's connections, caches and counters."""

    settings: Settings
    identity: Identity
    redis: Redis
    intake: Intake
    appender: Appender
    replies: Replies
    players: Players
    clock: Clock
    access: Access
    keys: KeyRing
    programmes: Programmes
    programme: LiveProgramme
    dead_letters: DeadLetters
    feeds: Feeds
    learned: Learned
    learning: Learning
    memory_full: bool = False
    counts: Counter[str] = field(default_factory=Counter)  # events_accepted, events_duplicate, events_rejected, ...

    @property
    def partitions(self) -> int:
        return self.identity.partitions

    @property
    def archive(self) -> Path | None:
        """Return where the archive is, None when there is none yet."""
        root = Path(self.settings.archive_dir)
        return root if self.settings.archive_dir and root.is_dir() else None

    async def append(self, entries: list[Incoming]) -> Answers:
        """Append client entries; all that one call brings goes through here once.

        Raises:
            StoreDown: no answer in time, or the store's memory is nearly full. A retry is safe.
        """
        if self.memory_full:
            raise StoreDown("the store's memory is nearly full", code="store_full", retry_after_s=5)
        try:
            async with asyncio.timeout(self.settings.store_timeout_s):
                return await self.appender.append(entries)
        except (TimeoutError, Unavailable, ConnectionError) as error:
            raise StoreDown("the store does not answer; a retry is safe", retry_after_s=1) from error

    async def watch(self) -> None:
        """Keep the programme and the store's memory in view."""
        while True:
            with contextlib.suppress(Unavailable, RedisError, OSError):
                await self.programme.refresh()
            with contextlib.suppress(RedisError, OSError):
                await self.look_at_memory()
            await asyncio.sleep(LOOK_EVERY_S)

    async def look_at_memory(self) -> None:
        """Note whether the store has room for more: intake ends before its memory does."""
        redis: Any = self.redis
        info = await redis.info("memory")
        limit = int(info.get("maxmemory", 0))
        self.memory_full = limit > 0 and int(info["used_memory"]) > limit * self.settings.memory_share_max


@contextlib.asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Context]:
    """Connect, wait for the store, start what runs beside the requests; end all of it afterwards."""
    redis = connect(settings.redis_url, timeout_s=settings.store_timeout_s, connections=STORE_CONNECTIONS)
    identity = await _identity(redis, settings.identity_timeout_s)
    keep_ms = (settings.lateness_max_s + settings.dedupe_extra_s) * 1000
    intake = Intake(redis, identity.partitions, bound=settings.backlog_bound, keep_ms=keep_ms, clock=identity.clock)
    appender, replies, clock = Appender(intake), Replies(redis, settings.gateway_id), SystemClock()
    access, programmes, learned = Access(redis), Programmes(redis, intake), Learned(redis)
    context = Context(
        settings=settings,
        identity=identity,
        redis=redis,
        intake=intake,
        appender=appender,
        replies=replies,
        players=Players(redis, appender, replies, clock, partitions=identity.partitions),
        clock=clock,
        access=access,
        keys=KeyRing(access),
        programmes=programmes,
        programme=LiveProgramme(programmes),
        dead_letters=DeadLetters(redis, identity.partitions),
        feeds=Feeds(redis, identity.partitions),
        learned=learned,
        learning=Learning(learned),
    )
    await context.replies.start()
    await context.keys.start()
    with contextlib.suppress(Unavailable):
        await context.programme.refresh()
    watch, learn = asyncio.create_task(context.watch()), asyncio.create_task(context.learning.run())
    try:
        yield context
    finally:
        await end(watch)
        await end(learn)
        with contextlib.suppress(Unavailable, RedisError, OSError):  # counts of the last seconds are not worth more
            await context.learning.flush()
        await context.feeds.stop()
        await context.keys.stop()
        await context.replies.stop()
        await redis.aclose()


async def _identity(redis: Redis, timeout_s: float) -> Identity:
    """Wait until the store answers and has been made."""
    async with asyncio.timeout(timeout_s):
        while True:
            try:
                if (identity := await read_identity(redis)) is not None:
                    return identity
            except (RedisError, OSError) as error:
                if not is_transient(error):
                    raise
            await asyncio.sleep(0.1)


def get_context(connection: HTTPConnection) -> Context:
    """Return the process's context; a FastAPI dependency."""
    context: Context = connection.app.state.context
    return context


Ctx = Annotated[Context, Depends(get_context)]
