"""How soon a stop is told, and how often nothing had stopped: on the real plays of a game, hour by hour.

The functions of the engine (``ml.watch.alarms``) go over the times of real plays, looking every five minutes. Nobody
knows what went wrong with that game's servers, so every alarm on the log as it is counts as false. For the delay
something is planted at instants drawn evenly from the log, and lasts a day: all plays are lost, four of five are,
each comes four times.

The log is small (13 plays an hour). To see a busier game it is cut into stretches of whole weeks, which are laid over
each other: hours of the week stay what they are, and no play is there twice.
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from statistics import median

import numpy as np
from msgspec import Struct

from domain.calendar import DAY_MS
from ml.data import NoData, dodge_the_mud
from ml.evaluation.bootstrap import Interval, interval, weights
from ml.training.log import Log
from ml.watch.alarms import Watched, closed, looked
from ml.watch.volumes import HOUR_MS

LOOK_MS = 300_000
WARM_UP_DAYS = 21  # of which nothing is judged
LASTS_MS = DAY_MS
PLANTED = 60  # instants
BY_HOURS = (1, 3, 6, 12, 24)
STRETCHES = (1, 4, 8)
DRAWS = 300
SEED = 7

Times = Sequence[int]  # ms, ascending
Planting = Callable[[Times, Random], list[int]]


class Seen(Struct, frozen=True):
    """How something planted was told."""

    planted: str
    by: dict[int, float]  # share of the instants, told within so many hours
    median_hours: float | None  # None: most never were
    events_due: float | None  # that had not come when it was told, the median; of a stop


class VolumeReport(Struct, frozen=True):
    """One log."""

    source: str
    licence: str
    stretches: int  # laid over each other
    an_hour: float  # events
    weeks: float  # judged
    false_a_month: float  # of 30 days
    false_interval: Interval
    false_by: dict[str, int]
    seen: list[Seen]  # the first one is the control: nothing was planted


def judge_folder(folder: Path | None, draws: int = DRAWS) -> list[VolumeReport] | str:
    """Return the reports on the real plays in a folder, or why there are none."""
    if folder is None:
        return "volumes: no folder was given (--data); Dodge the Mud does not ship"
    try:
        log = dodge_the_mud(folder)
    except NoData as absent:
        return f"volumes: {absent}"
    return [judge(log, stretches, draws) for stretches in STRETCHES]


def judge(log: Log, stretches: int = 1, draws: int = DRAWS, planted: int = PLANTED, seed: int = SEED) -> VolumeReport:
    """Judge the alarms on a log of any source."""
    times = laid_over(log.at, stretches)
    first, end = times[0] // HOUR_MS + 1, times[-1] // HOUR_MS  # whole hours
    states, told = watched(times, Watched(), first, end)
    judged = first + WARM_UP_DAYS * 24
    alarms = [(hour, what) for hour, what in told if hour >= judged]
    weeks = (end - judged) / 168
    by_week = np.bincount([(hour - judged) // 168 for hour, _ in alarms], minlength=int(np.ceil(weeks)))
    drawn = [float(w @ by_week) / float(w.sum()) / 7 * 30 for w in weights(range(len(by_week)), draws, seed)]
    rng = Random(seed)
    instants = [rng.randrange(judged * HOUR_MS, (end - 48) * HOUR_MS) for _ in range(planted)]
    plantings: list[tuple[str, Planting]] = [
        ("nothing", lambda window, _: list(window)),
        ("a stop", lambda _window, _: []),
        ("four of five lost", lambda window, rng: [at for at in window if rng.random() < 0.2]),
        ("four times as many", lambda window, _: [at for at in window for _ in range(4)]),
    ]
    return VolumeReport(
        log.name,
        log.licence,
        stretches,
        len(times) / (end - first),
        weeks,
        len(alarms) / weeks / 7 * 30,
        interval(drawn),
        {what: sum(other == what for _, other in alarms) for what in ("stopped", "few", "many")},
        [_seen(name, plant, times, states, first, instants, seed) for name, plant in plantings],
    )


def laid_over(times: Times, stretches: int) -> list[int]:
    """Return a log's stretches of equally many whole weeks laid over each other; what is left at its end is cut."""
    if stretches == 1:
        return list(times)
    week, first = 7 * DAY_MS, times[0]
    length = (times[-1] - first) // week // stretches * week
    return sorted(first + (at - first) % length for at in times if at < first + length * stretches)


