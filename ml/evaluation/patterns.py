"""How soon a changed habit is seen, and how often an unchanged one is called changed: on real sessions.

The very function of the turn (``ml.patterns.watch``) goes over real plays, as they came. Nobody knows whether a player
in a log has changed, so

* every alarm on the log as it is counts as false, which makes the rate an upper bound;
* for the delay a change is planted: from one session on, each is played 2, 3 or 6 times over (its plays repeated, the
  silences between sessions kept), or begins 10 hours later. The same players with nothing planted are the control:
  what they raise in the same days a planted change would have been given credit for.

Days are days on which the player played. The population's usual session is taken from players who are not judged.
"""

import math
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from statistics import median

import numpy as np
from msgspec import Struct, structs

from domain.calendar import DAY_MS
from domain.habits import Habits
from ml.config import ModelsConfig, compile_models
from ml.data import NoData, dodge_the_mud
from ml.evaluation.bootstrap import Interval, interval, weights
from ml.features import Signal
from ml.pattern_config import PatternPlan
from ml.patterns import ONE_MORE_MIN, watch
from ml.training.log import Log

CHANGE = 15  # sessions before the change; the research's baseline
AFTER_MIN = 10  # sessions of the log behind it, or the player is not judged
TIMES = (2, 3, 6)
LATER_H = 10
BY_DAYS = (1, 3, 5, 10)
DRAWS = 300
SEED = 7
_PLAY_MS = int(ONE_MORE_MIN * 60_000)
_PLAYED = Signal("other")

Sessions = list[list[int]]  # ms of the events of each session
Alarm = tuple[int, str]  # day, "<pattern>.<by>"


class Seen(Struct, frozen=True):
    """How a planted change was seen: ``by`` is the share of players by active day 1 (the day it began), 3, 5, 10."""

    planted: str
    by: dict[int, float]
    by_interval: dict[int, Interval]
    delay_days: (
        float | None
    )  # calendar days from the change to the alarm, the median player; None: most never raised one


class Line(Struct, frozen=True):
    """One detector with one set of thresholds."""

    detector: str
    false_per_1000: float  # alarms in 1,000 player days of the log as it is
    false_interval: Interval
    seen: list[Seen]  # the first one is the control: nothing was planted


class PatternReport(Struct, frozen=True):
    """The table of one log."""

    source: str
    licence: str
    players: int
    sessions: int
    days: int  # on which an alarm was possible
    spread: tuple[float, float, float]  # quartiles of a player's sd of the log of session minutes
    erratic: float  # share of players of whom one session tells nothing, at the end
    lines: list[Line]


def judge_folder(folder: Path | None, draws: int = DRAWS) -> PatternReport | str:
    """Return the report on the real plays in a folder, or why there is none."""
    if folder is None:
        return "patterns: no folder was given (--data); Dodge the Mud does not ship"
    try:
        return judge(dodge_the_mud(folder), draws)
    except NoData as absent:
        return f"patterns: {absent}"


