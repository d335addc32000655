"""How far a walk through the players has come, over all partitions."""

from typing import Any

from api.context import Context
from api.pages import instant
from crm.schedule import REVIEW
from store.keys import players, walks
from store.ports import Walk, decode_walk


async def walks_of(context: Context) -> list[list[Walk]]:
    """Return every partition's walks, those that ended too."""
    pipe = context.redis.pipeline(transaction=False)
    for p in range(context.partitions):
        pipe.hvals(walks(p))
    return [[decode_walk(value) for value in values] for values in await pipe.execute()]


async def review_progress(context: Context) -> dict[str, Any] | None:
    """Return how far the players were judged under the newest segments; None when no review was ever asked for."""
    reviews = [[walk for walk in theirs if walk.kind == REVIEW] for theirs in await walks_of(context)]
    newest = max((_version(walk) for theirs in reviews for walk in theirs), default=None)
    if newest is None:
        return None
    known = [next((walk for walk in theirs if _version(walk) == newest), None) for theirs in reviews]
    return progress(f"{REVIEW}:{newest}", known, await _players(context))


def progress(walk_id: str, known: list[Walk | None], players_of: list[int]) -> dict[str, Any]:
    """Return what is shown of a walk.

    Args:
        known: Each partition's record; None where it has not begun, and where the record is gone, since it ended.
        players_of: How many players each partition has; more may come while the walk is under way.
    """
    told = [walk for walk in known if walk is not None]
    visited = sum(walk.visited for walk in told)
    done = [walk for walk in told if walk.ended_at]
    whole = sum(max(count, walk.visited if walk else 0) for count, walk in zip(players_of, known, strict=True))
    under_way = len(done) < len(known)
    return {
        "walk": walk_id,
        "status": "under_way"
        if under_way
        else next((w.outcome for w in done if w.outcome != "completed"), "completed"),
        "visited": visited,
        "players": whole,
        "share": 1.0 if not under_way else round(visited / whole, 4) if whole else 0.0,
        "partitions": len(known),
        "partitions_done": len(done),
        "asked_at": instant(min((walk.asked_at for walk in told), default=0)),
        "ended_at": None if under_way else instant(max((walk.ended_at for walk in done), default=0)),
    }


async def _players(context: Context) -> list[int]:
    pipe = context.redis.pipeline(transaction=False)
    for p in range(context.partitions):
        pipe.zcard(players(p))
    return list(await pipe.execute())


def _version(walk: Walk) -> int:
    number = walk.id.rpartition(":")[2]
    return int(number) if number.isdigit() else 0
