"""The day in a few lines, and what is watched: from what hosts counted, the tower, the ledger and the watcher."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from redis.asyncio import Redis

from actors.partition import PartState, encode_part
from api.digest_words import lines
from api.reports import today_of
from domain.calendar import DAY_MS
from ml.watch.alarms import Alarm, Watched
from ml.watch.calls import Outcome
from ml.watch.drift import Shift
from store.keys import PLAYERS, players, tally
from store.watched import Books, Noted, Told, Watching, WatchStore
from store.watched_models import Drift, Judged, WatchedModels
from tests.api.world import World, world_of
from tests.conftest import Server

pytestmark = pytest.mark.redis

MINUTE = 60_000


@pytest.fixture
async def idle(server: Server, redis: Redis) -> AsyncIterator[World]:
    async with world_of(server, redis, hosts=False) as made:
        yield made


def days_ago(world: World, days: int) -> str:
    return (today_of(world.context.clock.now_ms()) - timedelta(days=days)).isoformat()


async def digest(world: World, day: str = "") -> Any:
    answer = await world.http.get("/v1/digest", params={"day": day} if day else {})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def busy(world: World) -> None:
    """Put two days of a small casino into the store."""
    store, noted = WatchStore(world.redis), Noted()
    for ago, active in ((1, 40), (2, 30)):
        day = days_ago(world, ago)
        noted.days |= {(day, "events"): active * 10, (day, "scored|churn"): active}
        noted.players[day] = {f"player-{n}" for n in range(active)}
    noted.days |= {(days_ago(world, 1), "pattern|stake.lasting"): 2, (days_ago(world, 1), "stop|harm"): 1}
    await store.add(noted)
    for ago, issued, known in ((2, -100, 90), (1, -600, 95), (0, -1_850, 107)):
        accounts = {"issued:points": issued, "adjusted:points": 50 * (ago == 0)}
        await store.open_books(days_ago(world, ago), Books(1, accounts, known))
    counts = {"cleared||email": 40, "rerouted||sms": 2, "held|quiet_hours|sms": 7}
    for p, (decided, count) in enumerate(counts.items()):
        await world.redis.hset(tally(p, days_ago(world, 1)), f"{decided}|promo|spring", count)


async def test_a_day_is_told_beside_the_day_before(idle: World) -> None:
    await busy(idle)
    told = await digest(idle)
    assert told["day"] == days_ago(idle, 1)
    assert told["so_far"] is False
    assert told["lines"] == [
        "40 players were active (day before: 30), 12 were new.",
        "points: 1,250 issued, -50 adjusted (day before: 500 issued).",
        "Messages: 42 sent, 7 held, 0 refused (day before: 0 sent, 0 held, 0 refused). Most often held: "
        "It is quiet time for this channel where the player is. (7)",
        "40 churn scores moved (day before: 30).",
        "2 patterns unlike the player: stake.lasting 2 (day before: 0).",
        "1 player was excluded: harm 1 (day before: 0).",
        "No event was unlike any week.",
    ]
    assert told["players"] == {"active": 40, "new": 12, "before": {"active": 30, "new": 5}}
    assert told["points"][0]["before"] == {"adjusted": 0, "issued": 500}


async def test_of_today_it_tells_what_there_is_so_far(idle: World) -> None:
    await busy(idle)
    part = encode_part(PartState(accounts={"issued:points": -2_000}))
    await idle.redis.hset(PLAYERS.meta(0), "part", part)
    await idle.redis.zadd(players(0), {f"player-{n}": 0 for n in range(110)})
    told = await digest(idle, days_ago(idle, 0))
    assert told["so_far"] is True
    assert told["points"][0]["issued"] == 150
    assert told["players"]["new"] == 3


async def test_an_engine_nobody_watched_says_so_by_null(idle: World) -> None:
    told = await digest(idle)
    assert told["players"] == {"active": None, "new": None, "before": {"active": None, "new": None}}
    assert (told["events"]["count"], told["scores"]["moved"], told["excluded"]["count"]) == (None, None, None)
    assert told["points"] == []
    assert told["lines"] == ["Nobody counted on this day: the engine was not running, or nothing watched it."]


async def test_a_day_that_was_watched_and_brought_nothing_is_told_as_such(idle: World) -> None:
    await WatchStore(idle.redis).open_books(days_ago(idle, 1), Books(1, {}, 0))
    told = await digest(idle)
    assert (told["players"]["active"], told["players"]["before"]["active"], told["events"]["count"]) == (0, None, 0)
    assert told["lines"] == ["0 players were active.", "No event was unlike any week."]


@pytest.mark.parametrize("ago", [-1, 500])
async def test_a_day_that_cannot_be_told_is_refused(idle: World, ago: int) -> None:
    assert (await idle.http.get("/v1/digest", params={"day": days_ago(idle, ago)})).status_code == 422


async def stopped(world: World) -> int:
    """Put an alarm that goes on, and one that ended yesterday; when the first began."""
    now = world.context.clock.now_ms()
    on = Alarm("stopped", now - 30 * MINUTE, now - 40 * MINUTE, now - 30 * MINUTE, 0, 80.0)
    over = Alarm("many", now - DAY_MS, now - DAY_MS - 60 * MINUTE, now - DAY_MS, 900, 90.0, now - DAY_MS + 60 * MINUTE)
    told = [Told("deposit_completed", over), Told("bet_placed", on)]
    names = {one.name: Watched(alarm=one.alarm) for one in told}
    assert await WatchStore(world.redis).keep(Watching(), Watching(now, now - DAY_MS, 1, "Europe/Kyiv"), names, told)
    return on.since


async def off(world: World) -> None:
    """Put a look at drift and a week's outcomes."""
    models = WatchedModels(world.redis)
    shifts = [Shift("days_14", 0.31, 2.0, 6.0), Shift("recency", 0.04, 0.5, 0.5)]
    await models.keep_drift(Drift(1, 3, 5, 2_000, 1, 2_000, "training", shifts))
    for day in ("2026-11-01", "2026-11-02"):
        await models.keep_judged(Judged(day, 5, 14, [Outcome("churn_14d", 400, 0.4, 0.52, 0.02)]))
    await models.keep_judged(Judged("2026-10-01", 4, 14, [Outcome("churn_14d", 400, 0.9, 0.1, 0.02)]))


