"""Who an entry belongs to and which partition that is (DESIGN section 2)."""

from zlib import crc32

ANONYMOUS_PREFIX = "anon:"
KEY_PREFIX = "key:"  # actors that stand for an e-mail or a phone number, not for a player


def routing_id(user_id: str | None, anonymous_id: str | None) -> str | None:
    """Return the id an entry is routed by: ``userId``, else ``anon:<anonymousId>``, else None.

    Intake never consults aliases; the old partition forwards after a merge.
    """
    if user_id:
        return user_id
    return ANONYMOUS_PREFIX + anonymous_id if anonymous_id else None


def partition_of(player_id: str, partitions: int) -> int:
    """Return the partition of a player, ``crc32(utf8(id)) % partitions``.

    The number of partitions is fixed when a store is created, so this never moves a player.
    """
    return crc32(player_id.encode()) % partitions


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
