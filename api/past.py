"""What the store has let go of, for the pages of a player's history: read from the archive, in a thread."""

import asyncio
from collections.abc import Callable

from api.context import Context
from api.pages import Entries, Older
from domain.ids import partition_of
from store.archive.files import place
from store.archive.reading import ArchiveGap, decisions_before, records_before
from store.keys import PLAYERS, TOWER, Lane, archived
from store.ports import Unavailable

_READERS: dict[str, Callable[..., list[tuple[str, bytes]]]] = {
    PLAYERS.name: records_before,
    TOWER.name: decisions_before,
}
TRIES = 3  # of a read whose file was joined into another meanwhile


def past_of(context: Context, player: str, lane: Lane = PLAYERS) -> Older | None:
    """Return how to read on in the archive where the store's history of a player ends; None without an archive."""
    root = context.archive
    if root is None:
        return None
    partition = partition_of(player, context.partitions)

    async def older(before: str, limit: int) -> Entries:
        trimmed = await context.redis.hget(archived(partition), f"{lane.name}:trimming")
        if not trimmed or place(trimmed.decode()) == (0, 0):
            return []
        for left in reversed(range(TRIES)):
            try:
                rows = await asyncio.to_thread(_READERS[lane.name], root, partition, player, before, limit)
            except ArchiveGap as gap:
                if not left:
                    raise Unavailable(str(gap)) from gap
            else:
                return [(offset.encode(), {b"d": data, b"archived": b"1"}) for offset, data in rows]
        raise AssertionError("unreachable")

    return older
