"""Sums by partition, and beliefs that never change, are told to every log once, and are kept while they are needed."""

from typing import Any

import pytest
from redis.asyncio import Redis

from actors.beliefs import BeliefVersions, Learner, is_news
from actors.partition import PartState, encode_part
from actors.programme import ProgrammeVersions
from domain.entries import BeliefsPublished, decode_entry
from domain.errors import NotFound
from ml.choices.beliefs import ArmSums, Beliefs
from store import beliefs as stored
from store.beliefs import BeliefsStore
from store.intake import Intake
from store.keys import BELIEFS, PLAYERS, choice_sums
from store.ports import Unavailable
from store.programmes import Programmes

pytestmark = pytest.mark.redis

PARTITIONS = 3
NOW = 1_772_409_600_000
ONE = 1_000_000
CHOICE = {"arms": {"a": {}, "b": {}}, "outcome": {"event": "deposit_completed", "within": 3_600}}


class Clock:
    def now_ms(self) -> int:
        return NOW


def known(n: int) -> dict[str, dict[str, ArmSums]]:
    return {"winback|g": {"a": ArmSums(n, n * ONE, n * ONE)}}


def intake(redis: Redis) -> Intake:
    return Intake(redis, PARTITIONS, bound=0, keep_ms=3_600_000)


@pytest.fixture
def store(redis: Redis) -> BeliefsStore:
    return BeliefsStore(redis, intake(redis))


async def told(redis: Redis, partition: int) -> list[int]:
    entries = [decode_entry(fields[b"e"]) for _, fields in await redis.xrange(PLAYERS.log(partition))]
    return [entry.number for entry in entries if isinstance(entry, BeliefsPublished)]


async def come_to(redis: Redis, *numbers: int) -> None:
    for p, number in enumerate(numbers):
        await redis.hset(PLAYERS.meta(p), "part", encode_part(PartState(beliefs=number)))


async def test_sums_are_those_of_all_partitions(redis: Redis, store: BeliefsStore) -> None:
    await redis.hset(choice_sums(0), mapping={"winback|g|a|policy|n": 2, "winback|g|a|policy|r": 500_000})
    await redis.hset(choice_sums(2), mapping={"winback|g|a|policy|n": 1, "winback|g|b|holdout|n": 4})
    sums = await store.sums()
    assert sums["winback|g"]["a"]["policy"] == ArmSums(n=3, r=500_000)
    assert sums["winback|g"]["b"]["holdout"].n == 4


async def test_what_is_published_is_stored_first_and_told_to_every_log_once(redis: Redis, store: BeliefsStore) -> None:
    assert (await store.live_number(), await store.get(0)) == (0, Beliefs())
    assert await store.publish(known(5), at=NOW) == 1
    assert await store.publish(known(6), at=NOW) == 2
    assert await store.resume(at=NOW) == []
    assert [await told(redis, p) for p in range(PARTITIONS)] == [[1, 2]] * PARTITIONS
    assert (await store.live_number(), await store.get(1), await store.get(2)) == (
        2, Beliefs(1, known(5)), Beliefs(2, known(6)),
    )  # fmt: skip


async def test_what_was_cut_short_is_told_by_whoever_begins_next(redis: Redis, store: BeliefsStore) -> None:
    class Dying(Intake):
        async def append_internal(self, partition: int, *args: Any, **named: Any) -> Any:
            if partition == 1:
                raise Unavailable("the store went away")
            return await super().append_internal(partition, *args, **named)

    with pytest.raises(Unavailable):
        await BeliefsStore(redis, Dying(redis, PARTITIONS, bound=0, keep_ms=3_600_000)).publish(known(5), at=NOW)
    assert await store.live_number() == 0
    await redis.hincrby(BELIEFS, "last", 1)  # a number whose reply was lost before anything was stored
    assert await store.resume(at=NOW) == [1]
    assert [await told(redis, p) for p in range(PARTITIONS)] == [[1]] * PARTITIONS
    assert await store.publish(known(6), at=NOW) == 3


