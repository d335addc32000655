"""The look at live players over a real store: drift from the first look or the training, what became of calls."""

from collections.abc import Mapping
from random import Random

import pytest
from msgspec import structs
from redis.asyncio import Redis

from actors.drifting import LATE_MS, SAMPLE, TICK_MS, Drifting, draw
from actors.models import shipped
from domain.calendar import DAY_MS
from domain.features import Features
from domain.ids import partition_of
from domain.player import Snapshot, all_parts
from ml.features import NAMES, Signal, update, vector
from ml.net import describe, dump
from ml.watch.calls import PLAYERS_MAX
from ml.watch.drift import reference_of
from store.intake import Intake
from store.keys import PLAYERS, players
from store.models import ModelInfo, Models
from store.programmes import Programmes
from tests.ml.watch.weeks import MONDAY

pytestmark = pytest.mark.redis

PARTITIONS = 4
HOUR = 3_600_000
COUNT = 300


def played(first: int, days: int, kind: str = "other") -> Features:
    """Return the features of who came on some days in a row."""
    state = Features()
    for day in range(days):
        for minute in range(0, 20, 5):
            state = update(state, Signal(kind, 5.0), first + day * DAY_MS + minute * 60_000)  # type: ignore[arg-type]
    return state


async def put(redis: Redis, states: Mapping[str, Features]) -> None:
    pipe = redis.pipeline(transaction=False)
    for name, state in states.items():
        p = partition_of(name, PARTITIONS)
        pipe.hset(PLAYERS.state(p, name), mapping=all_parts(Snapshot(name, features=state)))
        pipe.zadd(players(p), {name: 0})
    await pipe.execute()


def crowd(now: int, days: int = 3) -> dict[str, Features]:
    kinds = [played(now - (days + since) * DAY_MS, days) for since in range(9)]
    return {f"player-{n}": kinds[n % 9] for n in range(COUNT)}


async def published(redis: Redis) -> Drifting:
    """Return what looks at a store whose programme scores players."""
    intake = Intake(redis, PARTITIONS, bound=0, keep_ms=0)
    await Programmes(redis, intake).publish({"models": {"churn": {}}}, "k")
    return Drifting(redis, partitions=PARTITIONS)


async def test_without_the_document_nobody_is_looked_at(redis: Redis) -> None:
    await put(redis, crowd(MONDAY))
    assert await Drifting(redis, partitions=PARTITIONS).round(MONDAY) is None


async def test_the_first_look_is_what_later_ones_are_compared_with(redis: Redis) -> None:
    looks = await published(redis)
    await put(redis, crowd(MONDAY))
    first = await looks.round(MONDAY)
    assert first is not None
    assert (first.against, first.players, first.rows) == ("first_look", COUNT, COUNT)
    assert not any(shift.warns for shift in first.shifts)
    assert await looks.round(MONDAY + DAY_MS - TICK_MS) is None
    await put(redis, crowd(MONDAY + DAY_MS))
    same = await looks.round(MONDAY + DAY_MS)
    assert same is not None
    assert (same.since, max(shift.psi for shift in same.shifts)) == (MONDAY, 0.0)
    await put(redis, crowd(MONDAY + 2 * DAY_MS, days=12))
    later = await looks.round(MONDAY + 2 * DAY_MS)
    assert later is not None
    warned = {shift.name for shift in later.shifts if shift.warns}
    assert {"days_14", "sessions_28"} <= warned
    assert any(name.startswith("scores.churn") for name in warned)
    assert "bets_28" not in warned
    assert await looks.store.drift() == later


async def test_a_model_that_knows_its_players_is_compared_with_them(redis: Redis) -> None:
    looks = await published(redis)
    states = crowd(MONDAY)
    rows = [vector(state, MONDAY) for state in states.values()]
    known = reference_of(MONDAY - DAY_MS, {name: [row[at] for row in rows] for at, name in enumerate(NAMES)})
    artefact = dump(structs.replace(shipped().artefact, known=known))
    models = Models(redis, Intake(redis, PARTITIONS, bound=0, keep_ms=0))
    version = await models.put(artefact, "m", ModelInfo(0, about=describe(shipped())))
    await models.publish(version, "p")
    await put(redis, states)
    found = await looks.round(MONDAY)
    assert found is not None
    assert (found.against, found.since, found.version, found.publication) == ("training", MONDAY - DAY_MS, 1, 1)
    assert max(shift.psi for shift in found.shifts) == 0.0
    assert await looks.store.reference(1) is None


