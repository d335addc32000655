"""Walks and groups as callers outside of the members see them: asking for a walk, its progress, who is in a group.

Readers see each partition at a moment of its own. A group is written by the same commit as the snapshots, so a
partition's part of it is exact at that moment.
"""

from typing import Any

from msgspec import Struct
from redis.asyncio import Redis
from redis.exceptions import RedisError

from domain.entries import WalkAsked, encode_entry
from store.client import is_transient
from store.intake import Intake
from store.keys import walk_stops, walks
from store.ports import Unavailable, decode_walk
from store.ways import members_key

MEMBERS_MAX = 1_000  # of one page
PARTITIONS_AT_ONCE = 16  # read together when a page of members spans partitions


class WalkProgress(Struct, frozen=True):
    """How far a walk is, over all partitions."""

    id: str
    kind: str
    ref: str
    group: str
    visited: int
    partitions_begun: int  # that have folded the request
    partitions_done: int
    of: int
    asked_at: int  # ms, the earliest of the partitions
    ended_at: int  # ms, the latest of the partitions; 0: under way
    outcome: str  # "" under way, completed, or stopped (in one partition or more)
    is_stopping: bool  # it was asked to end, and has not everywhere


class GroupMembers(Struct, frozen=True):
    """A page of a group's members."""

    players: list[str]
    next: str | None  # cursor of the next page; None: this was the last


class BadCursor(ValueError):
    """A cursor that no page gave."""


async def ask_walk(intake: Intake, partitions: int, asked: WalkAsked) -> None:
    """Ask all partitions for a walk, or with ``stop`` to end it; each hears it once, however often this is called.

    Idempotent by the walk's id, for ever: an id is walked once, and a walk that was stopped is not taken up again. A
    call that failed half way is resumed by calling again. One round trip a partition (a sync of the log each).

    Raises:
        Unavailable: the store did not answer; call again.
    """
    body = encode_entry(asked)
    key = f"walk-stop:{asked.id}" if asked.stop else f"walk:{asked.id}"
    for partition in range(partitions):
        await intake.append_internal(partition, key, body)


async def walk_progress(redis: Redis, partitions: int, walk_id: str) -> WalkProgress | None:
    """Return how far a walk is; None when no partition knows it: not asked for, not folded yet, or long forgotten.

    A partition forgets a walk after 500 others have ended. One round trip.

    Raises:
        Unavailable: the store did not answer.
    """
    pipe: Any = redis.pipeline(transaction=False)
    for partition in range(partitions):
        pipe.hget(walks(partition), walk_id)
        pipe.hexists(walk_stops(partition), walk_id)
    replies = await _execute(pipe)
    parts = [decode_walk(record) for record in replies[::2] if record is not None]
    if not parts:
        return None
    first, done = parts[0], [part for part in parts if part.ended_at]
    is_over = len(done) == partitions
    outcomes = {part.outcome for part in done}
    return WalkProgress(
        id=walk_id,
        kind=first.kind,
        ref=first.ref,
        group=first.group,
        visited=sum(part.visited for part in parts),
        partitions_begun=len(parts),
        partitions_done=len(done),
        of=partitions,
        asked_at=min(part.asked_at for part in parts),
        ended_at=max(part.ended_at for part in done) if is_over else 0,
        outcome="" if not is_over else "stopped" if "stopped" in outcomes else "completed",
        is_stopping=any(replies[1::2]),
    )


async def group_count(redis: Redis, partitions: int, group: str) -> int:
    """Return how many players are in a group ("": all players). One round trip, whatever the size.

    Raises:
        Unavailable: the store did not answer.
    """
    pipe: Any = redis.pipeline(transaction=False)
    for partition in range(partitions):
        pipe.zcard(members_key(partition, group))
    return sum(await _execute(pipe))


async def group_members(redis: Redis, partitions: int, group: str, cursor: str | None, limit: int) -> GroupMembers:
    """Return a page of a group's members ("": all players), partition by partition, in the order of their ids.

    Who is a member throughout all pages is met exactly once; who comes or goes meanwhile, at most once. A page costs
    a round trip for each ``PARTITIONS_AT_ONCE`` partitions that it has to look into.

    Args:
        cursor: ``next`` of the page before; None: the first.
        limit: 1 to ``MEMBERS_MAX``; more is cut to it.

    Raises:
        BadCursor: the cursor is of no page.
        Unavailable: the store did not answer.
    """
    limit = max(1, min(limit, MEMBERS_MAX))
    partition, after = _place(cursor, partitions)
    found: list[tuple[int, str]] = []
    while partition < partitions and len(found) <= limit:
        together = range(partition, min(partition + PARTITIONS_AT_ONCE, partitions))
        pipe: Any = redis.pipeline(transaction=False)
        for p in together:
            least = f"({after}" if after and p == partition else "-"
            pipe.zrangebylex(members_key(p, group), least, "+", start=0, num=limit + 1 - len(found))
        for p, rows in zip(together, await _execute(pipe), strict=True):
            found += [(p, row.decode()) for row in rows]
        partition, after = together.stop, ""
    page = found[:limit]
    next_ = f"{page[-1][0]}:{page[-1][1]}" if len(found) > limit else None
    return GroupMembers([player for _, player in page], next_)


def _place(cursor: str | None, partitions: int) -> tuple[int, str]:
    if cursor is None:
        return 0, ""
    number, colon, after = cursor.partition(":")
    if not colon or not number.isdecimal() or int(number) >= partitions:
        raise BadCursor(f"expected a cursor that a page of members gave, got {cursor!r}")
    return int(number), after


async def _execute(pipe: Any) -> list[Any]:
    try:
        return list(await pipe.execute())
    except (RedisError, OSError) as error:
        raise (Unavailable(str(error)) if is_transient(error) else error) from error
