"""What couriers keep in the store beside the queue: lives, providers' ids, addresses, what towers were told."""

import os
import subprocess
import sys

import pytest
from redis.asyncio import Redis

from crm.addresses import Address
from domain.entries import ChannelChanged, decode_entry
from domain.ids import partition_of
from domain.player import Identity, Profile, Snapshot, all_parts
from store.closures import Closures
from store.intake import Intake
from store.keys import PLAYERS, TOWER, mute
from store.lives import ENDED_KEPT_MS, Life, Lives, is_gone, life_of, started_at
from store.provider_ids import KEPT_MS, Posted, ProviderIds
from store.reach import Reach

pytestmark = pytest.mark.redis
PARTITIONS = 4
NOW = 1_772_438_400_000


async def test_a_life_ends_once_it_is_known_to_be_over(redis: Redis) -> None:
    lives = Lives(redis)
    one, two = Life("one", "courier-0", "here", 1), Life("two", "courier-1", "here", 2)
    await lives.begin(one)
    await lives.begin(two)
    assert sorted(await lives.all(), key=lambda life: life.incarnation) == [one, two]
    await lives.end(["one"], NOW)
    assert await lives.all() == [two]
    assert await lives.ended(["one", "two", "three"]) == {"one"}
    await lives.settled("two")
    assert await lives.all() == []
    assert await lives.ended(["two"]) == set()
    await lives.tidy(NOW + ENDED_KEPT_MS)
    assert await lives.ended(["one"]) == {"one"}
    await lives.tidy(NOW + ENDED_KEPT_MS + 1)
    assert await lives.ended(["one"]) == set()


def test_a_process_is_gone_when_its_pid_is_free_or_is_another_processes() -> None:
    ours = life_of("x", "courier-0")
    assert ours.pid == os.getpid()
    assert not is_gone(ours)
    assert is_gone(Life("x", "courier-0", ours.node, ours.pid, "1")), "the pid is used again"
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        other = Life("y", "courier-0", ours.node, child.pid, started_at(child.pid))
        assert not is_gone(other)
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and nobody has looked: a zombie
        assert is_gone(other)
    assert is_gone(other)
    assert not is_gone(Life("z", "courier-0", "elsewhere", 1)), "of another machine nothing is known"


async def test_a_provider_names_a_message_by_its_own_id(redis: Redis) -> None:
    ids = ProviderIds(redis)
    posted = Posted("a|player|of|bars", "req-1", "sms", "hello", "promo", "0123")
    await ids.remember([("sms", "SM1", posted)])
    assert await ids.find("sms", "SM1") == posted
    assert await ids.find("other", "SM1") is None
    assert 0 < await redis.pttl("{store}:pid:sms:SM1") <= KEPT_MS


async def put(redis: Redis, snapshot: Snapshot) -> None:
    key = PLAYERS.state(partition_of(snapshot.player, PARTITIONS), snapshot.player)
    await redis.hset(key, mapping=all_parts(snapshot))


async def test_players_are_reached_where_they_are_now(redis: Redis) -> None:
    device = {"kind": "fcm", "value": "token", "seen_at": 5}
    known = Snapshot(
        "ada", profile=Profile({"email": "ada@example.com", "phone": "+441"}), air={"devices": {"d": device}}
    )
    await put(redis, known)
    await put(
        redis, Snapshot("anon:1", profile=Profile({"email": "old@example.com"}), identity=Identity(merged_into="ada"))
    )
    mail, phone = Address("email", "ada@example.com"), Address("phone", "+441")
    await redis.hset(mute(partition_of("ada", PARTITIONS)), "ada", f"promo\nsms:{phone.digest}\nemail:0123456789abcdef")
    reached = await Reach(redis, PARTITIONS).load(["ada", "anon:1", "nobody", "ada"])
    assert reached["ada"].addresses == {"email": (mail,), "push": (Address("fcm", "token"),)}
    assert reached["ada"].is_suppressed == {"sms"}
    assert reached["anon:1"] == reached["ada"], "who lives on under another id is reached as that one"
    assert reached["nobody"].addresses == {}


async def test_what_a_tower_was_told_is_kept_until_it_is_told_otherwise(redis: Redis) -> None:
    closures = Closures(redis, Intake(redis, PARTITIONS, bound=0, keep_ms=0))
    closed = ChannelChanged("email", False, "provider_down", NOW + 5_000, NOW)
    await closures.tell(1, "channel:email:life:1", closed)
    await closures.tell(1, "channel:email:life:1", closed)
    assert await closures.told([0, 1]) == {0: {}, 1: {"email": "provider_down"}}
    await closures.tell(1, "channel:email:life:2", ChannelChanged("email", True, at=NOW + 1))
    assert await closures.told([1]) == {1: {}}
    told = [decode_entry(fields[b"e"]) for _, fields in await redis.xrange(TOWER.log(1))]
    assert [entry.open for entry in told if isinstance(entry, ChannelChanged)] == [False, True]
