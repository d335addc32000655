"""Local days and weeks of a zone, from integer milliseconds.

``zoneinfo`` costs 1 to 2 microseconds a conversion; a turn asks several times. Offsets change on quarter-hour
boundaries of UTC at the finest, so the offset of a (zone, quarter hour) is remembered.
"""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

DAY_MS = 86_400_000
_QUARTER_MS = 900_000
_HOUR_MS = 3_600_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LATEST_MS = 253_402_214_400_000  # 9999-12-31 in UTC: the last day of which every zone can show the beginning
_OF_THE_HOST = frozenset({"localtime", "posixrules", "Factory"})  # not zones: they differ from host to host


@lru_cache(maxsize=1024)
def known_zone(name: str) -> ZoneInfo | None:
    """Return the IANA zone, or None when there is no such zone (a player's trait is not trusted)."""
    try:
        return ZoneInfo(name) if name and name not in _OF_THE_HOST else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


@lru_cache(maxsize=65_536)
def _offset_ms(zone: str, quarter: int) -> int:
    tz = known_zone(zone)
    if tz is None:
        return 0
    moment = _EPOCH + timedelta(milliseconds=quarter * _QUARTER_MS)
    offset = moment.astimezone(tz).utcoffset()
    return int(offset.total_seconds() * 1000) if offset else 0


def local_ms(at: int, zone: str) -> int:
    """Return ``at`` as milliseconds of the zone's wall clock ("" or an unknown zone is UTC)."""
    return at + _offset_ms(zone, at // _QUARTER_MS)


def local_day(at: int, zone: str) -> int:
    """Return the day number of the zone's wall clock, 0 being 1970-01-01."""
    return local_ms(at, zone) // DAY_MS


def local_week(at: int, zone: str) -> int:
    """Return the week number of the zone's wall clock; weeks begin on Monday (1970-01-01 was a Thursday)."""
    return (local_day(at, zone) + 3) // 7


def day_starts_at(day: int, zone: str) -> int:
    """Return the first instant of a local day. A midnight that the zone skips gives the first valid instant."""
    guess = day * DAY_MS - _offset_ms(zone, day * DAY_MS // _QUARTER_MS)
    for candidate in (
        guess - 2 * 3_600_000,
        guess - 3_600_000,
        guess - 1_800_000,
        guess,
        guess + 1_800_000,
        guess + 3_600_000,
        guess + 2 * 3_600_000,
    ):
        if local_day(candidate, zone) >= day > local_day(candidate - 1, zone):
            return candidate
    return _first_instant(day, zone, guess)


def _first_instant(day: int, zone: str, guess: int) -> int:
    """Search the quarter hours around ``guess`` for the first instant whose local day is at least ``day``."""
    at = (guess // _QUARTER_MS - 16) * _QUARTER_MS
    while local_day(at, zone) < day:
        at += _QUARTER_MS
    return at


def as_datetime(at: int, zone: str = "") -> datetime:
    """Return an aware datetime of the zone (UTC when unknown)."""
    return (_EPOCH + timedelta(milliseconds=at)).astimezone(known_zone(zone) or UTC)


def as_ms(moment: datetime) -> int:
    """Return integer milliseconds of an aware datetime.

    Raises:
        ValueError: the datetime is naive.
    """
    if moment.tzinfo is None:
        raise ValueError("expected an aware datetime, got a naive one")
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def next_local_hour(at: int, zone: str) -> int:
    """Return the next instant, after ``at``, at which the wall clock shows another hour; a repeated hour is one."""
    hour = local_ms(at, zone) // _HOUR_MS
    following = (at // _QUARTER_MS + 1) * _QUARTER_MS
    while local_ms(following, zone) // _HOUR_MS == hour:
        following += _QUARTER_MS
    return following


def next_local_day(at: int, zone: str) -> int:
    """Return the next instant, after ``at``, at which a local day begins."""
    today = local_day(at, zone)
    following = day_starts_at(today + 1, zone)
    while following <= at:  # a zone whose clock goes back over midnight begins a day twice
        following = next_local_hour(max(at, following), zone)
    return following
