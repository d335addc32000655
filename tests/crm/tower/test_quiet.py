"""Quiet hours around both changes of summer time, in thirty zones."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from crm.tower.policy import QuietHours
from crm.tower.quiet import MINUTE_MS, is_quiet, quiet_from, quiet_until
from domain.calendar import as_ms

ZONES = """Europe/Kyiv Europe/London Europe/Lisbon Europe/Berlin Europe/Dublin Europe/Chisinau Atlantic/Azores
America/New_York America/St_Johns America/Havana America/Santiago America/Asuncion America/Sao_Paulo America/Phoenix
America/Anchorage Africa/Cairo Africa/Casablanca Africa/Lagos Asia/Beirut Asia/Jerusalem Asia/Tehran Asia/Kolkata
Asia/Kathmandu Asia/Tokyo Australia/Lord_Howe Australia/Adelaide Pacific/Chatham Pacific/Auckland Pacific/Kiritimati
UTC""".split()  # noqa: SIM905 - thirty names read better without quotes
assert len(ZONES) == 30


def changes_of(zone: str) -> list[int]:
    """Return the instants of 2026 at which a zone's clock is set."""
    start, quarter = as_ms(datetime(2026, 1, 1, tzinfo=UTC)), 15 * MINUTE_MS
    tz, found, before = ZoneInfo(zone), [], None
    for at in range(start, start + 365 * 86_400_000, quarter):
        offset = datetime.fromtimestamp(at / 1000, tz).utcoffset()
        if before is not None and offset != before:
            found.append(at)
        before = offset
    return found


CHANGES = {zone: changes_of(zone) or [as_ms(datetime(2026, 6, 1, tzinfo=UTC))] for zone in ZONES}
AROUND_A_CHANGE = st.sampled_from(ZONES).flatmap(
    lambda zone: st.tuples(
        st.just(zone),
        st.sampled_from(CHANGES[zone]).flatmap(lambda at: st.integers(at - 30 * 3_600_000, at + 30 * 3_600_000)),
    )
)
MINUTES = st.integers(0, 1439)
WINDOWS = st.tuples(MINUTES, MINUTES).filter(lambda window: window[0] != window[1])


def wall_minute(at: int, zone: str) -> int:
    """Return minutes after local midnight by the standard library alone."""
    local = datetime.fromtimestamp(at // 1000, ZoneInfo(zone))
    return local.hour * 60 + local.minute


def stands_in(window: tuple[int, int], minute: int) -> bool:
    start, end = window
    return start <= minute < end if start < end else minute >= start or minute < end


def ms(*parts: int) -> int:
    return as_ms(datetime(*parts, tzinfo=UTC))  # type: ignore[misc,arg-type]


@given(place=AROUND_A_CHANGE, window=WINDOWS)
@example(("Europe/Lisbon", ms(2026, 10, 25, 0, 0)), (0, 75))  # the hour after is repeated
@example(("Europe/Lisbon", ms(2026, 10, 25, 1, 0)), (0, 75))  # the repeated hour itself
@example(("Europe/Kyiv", ms(2026, 3, 29, 0, 30)), (60, 200))  # ends in the hour that is skipped
@example(("Africa/Cairo", ms(2026, 4, 23, 21, 30)), (1380, 15))  # midnight itself is skipped
@example(("America/Havana", ms(2026, 3, 7, 5, 1)), (1, 0))  # the only free minute of the day is skipped
@example(("Australia/Lord_Howe", ms(2026, 4, 4, 14, 40)), (60, 110))  # set back by half an hour
def test_a_held_message_waits_for_the_first_later_instant_that_is_not_quiet(
    place: tuple[str, int], window: tuple[int, int]
) -> None:
    zone, now = place
    hours = QuietHours(*window, channels=frozenset({"sms"}))
    assert is_quiet(hours, now, zone) == stands_in(window, wall_minute(now, zone))
    until = quiet_until(hours, now, zone)
    if not is_quiet(hours, now, zone):
        assert until == now
        return
    assert now < until <= now + 50 * 3_600_000
    assert not stands_in(window, wall_minute(until, zone)), "still quiet when it is sent"
    minutes = range(now // MINUTE_MS * MINUTE_MS, until, MINUTE_MS)
    assert all(stands_in(window, wall_minute(minute, zone)) for minute in minutes), "it could have been sent before"


@pytest.mark.parametrize(
    ("zone", "now", "window", "until"),
    [
        pytest.param("UTC", ms(2026, 6, 1, 22), (1260, 480), ms(2026, 6, 2, 8), id="past midnight"),
        pytest.param("UTC", ms(2026, 6, 1, 8), (1260, 480), ms(2026, 6, 1, 8), id="the end is not quiet"),
        pytest.param("UTC", ms(2026, 6, 1, 21), (1260, 480), ms(2026, 6, 2, 8), id="the start is"),
        pytest.param("Europe/Kyiv", ms(2026, 3, 28, 20), (1260, 480), ms(2026, 3, 29, 5), id="a night of 10 hours"),
        pytest.param("Europe/Kyiv", ms(2026, 10, 24, 19), (1260, 480), ms(2026, 10, 25, 6), id="a night of 12 hours"),
        pytest.param("Europe/Kyiv", ms(2026, 3, 29, 0, 30), (60, 200), ms(2026, 3, 29, 1), id="its end is skipped"),
        pytest.param("Europe/Lisbon", ms(2026, 10, 25, 1), (0, 75), ms(2026, 10, 25, 1, 15), id="quiet a second time"),
    ],
)
def test_quiet_hours_end(zone: str, now: int, window: tuple[int, int], until: int) -> None:
    assert quiet_until(QuietHours(*window, channels=frozenset()), now, zone) == until


@given(place=AROUND_A_CHANGE, window=WINDOWS)
@example(("Europe/Lisbon", ms(2026, 10, 25, 0, 0)), (75, 90))  # begins in the hour that is repeated
@example(("Europe/Lisbon", ms(2026, 10, 25, 0, 20)), (75, 90))  # it has begun once already
@example(("Europe/Kyiv", ms(2026, 3, 29, 0, 30)), (200, 260))  # begins in the hour that is skipped
@example(("Europe/Kyiv", ms(2026, 3, 29, 0, 30)), (190, 230))  # is in the hour that is skipped: the next day's
def test_a_message_may_be_sent_until_the_first_instant_that_is_quiet(
    place: tuple[str, int], window: tuple[int, int]
) -> None:
    zone, now = place
    hours = QuietHours(*window, channels=frozenset({"sms"}))
    quiet = quiet_from(hours, now, zone)
    if is_quiet(hours, now, zone):
        assert quiet == now
        return
    assert now < quiet <= now + 50 * 3_600_000
    assert stands_in(window, wall_minute(quiet, zone)), "it is not quiet then"
    minutes = range(now // MINUTE_MS * MINUTE_MS, quiet, MINUTE_MS)
    assert not any(stands_in(window, wall_minute(minute, zone)) for minute in minutes), "it was quiet before"
