"""The watcher over a real store: it tells what stops, and only what it has watched itself."""

from collections.abc import Iterable

import pytest
from msgspec import structs
from redis.asyncio import Redis

from actors.partition import PartState, encode_part
from actors.watcher import GAP_MS, SETTLES_MS, Watcher, reached
from domain.calendar import DAY_MS
from ml.watch.alarms import open_alarm
from ml.watch.volumes import HOUR_MS
from ml.watch.words import sentence
from store.intake import Intake
from store.keys import PLAYERS, players
from store.programmes import Programmes
from store.watched import Noted, Told, Watching, WatchStore
from tests.ml.watch.weeks import MONDAY, after_weeks, mean_of

pytestmark = pytest.mark.redis

PARTITIONS = 2
MINUTE = 60_000
NOON = MONDAY + 12 * HOUR_MS


class At(Watcher):
    """A watcher whose store's time is what the test says."""

    now = 0
    behind = 0  # ms, a partition's oldest entry that waits; 0: none does

    async def _reached(self) -> tuple[int, int]:
        return self.now, min(self.now, self.behind or self.now)

    async def at(self, now: int) -> list[Told]:
        self.now = now
        return await self.round()


async def bets(store: WatchStore, times: Iterable[int], name: str = "bet_placed") -> None:
    noted = Noted()
    for at in times:
        key = (at // HOUR_MS, name)
        noted.hours[key] = noted.hours.get(key, 0) + 1
        noted.last[name] = max(at, noted.last.get(name, 0))
    await store.add(noted)


async def known(redis: Redis, at: int) -> At:
    """Return a watcher that has watched ``bet_placed`` for three weeks, up to a time."""
    store = WatchStore(redis)
    await bets(store, [at - 1])
    state = Watching(at, MONDAY - 21 * DAY_MS, at // HOUR_MS, "")
    assert await store.keep(Watching(), state, {"bet_placed": after_weeks()}, [])
    return At(redis, name="w", partitions=PARTITIONS)


async def every_minute(watcher: At, first: int, last: int) -> list[Told]:
    return [told for at in range(first, last, MINUTE) for told in await watcher.at(at)]


async def test_a_stop_is_told_once_and_its_end_too(redis: Redis) -> None:
    watcher = await known(redis, NOON)
    told = await every_minute(watcher, NOON, NOON + 40 * MINUTE)
    assert [(one.name, one.alarm.what, one.alarm.ended) for one in told] == [("bet_placed", "stopped", 0)]
    assert NOON + 2 * MINUTE < told[0].alarm.at < NOON + 12 * MINUTE
    back = NOON + 40 * MINUTE
    await bets(watcher.store, [back])
    (end,) = await every_minute(watcher, back, back + 2 * MINUTE)
    assert (end.alarm.ended, end.alarm.at) == (back, told[0].alarm.at)
    assert [one.alarm.ended for one in await watcher.store.told()] == [back, 0]
    assert sentence("bet_placed", end.alarm, back) == f"no bet_placed for 40 minutes, {end.alarm.usual:.0f} are usual"


async def test_what_waits_in_a_log_is_no_silence(redis: Redis) -> None:
    watcher = await known(redis, NOON)
    watcher.behind = NOON + MINUTE
    assert await every_minute(watcher, NOON, NOON + 50 * MINUTE) == []
    watcher.behind = 0
    assert [one.alarm.what for one in await watcher.at(NOON + 51 * MINUTE)] == ["stopped"]


async def test_partitions_that_are_behind_hold_the_look_back(redis: Redis) -> None:
    seconds, _ = await redis.time()
    await redis.hset(PLAYERS.meta(0), mapping={"in": 9, "done": 9, "off": "5000-0"})
    await redis.hset(PLAYERS.meta(1), mapping={"in": 9, "done": 7, "off": "7000-3"})
    now, committed = await Watcher(redis, name="w", partitions=PARTITIONS)._reached()
    assert committed == 7000
    assert abs(now - seconds * 1000) < 60_000


@pytest.mark.parametrize(
    ("waits", "partitions", "came"),
    [
        pytest.param([], 32, 0, id="all is committed"),
        pytest.param([3, 1], 32, 3, id="they are behind"),
        pytest.param([3, 60], 32, 3, id="one stands still and is left out"),
        pytest.param([60, 90, 80, 100], 32, 0, id="an eighth is still left out"),
        pytest.param([60, 90, 80, 100, 70], 32, 100, id="more would look like silence"),
        pytest.param([60], 4, 60, id="one of four is too many"),
        pytest.param([10], 32, 10, id="for ten minutes it is only slow"),
    ],
)
def test_a_few_partitions_that_stand_still_do_not_hold_the_look_back(
    waits: list[int], partitions: int, came: int
) -> None:
    assert reached(NOON, [NOON - minutes * MINUTE for minutes in waits], partitions) == NOON - came * MINUTE


async def test_a_partition_that_was_idle_waits_since_its_entry_came(redis: Redis) -> None:
    watcher = Watcher(redis, name="w", partitions=32)
    seconds, _ = await redis.time()
    now = seconds * 1_000
    for p, off in ((0, now - HOUR_MS), (1, now - 3 * HOUR_MS)):
        await redis.hset(PLAYERS.meta(p), mapping={"in": 9, "done": 7, "off": f"{off}-0"})
        await redis.xadd(PLAYERS.log(p), {"e": "done"}, id=f"{off}-0")
    await redis.xadd(PLAYERS.log(0), {"e": "waits"}, id=f"{now - 2 * MINUTE}-0")
    await redis.xadd(PLAYERS.log(1), {"e": "waits"}, id=f"{now - 2 * HOUR_MS}-0")
    assert (await watcher._reached())[1] == now - 2 * MINUTE, "the other stands still"


async def test_hours_that_nobody_watched_are_neither_judged_nor_learnt(redis: Redis) -> None:
    watcher = await known(redis, NOON)
    hours = after_weeks().usual.hours
    later = NOON + 5 * HOUR_MS + 20 * MINUTE
    assert await watcher.at(later) == []
    state = await watcher.store.state()
    assert state == Watching(later, later, later // HOUR_MS, "")
    await bets(watcher.store, [later + MINUTE])
    assert await every_minute(watcher, later, later + HOUR_MS) != [], "nothing came for an hour while it watched"
    assert (await watcher.store.names())["bet_placed"].usual.hours == hours, "it saw a part of this hour only"


async def test_hours_whose_counts_have_expired_are_not_learnt_as_empty(redis: Redis) -> None:
    watcher = await known(redis, NOON)
    before, later = await watcher.store.state(), NOON + 9 * DAY_MS
    behind = structs.replace(before, at=later - MINUTE)  # it looked all the while; one partition stood still
    assert await watcher.store.keep(before, behind, {}, [])
    kept = range((later - 7 * DAY_MS) // HOUR_MS + 2, later // HOUR_MS)  # an hour to spare
    for hour in kept:
        await watcher.store.add(Noted({(hour, "bet_placed"): round(mean_of(hour * HOUR_MS))}, {"bet_placed": later}))
    assert await watcher.at(later + SETTLES_MS) == []
    usual = (await watcher.store.names())["bet_placed"].usual
    assert usual.hours == after_weeks().usual.hours + len(kept)
    assert (await watcher.store.state()).hour == later // HOUR_MS


async def test_whole_hours_are_learnt_and_new_names_found(redis: Redis) -> None:
    watcher = At(redis, name="w", partitions=PARTITIONS)
    await bets(watcher.store, [NOON + n * 1_000 for n in range(300)], "deposit_completed")
    for at in range(NOON - MINUTE, NOON + HOUR_MS + SETTLES_MS + MINUTE, GAP_MS // 2):
        await watcher.at(at)
    await watcher.at(NOON + HOUR_MS + SETTLES_MS)
    usual = (await watcher.store.names())["deposit_completed"].usual
    assert (usual.hours, usual.means[12]) == (1, 300.0)


async def test_another_zone_is_learnt_anew(redis: Redis) -> None:
    watcher = await known(redis, NOON)
    await watcher.at(NOON)
    intake = Intake(redis, PARTITIONS, bound=0, keep_ms=0)
    await Programmes(redis, intake).publish({"settings": {"main": {"timezone": "Europe/Kyiv"}}}, "k")
    await watcher.at(NOON + MINUTE)
    assert await watcher.store.names() == {}
    assert (await watcher.store.state()).zone == "Europe/Kyiv"


async def test_an_alarm_that_goes_on_ends_with_its_zone(redis: Redis) -> None:
    watcher = await known(redis, NOON)
    (opened,) = await every_minute(watcher, NOON, NOON + 20 * MINUTE)
    intake = Intake(redis, PARTITIONS, bound=0, keep_ms=0)
    await Programmes(redis, intake).publish({"settings": {"main": {"timezone": "Europe/Kyiv"}}}, "k")
    (end,) = await watcher.at(NOON + 20 * MINUTE)
    assert end.alarm == structs.replace(opened.alarm, ended=NOON + 20 * MINUTE)
    assert await watcher.store.told() == [end, opened]
    assert await watcher.store.alarms() == []


async def test_a_name_nobody_sends_any_more_is_forgotten(redis: Redis) -> None:
    watcher = await known(redis, NOON)
    await redis.zadd("{watch}:last", {"bet_placed": NOON - 29 * DAY_MS})
    await watcher.at(NOON + SETTLES_MS + MINUTE)
    assert await watcher.store.names() == {}
    assert await watcher.store.last() == {}


async def test_when_names_were_seen_is_kept_no_longer_than_they_may_be_watched(redis: Redis) -> None:
    watcher = await known(redis, NOON)
    seen = {"never-watched": NOON - 29 * DAY_MS, "seldom": NOON - 27 * DAY_MS}
    await redis.zadd("{watch}:last", seen)
    await watcher.at(NOON + MINUTE)
    assert set(await watcher.store.last()) == {"bet_placed", "seldom"}


async def test_a_name_that_comes_seldom_is_looked_at_seldom_and_all_the_same(redis: Redis) -> None:
    watcher = await known(redis, NOON)
    await redis.zadd("{watch}:last", {"bet_placed": NOON - 7 * HOUR_MS})  # watched all the while, and nothing counted
    assert await watcher.at(NOON + SETTLES_MS + 1) == []
    assert await watcher.at(NOON + 4 * MINUTE) == []
    assert [one.alarm.what for one in await watcher.at(NOON + 5 * MINUTE)] == ["stopped"]


async def test_of_two_watchers_one_writes(redis: Redis) -> None:
    one = await known(redis, NOON)
    other = At(redis, name="x", partitions=PARTITIONS)
    assert await one.store.lead("w", 60_000)
    assert await one.store.lead("w", 60_000)
    assert not await other.store.lead("x", 60_000)
    before = await one.store.state()
    await one.at(NOON + MINUTE)
    assert not await other.store.keep(before, Watching(1), {}, [])
    assert (await one.store.state()).at == NOON + MINUTE


async def test_the_books_are_opened_once_a_day(redis: Redis) -> None:
    watcher = await known(redis, NOON)
    for p, amount in ((0, -70), (1, -30)):
        part = encode_part(PartState(accounts={"issued:points": amount, "redeemed:points": 5}))
        await redis.hset(PLAYERS.meta(p), "part", part)
        await redis.zadd(players(p), {f"player-{p}": 0})
    await watcher.at(NOON)
    await redis.delete(PLAYERS.meta(0))
    await watcher.at(NOON + MINUTE)
    today, tomorrow = await watcher.store.books(["2026-03-02", "2026-03-03"])
    assert tomorrow is None
    assert today is not None
    assert (today.at, today.accounts, today.players) == (NOON, {"issued:points": -100, "redeemed:points": 10}, 2)


async def test_open_alarms_survive_another_watcher(redis: Redis) -> None:
    watcher = await known(redis, NOON)
    await every_minute(watcher, NOON, NOON + 20 * MINUTE)
    successor = At(redis, name="x", partitions=PARTITIONS)
    assert await successor.at(NOON + 21 * MINUTE) == []
    assert open_alarm((await successor.store.names())["bet_placed"])
