"""Ways of scoring, and when a run is."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.calendar import as_datetime
from domain.game_effects import LeaderboardMoved
from gamification.programme import InvalidProgramme
from gamification.tournaments.config import Once, Recurring
from gamification.tournaments.windows import next_run, run_at, run_named
from tests.gamification.playing import DAY, HOUR, MINUTE, MONDAY, NOON, programme
from tests.gamification.tournaments.hall import hall, prizes, tournament

TODAY = "race@2026-03-02"


def scored(score: dict[str, Any], *bets: dict[str, Any], **more: Any) -> tuple[float, int] | None:
    world = hall(race=tournament(events=[{"event": "bet_placed", "score": score, **more}]))
    for minute, bet in enumerate(bets):
        world.does("ada", at=NOON - HOUR + minute * MINUTE, **bet)
    world.settle()
    row = world.boards[TODAY].rows.get("ada") if TODAY in world.boards else None
    return (row.score, (row.reached_at - NOON + HOUR) // MINUTE) if row and row.score is not None else None


RATIO = {"ratio": {"of": "properties.win", "to": "properties.amount", "min_events": 2}}


@pytest.mark.parametrize(
    ("score", "bets", "expected"),
    [
        pytest.param({"count": True}, [{}, {}, {}], (3, 2), id="count"),
        pytest.param({"sum": "properties.win"}, [{"win": 2.5}, {"win": 1}], (3.5, 1), id="sum"),
        pytest.param({"sum": "properties.win"}, [{"win": "2"}, {"win": True}], None, id="no numbers, no score"),
        pytest.param({"sum": "properties.win"}, [{"win": 5}, {"win": 0}], (5, 0), id="nothing more, nothing later"),
        pytest.param({"best": "properties.win"}, [{"win": 2}, {"win": 9}, {"win": 9}], (9, 1), id="best, first"),
        pytest.param({"best": "properties.win"}, [{"win": -2}], (-2, 0), id="a best below 0"),
        pytest.param(RATIO, [{"win": 9, "amount": 3}], None, id="a ratio needs its events"),
        pytest.param(RATIO, [{"win": 9, "amount": 3}, {"amount": 6}], (1, 1), id="ratio"),
        pytest.param(RATIO, [{"win": 9}, {"win": 9}], None, id="a ratio to nothing"),
        pytest.param(
            {"formula": "win * 2 - amount"}, [{"win": 9, "amount": 3}, {"win": 1, "amount": 1}], (16, 1), id="formula"
        ),
        pytest.param(
            {"formula": "win / amount", "keep": "best"},
            [{"win": 9, "amount": 3}, {"win": 1, "amount": 0}],
            (3, 0),
            id="the best of a formula",
        ),
        pytest.param({"sum": "properties.win"}, [{"win": 2**53}, {"win": 5}], (2**53, 0), id="beyond what is exact"),
        pytest.param(
            {"formula": "win * win", "keep": "best"}, [{"win": 2**50}, {"win": 5}], (25, 1), id="nor the best"
        ),
    ],
)
def test_ways_of_scoring(score: dict[str, Any], bets: list[dict[str, Any]], expected: tuple[float, int] | None) -> None:
    assert scored(score, *bets) == expected


def test_what_counts_and_is_no_better_is_kept_and_sends_nothing() -> None:
    world = hall(race=tournament(events=[{"event": "bet_placed", "score": {"best": "properties.win"}}]))
    sent = []
    for win in (9, 2, 9, 10):
        world.does("ada", win=win)
        world.settle()
        record = world.record("ada", TODAY)
        sent.append((record.events, record.score, record.version, len(world.happened("ada", LeaderboardMoved))))
    assert sent == [(1, 9, 1, 1), (2, 9, 1, 1), (3, 9, 1, 1), (4, 10, 2, 2)]


def test_only_events_that_the_condition_holds_for_count() -> None:
    slots = {"field": "event.properties.game", "op": "eq", "value": "slots"}
    assert scored({"count": True}, {"game": "slots"}, {"game": "dice"}, where=slots) == (1, 0)


def test_several_events_add_to_one_score() -> None:
    events = [
        {"event": "bet_placed", "score": {"count": True}},
        {"event": "deposit_completed", "score": {"formula": "10"}},
    ]
    world = hall(race=tournament(events=events))
    world.does("ada")
    world.does("ada", "deposit_completed")
    world.settle()
    assert world.boards[TODAY].rows["ada"].score == 11


@pytest.mark.parametrize(
    ("every", "zone", "at", "expected"),
    [
        pytest.param("day", "UTC", NOON, ("2026-03-02", MONDAY, MONDAY + DAY), id="day"),
        pytest.param("week", "UTC", NOON, ("2026-W10", MONDAY, MONDAY + 7 * DAY), id="week"),
        pytest.param("month", "UTC", NOON, ("2026-03", MONDAY - DAY, MONDAY + 30 * DAY), id="month"),
        pytest.param(
            "day", "Asia/Tokyo", NOON + 4 * HOUR, ("2026-03-03", NOON + 3 * HOUR, NOON + 27 * HOUR), id="zone"
        ),
        pytest.param("week", "UTC", 1_609_459_200_000, ("2020-W53", 1_609_113_600_000, 1_609_718_400_000), id="W53"),
    ],
)
def test_runs_are_periods_of_the_programme_s_zone(
    every: Any, zone: str, at: int, expected: tuple[str, int, int]
) -> None:
    run = run_at(Recurring(every=every), zone, at)
    assert run is not None
    assert (run.id, run.starts, run.ends) == expected


@given(
    every=st.sampled_from(["day", "week", "month"]),
    zone=st.sampled_from(["UTC", "Europe/Lisbon", "America/Sao_Paulo", "Australia/Lord_Howe", "Pacific/Apia"]),
    at=st.integers(1_500_000_000_000, 1_900_000_000_000),
)
def test_each_moment_is_in_one_run_and_runs_follow_one_another(every: Any, zone: str, at: int) -> None:
    schedule = Recurring(every=every)
    run, following = run_at(schedule, zone, at), next_run(schedule, zone, at)
    assert run is not None
    assert following is not None
    assert run.starts <= at < run.ends == following.starts
    assert run_at(schedule, zone, following.starts) == following
    assert run_at(schedule, zone, run.ends - 1) == run
    assert run_named(schedule, zone, run.id) == run


def test_a_run_that_is_held_once_is_before_in_and_after() -> None:
    once = Once.model_validate({"from": as_datetime(MONDAY), "until": as_datetime(MONDAY + DAY)})
    run = next_run(once, "UTC", MONDAY - 1)
    assert run is not None
    assert run.id == "2026-03-02"
    assert run_at(once, "UTC", MONDAY) == run_at(once, "UTC", MONDAY + DAY - 1) == run
    assert run_at(once, "UTC", MONDAY + DAY) is next_run(once, "UTC", MONDAY) is None


SUM = {"event": "bet_placed", "score": {"sum": "properties.amount"}}


@pytest.mark.parametrize(
    ("more", "error"),
    [
        pytest.param({"registration": "buy_in"}, "expected buy_in with registration: buy_in", id="no price"),
        pytest.param({"registration": "qualification"}, "expected qualification with", id="no qualification"),
        pytest.param({"buy_in": {"currency": "gems", "amount": 1}}, "expected buy_in with", id="a price for all"),
        pytest.param({"players": {"min": 5, "max": 2}}, "expected min within max", id="least beyond most"),
        pytest.param(
            {"events": [SUM, {"event": "won", "score": {"best": "properties.win"}}]}, "all add up", id="mixed"
        ),
        pytest.param({"events": [{"event": "won", "score": {}}]}, "expected one of count, sum", id="no score"),
        pytest.param({"events": [{"event": "won", "score": {"formula": "1 +"}}]}, "got 'the end'", id="no formula"),
        pytest.param({"prizes": [*prizes(1, 2), *prizes(3)]}, "expected places in order", id="a place twice"),
        pytest.param(
            {"prizes": [{"from": 1, "until": 1001, "rewards": [{"amount": 1}]}]}, "1000", id="too many places"
        ),
        pytest.param(
            {"cohorts": {"size": 5, "promote": 3, "demote": 3, "tiers": ["a", "b"]}}, "to fit into size", id="zones"
        ),
        pytest.param({"cohorts": {"size": 5, "promote": 3}}, "two tiers or more", id="no tiers"),
        pytest.param({"schedule": {"every": "year"}}, "every: Input should be", id="every year"),
        pytest.param(
            {"schedule": {"from": "2026-03-02T00:00:00Z", "until": "2026-03-02T00:00:00Z"}}, "before until", id="empty"
        ),
        pytest.param(
            {"registration": "buy_in", "buy_in": {"currency": "beer", "amount": 1}}, "buy_in.currency", id="currency"
        ),
        pytest.param(
            {"prizes": [{"from": 1, "rewards": [{"currency": "beer", "amount": 1}]}]},
            r"prizes\[0\].rewards",
            id="prize",
        ),
        pytest.param(
            {"events": [{"event": "won", "score": {"formula": "metric.x"}}]},
            "expected a configured metric",
            id="metric",
        ),
        pytest.param({"audience": {"segment": "vips"}}, "expected a configured segment", id="segment"),
        pytest.param({"settle": 100_000}, "settle", id="settles for days"),
    ],
)
def test_what_is_no_tournament_is_refused(more: dict[str, Any], error: str) -> None:
    with pytest.raises(InvalidProgramme, match=error):
        programme(tournaments={"race": tournament(**more)})


def test_a_formula_names_properties_that_its_event_declares() -> None:
    race = tournament(events=[{"event": "bet_placed", "score": {"formula": "amount + speed"}}])
    declared = {"bet_placed": {"properties": {"amount": {"type": "money"}}}}
    with pytest.raises(InvalidProgramme, match=r"expected a property of bet_placed \(amount\), got 'speed'"):
        programme(tournaments={"race": race}, events=declared)


@pytest.mark.parametrize(
    ("every", "name"),
    [
        ("day", "20260302"),
        ("day", "2026-W10"),
        ("day", "9999-12-31"),
        ("week", "2026-W1"),
        ("week", "2026-W54"),
        ("month", "2026-13"),
        ("month", "0-1"),
        ("month", "nope-1"),
    ],
)
def test_a_name_that_no_run_has(every: Any, name: str) -> None:
    assert run_named(Recurring(every=every), "UTC", name) is None
