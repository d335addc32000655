"""How far a walk through the players has come, as it is shown."""

from typing import Any

from api.context import Context
from api.pages import instant
from crm.schedule import REVIEW
from store.keys import walks
from store.walks import WalkProgress, group_count, walk_progress


async def review_progress(context: Context) -> dict[str, Any] | None:
    """Return how far the players were judged under the newest segments; None when no review is known."""
    live = await context.programmes.live_version()
    newest = await walk_progress(context.redis, context.partitions, f"{REVIEW}:{live}")
    if newest is None:  # this version left the segments as they were: an earlier one was reviewed last
        known = max((_version(name) for name in await context.redis.hkeys(walks(0))), default=0)
        newest = await walk_progress(context.redis, context.partitions, f"{REVIEW}:{known}") if known else None
    return await shown_walk(context, newest) if newest else None


async def shown_walk(context: Context, walk: WalkProgress) -> dict[str, Any]:
    """Return a walk for people. ``players`` is how many there are now: some may have come since it passed by."""
    is_over = walk.partitions_done == walk.of
    whole = max(walk.visited, await group_count(context.redis, context.partitions, walk.group))
    return {
        "walk": walk.id,
        "status": walk.outcome if is_over else "stopping" if walk.is_stopping else "under_way",
        "visited": walk.visited,
        "players": whole,
        "share": 1.0 if walk.outcome == "completed" else round(walk.visited / whole, 4) if whole else 0.0,
        "partitions": walk.of,
        "partitions_done": walk.partitions_done,
        "asked_at": instant(walk.asked_at),
        "ended_at": instant(walk.ended_at),
    }


def _version(name: bytes) -> int:
    kind, _, number = name.decode().rpartition(":")
    return int(number) if kind == REVIEW and number.isdecimal() else 0
