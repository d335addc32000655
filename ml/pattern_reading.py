"""What a manager reads of a player's habits: the usual, the present, and an honest "cannot tell"."""

import math
from typing import NamedTuple

from domain.effects import PatternChanged
from domain.habits import Course, Habits
from ml.pattern_config import HOURS, LENGTH, LIMIT, SINGLE, STAKE, PatternPlan
from ml.patterns import expected, minutes_of

USUAL, HIGH, CANNOT_TELL = "usual", "high", "cannot_tell"
TOO_FEW, ERRATIC = "too_few_sessions", "erratic"


class Reading(NamedTuple):
    """One course of a player. Minutes for session length, major units for stakes."""

    pattern: str
    verdict: str  # usual, high, cannot_tell
    reason: str  # why one cannot tell; else ""
    sessions: int  # behind what is usual
    usual: float | None  # median
    upper: float | None  # the player's own 99th percentile, with the default ``z``
    now: float | None  # of the session under way; None: none is, or not enough of it
    z: float | None
    cusum: float
    visible_times: float | None  # the smallest change, as a multiple, that one session could show


def readings(habits: Habits, at: int, plan: PatternPlan) -> tuple[Reading, Reading]:
    """Return session length and stakes as they stand at ``at`` (event time, ms)."""
    session = habits.session
    is_on = bool(session.last_at) and at - session.last_at <= plan.session_gap_ms
    minutes = minutes_of(session) if is_on else None
    judged = is_on and session.stakes >= plan.stakes_min
    stake = math.exp(session.stake_logs / session.stakes) if judged else None
    return (
        _reading(LENGTH, habits.length, minutes, plan, plan.usual_length),
        _reading(STAKE, habits.stake, stake, plan),
    )


def sentence(seen: PatternChanged) -> str:
    """Return what was seen in words, for the operator."""
    evidence = seen.evidence
    if seen.pattern == HOURS:
        return (
            f"Sessions now begin around {int(evidence['hour']):02d}:00; of {evidence['sessions']:.0f} earlier ones "
            f"{evidence['usual']:.0%} began near that hour."
        )
    shown = _minutes if seen.pattern == LENGTH else _money
    if seen.by == LIMIT:
        return f"This session has lasted {shown(evidence['now'])}; the limit is {shown(evidence['limit'])}."
    usual = f"usual over {evidence['sessions']:.0f} sessions is {shown(evidence['usual'])}"
    is_length = seen.pattern == LENGTH
    if seen.by == SINGLE:
        now = "This session has lasted" if is_length else "The typical stake of this session is"
        return (
            f"{now} {shown(evidence['now'])}, {evidence['times']:g} times what is usual: {usual} (z {evidence['z']:g})."
        )
    now = "sessions lasted" if is_length else "sessions had typical stakes of"
    return (
        f"The last {evidence['over']:.0f} {now} {shown(evidence['now'])}, {evidence['times']:g} times what is usual: "
        f"{usual} (CUSUM {evidence['cusum']:g})."
    )


def _reading(pattern: str, course: Course, now: float | None, plan: PatternPlan, mean: float | None = None) -> Reading:
    sessions = int(course.count)
    if sessions < plan.sessions_min:
        return Reading(pattern, CANNOT_TELL, TOO_FEW, sessions, None, None, now, None, course.cusum, None)
    centre, sd = expected(course, plan.spread, mean)
    usual, times = math.exp(centre), math.exp(plan.z * sd)
    z = (math.log(now) - centre) / sd if now else None
    verdict, reason = USUAL, ""
    if sd > plan.erratic:
        verdict, reason = CANNOT_TELL, ERRATIC
    elif z is not None and z > plan.z:
        verdict = HIGH
    return Reading(pattern, verdict, reason, sessions, usual, usual * times, now, z, course.cusum, times)


def _minutes(value: float) -> str:
    whole = round(value)
    hours, minutes = divmod(whole, 60)
    if not hours:
        return f"{whole} minutes"
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def _money(value: float) -> str:
    return f"{value:.2f}"
