"""Who is in a segment or at a node of a journey, over all partitions: counts and pages of the groups."""

from collections.abc import Sequence
from typing import Any

import msgspec

from api.context import Context
from domain.errors import BadRequest
from domain.ids import partition_of
from domain.player import PART_TYPES
from store.keys import PLAYERS
from store.keys import group as group_key

COMMANDS_MAX = 1_000  # of one pipeline: a reply of more keeps the process from its other work
PARTITIONS_AT_ONCE = 16  # read ahead for one page; small groups are spread thinly
_decoders = {name: msgspec.msgpack.Decoder(kind) for name, kind in PART_TYPES.items()}


async def group_counts(context: Context, groups: Sequence[str]) -> dict[str, int]:
    """Return how many players are in each group; a group nobody is in counts 0."""
    counts = dict.fromkeys(groups, 0)
    wanted = [(name, p) for name in counts for p in range(context.partitions)]
    for start in range(0, len(wanted), COMMANDS_MAX):
        some = wanted[start : start + COMMANDS_MAX]
        pipe = context.redis.pipeline(transaction=False)
        for name, p in some:
            pipe.zcard(group_key(p, name))
        for (name, _), count in zip(some, await pipe.execute(), strict=True):
            counts[name] += count
    return counts


async def group_page(context: Context, name: str, limit: int, cursor: str | None) -> tuple[list[str], str | None]:
    """Return one page of a group's players and the cursor of the next: partition by partition, by id in each.

    Raises:
        BadRequest: the cursor is not one of ours.
    """
    partition, after = _place(cursor, context.partitions)
    found: list[tuple[int, str]] = []
    for first in range(partition, context.partitions, PARTITIONS_AT_ONCE):
        several = range(first, min(first + PARTITIONS_AT_ONCE, context.partitions))
        pipe = context.redis.pipeline(transaction=False)
        for p in several:
            least = f"({after}" if after and p == partition else "-"
            pipe.zrange(group_key(p, name), least, "+", bylex=True, offset=0, num=limit + 1)
        for p, members in zip(several, await pipe.execute(), strict=True):
            found += [(p, member.decode()) for member in members]
        if len(found) > limit:
            break
    shown = found[:limit]
    following = f"{shown[-1][0]}:{shown[-1][1]}" if len(found) > limit else None
    return [player for _, player in shown], following


def _place(cursor: str | None, partitions: int) -> tuple[int, str]:
    if cursor is None:
        return 0, ""
    number, colon, player = cursor.partition(":")
    if not colon or not player or not number.isascii() or not number.isdigit() or int(number) >= partitions:
        raise BadRequest(
            f"expected a cursor that an earlier page gave as `next`, got {cursor[:60]!r}", code="bad_cursor"
        )
    return int(number), player


async def parts_of(context: Context, players: Sequence[str], part: str) -> list[Any]:
    """Return one part of several players' snapshots, decoded, in one round trip; None where there is none."""
    pipe = context.redis.pipeline(transaction=False)
    for player in players:
        pipe.hget(PLAYERS.state(partition_of(player, context.partitions), player), part)
    read = _decoders[part].decode
    return [read(value) if value is not None else None for value in (await pipe.execute() if players else [])]
