"""An audit over a store in which profiles joined: completions that two made together, ids that both used, money."""

import asyncio
from typing import Any

from redis.asyncio import Redis

from domain.entries import Merged, decode_entry
from domain.ids import partition_of
from playtower.audit import audit
from store.keys import PLAYERS, TOWER, outbox
from tests.api.world import PARTITIONS, World, world_of
from tests.conftest import Server

GUEST, ANN = "anon:phone-1", "ann"
MISSIONS: dict[str, Any] = {
    "currencies": {"points": {}},
    "earn-rules": {"bets": {"event": "bet_placed", "amount": 5}},
    "missions": {
        name: {"tasks": [{"id": "bets", "event": "bet_placed", "count": count}], "recurrence": recurrence}
        for name, count, recurrence in (("two", 2, "none"), ("six", 6, "none"), ("day", 4, "daily"))
    },
}


async def _settled(redis: Redis) -> None:
    async with asyncio.timeout(20):
        before: list[Any] = []
        while True:
            lanes = [lane.meta(p) for p in range(PARTITIONS) for lane in (PLAYERS, TOWER)]
            left = [await redis.xlen(outbox(p)) for p in range(PARTITIONS)]
            metas = [await redis.hmget(meta, ["in", "done"]) for meta in lanes]
            if not any(left) and metas == before and all(entered == done for entered, done in metas):
                return
            before = metas


async def _played(world: World) -> None:
    """Ann and the guest place a bet each, are found to be one, and both ids go on: together they complete all."""
    await world.publish(MISSIONS)
    for who in (GUEST, ANN):
        await world.happen(who, "bet_placed", "the same id")
    await world.happen(GUEST, "bet_placed", "g2")
    await world.happen(ANN, "identified", "login", anonymous=GUEST)
    await _settled(world.redis)
    for n in range(3):
        await world.happen(GUEST, "bet_placed", f"g{n + 3}")
        await world.happen(ANN, "bet_placed", f"g{n + 3}")
    await _settled(world.redis)


async def test_a_store_with_merges_is_sound(server: Server, redis: Redis) -> None:
    assert partition_of(GUEST, PARTITIONS) != partition_of(ANN, PARTITIONS)
    async with world_of(server, redis) as world:
        await _played(world)
        state = (await world.http.get(f"/v1/players/{ANN}")).json()
    assert state["balances"]["points"] == {"balance": 45, "lifetime": 45}
    assert {m["id"]: m["completed_count"] for m in state["missions"]} == {"two": 1, "six": 1, "day": 1}
    report = await audit(redis)
    assert report.violations == []
    assert report.completions == 3
    assert report.sums == {"points": 45}


async def test_a_profile_that_was_given_and_never_taken_is_a_violation(server: Server, redis: Redis) -> None:
    async with world_of(server, redis) as world:
        await _played(world)
    p = partition_of(ANN, PARTITIONS)
    (offset,) = [o for o, f in await redis.xrange(PLAYERS.log(p)) if isinstance(decode_entry(f[b"e"]), Merged)]
    await redis.xdel(PLAYERS.log(p), offset)
    report = await audit(redis)
    assert "merges balance" in {violation.check for violation in report.violations}


async def test_what_is_still_on_its_way_is_none(server: Server, redis: Redis) -> None:
    async with world_of(server, redis) as world:
        await _played(world)
    p = partition_of(ANN, PARTITIONS)
    (body,) = [f[b"e"] for _, f in await redis.xrange(PLAYERS.log(p)) if isinstance(decode_entry(f[b"e"]), Merged)]
    await redis.xadd(outbox(partition_of(GUEST, PARTITIONS)), {"d": str(p), "e": body})
    assert (await audit(redis)).violations == []
