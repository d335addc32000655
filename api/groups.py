"""Who is in a segment or at a node of a journey, over all partitions: counts and pages of the groups."""

from collections.abc import Sequence
from typing import Any

import msgspec

from actors.programme import OLDER_MAX, Document
from api.context import Context
from domain.errors import BadRequest
from domain.ids import partition_of
from domain.player import PART_TYPES
from store.keys import PLAYERS
from store.walks import BadCursor, GroupMembers, group_members
from store.ways import members_key

COMMANDS_MAX = 1_000  # of one pipeline: a reply of more keeps the process from its other work
_decoders = {name: msgspec.msgpack.Decoder(kind) for name, kind in PART_TYPES.items()}


async def nodes_of(context: Context) -> dict[str, list[str]]:
    """Return the live journeys and the nodes at which players may wait: the live version's first, then those that only
    earlier ones have. Campaigns are walked like journeys and listed elsewhere.
    """
    version, documents = await context.programmes.current()
    nodes = {name: dict.fromkeys(_nodes(document)) for name, document in documents.get("journeys", {}).items()}
    for number in range(version - 1, max(0, version - 1 - OLDER_MAX), -1):
        earlier = (await context.programmes.content(number) or {}).get("journeys", {})
        for name in nodes.keys() & earlier.keys():
            nodes[name] |= dict.fromkeys(_nodes(earlier[name]))
    return {name: list(theirs) for name, theirs in sorted(nodes.items())}


def _nodes(document: Document) -> list[str]:
    return [node["id"] for node in document.get("nodes", ())]


def node_group(journey: str, node: str) -> str:
    """Return the name of the group of players that wait at a node."""
    return f"journeys/{journey}/{node}"


async def group_counts(context: Context, groups: Sequence[str]) -> dict[str, int]:
    """Return how many players are in each group; a group nobody is in counts 0."""
    counts = dict.fromkeys(groups, 0)
    wanted = [(name, p) for name in counts for p in range(context.partitions)]
    for start in range(0, len(wanted), COMMANDS_MAX):
        some = wanted[start : start + COMMANDS_MAX]
        pipe = context.redis.pipeline(transaction=False)
        for name, p in some:
            pipe.zcard(members_key(p, name))
        for (name, _), count in zip(some, await pipe.execute(), strict=True):
            counts[name] += count
    return counts


async def group_page(context: Context, name: str, limit: int, cursor: str | None) -> GroupMembers:
    """Return one page of a group's players.

    Raises:
        BadRequest: the cursor is not one of ours.
    """
    try:
        return await group_members(context.redis, context.partitions, name, cursor, limit)
    except BadCursor as error:
        raise BadRequest(str(error)[:200], code="bad_cursor") from error


async def parts_of(context: Context, players: Sequence[str], part: str) -> list[Any]:
    """Return one part of several players' snapshots, decoded, in one round trip; None where there is none."""
    pipe = context.redis.pipeline(transaction=False)
    for player in players:
        pipe.hget(PLAYERS.state(partition_of(player, context.partitions), player), part)
    read = _decoders[part].decode
    return [read(value) if value is not None else None for value in (await pipe.execute() if players else [])]
