"""A store of an older version is brought up to this one when it is opened."""

from redis.asyncio import Redis

from store.keys import PLAYERS, TOWER, players
from store.upgrade import SCAN_COUNT, upgrade


async def _known(redis: Redis, partition: int) -> list[bytes]:
    return list(await redis.zrange(players(partition), 0, -1))


async def test_players_of_a_store_without_an_index_are_named_in_it(redis: Redis) -> None:
    for partition, player in [(0, "ann"), (1, "bob"), (1, "odd {3}:s:\nname"), (17, "cleo")]:
        await redis.hset(PLAYERS.state(partition, player), "v", "1")
    await redis.hset(PLAYERS.state(1, "key:email:1"), "v", "1")
    await redis.hset(TOWER.state(0, "only the tower's"), "v", "1")
    assert await upgrade(redis) == {"players": 4}
    assert [await _known(redis, p) for p in (0, 1, 17)] == [[b"ann"], [b"bob", b"odd {3}:s:\nname"], [b"cleo"]]


async def test_an_upgrade_is_done_once(redis: Redis) -> None:
    assert await upgrade(redis) == {"players": 0}
    await redis.hset(PLAYERS.state(0, "ann"), "v", "1")
    assert await upgrade(redis) == {}


async def test_one_that_was_cut_short_is_begun_anew(redis: Redis) -> None:
    await redis.hset(PLAYERS.state(0, "ann"), "v", "1")
    await redis.hset(PLAYERS.state(0, "bob"), "v", "1")
    await redis.zadd(players(0), {"ann": 0})
    assert await upgrade(redis) == {"players": 1}
    assert await _known(redis, 0) == [b"ann", b"bob"]


async def test_more_players_than_fit_into_one_call(redis: Redis) -> None:
    pipe = redis.pipeline(transaction=False)
    for n in range(2 * SCAN_COUNT + 1):
        pipe.hset(PLAYERS.state(n % 3, f"p{n}"), "v", "1")
    await pipe.execute()
    assert await upgrade(redis) == {"players": 2 * SCAN_COUNT + 1}
