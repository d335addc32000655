"""Where players can be reached at this moment: read between the claim of a message and its sending."""

from typing import Any

from msgspec import Struct
from redis.asyncio import Redis
from redis.exceptions import RedisError

from crm.addresses import Address, addresses_of
from domain.ids import partition_of
from domain.player import Snapshot, snapshot_from_parts
from store.client import is_transient
from store.keys import PLAYERS, mute
from store.ports import Unavailable

_PARTS = ("profile", "air", "identity")


class Reached(Struct, frozen=True):
    """A player's addresses by channel, the best first, without those that are suppressed."""

    addresses: dict[str, tuple[Address, ...]] = {}
    is_suppressed: frozenset[str] = frozenset()  # channels of which all addresses are suppressed


class Reach:
    """Reads addresses of many players at once. Raises ``Unavailable``."""

    def __init__(self, redis: Redis, partitions: int) -> None:
        self._redis: Any = redis
        self._partitions = partitions

    async def load(self, players: list[str]) -> dict[str, Reached]:
        """Return where the players can be reached; who lives on under another id, as that one (once)."""
        asked = list(dict.fromkeys(players))
        found = await self._read(asked)
        moved = {player: snapshot.identity.merged_into for player, (snapshot, _) in found.items()}
        owners = await self._read([owner for owner in dict.fromkeys(moved.values()) if owner])
        reached: dict[str, Reached] = {}
        for player in asked:
            snapshot, muted = found[player]
            if owner := moved[player]:
                snapshot, muted = owners[owner][0], muted | owners[owner][1]
            reached[player] = reached_of(snapshot, muted)
        return reached

    async def _read(self, players: list[str]) -> dict[str, tuple[Snapshot, frozenset[str]]]:
        if not players:
            return {}
        pipe = self._redis.pipeline(transaction=False)
        for player in players:
            p = partition_of(player, self._partitions)
            pipe.hmget(PLAYERS.state(p, player), _PARTS)
            pipe.hget(mute(p), player)
        try:
            replies = await pipe.execute()
        except (RedisError, OSError) as error:
            raise (Unavailable(str(error)) if is_transient(error) else error) from error
        read: dict[str, tuple[Snapshot, frozenset[str]]] = {}
        for player, values, marks in zip(players, replies[::2], replies[1::2], strict=True):
            parts = {name: value for name, value in zip(_PARTS, values, strict=True) if value is not None}
            read[player] = snapshot_from_parts(player, 0, parts), frozenset((marks or b"").decode().splitlines())
        return read


def reached_of(snapshot: Snapshot, muted: frozenset[str]) -> Reached:
    """Return where a player can be reached; a mark ``<channel>:<digest>`` suppresses an address."""
    known = addresses_of(snapshot.profile.traits, snapshot.air.get("devices") or {})
    left = {
        channel: tuple(address for address in addresses if f"{channel}:{address.digest}" not in muted)
        for channel, addresses in known.items()
    }
    return Reached(
        {channel: addresses for channel, addresses in left.items() if addresses},
        frozenset(channel for channel, addresses in left.items() if not addresses),
    )