async def test_beliefs_are_kept_until_every_partition_has_come_to_later_ones(redis: Redis, store: BeliefsStore) -> None:
    for n in range(1, 5):
        await store.publish(known(n), at=NOW)
    await come_to(redis, 4, 3, 4)
    await store.publish(known(5), at=NOW)
    for gone in (1, 2):
        with pytest.raises(NotFound, match=f"no beliefs {gone}"):
            await store.get(gone)
    assert (await store.get(3)).number == 3
    assert {name for name in await redis.hkeys(BELIEFS) if name.startswith(b"told:")} == {
        b"told:3",
        b"told:4",
        b"told:5",
    }


async def test_nothing_new_is_published_while_a_partition_stands_still_far_behind(
    redis: Redis, store: BeliefsStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored, "KEPT_MAX", 3)
    await come_to(redis, 9, 9, 0)
    numbers = [await store.publish(known(n), at=NOW) for n in range(6)]
    assert numbers[-1] is None
    held = [number for number in numbers if number]
    await come_to(redis, held[-1], held[-1], held[-1])
    assert await store.publish(known(9), at=NOW) == held[-1] + 1


async def test_the_partitions_that_have_come_to_a_number_are_counted(redis: Redis, store: BeliefsStore) -> None:
    await store.publish(known(1), at=NOW)
    await come_to(redis, 1, 0, 1)
    assert (await store.passed(1)).passed == 2
    await redis.hset(PLAYERS.meta(1), "part", b"\x91\x07")
    assert (await store.passed(1)).passed == 2


async def test_a_process_reads_a_number_once(redis: Redis, store: BeliefsStore) -> None:
    await store.publish(known(1), at=NOW)
    versions = BeliefVersions(store)
    assert (await versions.ensure(1)).choices == known(1)
    await redis.delete(BELIEFS)
    assert versions.get(1).choices == known(1)
    assert versions.get(0) == Beliefs()
    with pytest.raises(NotFound):
        await versions.ensure(2)


# Learning


async def learner(redis: Redis, store: BeliefsStore) -> tuple[Learner, str]:
    programmes = Programmes(redis, intake(redis))
    await programmes.publish({"choices": {"winback": CHOICE}}, "one", at=NOW)
    versions = ProgrammeVersions(programmes)
    key = (await versions.live()).crm.choices.choices["winback"].plan.key
    return Learner(store, versions, Clock(), every_s=0.01), key


async def test_a_round_publishes_what_the_partitions_counted(redis: Redis, store: BeliefsStore) -> None:
    learning, key = await learner(redis, store)
    assert await learning.round() is None, "nothing was counted yet"
    await redis.hincrby(choice_sums(0), f"{key}|a|policy|n", 1)
    await redis.hincrby(choice_sums(1), f"{key}|a|floor|n", 1)
    await redis.hincrby(choice_sums(1), f"{key}|a|holdout|n", 9)
    await redis.hincrby(choice_sums(2), "gone|g|a|policy|n", 9)
    assert await learning.round() == 1
    assert await store.get(1) == Beliefs(1, {key: {"a": ArmSums(n=2)}}), "only what chance drew, of what is in force"
    assert await learning.round() is None, "nothing new"
    await redis.hincrby(choice_sums(2), f"{key}|b|policy|n", 1)
    assert await learning.round() == 2


@pytest.mark.parametrize(
    ("had", "has", "news"), [(0, 0, False), (0, 1, True), (5, 6, True), (1_000, 1_009, False), (1_000, 1_010, True)]
)
def test_a_hundredth_more_is_news(had: int, has: int, news: bool) -> None:
    assert is_news(known(had) if had else {}, known(has)) is news


async def test_it_learns_until_it_is_stopped_whatever_the_store_says(redis: Redis, store: BeliefsStore) -> None:
    learning, key = await learner(redis, store)
    await redis.hincrby(choice_sums(0), f"{key}|a|policy|n", 1)
    sums, failures = store.sums, [Unavailable("gone")]

    async def faulty() -> Any:
        if failures:
            raise failures.pop()
        found = await sums()
        learning.stop()
        return found

    store.sums = faulty  # type: ignore[method-assign]
    await learning.run()
    assert await store.live_number() == 1