def judge(log: Log, draws: int = DRAWS, seed: int = SEED) -> PatternReport:
    """Judge all detectors on a log of any source.

    Raises:
        NoData: no player has enough sessions.
    """
    base = compile_models(ModelsConfig())
    assert base is not None
    assert base.patterns is not None
    everyone = sessions_of(log, base.session_gap_ms)
    judged = [one for one in everyone if len(one) >= CHANGE + AFTER_MIN]
    if not judged:
        raise NoData(f"expected players with {CHANGE + AFTER_MIN} sessions or more, there is none")
    others = [math.log(_minutes(s)) for one in everyone if len(one) < CHANGE + AFTER_MIN for s in one]
    usual = float(np.mean(others)) if others else base.patterns.usual_length
    # Sessions of this log are short, and no operator's limits belong to it: the detectors are judged bare.
    bare = structs.replace(base.patterns, usual_length=usual, session_at_least_ms=0, session_limit_ms=0)
    spreads = [float(np.std([math.log(_minutes(s)) for s in one])) for one in judged]
    planted: dict[str, list[Sessions]] = {"nothing": judged}
    planted |= {f"x{times}": [played_over(one, CHANGE, times) for one in judged] for times in TIMES}
    planted[f"{LATER_H} h later"] = [begun_later(one, CHANGE, LATER_H) for one in judged]
    lines: list[Line] = []
    for about, plan, kinds, changes in _detectors(
        bare, structs.replace(bare, session_at_least_ms=base.patterns.session_at_least_ms)
    ):
        control = [alarms(one, plan) for one in judged]
        days = [_judged_days(one, plan) for one in judged]
        false = _rate(control, days, kinds, draws, seed)
        seen = [
            _seen(name, [alarms(one, plan) for one in planted[name]] if name != "nothing" else control,
                  planted[name], kinds, draws, seed)
            for name in ("nothing", *changes)
        ]  # fmt: skip
        lines.append(Line(about, false[0], false[1], seen))
    ends = [habits_after(one, bare) for one in judged]
    return PatternReport(
        log.name,
        log.licence,
        len(judged),
        sum(map(len, judged)),
        sum(len(_judged_days(one, bare)) for one in judged),
        tuple(float(q) for q in np.quantile(spreads, [0.25, 0.5, 0.75])),  # type: ignore[arg-type]  # three of them
        sum(not end.session.long_ms for end in ends) / len(ends),
        lines,
    )


def sessions_of(log: Log, gap_ms: int) -> list[Sessions]:
    """Return each player's sessions, in time."""
    found: dict[int | str, Sessions] = {}
    for player, at, *_ in log.rows():
        mine = found.setdefault(player, [])
        if mine and at - mine[-1][-1] <= gap_ms:
            mine[-1].append(at)
        else:
            mine.append([at])
    return list(found.values())


def played_over(sessions: Sessions, first: int, times: int) -> Sessions:
    """Return the sessions, each from ``first`` on played ``times`` over; the silences between them stay as they are."""
    changed, later = sessions[:first], 0
    for session in sessions[first:]:
        lasts = session[-1] - session[0] + _PLAY_MS
        changed.append([at + later + again * lasts for again in range(times) for at in session])
        later += (times - 1) * lasts
    return changed


def begun_later(sessions: Sessions, first: int, hours: int) -> Sessions:
    """Return the sessions, those from ``first`` on moved to later hours."""
    by = hours * 3_600_000
    return [*sessions[:first], *([at + by for at in session] for session in sessions[first:])]


