"""What a condition asks of the clock: seconds since, the local hour, weekday and date, anniversaries. Times are ms."""

import re
from datetime import date
from functools import lru_cache

from domain.calendar import DAY_MS, day_starts_at, local_day, local_ms, next_local_day

_EPOCH_DAY = date(1970, 1, 1).toordinal()
_DATE = re.compile(r"(\d{4}|-)-(\d\d)-(\d\d)(?:[T ].*)?", re.DOTALL | re.ASCII)
_LEAP_DAY = (2, 29)


def seconds_since(at: int, now: int) -> int | None:
    """Return whole seconds, 0 for what is yet to come; None when it never was (``at`` is 0)."""
    if not at:
        return None
    return (now - at) // 1000 if now > at else 0


def hour_of(now: int, zone: str) -> int:
    """Return the local hour, 0 to 23."""
    return local_ms(now, zone) % DAY_MS // 3_600_000


def weekday_of(now: int, zone: str) -> int:
    """Return the local day of the week, 1 Monday to 7 (1970-01-01 was a Thursday)."""
    return (local_day(now, zone) + 3) % 7 + 1


def date_of(now: int, zone: str) -> str:
    """Return the local date, ``2026-11-22``."""
    return _date(local_day(now, zone)).isoformat()


def is_anniversary(text: object, now: int, zone: str, ahead: int) -> bool | None:
    """Tell whether the anniversary of a date is ``ahead`` local days from now; None when the text is no date.

    29 February counts on the 28th in other years.
    """
    born = month_and_day(text) if type(text) is str else None
    if born is None:
        return None
    day = _date(local_day(now, zone) + ahead)
    return (day.month, day.day) == _in_year(born, day.year)


def next_anniversary(text: object, now: int, zone: str, ahead: int) -> int:
    """Return the next ms at which ``is_anniversary`` may answer otherwise; 0: never."""
    born = month_and_day(text) if type(text) is str else None
    if born is None:
        return 0
    today = local_day(now, zone)
    target = _date(today + ahead)
    if (target.month, target.day) == _in_year(born, target.year):
        return next_local_day(now, zone)
    this_year = date(target.year, *_in_year(born, target.year))
    following = this_year if this_year > target else date(target.year + 1, *_in_year(born, target.year + 1))
    return day_starts_at(following.toordinal() - _EPOCH_DAY - ahead, zone)


@lru_cache(maxsize=16_384)
def month_and_day(text: str) -> tuple[int, int] | None:
    """Read ``1990-11-22`` (or a time that begins so) or ``--11-22``."""
    found = _DATE.fullmatch(text) if len(text) <= 64 else None
    if found is None:
        return None
    year, month, day = found.groups()
    try:
        date(2000 if year == "-" else int(year), int(month), int(day))
    except ValueError:
        return None
    return int(month), int(day)


def _in_year(born: tuple[int, int], year: int) -> tuple[int, int]:
    is_leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return (2, 28) if born == _LEAP_DAY and not is_leap else born


@lru_cache(maxsize=4096)
def _date(day: int) -> date:
    return date.fromordinal(_EPOCH_DAY + day)
