"""What a store made by an older version lacks, added when it is opened. Each upgrade is idempotent and is done once."""

import re
from typing import Any

from redis.asyncio import Redis

from store.keys import UPGRADES, players

SCAN_COUNT = 1_000  # keys looked at in one call, some 0.2 ms of the server
_STATE = re.compile(rb"\{(\d+)\}:s:(.+)", re.DOTALL)  # of a player, not of the tower
_KEY_ACTOR = b"key:"


async def upgrade(redis: Redis) -> dict[str, int]:
    """Bring a store up to this version before anybody works on it; what was done, and to how many things.

    A call that was cut short is begun anew by the next one.
    """
    done: dict[str, int] = {}
    if not await _is_done(redis, "players"):
        done["players"] = await _index_players(redis)
        await redis.hset(UPGRADES, "players", str(done["players"]))
    return done


async def _is_done(redis: Redis, name: str) -> bool:
    return bool(await redis.hexists(UPGRADES, name))


async def _index_players(redis: Redis) -> int:
    """Name in their partitions' index all players committed by versions that had none; a pass over all keys."""
    count = 0
    found: list[tuple[int, bytes]] = []
    async for key in redis.scan_iter(match="{*}:s:*", count=SCAN_COUNT):
        state = _STATE.fullmatch(key)
        if state is not None and not state[2].startswith(_KEY_ACTOR):
            found.append((int(state[1]), state[2]))
        if len(found) >= SCAN_COUNT:
            count += await _add(redis, found)
            found.clear()
    return count + await _add(redis, found)


async def _add(redis: Redis, found: list[tuple[int, bytes]]) -> int:
    pipe: Any = redis.pipeline(transaction=False)
    for partition, player in found:
        pipe.zadd(players(partition), {player: 0})
    return sum(await pipe.execute()) if found else 0