async def test_what_is_watched_can_be_read(idle: World) -> None:
    await stopped(idle)
    await off(idle)
    told = (await idle.http.get("/v1/watch")).json()
    assert (told["watching"], told["zone"], told["events"]) == (True, "Europe/Kyiv", 2)
    (alarm,) = told["alarms"]
    assert (alarm["event"], alarm["what"], alarm["ended_at"]) == ("bet_placed", "stopped", None)
    assert alarm["in_words"] == "no bet_placed for 40 minutes, 80 are usual in 10 minutes"
    assert (told["drift"]["warned"], told["drift"]["farthest"][0]["psi"]) == (["days_14"], 0.31)
    (score,) = told["scores"]
    assert (score["calls"], score["days"], score["said"], score["warns"]) == (800, 2, 0.4, True)


async def test_status_and_metrics_tell_it_too(idle: World) -> None:
    await stopped(idle)
    await off(idle)
    watch = (await idle.http.get("/v1/status")).json()["watch"]
    assert (watch["watching"], watch["drifted"], watch["scores_off"]) == (True, ["days_14"], ["churn_14d"])
    assert watch["alarms"] == ["no bet_placed for 40 minutes, 80 are usual in 10 minutes"]
    text = (await idle.http.get("/metrics")).text
    for line in (
        "playtower_watching 1.0",
        'playtower_volume_alarm{event="bet_placed",what="stopped"} 1.0',
        'playtower_drift_psi{of="days_14"} 0.31',
        'playtower_score_gap{score="churn_14d"} 0.12',
    ):
        assert line in text
    assert "deposit_completed" not in text


async def test_the_digest_has_alarms_of_its_day_and_what_is_off(idle: World) -> None:
    since = await stopped(idle)
    await off(idle)
    told = await digest(idle, today_of(since).isoformat())
    assert "no bet_placed for" in " ".join(told["lines"])
    assert "Players no longer look like those the model knows: days_14. Train again." in told["lines"]
    assert "churn_14d is off: 40% on average was said, 52% happened. Recalibrate." in told["lines"]
    many = [alarm for alarm in (await digest(idle, days_ago(idle, 1)))["alarms"] if alarm["what"] == "many"]
    assert [alarm["in_words"] for alarm in many] == ["900 deposit_completed in 60 minutes, 90 are usual"]


async def test_a_day_long_over_does_not_show_what_is_known_today(idle: World) -> None:
    await off(idle)
    for ago, is_known in ((0, True), (1, True), (2, False), (40, False)):
        told = await digest(idle, days_ago(idle, ago))
        assert [told[what] is not None for what in ("drift", "outcomes", "choices")] == [is_known] * 3
        said = " ".join(told["lines"])
        assert ("days_14" in said, "churn_14d" in said) == (is_known, is_known)
        assert ("known as they are now: see the digest of today or yesterday." in said) is not is_known


async def test_a_look_may_be_asked_for(idle: World) -> None:
    assert (await idle.http.post("/v1/watch/drift")).status_code == 202
    assert await WatchedModels(idle.redis).is_asked()
    assert (await idle.http.get("/v1/watch")).json()["watching"] is False


async def test_who_may_not_read_reports_may_not_read_these(idle: World) -> None:
    headers = await idle.key("events:write")
    for path in ("/v1/digest", "/v1/watch"):
        assert (await idle.http.get(path, headers=headers)).status_code == 403


def test_many_alarms_are_counted() -> None:
    alarm = {"in_words": "no x", "since": "2026-11-21T12:00:00.000Z"}
    nothing = {"count": 0, "before": 0, "by": {}}
    figures = {
        "players": {"active": 1, "new": 0, "before": {"active": 0, "new": 0}},
        "points": [{"currency": "gems", "issued": 0, "adjusted": None, "before": {"issued": 0}}],
        "messages": {"sent": 0, "held": 0, "refused": 0, "reasons": [], "before": {"sent": 0, "held": 0, "refused": 0}},
        "scores": {"moved": 0, "before": 0}, "patterns": nothing, "excluded": nothing, "drift": None, "outcomes": [],
        "choices": [{"id": "winback", "in_words": ["Not proven yet."]}], "alarms": [alarm] * 7,
    }  # fmt: skip
    said = lines(figures)
    assert said[0] == "1 player was active (day before: 0)."
    assert said[1] == "Choice winback: Not proven yet."
    assert said[-1] == "And 2 more."
    assert len(said) == 8
