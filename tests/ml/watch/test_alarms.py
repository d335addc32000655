"""What is told of volumes: stops, hours with far too few or too many; and what is not."""

from random import Random

from msgspec import structs

from domain.calendar import DAY_MS
from ml.watch.alarms import Alarm, Watched, closed, looked, open_alarm
from ml.watch.volumes import HOUR_MS, forecast
from tests.ml.watch.weeks import MONDAY, after_weeks, mean_of, poisson

MINUTE = 60_000
NOON = MONDAY + 12 * HOUR_MS


def silent(state: Watched, since: int, minutes: int) -> tuple[Watched, int]:
    """Look every minute; the state once something is told, and after how many minutes."""
    for minute in range(1, minutes + 1):
        state = looked(state, since, 0, since + minute * MINUTE, "UTC")
        if open_alarm(state):
            return state, minute
    return state, 0


def test_a_stop_by_day_is_told_within_minutes_and_at_night_later() -> None:
    state = after_weeks()
    by_day, soon = silent(state, NOON, 60)
    by_night, later = silent(state, MONDAY + 2 * HOUR_MS, 120)
    assert 2 <= soon <= 10
    assert soon < later <= 60
    assert by_day.alarm is not None
    assert by_day.alarm == Alarm("stopped", NOON + soon * MINUTE, NOON, NOON + soon * MINUTE, 0, by_day.alarm.usual)
    assert by_day.alarm.usual > 10
    assert by_night.alarm is not None


def test_a_stop_ends_with_the_first_event_and_its_hours_are_not_judged() -> None:
    state, _ = silent(after_weeks(), NOON, 60)
    state = closed(state, NOON, 0, "UTC")
    back = NOON + HOUR_MS + 40 * MINUTE
    state = looked(state, back, 3, back + MINUTE, "UTC")
    assert state.alarm is not None
    assert state.alarm.ended == back
    known = state.usual
    state = closed(state, NOON + HOUR_MS, 90, "UTC")  # a third of an hour
    assert state.usual == known
    assert open_alarm(state) is None
    assert closed(state, NOON + 2 * HOUR_MS, 400, "UTC").usual.hours == known.hours + 1


def test_a_stop_nobody_mends_is_let_go_after_a_week() -> None:
    state, _ = silent(after_weeks(), NOON, 60)
    assert open_alarm(looked(state, NOON, 0, NOON + 6 * DAY_MS, "UTC"))
    assert open_alarm(looked(state, NOON, 0, NOON + 7 * DAY_MS + 1, "UTC")) is None


def test_what_was_let_go_is_not_told_again() -> None:
    state, _ = silent(after_weeks(), NOON, 60)
    over = looked(state, NOON, 0, NOON + 7 * DAY_MS + MINUTE, "UTC")
    for minute in range(2, 10):
        assert looked(over, NOON, 0, NOON + 7 * DAY_MS + minute * MINUTE, "UTC") == over


def test_a_name_that_never_comes_again_is_told_once() -> None:
    state, told = after_weeks(), []
    for at in range(NOON + 20 * MINUTE, NOON + 12 * DAY_MS, 20 * MINUTE):
        if at % HOUR_MS == 0:
            state = closed(state, at - HOUR_MS, 0, "UTC")
        state = looked(state, NOON, 0, at, "UTC")
        if state.alarm is not None and state.alarm not in told:
            told.append(state.alarm)
    assert [(alarm.what, alarm.since, alarm.ended > 0) for alarm in told] == [
        ("stopped", NOON, False), ("stopped", NOON, True),
    ]  # fmt: skip


def test_an_hour_with_far_too_few_is_told_and_ends_with_an_ordinary_one() -> None:
    state = closed(after_weeks(), NOON, 60, "UTC")
    assert state.alarm is not None
    assert (state.alarm.what, state.alarm.seen, state.alarm.since) == ("few", 60, NOON)
    longer = closed(state, NOON + HOUR_MS, 70, "UTC")
    assert longer.alarm is not None
    assert (longer.alarm.at, longer.alarm.seen, longer.alarm.until) == (state.alarm.at, 130, NOON + 2 * HOUR_MS)
    over = closed(longer, NOON + 2 * HOUR_MS, 390, "UTC")
    assert over.alarm is not None
    assert over.alarm.ended == NOON + 2 * HOUR_MS


