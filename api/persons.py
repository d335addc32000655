"""A person and their ids (docs/identity.md): an id that ended is read as the one it lives on under, and what happened
under the ids that joined is part of the person's history.
"""

import heapq
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct, field

from api.context import Context
from api.pages import CHUNK, CHUNKS_MAX, LAST, Entries, Older, bad_cursor, page, page_of_stream
from api.past import past_of
from domain.errors import Conflict, Invalid, NotFound
from domain.ids import is_nobody, partition_of
from domain.player import Snapshot
from store.keys import Lane

HOPS_MAX = 16  # of a chain of merges that is followed
SOURCES_READ_MAX = 100  # ids that joined whose history is read with the person's: the last ones

Expand = Callable[[str, dict[bytes, bytes]], list[dict[str, Any]]]


async def snapshot_of(context: Context, player_id: str, *, own: bool = False) -> Snapshot:
    """Return the last committed snapshot of the person that an id stands for.

    Args:
        own: The reader is that very id, by its token. A device's id may have become the profile of somebody else who
            logged in there, so it does not open that profile.

    Raises:
        Invalid: the id is one of the engine's own.
        NotFound: nothing was ever committed for that id.
        Conflict: ``own``, and the id lives on under another.
    """
    checked(player_id)
    snapshot = await context.players.ref(player_id).state()
    if not snapshot.version:
        raise NotFound(f"there is no player {player_id[:120]!r} (yet)", code="player_not_found")
    for _ in range(HOPS_MAX):
        owner = snapshot.identity.merged_into
        if not owner:
            break
        if own:
            raise Conflict(MOVED, code="player_moved")
        following = await context.players.ref(owner).state()
        if not following.version:  # the profile is still on its way there
            break
        snapshot = following
    return snapshot


MOVED = "the id of this token has become part of another profile: ask with a token of that player"


def checked(player_id: str) -> str:
    """Return the id of a player.

    Raises:
        Invalid: it is one of the engine's own (a keeper's, a key's), which no player has.
    """
    if is_nobody(player_id):
        raise Invalid(f"expected a player, {player_id.partition(':')[0]}: is the engine's", code="bad_id")
    return player_id


async def owner_of(context: Context, player_id: str) -> str:
    """Return the id under which a player's id lives on: itself, unless it was merged."""
    checked(player_id)
    for _ in range(HOPS_MAX):
        owner = (await context.players.ref(player_id).state()).identity.merged_into
        if not owner:
            break
        player_id = owner
    return player_id


def ids_of(snapshot: Snapshot) -> dict[str, int]:
    """Return the person's ids whose past is read, each with its place among all of them (0 is the person's own)."""
    sources = list(enumerate(snapshot.identity.sources, 1))[-SOURCES_READ_MAX:]
    return {snapshot.player: 0, **{source: place for place, source in sources}}


async def page_of_person(
    context: Context,
    snapshot: Snapshot,
    key: Callable[[int, str], str],
    limit: int,
    cursor: str | None,
    expand: Expand,
    lane: Lane | None = None,
) -> dict[str, Any]:
    """Return one page of what happened to a person under all their ids, newest first; each item says ``player_id``.

    Args:
        key: Names the stream of a partition and player.
        expand: Makes the items of one entry, newest first.
        lane: The archive goes on where its streams end; None: nothing does.

    Raises:
        BadRequest: the cursor is not one of ours.
    """
    ids = ids_of(snapshot)
    streams = []
    for player, place in ids.items():
        older = past_of(context, player, lane) if lane is not None else None
        streams.append(_Stream(player, place, key(partition_of(player, context.partitions), player), older))
    if len(streams) == 1:
        return await page_of_stream(
            context.redis, streams[0].key, limit, cursor, _telling(expand, snapshot.player), streams[0].older
        )
    return await _merged(context, streams, limit, _position(cursor), expand)


