"""Connections to Redis or Valkey.

redis-py 8 retries commands by itself after a connection error, which would run ``acquire`` or ``XADD *`` twice
(measured): its retries are off here, and only idempotent functions are repeated, by hand.
"""

from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    ConnectionError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
    TimeoutError,
    TryAgainError,
)

TRANSIENT = (
    BusyLoadingError,
    ConnectionError,
    OSError,
    OutOfMemoryError,
    ReadOnlyError,
    TimeoutError,
    TryAgainError,
)
_TRANSIENT_WORDS = ("BUSY", "LOADING", "TRYAGAIN", "MISCONF", "OOM", "READONLY")


def connect(url: str, *, timeout_s: float = 5.0, connections: int = 0) -> Redis:
    """Return a client of ``redis://``, ``rediss://`` or ``unix://`` with no retries of its own.

    Args:
        timeout_s: Of one command; a blocking read asks for less than that.
        connections: At most so many; a command more waits for one to be free, up to ``timeout_s``. 0: redis-py's own
            bound (100), beyond which a command fails at once.
    """
    options: dict[str, Any] = {
        "protocol": 2,
        "retry": Retry(NoBackoff(), 0),
        "socket_timeout": timeout_s,
        "socket_connect_timeout": timeout_s,
    }
    if not connections:
        return Redis.from_url(url, **options)
    return Redis.from_pool(
        BlockingConnectionPool.from_url(url, max_connections=connections, timeout=timeout_s, **options)
    )


def is_transient(error: BaseException) -> bool:
    """Tell whether the store could not answer now, as against refusing for good."""
    if isinstance(error, AuthenticationError):
        return False
    if isinstance(error, TRANSIENT):
        return True
    return isinstance(error, ResponseError) and str(error).startswith(_TRANSIENT_WORDS)