async def test_somebody_may_ask_for_a_look(redis: Redis) -> None:
    looks = await published(redis)
    await put(redis, crowd(MONDAY))
    await looks.round(MONDAY)
    await looks.store.ask()
    assert await looks.round(MONDAY + 1) is not None
    assert await looks.round(MONDAY + 2) is None


async def test_of_few_players_no_reference_is_kept(redis: Redis) -> None:
    looks = await published(redis)
    await put(redis, dict(list(crowd(MONDAY).items())[:50]))
    found = await looks.round(MONDAY)
    assert found is not None
    assert (found.against, found.players, found.shifts) == ("nothing", 50, [])
    await put(redis, crowd(MONDAY))
    assert await looks.round(MONDAY + TICK_MS - 1) is None
    again = await looks.round(MONDAY + TICK_MS)
    assert again is not None
    assert again.against == "first_look"


async def test_players_who_are_long_gone_are_not_drawn(redis: Redis) -> None:
    gone = dict.fromkeys([f"gone-{n}" for n in range(40)], played(MONDAY - 90 * DAY_MS, 2))
    await put(redis, gone | dict(list(crowd(MONDAY).items())[:60]) | {"nobody": Features()})
    drawn = await draw(redis, PARTITIONS, SAMPLE, MONDAY, Random(1))
    assert len(drawn) == 60
    assert len(await draw(redis, PARTITIONS, 20, MONDAY, Random(1))) == 20


async def test_who_is_called_is_a_random_sample_of_who_was_drawn(redis: Redis) -> None:
    looks = await published(redis)
    states = list(crowd(MONDAY).values())
    names = [f"{first}-{n}" for first in ("guest", "member") for n in range(2 * COUNT)]
    await put(redis, {name: states[n % COUNT] for n, name in enumerate(names)})
    await looks.round(MONDAY)
    calls = await looks.store.calls("2026-03-02")
    assert calls is not None
    assert len(calls.calls) == PLAYERS_MAX
    guests = sum(call.player.startswith("guest") for call in calls.calls)
    assert 0.4 < guests / PLAYERS_MAX < 0.6


async def test_calls_are_judged_when_their_horizon_is_over(redis: Redis) -> None:
    looks = await published(redis)
    states = crowd(MONDAY)
    await put(redis, states)
    await looks.round(MONDAY)
    calls = await looks.store.calls("2026-03-02")
    assert calls is not None
    assert {call.player for call in calls.calls} == set(states)
    assert set(calls.calls[0].said) == {"churn_7d", "churn_14d", "churn_28d"}
    back = [name for n, name in enumerate(states) if n % 4 == 0]
    await put(redis, {name: update(states[name], Signal("other"), MONDAY + 3 * DAY_MS) for name in back})
    await looks.round(MONDAY + 7 * DAY_MS - 2 * HOUR)
    await looks.round(MONDAY + 7 * DAY_MS - HOUR)
    assert await looks.store.judged() == {}
    await looks.round(MONDAY + 7 * DAY_MS)
    (judged,) = (await looks.store.judged()).values()
    (week,) = judged.outcomes
    assert (judged.day, judged.days, week.head, week.calls, week.happened) == ("2026-03-02", 7, "churn_7d", COUNT, 0.75)
    assert week.said == pytest.approx(sum(call.said["churn_7d"] for call in calls.calls) / COUNT)


async def test_what_nobody_looked_at_in_time_is_not_judged(redis: Redis) -> None:
    looks = await published(redis)
    await put(redis, crowd(MONDAY))
    await looks.round(MONDAY)
    await looks.round(MONDAY + 7 * DAY_MS + LATE_MS + HOUR)
    (judged,) = (await looks.store.judged()).values()
    assert judged.outcomes == []
