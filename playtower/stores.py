"""Finds the store of a data directory: the running one, or one started for the time."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from redis.asyncio import Redis

from store.client import connect
from store.embedded import EmbeddedStore, running_store
from store.identity import StoreMismatch


@asynccontextmanager
async def opened_store(data_dir: Path, redis_url: str = "", *, timeout_s: float = 60.0) -> AsyncIterator[Redis]:
    """Open the store for a while.

    Raises:
        StoreMismatch: there is no store there.
    """
    started: EmbeddedStore | None = None
    url = redis_url or running_store(data_dir)
    if not url:
        if not (data_dir / "store").is_dir():
            raise StoreMismatch(f"there is no store in {data_dir}; name another --data-dir or a --redis-url")
        started = EmbeddedStore(data_dir)
        started.start()
        url = started.url
    redis = connect(url, timeout_s=timeout_s)
    try:
        yield redis
    finally:
        await redis.aclose()
        if started is not None:
            started.stop()
