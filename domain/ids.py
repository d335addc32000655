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
