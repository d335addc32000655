"""What a host notes of its commits, and what the store has of it."""

import pytest
from redis.asyncio import Redis

from actors.notes import Notes
from actors.processor import Folded
from domain.calendar import as_ms
from domain.entries import Entry, Event, LogEntry, TimerFired
from domain.player import Snapshot
from store.ports import Commit, Unavailable
from store.watched import NAMES_MAX, Noted, WatchStore
from tests.ml.watch.weeks import utc

pytestmark = pytest.mark.redis

NOON = as_ms(utc(2026, 11, 22, 12))
HOUR = 3_600_000


def entry(at: int, what: Entry) -> LogEntry:
    return LogEntry(f"{at}-0", at, what)


def bet(player: str, at: int, name: str = "bet_placed") -> LogEntry:
    return entry(at, Event(player, f"{player}-{at}", name, at))


def folded(*recent: tuple[int, str, str, str], stops: tuple[tuple[str, str], ...] = ()) -> Folded[Snapshot]:
    commit = Commit("", "")
    commit.stops += stops
    return Folded(commit, recent=list(recent))


async def test_events_are_counted_by_hour_and_name_and_players_by_day(redis: Redis) -> None:
    store = WatchStore(redis)
    one, other = Notes(store), Notes(store)
    one.add([bet("amelia", NOON), bet("amelia", NOON + 1), bet("boris", NOON + HOUR)], folded())
    other.add([bet("boris", NOON + 5), entry(NOON + 6, TimerFired("amelia", "rescore", "", NOON))], folded())
    await one.flush()
    await other.flush()
    await one.flush()
    assert await store.counted(NOON // HOUR) == {"bet_placed": 3}
    assert await store.counted(NOON // HOUR + 1) == {"bet_placed": 1}
    assert await store.last() == {"bet_placed": NOON + HOUR}
    assert await store.day("2026-11-22") == {"events": 4, "players": 2}
    assert await store.day("2026-11-21") == {"players": 0}


async def test_an_event_that_was_sent_on_counts_where_it_came_in(redis: Redis) -> None:
    notes = Notes(WatchStore(redis))
    again = Event("amelia", "e1", "bet_placed", NOON, forwarded="device-7")
    notes.add([entry(NOON, again)], folded())
    await notes.flush()
    assert await WatchStore(redis).day("2026-11-22") == {"players": 0}


async def test_scores_patterns_and_exclusions_are_counted_by_day(redis: Redis) -> None:
    notes = Notes(WatchStore(redis))
    told = [
        (NOON, "amelia", "scored", "churn"),
        (NOON, "amelia", "mission", "ten-bets"),
        (NOON, "boris", "pattern", "stake.lasting"),
    ]
    stops = (("boris", "harm"), ("carol", "cool_off|1764000000000"), ("device-7", "merged"))
    notes.add([bet("amelia", NOON)], folded(*told, stops=stops))
    await notes.flush()
    day = await WatchStore(redis).day("2026-11-22")
    assert day == {
        "events": 1, "players": 1, "scored|churn": 1, "pattern|stake.lasting": 1, "stop|harm": 1, "stop|cool_off": 1,
    }  # fmt: skip


async def test_an_operators_own_reasons_are_counted_as_one(redis: Redis) -> None:
    notes = Notes(WatchStore(redis))
    stops = tuple((f"player-{n}", f"asked us on the phone, case {n}|1764000000000") for n in range(3))
    notes.add([bet("amelia", NOON)], folded(stops=(*stops, ("dora", "self_exclusion"))))
    await notes.flush()
    day = await WatchStore(redis).day("2026-11-22")
    assert day == {"events": 1, "players": 1, "stop|other": 3, "stop|self_exclusion": 1}


async def test_names_beyond_the_bound_are_counted_as_events_only(redis: Redis) -> None:
    notes = Notes(WatchStore(redis))
    notes.add([bet("amelia", NOON, f"event-{n}") for n in range(NAMES_MAX + 20)], folded())
    notes.add([bet("amelia", NOON, "x" * 300)], folded())
    await notes.flush()
    assert len(await WatchStore(redis).counted(NOON // HOUR)) == NAMES_MAX
    assert (await WatchStore(redis).day("2026-11-22"))["events"] == NAMES_MAX + 21


async def test_a_name_not_seen_for_a_week_gives_its_place_to_a_new_one(redis: Redis) -> None:
    notes = Notes(WatchStore(redis))
    notes.add([bet("amelia", NOON, f"event-{n}") for n in range(NAMES_MAX)], folded())
    await notes.flush()
    later = NOON + 5 * 24 * HOUR
    notes.add([bet("amelia", later, f"event-{n}") for n in range(1, NAMES_MAX)], folded())
    notes.add([bet("amelia", later, "deposit_completed")], folded())
    await notes.flush()
    assert "deposit_completed" not in await WatchStore(redis).counted(later // HOUR)
    week = NOON + 7 * 24 * HOUR + HOUR
    names = ("deposit_completed", "level_reached", "event-0", "event-1")
    notes.add([bet("amelia", week, name) for name in names], folded())
    await notes.flush()
    assert await WatchStore(redis).counted(week // HOUR) == {"deposit_completed": 1, "event-1": 1}


class _Moody(WatchStore):
    fails = True

    async def add(self, noted: Noted) -> None:
        if self.fails:
            raise Unavailable("no answer")
        await super().add(noted)


async def test_what_the_store_did_not_take_is_added_the_next_time(redis: Redis) -> None:
    store = _Moody(redis)
    notes = Notes(store)
    notes.add([bet("amelia", NOON)], folded())
    await notes.flush()
    notes.add([bet("boris", NOON + 7)], folded((NOON, "boris", "scored", "churn")))
    store.fails = False
    await notes.flush()
    assert await store.counted(NOON // HOUR) == {"bet_placed": 2}
    assert await store.day("2026-11-22") == {"events": 2, "players": 2, "scored|churn": 1}
    assert await store.last() == {"bet_placed": NOON + 7}
