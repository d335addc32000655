"""Runs of a raffle by name: what it is drawn by, and which.

``d20514`` is a day, ``w2931`` a week, ``m24314`` a month (numbers of ``gamification.periods``), ``t1772496000`` the
second of an only draw. The kind is in the name, so a run whose raffle is drawn by another from now on, or is no more,
keeps its own time: the name alone tells it.

A run's seed has a number and not a name. Day numbers come to where month numbers are (24,314 is March 2026, and the
27th of July 2036), so from 24,000 on (17th of September 2035) days and weeks are counted apart: a seed that was shown
is never drawn with again.
"""

import re

from gamification.periods import Period, starts_at

_PERIODS: dict[str, Period] = {"d": "day", "w": "week", "m": "month"}
_ONCE = "t"
_APART_FROM = 24_000  # before the month number of January 2020
_APART = {"d": 10_000_000, "w": 20_000_000}  # far from months and from each other, until the last day that there is
_NAME = re.compile(r"[dwmt][0-9]{1,12}")


def name_of(every: Period | None, number: int) -> str:
    """Return the name of a run; ``number`` is seconds without ``every``."""
    return f"{every[0] if every else _ONCE}{number}"


def number_of(run: str) -> int:
    """Return the number of a run's seed: that in its name, and no other run's of the raffle; 0 of what is no run."""
    if not _NAME.fullmatch(run):
        return 0
    number = int(run[1:])
    return number + _APART.get(run[0], 0) if number >= _APART_FROM else number


def drawn_at(run: str, zone: str) -> int | None:
    """Return when a run is drawn (ms): its last ticket is given the moment before. None: it is no run."""
    if not _NAME.fullmatch(run):
        return None
    number = int(run[1:])
    if run[0] == _ONCE:
        return number * 1000
    try:
        return starts_at(number + 1, zone, _PERIODS[run[0]])
    except (OverflowError, ValueError):  # past the last day that there is
        return None
