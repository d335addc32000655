"""Metrics are rings of buckets: exact sums, late events in their own bucket, the rest recounted naively."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.conditions import compile_condition
from domain.entries import Event
from domain.player import Metric
from gamification.metrics import UNIQUE_MAX, counted, metric_value, next_change, ring_of
from gamification.rules import Aggregate, MetricRule
from tests.gamification.playing import DAY, HOUR, MINUTE, NOON, Player, mission, programme


def rule(aggregate: Aggregate = "count", window_s: int | None = 86_400) -> MetricRule:
    width_ms, buckets = ring_of(None if aggregate == "since" else window_s)
    return MetricRule("m", "bet_placed", aggregate, ("properties", "x"), None, width_ms, buckets)


def fold(metric: MetricRule, *events: tuple[int, Any]) -> Metric:
    state = Metric()
    for at, value in events:
        state = counted(metric, state, Event("ada", "e", "bet_placed", at, {"x": value}))
    return state


@pytest.mark.parametrize(
    ("window_s", "ring"),
    [
        pytest.param(3_600, (MINUTE, 60), id="an hour in minutes"),
        pytest.param(1_800, (MINUTE, 30), id="half an hour too"),
        pytest.param(3_601, (5 * MINUTE, 13), id="a second more: fives, rounded up"),
        pytest.param(86_400, (HOUR, 24), id="a day in hours"),
        pytest.param(604_800, (DAY, 7), id="a week in days"),
        pytest.param(90 * 86_400, (DAY, 90), id="never wider than a day"),
        pytest.param(None, (0, 1), id="all time in one"),
    ],
)
def test_a_bucket_is_a_sixtieth_of_the_window_rounded_up(window_s: int | None, ring: tuple[int, int]) -> None:
    assert ring_of(window_s) == ring


@pytest.mark.parametrize(
    ("aggregate", "events", "value"),
    [
        pytest.param("count", [(NOON, 1), (NOON, "text")], 2, id="count counts events"),
        pytest.param("sum", [(NOON, 2**53), (NOON, 2**53), (NOON, 1)], 2**54 + 1, id="sums of integers stay exact"),
        pytest.param(
            "sum", [(NOON, "5"), (NOON, True), (NOON, None), (NOON, float("nan")), (NOON, 3)], 3, id="not a number"
        ),
        pytest.param("max", [(NOON, -5), (NOON + HOUR, -9)], -5, id="max of negative numbers"),
        pytest.param("max", [], None, id="max of nothing is unknown"),
        pytest.param("last", [(NOON, 7), (NOON - HOUR, 3)], 7, id="a late event is not the last"),
        pytest.param("unique", [(NOON, "a"), (NOON, "b"), (NOON + HOUR, "a")], 2, id="unique"),
        pytest.param("count", [(NOON, 1), (NOON - 23 * HOUR, 1), (NOON - 24 * HOUR, 1)], 2, id="older than the window"),
        pytest.param("count", [(NOON - 24 * HOUR, 1), (NOON, 1)], 1, id="the oldest bucket leaves"),
        pytest.param("unique", [(NOON - 24 * HOUR, "a"), (NOON, "b")], 1, id="and with it its values"),
        pytest.param("since", [], None, id="since nothing"),
        pytest.param("since", [(NOON - 1_999, None)], 1, id="since counts whole seconds"),
        pytest.param("since", [(NOON - 9_000, 1), (NOON - HOUR, 1)], 9, id="since the newest, late ones do not rewind"),
        pytest.param("since", [(NOON + MINUTE, 1)], 0, id="a clock ahead of ours: just now"),
        pytest.param("unique", [(NOON, "x" * 5000), (NOON, "x" * 5000), (NOON, "x" * 5001)], 2, id="long values"),
    ],
)
def test_what_a_metric_holds(aggregate: Aggregate, events: list[tuple[int, Any]], value: int | None) -> None:
    assert metric_value(rule(aggregate), fold(rule(aggregate), *events), NOON) == value


def test_a_window_moves_with_now_and_not_back() -> None:
    state = fold(rule(), (NOON, 1))
    assert metric_value(rule(), state, NOON + 23 * HOUR) == 1
    assert metric_value(rule(), state, NOON + 24 * HOUR) == 0
    assert metric_value(rule(), state, NOON - 40 * DAY) == 1


def test_unique_counts_up_to_its_bound() -> None:
    state = fold(rule("unique"), *((NOON, f"game-{n}") for n in range(UNIQUE_MAX + 5)))
    assert metric_value(rule("unique"), state, NOON) == UNIQUE_MAX
    assert metric_value(rule("unique"), fold(rule("unique"), (NOON + DAY, "new")), NOON) == 1


VALUES = st.one_of(st.integers(-50, 50), st.sampled_from([0.5, 2.25]))


@pytest.mark.parametrize("aggregate", ["count", "sum", "max", "last", "unique"])
@pytest.mark.parametrize("window_s", [None, 3_600, 86_400, 604_800])
@given(events=st.lists(st.tuples(st.integers(NOON - 9 * DAY, NOON), VALUES), max_size=30), wait=st.integers(0, 8 * DAY))
def test_the_ring_agrees_with_a_naive_recount(
    aggregate: Aggregate, window_s: int | None, events: list[tuple[int, Any]], wait: int
) -> None:
    metric = rule(aggregate, window_s)
    width, buckets = ring_of(window_s)
    now = NOON - 9 * DAY + wait

    def bucket(at: int) -> int:
        return at // width if width else 0

    kept: list[tuple[int, Any]] = []  # an event older than the window when it comes is dropped
    for at, value in events:
        if not kept or bucket(at) > max(bucket(other) for other, _ in kept) - buckets:
            kept.append((at, value))
    end = max([bucket(now), *(bucket(at) for at, _ in kept)])
    seen = [(bucket(at), value) for at, value in kept if bucket(at) > end - buckets]
    values = [value for _, value in seen]
    last = max(seen, key=lambda pair: pair[0])[0] if seen else 0
    expected = {
        "count": len(values),
        "sum": sum(values),
        "max": max(values, default=None),
        "last": next((value for number, value in reversed(seen) if number == last), None),
        "unique": len({str(value) for value in values}),
    }[aggregate]
    state = fold(metric, *events)
    assert metric_value(metric, state, now) == expected
    assert len(state.buckets) <= buckets
    assert state.buckets == tuple(sorted(state.buckets))


@pytest.mark.parametrize(
    ("aggregate", "events", "thresholds", "at"),
    [
        pytest.param("since", [(NOON, 1)], (3600,), NOON + HOUR, id="since reaches a threshold to the millisecond"),
        pytest.param("since", [(NOON - HOUR, 1)], (3600,), 0, id="once"),
        pytest.param("since", [(NOON - HOUR, 1)], (3600, 7200.5), NOON + HOUR + 1000, id="then the next, rounded up"),
        pytest.param("since", [(NOON + MINUTE, 1)], (0, 1), NOON + MINUTE + 1000, id="zero is reached from the start"),
        pytest.param("since", [], (1,), 0, id="nothing ever happened"),
        pytest.param("count", [(NOON, 1)], (1,), NOON + DAY, id="the bucket leaves, a day after it began"),
        pytest.param("count", [(NOON - HOUR, 1), (NOON, 1)], (1,), NOON + DAY, id="the last one matters"),
        pytest.param("count", [(NOON - HOUR, 1), (NOON, 1)], (2,), NOON + 23 * HOUR, id="the first one matters"),
        pytest.param("count", [(NOON, 1)], (2,), 0, id="too few already"),
        pytest.param("sum", [(NOON - HOUR, -5), (NOON, 5)], (1,), NOON + 23 * HOUR, id="a sum may rise by waiting"),
        pytest.param("sum", [(NOON - HOUR, 0.5), (NOON, 0.5)], (1,), NOON + 23 * HOUR, id="sums of floats"),
        pytest.param("max", [(NOON - HOUR, 9), (NOON, 5)], (9,), NOON + 23 * HOUR, id="the highest leaves"),
        pytest.param("max", [(NOON - HOUR, 9), (NOON, 5)], (), NOON + DAY, id="only whether there is one"),
        pytest.param("last", [(NOON - HOUR, 9), (NOON, 5)], (9,), NOON + DAY, id="the last leaves last"),
        pytest.param("unique", [(NOON - HOUR, 1), (NOON - HOUR, 2), (NOON, 3)], (2,), NOON + 23 * HOUR, id="values"),
    ],
)
def test_time_alone_moves_a_metric_past_a_threshold_at(
    aggregate: Aggregate, events: list[tuple[int, Any]], thresholds: tuple[float, ...], at: int
) -> None:
    metric = rule(aggregate)
    assert next_change(metric, fold(metric, *events), NOON, thresholds) == at


def test_time_alone_never_moves_what_has_no_window() -> None:
    for aggregate in ("count", "sum", "max", "last", "unique"):
        metric = rule(aggregate, None)
        assert next_change(metric, fold(metric, (NOON, 1)), NOON, (0, 1, 2)) == 0


@pytest.mark.parametrize("aggregate", ["count", "sum", "max", "last", "unique", "since"])
@pytest.mark.parametrize("window_s", [3_600, 86_400, 604_800])
@given(
    events=st.lists(st.tuples(st.integers(NOON - 9 * DAY, NOON + DAY), VALUES), max_size=20),
    now=st.integers(NOON - 9 * DAY, NOON + 9 * DAY),
    thresholds=st.lists(st.one_of(st.integers(-60, 60), st.floats(-3, 90_000)), max_size=3).map(sorted).map(tuple),
)
def test_until_its_next_change_a_metric_keeps_its_place_and_then_does_not(
    aggregate: Aggregate,
    window_s: int,
    events: list[tuple[int, Any]],
    now: int,
    thresholds: tuple[float, ...],
) -> None:
    metric = rule(aggregate, window_s)
    state = fold(metric, *events)
    width = metric.width_ms or 1000

    def place(at: int) -> int | None:
        value = metric_value(metric, state, at)
        return None if value is None else sum(value >= threshold for threshold in thresholds)

    until = next_change(metric, state, now, thresholds)
    assert until == 0 or until > now
    last = until - 1 if until else now + 400 * DAY
    edges = [(now // width + step) * width for step in (*range(1, 200), 100_000)]
    assert {place(at) for at in (now, *edges, last) if at <= last} == {place(now)}
    assert not until or place(until) != place(now)


def test_a_maximum_that_stands_is_the_very_same_object() -> None:
    metric = rule("max", None)
    state = fold(metric, (NOON, 900))
    assert counted(metric, state, Event("ada", "e", "bet_placed", NOON, {"x": 7})) is state


def test_a_condition_sees_the_metric_with_this_event_counted() -> None:
    tree = {"metric": "bets", "op": "gte", "value": 2}
    player = Player(
        programme(
            metrics={"bets": {"event": "bet_placed", "window": "1h"}}, missions={"warm": mission(1, audience=tree)}
        )
    )
    player.does("bet_placed")
    assert player.status("warm") == "available"
    player.does("bet_placed", NOON + HOUR)  # the first has left the window
    assert player.status("warm") == "available"
    player.does("bet_placed")
    assert player.status("warm") == "completed"


def test_a_condition_asks_for_the_metric_at_the_events_own_time() -> None:
    tree = {"metric": "deposits", "op": "eq", "value": 1}
    deposits = {"event": "deposit_completed", "window": "1h"}
    player = Player(programme(metrics={"deposits": deposits}, missions={"m": mission(1, audience=tree)}))
    player.does("deposit_completed")
    player.does("bet_placed", NOON + 5 * HOUR)
    assert player.status("m") == "available"
    player.does("bet_placed", at=NOON + HOUR // 2)
    assert player.status("m") == "completed"


def test_a_segment_knows_the_player_now_whenever_the_event_happened() -> None:
    tree = {"segment": "silent"}
    player = Player(
        programme(
            metrics={"since-deposit": {"event": "deposit_completed", "aggregate": "since"}},
            segments={"silent": {"where": {"metric": "since-deposit", "op": "gte", "value": 3600}}},
            missions={"m": mission(1, audience=tree)},
        )
    )
    player.does("deposit_completed")
    player.does("bet_placed", NOON + HOUR - 1)
    assert player.status("m") == "available"
    player.does("bet_placed", NOON + HOUR, at=NOON + 1)
    assert player.status("m") == "completed"


def test_an_audience_sees_the_segment_that_this_very_event_makes() -> None:
    depositors = {"where": {"metric": "deposits", "op": "gte", "value": 1}}
    player = Player(
        programme(
            metrics={"deposits": {"event": "deposit_completed"}},
            segments={"depositors": depositors},
            missions={"m": mission(1, event="deposit_completed", audience={"segment": "depositors"})},
        )
    )
    player.does("deposit_completed")
    assert player.status("m") == "completed"


def test_a_metric_takes_only_events_its_condition_allows() -> None:
    live = {"field": "event.properties.live", "op": "eq", "value": True}
    player = Player(programme(metrics={"live": {"event": "bet_placed", "where": live}}))
    player.does("bet_placed", live=True)
    player.does("bet_placed")
    assert player.snapshot.metrics["live"].buckets == ((0, 1),)
    assert compile_condition(live).metrics == frozenset()
