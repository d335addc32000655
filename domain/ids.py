"""Ids that entries are routed by, and which partition that is (docs/identity.md).

An id is the ``userId``, else ``anon:<anonymousId>``. Intake never consults aliases; after a merge the old id forwards.
"""

from hashlib import blake2b
from zlib import crc32

ANONYMOUS_PREFIX = "anon:"
KEY_PREFIX = "key:"  # actors that stand for an e-mail or a phone number, not for a player
KEEPER_PREFIX = "keeper:"  # actors that keep what players share: a budget, a stock, a tournament (``domain.keepers``)
NOBODY = (KEY_PREFIX, KEEPER_PREFIX)


def partition_of(player_id: str, partitions: int) -> int:
    """Return the partition of a player, ``crc32(utf8(id)) % partitions``.

    The number of partitions is fixed when a store is created, so this never moves a player.
    """
    return crc32(player_id.encode()) % partitions


def keeper_id(kind: str, name: str) -> str:
    """Return the id of the actor that keeps one shared thing: ``keeper:budget:welcome``."""
    return f"{KEEPER_PREFIX}{kind}:{name}"


def keeper_of(actor: str) -> tuple[str, str]:
    """Return (kind, name) of a keeper's id; both "", which nothing is called, of an id that is none."""
    kind, _, name = actor.removeprefix(KEEPER_PREFIX).partition(":")
    return (kind, name) if name else ("", "")


def is_nobody(actor: str) -> bool:
    """Tell whether an actor is no player."""
    return actor.startswith(NOBODY)


def request_id(partition: int, player: str, cause: str) -> str:
    """Return the id of the message request that a cause gives: the same cause, the same request."""
    return f"req_{partition:x}_{blake2b(f'{player}|{cause}'.encode(), digest_size=12).hexdigest()}"


def is_anonymous(player_id: str) -> bool:
    """Tell whether the id stands for a device or a visit, not for somebody who said who they are."""
    return player_id.startswith(ANONYMOUS_PREFIX)


def survivor(one: str, other: str) -> str:
    """Return which of two ids lives on when both are one person; "" when a person must decide (two users).

    A user rather than an anonymous id, of two anonymous ids the smaller: merges go one way, so there are no circles.
    """
    if is_anonymous(one) != is_anonymous(other):
        return other if is_anonymous(one) else one
    return min(one, other) if is_anonymous(one) else ""
