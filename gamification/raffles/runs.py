"""Runs of a raffle by name: what it is drawn by, and which.

``d20514`` is a day, ``w2931`` a week, ``m24314`` a month (numbers of ``gamification.periods``), ``t1772496000`` the
second of an only draw. The kind is in the name, so a run whose raffle is drawn by another from now on, or is no more,
keeps its own time: the name alone tells it.
"""

import re

from gamification.periods import Period, starts_at

_PERIODS: dict[str, Period] = {"d": "day", "w": "week", "m": "month"}
_ONCE = "t"
_NAME = re.compile(r"[dwmt][0-9]{1,12}")


def name_of(every: Period | None, number: int) -> str:
    """Return the name of a run; ``number`` is seconds without ``every``."""
    return f"{every[0] if every else _ONCE}{number}"


def number_of(run: str) -> int:
    """Return the number in a run's name; 0 of what is none."""
    return int(run[1:]) if _NAME.fullmatch(run) else 0


def drawn_at(run: str, zone: str) -> int | None:
    """Return when a run is drawn (ms): its last ticket is given the moment before. None: it is no run."""
    if not _NAME.fullmatch(run):
        return None
    number = number_of(run)
    if run[0] == _ONCE:
        return number * 1000
    try:
        return starts_at(number + 1, zone, _PERIODS[run[0]])
    except (OverflowError, ValueError):  # past the last day that there is
        return None