def watched(times: Times, state: Watched, first: int, end: int) -> tuple[list[Watched], list[tuple[int, str]]]:
    """Go over hours; the state before each of them, and what was told in which hour."""
    states: list[Watched] = []
    told: list[tuple[int, str]] = []
    last = times[0]
    for hour in range(first, end):
        states.append(state)
        start = hour * HOUR_MS
        window = times[bisect_left(times, start) : bisect_left(times, start + HOUR_MS)]
        for now, after in _hour(state, start, window, last):
            if _told(state, after):
                assert after.alarm is not None
                told.append((now // HOUR_MS, after.alarm.what))
            state = after
        last = window[-1] if window else last
    return states, told


def _hour(state: Watched, start: int, window: Times, last: int) -> list[tuple[int, Watched]]:
    """Return the states that an hour's looks and its end lead to."""
    steps = []
    for now in range(start + LOOK_MS, start + HOUR_MS, LOOK_MS):
        running = bisect_left(window, now)
        state = looked(state, window[running - 1] if running else last, running, now, "")
        steps.append((now, state))
    return [*steps, (start + HOUR_MS - 1, closed(state, start, len(window), ""))]


def _told(before: Watched, after: Watched) -> bool:
    return after.alarm is not None and (before.alarm is None or before.alarm.at != after.alarm.at)


def _seen(
    name: str, plant: Planting, times: Times, states: Sequence[Watched], first: int, instants: Sequence[int], seed: int
) -> Seen:
    waits, due = [], []
    for instant in instants:
        began = instant // HOUR_MS
        before = times[bisect_left(times, began * HOUR_MS) : bisect_left(times, instant)]
        after = times[bisect_left(times, instant) : bisect_left(times, instant + LASTS_MS)]
        changed = [*before, *plant(after, Random(seed))]
        last = times[max(bisect_left(times, began * HOUR_MS) - 1, 0)]
        found = _first_told(states[began - first], began, changed, last, instant)
        waits.append((found[0] - instant) / HOUR_MS if found else float("inf"))
        if found and found[1].alarm is not None and name == "a stop":
            due.append(found[1].alarm.usual)
    middle = median(waits)
    return Seen(
        name,
        {by: sum(wait <= by for wait in waits) / len(waits) for by in BY_HOURS},
        middle if middle != float("inf") else None,
        median(due) if due else None,
    )


def _first_told(state: Watched, began: int, times: Times, last: int, instant: int) -> tuple[int, Watched] | None:
    """Return when something was first told at or after an instant."""
    for hour in range(began, began + LASTS_MS // HOUR_MS + 1):
        start = hour * HOUR_MS
        window = times[bisect_left(times, start) : bisect_left(times, start + HOUR_MS)]
        for now, after in _hour(state, start, window, last):
            if now > instant + LASTS_MS:
                return None
            if now >= instant and _told(state, after):
                return now, after
            state = after
        last = window[-1] if window else last
    return None


def as_text(reports: Sequence[VolumeReport]) -> list[str]:
    """Return the table as lines of Markdown."""
    rows = [
        "| events an hour | false alarms a month | planted | "
        + " | ".join(f"within {by} h" for by in BY_HOURS)
        + " | median | missing when told |",
        "|---|---|---|" + "---|" * (len(BY_HOURS) + 2),
    ]
    for report in reports:
        around = report.false_interval
        false = f"{report.false_a_month:.2f} [{around.low:.2f}, {around.high:.2f}]"
        for place, seen in enumerate(report.seen):
            cells = [f"{report.an_hour:,.0f}", false] if not place else ["", ""]
            cells += [seen.planted, *(f"{seen.by[by]:.0%}" for by in BY_HOURS)]
            cells.append("never" if seen.median_hours is None else f"{seen.median_hours:.1f} h")
            cells.append("" if seen.events_due is None else f"{seen.events_due:.0f}")
            rows.append(f"| {' | '.join(cells)} |")
    return rows