class _Position(Struct, frozen=True):
    """Where a page begins: at an entry of one of the ids, after so many of its items."""

    offset: str = "+"
    taken: int = 0
    place: int = -1


class _Stream(Struct):
    """One id's stream, read newest first as the page needs it."""

    player: str
    place: int
    key: str
    older: Older | None
    newest: str = "+"
    ended: bool = False
    entries: deque[tuple[bytes, dict[bytes, bytes]]] = field(default_factory=deque)

    async def read(self, found: Entries, count: int) -> None:
        """Take what the store has found; go on in the archive where that ends."""
        if self.older is not None and len(found) < count:
            found += await self.older(found[-1][0].decode() if found else self._before(), count - len(found))
        self.ended = len(found) < count
        self.entries = deque(found)
        if found:
            self.newest = "(" + found[-1][0].decode()

    def _before(self) -> str:
        """Return the first id that is too new."""
        if self.newest == "+" or self.newest.startswith("("):
            return LAST if self.newest == "+" else self.newest[1:]
        ms, _, n = self.newest.partition("-")
        return f"{ms}-{int(n) + 1}"


async def _merged(
    context: Context, streams: Sequence[_Stream], limit: int, start: _Position, expand: Expand
) -> dict[str, Any]:
    """Merge the streams by time, looking at a bounded number of entries; at one instant the last to join is first."""
    for stream in streams:  # those after the start's id have shown that instant already
        stream.newest = f"({start.offset}" if start.offset != "+" and stream.place > start.place else start.offset
    count = max(10, CHUNK // len(streams))
    await _fill(context, streams, count)
    heads = [head for stream in streams if (head := _head(stream))]
    heapq.heapify(heads)
    items: list[dict[str, Any]] = []
    taken = start.taken
    for _ in range(CHUNK * CHUNKS_MAX):
        if not heads:
            return page(items)
        _, _, _, stream = heapq.heappop(heads)
        offset, fields = stream.entries.popleft()
        shown = _telling(expand, stream.player)(offset.decode(), fields)
        skip = taken if stream.place == start.place and offset.decode() == start.offset else 0
        for n, item in enumerate(shown[skip:], skip):
            if len(items) == limit:
                return page(items, f"{offset.decode()}.{n}@{stream.place}")
            items.append(item | {"archived": True} if b"archived" in fields else item)
        if not stream.entries and not stream.ended:
            await _fill(context, [stream], CHUNK)
        if head := _head(stream):
            heapq.heappush(heads, head)
    if not heads:
        return page(items)
    stream = heads[0][3]
    return page(items, f"{stream.entries[0][0].decode()}.0@{stream.place}")


async def _fill(context: Context, streams: Sequence[_Stream], count: int) -> None:
    pipe = context.redis.pipeline(transaction=False)
    for stream in streams:
        pipe.xrevrange(stream.key, max=stream.newest, count=count)
    for stream, found in zip(streams, await pipe.execute(), strict=True):
        await stream.read(list(found), count)


def _head(stream: _Stream) -> tuple[int, int, int, _Stream] | None:
    """Return the stream's next entry as the heap orders it, None when there is none."""
    if not stream.entries:
        return None
    ms, _, n = stream.entries[0][0].partition(b"-")
    return -int(ms), -int(n), -stream.place, stream


def _telling(expand: Expand, player: str) -> Expand:
    """Return what also says whose item each is."""

    def shown(offset: str, fields: dict[bytes, bytes]) -> list[dict[str, Any]]:
        return [{**item, "player_id": player} for item in expand(offset, fields)]

    return shown


def _position(cursor: str | None) -> _Position:
    if cursor is None:
        return _Position()
    at, _, place = cursor.partition("@")
    offset, _, taken = at.partition(".")
    ms, _, n = offset.partition("-")
    if not all(part.isascii() and part.isdigit() and len(part) <= 19 for part in (ms, n, taken, place or "0")):
        raise bad_cursor(cursor)
    return _Position(offset, int(taken), int(place or "0"))
