"""When what is scheduled begins: by example, at the edges of summer time, and as laws."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from crm.recurrence import (
    FIRST_ZONE_MS,
    LAST_ZONE_MS,
    LATE_MS,
    LEAD_MS,
    ScheduleConfig,
    fingerprint,
    first_start,
    instant_of,
    is_start,
    missed,
    next_start,
    own_time,
    scheduled_of,
)
from domain.calendar import as_ms

KYIV = "Europe/Kyiv"
HOUR = 3_600_000


def schedule(**document: Any) -> ScheduleConfig:
    return ScheduleConfig.model_validate(document)


def ms(text: str) -> int:
    return as_ms(datetime.fromisoformat(text).astimezone(UTC))


def locals_after(document: dict[str, Any], after: str, count: int, home: str = KYIV) -> list[str]:
    config, at, found = schedule(**document), ms(after), []
    while len(found) < count and (start := next_start(config, at, home)):
        found.append(start.local)
        at = start.at
    return found


@pytest.mark.parametrize(
    ("document", "after", "expected"),
    [
        pytest.param({"at": "2026-12-24T10:00"}, "2026-11-22T00:00Z", ["2026-12-24T10:00:00"], id="once"),
        pytest.param({"at": "2026-12-24T10:00"}, "2026-12-24T08:00Z", [], id="the moment itself is past"),
        pytest.param(
            {"every": "day", "time": "10:00"},
            "2026-11-22T08:00Z",
            ["2026-11-23T10:00:00", "2026-11-24T10:00:00"],
            id="daily, today's has just begun",
        ),
        pytest.param(
            {"every": "week", "on": ["thu", "mon"], "time": "09:30"},
            "2026-11-22T12:00Z",
            ["2026-11-23T09:30:00", "2026-11-26T09:30:00", "2026-11-30T09:30:00"],
            id="weekdays in any order",
        ),
        pytest.param(
            {"every": "month", "on": 31, "time": "12:00"},
            "2026-01-31T12:00Z",
            ["2026-02-28T12:00:00", "2026-03-31T12:00:00", "2026-04-30T12:00:00"],
            id="a day the month has not is its last",
        ),
        pytest.param(
            {"every": "month", "on": [30, "last"], "time": "12:00"},
            "2026-02-01T00:00Z",
            ["2026-02-28T12:00:00", "2026-03-30T12:00:00", "2026-03-31T12:00:00"],
            id="two names of one day are one day",
        ),
        pytest.param(
            {"every": "day", "time": "10:00", "from": "2027-01-01", "until": "2027-01-02"},
            "2026-11-22T00:00Z",
            ["2027-01-01T10:00:00", "2027-01-02T10:00:00"],
            id="from and until are days, both included",
        ),
    ],
)
def test_occurrences_follow_each_other(document: dict[str, Any], after: str, expected: list[str]) -> None:
    assert locals_after(document, after, 3)[: len(expected)] == expected
    if len(expected) < 2 or "until" in document:
        assert len(locals_after(document, after, 3)) == len(expected)


@pytest.mark.parametrize(
    ("local", "zone", "instant"),
    [
        pytest.param("2026-03-29T03:30", KYIV, "2026-03-29T01:30Z", id="skipped: moved on by the gap, to 04:30"),
        pytest.param("2026-10-25T03:30", KYIV, "2026-10-25T00:30Z", id="repeated: the first"),
        pytest.param("2026-03-29T04:00", KYIV, "2026-03-29T01:00Z", id="the first minute after the gap"),
        pytest.param("2026-12-24T10:00", "Mars/Olympus", "2026-12-24T10:00Z", id="an unknown zone is UTC"),
        pytest.param("2011-12-30T10:00", "Pacific/Apia", "2011-12-30T20:00Z", id="a day that never was"),
    ],
)
def test_a_local_time_is_one_instant(local: str, zone: str, instant: str) -> None:
    assert instant_of(local, zone) == ms(instant)


def test_a_daily_time_in_the_gap_happens_once_on_that_day_too() -> None:
    daily = schedule(every="day", time="03:30", zone=KYIV)
    days, at = [], ms("2026-03-27T12:00Z")
    while len(days) < 4 and (start := next_start(daily, at, "UTC")):
        days.append(datetime.fromtimestamp(start.at / 1000, ZoneInfo(KYIV)).strftime("%d %H:%M"))
        at = start.at
    assert days == ["28 03:30", "29 04:30", "30 03:30", "31 03:30"]


def test_the_players_own_ten_o_clock_begins_with_the_first_zone_on_earth() -> None:
    start = next_start(schedule(at="2026-12-24T10:00", zone="player"), 0, KYIV)
    assert start is not None
    assert start.at == ms("2026-12-23T20:00Z") - LEAD_MS
    assert start.at <= instant_of(start.local, "Pacific/Kiritimati") == ms("2026-12-23T20:00Z")


def test_published_when_it_has_begun_somewhere_it_begins_at_once_for_the_others() -> None:
    own = schedule(at="2026-12-24T10:00", zone="player")
    noon_in_london = ms("2026-12-24T12:00Z")
    assert next_start(own, noon_in_london, KYIV) is None
    assert first_start(own, noon_in_london, KYIV) is not None
    assert first_start(own, ms("2026-12-24T22:59:59Z"), KYIV) is not None  # UTC-12 has 10:59:59
    assert first_start(own, ms("2026-12-24T23:00:00Z"), KYIV) is None
    assert first_start(schedule(at="2026-12-24T10:00", zone="Europe/London"), noon_in_london, KYIV) is None


def test_a_player_whose_time_has_passed_an_hour_ago_is_missed() -> None:
    args = {"local": "2026-12-24T10:00:00", "late": "skip"}
    assert not missed(args, ms("2026-12-24T09:00Z"), KYIV)  # 11:00 there
    assert missed(args, ms("2026-12-24T09:00:00.001Z"), KYIV)
    assert not missed(args, ms("2026-12-24T09:00:00.001Z"), "America/New_York")
    assert not missed(args | {"late": "send"}, ms("2026-12-25T09:00Z"), KYIV)
    assert not missed({}, ms("2026-12-25T09:00Z"), KYIV)


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({}, "either `at`"),
        ({"at": "2026-12-24T10:00", "every": "day", "time": "10:00"}, "either `at`"),
        ({"at": "2026-12-24T10:00", "time": "10:00"}, "`at` alone"),
        ({"at": "2026-12-24T10:00Z"}, "expected a local time"),
        ({"at": "2026-12-24"}, "expected a local time"),
        ({"at": "tomorrow"}, "expected a local time"),
        ({"every": "day"}, "expected a `time`"),
        ({"every": "week", "time": "10:00"}, "weekdays (mon ... sun)"),
        ({"every": "week", "time": "10:00", "on": [1]}, "weekdays (mon ... sun)"),
        ({"every": "month", "time": "10:00", "on": ["mon"]}, "days 1 to 31 or last"),
        ({"every": "day", "time": "10:00", "on": ["mon"]}, "no `on`"),
        ({"every": "day", "time": "10:00", "zone": "Mars"}, "player, programme or an IANA zone"),
        ({"every": "day", "time": "10:00", "from": "2026-12-24T10:00"}, "expected a day"),
        ({"every": "day", "time": "10:00", "from": "2026-12-24", "until": "2026-12-23"}, "not after `until`"),
        ({"every": "day", "time": "25:00"}, "time"),
        ({"every": "year", "time": "10:00"}, "every"),
    ],
)
def test_what_an_operator_is_told(document: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as raised:
        schedule(**document)
    assert said in str(raised.value)


def test_only_what_says_when_changes_the_fingerprint() -> None:
    one = schedule(every="day", time="10:00")
    assert fingerprint(one, KYIV) == fingerprint(schedule(every="day", time=600, per_minute=5), KYIV)
    assert fingerprint(one, KYIV) != fingerprint(one, "UTC")  # the programme moved
    assert fingerprint(one, KYIV) != fingerprint(schedule(every="day", time="10:01"), KYIV)
    elsewhere = schedule(every="day", time="10:00", zone="Asia/Tokyo")
    assert fingerprint(elsewhere, KYIV) == fingerprint(elsewhere, "UTC")


def test_which_journeys_begin_by_the_calendar() -> None:
    daily = {"every": "day", "time": "10:00"}
    found = scheduled_of(
        {
            "a": {"entry": {"schedule": daily, "segment": "vip"}},
            "b": {"entry": {"schedule": daily}},
            "c": {"entry": {"segment": "vip"}},
        }
    )
    assert {name: scheduled.group for name, scheduled in found.items()} == {"a": "segments/vip", "b": ""}


TIMES = st.times().map(lambda t: f"{t.hour:02}:{t.minute:02}")
ZONES = st.sampled_from(["player", "programme", "Europe/Kyiv", "America/New_York", "Pacific/Apia", "Asia/Kolkata"])
RECURRENCES = st.one_of(
    st.builds(lambda time, zone: {"every": "day", "time": time, "zone": zone}, TIMES, ZONES),
    st.builds(
        lambda time, zone, on: {"every": "week", "time": time, "zone": zone, "on": sorted(on)},
        TIMES,
        ZONES,
        st.sets(st.sampled_from(["mon", "wed", "sun"]), min_size=1),
    ),
    st.builds(
        lambda time, zone, on: {"every": "month", "time": time, "zone": zone, "on": sorted(on)},
        TIMES,
        ZONES,
        st.sets(st.integers(1, 31), min_size=1, max_size=4),
    ),
)
INSTANTS = st.datetimes(datetime(2025, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)).map(as_ms)


@given(RECURRENCES, INSTANTS)
@example({"every": "day", "time": "03:30", "zone": "Europe/Kyiv"}, ms("2026-03-29T00:59Z"))
@example({"every": "day", "time": "03:30", "zone": "Europe/Kyiv"}, ms("2026-10-25T00:30Z"))
def test_the_next_start_is_later_within_a_month_and_found_again(document: dict[str, Any], after: int) -> None:
    config = schedule(**document)
    start = next_start(config, after, "Europe/Lisbon")
    assert start is not None
    assert after < start.at < after + 33 * 24 * HOUR
    assert is_start(config, start.at, "Europe/Lisbon") == start
    assert next_start(config, start.at - 1, "Europe/Lisbon") == start
    following = next_start(config, start.at, "Europe/Lisbon")
    assert following is not None
    assert following.local > start.local


@given(RECURRENCES, INSTANTS, st.sampled_from(["Pacific/Kiritimati", "Etc/GMT+12", "Europe/Kyiv", "Asia/Kolkata"]))
def test_nobody_s_own_time_comes_before_the_walk_nor_after_it_is_over(
    document: dict[str, Any], after: int, zone: str
) -> None:
    start = next_start(schedule(**document | {"zone": "player"}), after, "UTC")
    assert start is not None
    own = instant_of(start.local, zone)
    assert start.at <= own - LEAD_MS
    assert own - start.at <= FIRST_ZONE_MS + LAST_ZONE_MS + LEAD_MS
    assert not missed({"local": start.local, "late": "skip"}, own + LATE_MS, zone)


def test_a_first_day_beyond_all_calendars_is_refused_when_it_is_written() -> None:
    with pytest.raises(ValidationError, match="before the year 8001"):
        schedule(every="day", time="10:00", **{"from": "9999-12-31"})
    far = schedule(every="month", on=["last"], time="10:00", **{"from": "8000-12-01", "until": "9999-12-31"})
    assert first_start(far, as_ms(datetime(2026, 11, 22, tzinfo=UTC)), "UTC") is not None


@pytest.mark.parametrize("local", ["Kyiv", "", 7, None, "9999-12-31T10:00", "2026-13-01T10:00"])
def test_a_visit_whose_local_time_is_none_misses_nobody_and_waits_for_nothing(local: object) -> None:
    assert own_time({"local": local}, "Europe/Kyiv") == 0
    assert not missed({"local": local, "late": "skip"}, as_ms(datetime(2026, 11, 22, tzinfo=UTC)), "Europe/Kyiv")
