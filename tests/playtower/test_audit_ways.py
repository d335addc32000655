"""An audit over a store in which players merged, a segment was reviewed and a walk went by: all of it folds again."""

import asyncio
from typing import Any

import pytest
from redis.asyncio import Redis

from domain.entries import Event, Visited, WalkAsked, decode_entry
from domain.ids import partition_of
from playtower.audit import audit
from store.keys import PLAYERS, group, outbox, players
from store.walks import ask_walk, walk_progress
from tests.api.world import PARTITIONS, PROGRAMME, World, world_of
from tests.conftest import Server

BETTORS = {"segments": {"bettors": {"where": {"metric": "bets", "op": "gte", "value": 1}}}}
METRICS = {"metrics": {"bets": {"event": "bet_placed"}}}
GUEST, ANN = "anon:phone-1", "ann"


async def _played(world: World) -> None:
    """Play as a guest, log in, and have everybody visited."""
    await world.publish(PROGRAMME | METRICS | BETTORS)  # type: ignore[arg-type]
    for n in range(3):
        await world.happen(GUEST, "bet_placed", f"guest-{n}")
    for n in range(20):
        await world.happen(f"p{n}", "bet_placed", f"bet-{n}")
    await world.happen(ANN, "identified", "login", anonymous=GUEST)
    await ask_walk(world.context.intake, PARTITIONS, WalkAsked("by hand", "review"))
    async with asyncio.timeout(20):
        while True:
            told = await walk_progress(world.redis, PARTITIONS, "by hand")
            if told is not None and told.ended_at:
                break
    await _settled(world.redis)


async def _settled(redis: Redis) -> None:
    async with asyncio.timeout(20):
        while True:
            if not await _is_waiting(redis):
                return


async def _is_waiting(redis: Redis) -> bool:
    metas = [await redis.hmget(PLAYERS.meta(p), ["in", "done"]) for p in range(PARTITIONS)]
    left = [await redis.xlen(outbox(p)) for p in range(PARTITIONS)]
    return any(left) or any(entered != done for entered, done in metas)


async def _entries(redis: Redis) -> list[Any]:
    return [decode_entry(f[b"e"]) for p in range(PARTITIONS) for _, f in await redis.xrange(PLAYERS.log(p))]


async def test_relays_walks_and_groups_fold_again_to_what_is_stored(server: Server, redis: Redis) -> None:
    assert partition_of(GUEST, PARTITIONS) != partition_of(ANN, PARTITIONS)
    async with world_of(server, redis) as world:
        await _played(world)
    entries = await _entries(redis)
    visits = [e.player for e in entries if isinstance(e, Visited) and e.walk == "by hand"]
    known = [m.decode() for p in range(PARTITIONS) for m in await redis.zrange(players(p), 0, -1)]
    assert sorted(visits) == sorted(known)
    assert {"MergeAsked", "Merged"} <= {type(e).__name__ for e in entries if not isinstance(e, Event)}
    report = await audit(redis)
    assert report.violations == []
    assert report.entries == len(entries)
    members = [m.decode() for p in range(PARTITIONS) for m in await redis.zrange(group(p, "segments/bettors"), 0, -1)]
    assert sorted(members) == sorted([ANN, *(f"p{n}" for n in range(20))])


@pytest.mark.parametrize(("add", "told"), [(True, "only in the index"), (False, "only by the log")])
async def test_an_index_that_differs_from_the_turns_is_a_violation(
    server: Server, redis: Redis, add: bool, told: str
) -> None:
    async with world_of(server, redis) as world:
        await world.publish(PROGRAMME | METRICS | BETTORS)  # type: ignore[arg-type]
        await world.happen("p1", "bet_placed", "bet-1")
        await _settled(redis)
    key = group(partition_of("p1", PARTITIONS), "segments/bettors")
    await (redis.zadd(key, {"nobody": 0}) if add else redis.zrem(key, "p1"))
    (violation,) = (await audit(redis)).violations
    assert (violation.check, told in violation.detail) == ("same groups", True)
