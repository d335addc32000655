"""When a tournament runs: each day, week or month of the programme's zone, or once.

A run is named by its period (``2026-11-22``, ``2026-W47``, ``2026-11``), one that is held once by its first local day.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

from domain.calendar import as_ms, local_day
from gamification.periods import Period, number_of, starts_at
from gamification.tournaments.config import Once, Recurring, Schedule

_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Run:
    """One run; times in ms, the end exclusive."""

    id: str
    starts: int
    ends: int


def run_at(schedule: Schedule, zone: str, at: int) -> Run | None:
    """Return the run that a moment belongs to."""
    if isinstance(schedule, Recurring):
        return _period(schedule.every, number_of(at, zone, schedule.every), zone)
    run = _only(schedule, zone)
    return run if run.starts <= at < run.ends else None


class Present:
    """Asks for the run of moments that mostly fall into one run: it remembers the last, which saves 2 us an event."""

    __slots__ = ("_last", "_schedule", "_zone")

    def __init__(self, schedule: Schedule, zone: str) -> None:
        self._schedule = schedule
        self._zone = zone
        self._last: Run | None = None

    def __call__(self, at: int) -> Run | None:
        """Return the run that a moment belongs to."""
        last = self._last
        if last is None or not last.starts <= at < last.ends:
            last = self._last = run_at(self._schedule, self._zone, at)
        return last


def run_named(schedule: Schedule, zone: str, name: str) -> Run | None:
    """Return the run that the schedule calls by this name; None: it never has one."""
    if isinstance(schedule, Recurring):
        try:
            run = _period(schedule.every, _number(schedule.every, name), zone)
        except (ValueError, OverflowError):  # no date, or one beyond the calendar
            return None
    else:
        run = _only(schedule, zone)
    return run if run.id == name else None


def next_run(schedule: Schedule, zone: str, at: int) -> Run | None:
    """Return the first run that begins after a moment."""
    if isinstance(schedule, Recurring):
        return _period(schedule.every, number_of(at, zone, schedule.every) + 1, zone)
    run = _only(schedule, zone)
    return run if at < run.starts else None


def _only(schedule: Once, zone: str) -> Run:
    starts, ends = as_ms(schedule.starts), as_ms(schedule.until)
    return Run(_date(local_day(starts, zone)).isoformat(), starts, ends)


def _date(day: int) -> date:
    return _EPOCH + timedelta(days=day)


def _number(every: Period, name: str) -> int:
    """Return the number of the period that has this name; another name may give it too."""
    if every == "day":
        return (date.fromisoformat(name) - _EPOCH).days
    if every == "week":
        year, _, week = name.partition("-W")
        return ((date.fromisocalendar(int(year), int(week), 1) - _EPOCH).days + 3) // 7
    year, _, month = name.partition("-")
    return int(year) * 12 + int(month) - 1


@lru_cache(maxsize=4096)
def _period(every: Period, number: int, zone: str) -> Run:
    """Return a period; its length follows the zone's clock changes."""
    if every == "day":
        name = _date(number).isoformat()
    elif every == "week":
        year, week, _ = _date(number * 7 - 3).isocalendar()
        name = f"{year}-W{week:02d}"
    else:
        name = f"{number // 12}-{number % 12 + 1:02d}"
    return Run(name, starts_at(number, zone, every), starts_at(number + 1, zone, every))
