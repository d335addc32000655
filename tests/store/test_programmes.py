"""The programme in the store: drafts with ETags, versions that never change, a publish that can be cut short."""

import asyncio

import pytest
from redis.asyncio import Redis

from actors.partition import PartState, encode_part
from domain.entries import ProgrammePublished, decode_entry
from store.intake import Intake
from store.keys import PLAYERS
from store.programmes import Documents, EtagMismatch, Programmes, part_version

pytestmark = pytest.mark.redis

PARTITIONS = 4
BONUS: Documents = {"currencies": {"points": {}}, "earn-rules": {"bets": {"event": "bet_placed", "amount": 5}}}


@pytest.fixture
def programmes(redis: Redis) -> Programmes:
    return Programmes(redis, Intake(redis, PARTITIONS, bound=100, keep_ms=0))


async def told(redis: Redis, partition: int) -> list[int]:
    entries = [decode_entry(fields[b"e"]) for _, fields in await redis.xrange(PLAYERS.log(partition))]
    return [entry.version for entry in entries if isinstance(entry, ProgrammePublished)]


class CutShort(Exception):
    """The process died here."""


class DyingIntake(Intake):
    """Dies after it has told some partitions."""

    async def append_internal(self, partition: int, *args: object, **named: object) -> object:  # type: ignore[override]
        if partition >= 2:
            raise CutShort
        return await super().append_internal(partition, *args, **named)  # type: ignore[arg-type]


async def test_a_writer_that_saw_an_older_document_is_refused(programmes: Programmes) -> None:
    first = await programmes.put("missions", "ten-bets", {"a": 1}, expected="-")
    await programmes.put("missions", "ten-bets", {"a": 2}, expected=first)
    with pytest.raises(EtagMismatch) as refused:
        await programmes.put("missions", "ten-bets", {"a": 3}, expected=first)
    stored = await programmes.get("missions", "ten-bets")
    assert stored is not None
    assert (stored.document, stored.etag) == ({"a": 2}, refused.value.current)
    with pytest.raises(EtagMismatch):
        await programmes.put("missions", "ten-bets", {}, expected="-")
    with pytest.raises(EtagMismatch):
        await programmes.delete("missions", "nobody")


async def test_a_publish_tells_every_partition_and_the_draft_stays(redis: Redis, programmes: Programmes) -> None:
    await programmes.reset_draft(BONUS)
    version = await programmes.publish(await programmes.draft(), "k1", at=7, by="me")
    assert version == 1
    assert await programmes.current() == (1, BONUS)
    assert await programmes.draft() == BONUS
    assert [await told(redis, p) for p in range(PARTITIONS)] == [[1]] * PARTITIONS
    (info,) = await programmes.versions()
    assert (info.version, info.at, info.by) == (1, 7, "me")


async def test_the_same_key_publishes_once(redis: Redis, programmes: Programmes) -> None:
    assert await programmes.publish(BONUS, "k1") == await programmes.publish({}, "k1") == 1
    assert await programmes.content(1) == BONUS
    assert await told(redis, 0) == [1]


async def test_two_publishes_at_once_get_ordered_versions(redis: Redis, programmes: Programmes) -> None:
    versions = await asyncio.gather(*(programmes.publish(BONUS, f"k{i}") for i in range(6)))
    assert sorted(versions) == [1, 2, 3, 4, 5, 6]
    assert await programmes.live_version() == 6
    for p in range(PARTITIONS):
        assert sorted(await told(redis, p)) == [1, 2, 3, 4, 5, 6]


async def test_a_publish_cut_short_is_not_live_and_is_resumed(redis: Redis, programmes: Programmes) -> None:
    dying = Programmes(redis, DyingIntake(redis, PARTITIONS, bound=100, keep_ms=0))
    with pytest.raises(CutShort):
        await dying.publish(BONUS, "k1")
    assert await programmes.current() == (0, {})

    assert await programmes.resume() == [1]
    assert await programmes.current() == (1, BONUS)
    assert [await told(redis, p) for p in range(PARTITIONS)] == [[1]] * PARTITIONS
    assert await programmes.resume() == []


async def test_a_version_has_passed_when_every_partition_committed_it(redis: Redis, programmes: Programmes) -> None:
    version = await programmes.publish(BONUS, "k1")
    assert (await programmes.wait_passed(version, 0)).passed == 0
    waiting = asyncio.create_task(programmes.wait_passed(version, 10))
    for p in range(PARTITIONS):
        await redis.hset(PLAYERS.meta(p), "part", encode_part(PartState(programme=version)))
    assert (await waiting).all


def test_the_version_of_a_partition_is_the_first_number_of_its_state() -> None:
    assert part_version(encode_part(PartState(programme=12, model=3))) == 12
    assert part_version(None) == part_version(b"") == 0
