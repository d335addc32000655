"""Which players a commit pokes the gateways for."""

import pytest
from redis.asyncio import Redis

from store.keys import PLAYERS, poke, sockets
from store.ports import Commit, Verdict
from store.redis_lane import RedisLane

pytestmark = pytest.mark.redis


async def test_gateways_hear_of_players_with_a_socket_once_a_commit_and_of_no_others(redis: Redis) -> None:
    await redis.hset(sockets(0), mapping={"ann": "1", "bob": "1"})
    lane = RedisLane(redis, PLAYERS)
    async with redis.pubsub() as pubsub:
        await pubsub.subscribe(poke(0))
        await pubsub.get_message(timeout=5)
        grant = await lane.acquire(0, "host", "nonce", 60_000)
        history = [("ann", "*", b"1"), ("ann", "*", b"2"), ("cleo", "*", b"3"), ("bob", "*", b"4")]
        quiet = Commit("0-0", "1-0", history=[("cleo", "*", b"0")])
        loud = Commit("1-0", "2-0", history=history)
        verdicts = [(await lane.commit([(grant.token, commit)]))[0][0] for commit in (quiet, loud)]
        heard = await pubsub.get_message(timeout=5)
        more = await pubsub.get_message(timeout=0)
    assert verdicts == [Verdict.OK, Verdict.OK]
    assert heard is not None
    assert heard["data"] == b"ann\nbob"
    assert more is None