def test_far_too_many_are_told_before_the_hour_is_over() -> None:
    state = after_weeks()
    assert open_alarm(looked(state, NOON + 20 * MINUTE, 600, NOON + 20 * MINUTE, "UTC")) is None
    told = looked(state, NOON + 30 * MINUTE, 2_500, NOON + 30 * MINUTE, "UTC")
    assert told.alarm is not None
    assert told.alarm.what == "many"
    whole = closed(told, NOON, 5_000, "UTC")
    assert whole.alarm is not None
    assert (whole.alarm.at, whole.alarm.seen) == (told.alarm.at, 5_000)


def test_a_stop_ends_what_was_told_before_it() -> None:
    state = closed(after_weeks(), NOON, 60, "UTC")
    assert open_alarm(state)
    silence = NOON + HOUR_MS + 5 * MINUTE
    over = looked(state, silence, 10, silence + 30 * MINUTE, "UTC")
    assert over.alarm is not None
    assert (over.alarm.what, over.alarm.ended) == ("few", silence)
    then = looked(over, silence, 10, silence + 31 * MINUTE, "UTC")
    assert then.alarm is not None
    assert (then.alarm.what, then.alarm.since) == ("stopped", silence)


def test_half_is_never_told_nor_a_few_events_of_a_rare_name() -> None:
    assert closed(after_weeks(), NOON, 220, "UTC").alarm is None
    rare = Watched()
    for hour in range(-500, 0):
        rare = closed(rare, MONDAY + hour * HOUR_MS, hour % 40 == 0, "UTC")
    assert closed(rare, MONDAY, 15, "UTC").alarm is None
    assert silent(rare, MONDAY - 2 * DAY_MS, 24 * 60)[1] == 0


def test_in_the_first_day_nothing_is_told() -> None:
    state = Watched()
    for hour in range(24):
        state = closed(state, MONDAY + hour * HOUR_MS, 10_000 if hour % 2 else 3, "UTC")
        assert state.alarm is None
        now = MONDAY + (hour + 1) * HOUR_MS
        if hour < 23:
            assert looked(state, now - 30 * MINUTE, 0, now + MINUTE, "UTC").alarm is None


def test_three_months_of_ordinary_weeks_raise_nothing() -> None:
    rng, state = Random(11), Watched()
    for hour in range(168 * 13):
        start = MONDAY + hour * HOUR_MS
        count = poisson(rng, mean_of(start))
        state = looked(state, start + 29 * MINUTE, count // 2, start + 30 * MINUTE, "UTC")
        state = closed(state, start, count, "UTC")
    assert state.alarm is None


def test_what_lasts_becomes_usual() -> None:
    state, last = after_weeks(), 0
    for hour in range(168 * 3):
        start = MONDAY + hour * HOUR_MS
        state = closed(state, start, round(mean_of(start) / 4), "UTC")
        if open_alarm(state):
            last = hour
    assert 0 < last < 168 * 2
    told = forecast(state.usual, 12)
    assert told is not None
    assert told.mean < 160


def test_a_surge_at_the_same_hour_of_every_week_is_soon_no_news() -> None:
    state, told = after_weeks(), []
    for week in range(8):
        for hour in range(168):
            start = MONDAY + (week * 168 + hour) * HOUR_MS
            state = closed(state, start, 2_400 if hour == 20 else round(mean_of(start)), "UTC")
            if hour == 20:
                told.append(open_alarm(state) is not None)
    assert told[0]
    assert not any(told[5:])


def test_a_state_is_only_replaced() -> None:
    state = after_weeks(1)
    copy = structs.replace(state)
    closed(state, MONDAY, 0, "UTC")
    looked(state, MONDAY, 0, MONDAY + HOUR_MS - 1, "UTC")
    assert state == copy