def alarms(sessions: Sessions, plan: PatternPlan) -> list[Alarm]:
    """Return what the turn would have told, in time."""
    habits, told = Habits(), []
    for at in chain.from_iterable(sessions):
        habits, seen = watch(habits, _PLAYED, at, plan)
        told += [(at // DAY_MS, f"{one.pattern}.{one.by}") for one in seen]
    return told


def habits_after(sessions: Sessions, plan: PatternPlan) -> Habits:
    """Return the habits at the end."""
    habits = Habits()
    for at in chain.from_iterable(sessions):
        habits, _ = watch(habits, _PLAYED, at, plan)
    return habits


def _detectors(bare: PatternPlan, told: PatternPlan) -> list[tuple[str, PatternPlan, frozenset[str], Sequence[str]]]:
    single, lasting = frozenset(("session_length.single",)), frozenset(("session_length.lasting",))
    stretched = tuple(f"x{times}" for times in TIMES)
    never = structs.replace(bare, erratic=99.0)
    return [
        (f"one session, z > {bare.z:g}", bare, single, stretched),
        (f"one session, z > {bare.z:g}, erratic too", never, single, stretched),
        ("one session, z > 3", structs.replace(bare, z=3.0), single, stretched),
        (f"CUSUM, h = {bare.cusum_h:g}", bare, lasting, stretched),
        ("CUSUM, h = 5", structs.replace(bare, cusum_h=5.0), lasting, stretched),
        ("either", bare, single | lasting, stretched),
        ("either, 1 h or more (shipped)", told, single | lasting, stretched),
        ("hours", bare, frozenset(("hours.lasting",)), (f"{LATER_H} h later",)),
    ]


def _rate(
    told: Sequence[Sequence[Alarm]], days: Sequence[frozenset[int]], kinds: frozenset[str], draws: int, seed: int
) -> tuple[float, Interval]:
    """Return alarms in 1,000 player days and the interval over resampled players."""
    counts = np.array([sum(kind in kinds for _, kind in mine) for mine in told], float)
    lengths = np.array([len(mine) for mine in days], float)
    drawn = [1000 * float(w @ counts) / float(w @ lengths) for w in weights(range(len(told)), draws, seed)]
    return 1000 * float(counts.sum() / lengths.sum()), interval(drawn)


def _seen(
    planted: str,
    told: Sequence[Sequence[Alarm]],
    played: Sequence[Sessions],
    kinds: frozenset[str],
    draws: int,
    seed: int,
) -> Seen:
    waits = [waited(mine, sessions, kinds) for mine, sessions in zip(told, played, strict=True)]
    hits = {by: np.array([active <= by for active, _ in waits], float) for by in BY_DAYS}
    drawn: dict[int, list[float]] = {by: [] for by in BY_DAYS}
    for w in weights(range(len(told)), draws, seed):
        for by, hit in hits.items():
            drawn[by].append(float(w @ hit) / float(w.sum()))
    delay = median(calendar for _, calendar in waits)
    return Seen(
        planted,
        {by: float(hit.mean()) for by, hit in hits.items()},
        {by: interval(values) for by, values in drawn.items()},
        delay if math.isfinite(delay) else None,
    )


def waited(told: Sequence[Alarm], sessions: Sessions, kinds: frozenset[str]) -> tuple[float, float]:
    """Return active days (the day of the change is 1) and calendar days from the change to the first alarm."""
    began = sessions[CHANGE][0] // DAY_MS
    # An alarm of the change's own day may come of the sessions before it; that day's control tells how many do.
    first = next((day for day, kind in told if kind in kinds and day >= began), None)
    if first is None:
        return math.inf, math.inf
    active = {at // DAY_MS for session in sessions[CHANGE:] for at in session}
    return float(sum(day <= first for day in active)), float(first - began)


def _judged_days(sessions: Sessions, plan: PatternPlan) -> frozenset[int]:
    """Return the days on which an alarm was possible: those from when enough sessions were known."""
    return frozenset(at // DAY_MS for session in sessions[plan.sessions_min :] for at in session)


def _minutes(session: Sequence[int]) -> float:
    return (session[-1] - session[0]) / 60_000 + ONE_MORE_MIN


def as_text(report: PatternReport) -> list[str]:
    """Return the table as lines of Markdown."""
    q = report.spread
    head = " | ".join(f"by day {by}" for by in BY_DAYS)
    rows = [
        f"{report.source}: {report.players:,} players, {report.sessions:,} sessions, {report.days:,} player days; "
        f"sd(log) of a player's sessions, quartiles {q[0]:.2f} {q[1]:.2f} {q[2]:.2f}; of {report.erratic:.0%} one "
        "session tells nothing.",
        "",
        f"| detector | false alarms per 1,000 player days | planted | {head} | delay, days (median) |",
        "|---|---|---|" + "---|" * (len(BY_DAYS) + 1),
    ]
    for line in report.lines:
        around = f"{line.false_per_1000:.1f} [{line.false_interval.low:.1f}, {line.false_interval.high:.1f}]"
        for place, seen in enumerate(line.seen):
            cells = [line.detector, around] if not place else ["", ""]
            cells += [seen.planted, *(f"{seen.by[by]:.2f}" for by in BY_DAYS)]
            cells.append("never" if seen.delay_days is None else f"{seen.delay_days:.0f}")
            rows.append(f"| {' | '.join(cells)} |")
    return rows
