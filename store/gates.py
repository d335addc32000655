"""The gates of a partition as others than the library read them: who gets nothing, and why.

A player's stop has one line a reason, ``<reason>|<ms when it ends by itself, or nothing>``. A line without ``|``, as
older versions wrote it, is a reason for good.
"""

from collections.abc import Awaitable
from typing import Any

from redis.asyncio import Redis

from store.keys import stop


def read_line(line: str) -> tuple[str, str]:
    """Return a reason and the ms at which it ends by itself, "" for never; the reason without what parts lines."""
    reason, bar, until = line.rpartition("|")
    if not bar or (until and not (until.isascii() and until.isdigit())):
        reason, until = line, ""
    return plain(reason), until


def plain(reason: str) -> str:
    """Return a reason or a mark without what parts lines and fields."""
    return reason.replace("\n", " ").replace("|", " ")


def read_value(value: bytes, at: int) -> dict[str, int | None]:
    """Return the reasons of a stored stop that run at a time, in the order they came; None: for good."""
    lines = dict(map(_stored, value.decode().split("\n") if value else [""]))
    return {reason: until for reason, until in lines.items() if until is None or until > at}


def _stored(line: str) -> tuple[str, int | None]:
    reason, bar, until = line.rpartition("|")
    if not bar or (until and not (until.isascii() and until.isdigit())):
        return line, None
    return reason, int(until) if until else None


async def read_stops(redis: Redis, p: int, player: str, at: int | None = None) -> dict[str, int | None]:
    """Return why the player gets nothing now: each reason with the ms at which it ends by itself; {}: not excluded.

    Args:
        at: The time to tell it for; None: the store's clock, which is the one a claim asks.
    """
    pipe: Any = redis.pipeline(transaction=False)
    pipe.hget(stop(p), player)
    pipe.time()
    asked: Awaitable[list[Any]] = pipe.execute()
    value, (seconds, micros) = await asked
    return {} if value is None else read_value(value, seconds * 1_000 + micros // 1_000 if at is None else at)
