"""What callers outside of the members see of walks and groups."""

from collections.abc import Callable

import pytest
from msgspec import structs
from redis.asyncio import Redis

from domain.entries import WalkAsked, decode_entry
from store.intake import Intake
from store.keys import PLAYERS, group, players, walk_stops, walks
from store.ports import Walk, decode_walk, encode_walk
from store.walks import BadCursor, ask_walk, group_count, group_members, walk_progress

KEPT = (  # as the first version wrote it; fields are only ever added at the end, with a default
    b"\x9c\xa8review:7\xa6review\xa3vip\xacsegments/vip\xcd\x02X\x81\xa1k\x01\xcf\x00\x00\x01\x9c\xab\xd88\x00\xa3ann\x0c"
    b"\xcf\x00\x00\x01\x9c\xab\xd9\xbe\xa0\xa9completed\xc2"
)
PARTITIONS = 20  # more than are read at once


@pytest.fixture
def intake(redis: Redis) -> Intake:
    return Intake(redis, PARTITIONS, bound=0, keep_ms=0)


async def _logs(redis: Redis) -> list[list[object]]:
    return [[decode_entry(f[b"e"]) for _, f in await redis.xrange(PLAYERS.log(p))] for p in range(PARTITIONS)]


async def test_every_partition_hears_of_a_walk_once_however_often_it_is_asked_for(redis: Redis, intake: Intake) -> None:
    asked = WalkAsked("campaigns/easter:1", "journey", "campaigns/easter", "segments/vip", 600)
    await ask_walk(intake, 3, asked)  # as if the call had failed on the way
    await ask_walk(intake, PARTITIONS, asked)
    await ask_walk(intake, PARTITIONS, asked)
    assert await _logs(redis) == [[asked]] * PARTITIONS


async def test_ending_a_walk_is_another_request_of_the_same_id(redis: Redis, intake: Intake) -> None:
    asked = WalkAsked("w", "review")
    await ask_walk(intake, PARTITIONS, asked)
    await ask_walk(intake, PARTITIONS, structs.replace(asked, stop=True))
    assert [entry.stop for entry in (await _logs(redis))[7]] == [False, True]  # type: ignore[attr-defined]


def test_a_walk_that_was_stored_once_is_still_read() -> None:
    times = {"asked_at": 1_772_409_600_000, "ended_at": 1_772_409_700_000}
    walk = Walk("review:7", "review", "vip", "segments/vip", 600, {"k": 1}, cursor="ann", visited=12, **times)
    assert decode_walk(KEPT) == structs.replace(walk, outcome="completed")
    assert encode_walk(decode_walk(KEPT)) == KEPT


async def test_a_walk_that_nobody_knows_has_no_progress(redis: Redis) -> None:
    assert await walk_progress(redis, PARTITIONS, "w") is None


async def _keep(redis: Redis, change: Callable[[int], dict[str, object]], count: int = PARTITIONS) -> None:
    for p in range(count):
        walk = structs.replace(Walk("w", "review", group="segments/vip", asked_at=100 + p), **change(p))
        await redis.hset(walks(p), "w", encode_walk(walk))


async def test_progress_adds_up_what_the_partitions_know(redis: Redis) -> None:
    await _keep(redis, lambda p: {"visited": 10, "ended_at": 500 + p if p < 5 else 0, "outcome": "completed"}, count=8)
    told = await walk_progress(redis, PARTITIONS, "w")
    assert told is not None
    assert (told.visited, told.partitions_begun, told.partitions_done, told.of) == (80, 8, 5, PARTITIONS)
    assert (told.asked_at, told.ended_at, told.outcome, told.group) == (100, 0, "", "segments/vip")


async def test_a_walk_has_ended_when_it_has_in_every_partition(redis: Redis) -> None:
    await _keep(redis, lambda p: {"ended_at": 500 + p, "outcome": "completed"})
    told = await walk_progress(redis, PARTITIONS, "w")
    assert told is not None
    assert (told.ended_at, told.outcome) == (500 + PARTITIONS - 1, "completed")


async def test_a_walk_that_has_not_begun_everywhere_has_not_ended(redis: Redis) -> None:
    await _keep(redis, lambda _: {"ended_at": 500, "outcome": "completed"}, count=PARTITIONS - 1)
    told = await walk_progress(redis, PARTITIONS, "w")
    assert told is not None
    assert (told.ended_at, told.outcome, told.partitions_done) == (0, "", PARTITIONS - 1)


async def test_a_walk_that_stopped_anywhere_was_stopped(redis: Redis) -> None:
    await _keep(redis, lambda p: {"ended_at": 500, "outcome": "stopped" if p == 3 else "completed"})
    told = await walk_progress(redis, PARTITIONS, "w")
    assert told is not None
    assert told.outcome == "stopped"


async def test_progress_shows_that_a_walk_was_asked_to_end_and_has_not_yet(redis: Redis) -> None:
    await _keep(redis, lambda _: {})
    await redis.hset(walk_stops(4), "w", "1")
    told = await walk_progress(redis, PARTITIONS, "w")
    assert told is not None
    assert (told.is_stopping, told.outcome) == (True, "")


async def test_a_group_is_counted_and_paged_over_all_partitions(redis: Redis) -> None:
    names = [f"p{n:03}" for n in range(50)]
    for n, name in enumerate(names):
        await redis.zadd(group(n % PARTITIONS, "segments/vip"), {name: 0})
    assert await group_count(redis, PARTITIONS, "segments/vip") == 50
    met: list[str] = []
    page = await group_members(redis, PARTITIONS, "segments/vip", None, 7)
    while page.next:
        assert len(page.players) == 7
        met += page.players
        page = await group_members(redis, PARTITIONS, "segments/vip", page.next, 7)
    assert sorted(met + page.players) == names


async def test_the_group_without_a_name_is_every_player(redis: Redis) -> None:
    await redis.zadd(players(19), {"ann:with:colons": 0, "bob": 0})
    assert await group_count(redis, PARTITIONS, "") == 2
    first = await group_members(redis, PARTITIONS, "", None, 1)
    rest = await group_members(redis, PARTITIONS, "", first.next, 1)
    assert (first.players, rest.players, rest.next) == (["ann:with:colons"], ["bob"], None)


async def test_an_empty_group_is_an_empty_page(redis: Redis) -> None:
    page = await group_members(redis, PARTITIONS, "segments/none", None, 10)
    assert (page.players, page.next) == ([], None)


@pytest.mark.parametrize("cursor", ["", "ann", "20:ann", "-1:ann", "x:ann"])
async def test_a_cursor_of_no_page_is_refused(redis: Redis, cursor: str) -> None:
    with pytest.raises(BadCursor, match="expected a cursor"):
        await group_members(redis, PARTITIONS, "g", cursor, 10)
