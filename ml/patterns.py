"""What is usual for a player, and when it changes: session length, stakes and hours (research in docs/patterns.md).

Three detectors, all against the player's own past on a log scale, shrunk to all players' while it is short:

* ``single``: this session is above the player's own 99th percentile. It is told while the session is going on.
* ``lasting``: a one-sided CUSUM of the sessions that are over (Page 1954; k 0.5, h 4, z clipped to [-2, 4], so that
  no single session can raise it): "20 minutes have become 2 hours".
* ``limit``: the operator's own limit, whatever is usual.

Of a player whose sessions are of all lengths one session tells nothing; that is said (``ml.pattern_reading``), not
guessed. What is seen becomes the effect ``PatternChanged(pattern, by, evidence)``. Evidence of lengths is in minutes,
of stakes in major units, of hours as shares: ``usual`` and ``now``, ``times`` (now / usual), ``z``, ``cusum``,
``spread`` (standard deviation of the log), ``sessions`` (how many are behind ``usual``), ``over`` (behind ``now``).
A pattern is care, never an offer: as a marker of harm (``is_marker``) it excludes the player, and nothing here can
begin a campaign.
"""

import math
from collections.abc import Iterable

from domain.calendar import local_ms
from domain.effects import Effect, PatternChanged
from domain.entries import Event
from domain.habits import Course, Habits, Hours, Session
from ml.features import AMOUNT_MAX, TOLD_SECONDS_MAX, Signal
from ml.intent import gesture
from ml.pattern_config import HOURS, LASTING, LENGTH, LIMIT, SINGLE, STAKE, PatternPlan

Seen = tuple[PatternChanged, ...]

MEAN_PRIOR = 2.0  # sessions that the mean of all players is worth
SPREAD_PRIOR = 6.0  # and their spread
ONE_MORE_MIN = 0.75  # what the last event of a session took: a session of a single one has lasted too
SMALLEST_STAKE = 0.01
RECENT_MAX = 8 * 3
_Z_MIN, _Z_MAX = -2.0, 4.0
_NEWEST = 0.5  # of the newest session in the present level
_LONG_TOLD, _LIMIT_TOLD, _STAKE_TOLD = 1, 2, 4
_HOUR_WEIGHT, _HOURS_FULL = 4, 200  # 50 sessions, then halved
_HOUR_PRIOR = 4 * _HOUR_WEIGHT  # four sessions at any hour
HOURS_HELD_MAX = 16
_ANY_HOUR = 3 / 24  # an hour with its neighbours
_HOUR_CLIP = 2.0  # so that one session cannot tell


def watch(
    before: Habits, signal: Signal, at: int, plan: PatternPlan, *, event: Event | None = None, zone: str = ""
) -> tuple[Habits, Seen]:
    """Return the habits after a signal and what has changed in them. O(1).

    Args:
        at: Event time, ms. One that is older than the last counts as of the last.
        event: What the signal was read from, for the intent of the session; None: the signal alone says it.
        zone: The player's, for the hours; it is asked once a session.
    """
    session = before.session
    seen: Seen = ()
    if at < session.last_at:
        at = session.last_at
    began = at
    if signal.kind == "session" and signal.amount > 0:  # the platform tells how long it was, now that it is over
        began = max(at - int(min(signal.amount, TOLD_SECONDS_MAX) * 1000), session.last_at)
    if began - session.last_at > plan.session_gap_ms or not session.last_at:
        before, seen = _next_session(before, began, plan, zone)
        session = before.session
    stakes, stake_logs = session.stakes, session.stake_logs
    if signal.kind == "bet" and signal.amount > 0:
        stakes += 1
        stake_logs += math.log(min(max(signal.amount, SMALLEST_STAKE), AMOUNT_MAX))
    started_at = session.started_at
    session = Session(
        started_at,
        at,
        session.events + 1,
        stakes,
        stake_logs,
        session.told,
        session.long_ms,
        session.stake_limit,
    )
    lasted = at - started_at
    if (
        (0 < session.long_ms <= lasted)
        or (0 < plan.session_limit_ms <= lasted)
        or (session.stake_limit is not None and stakes >= plan.stakes_min and stake_logs > session.stake_limit * stakes)
    ):
        session, seen = _within(before, session, seen, plan)
    kind, place = gesture(signal, event, plan.intent)
    recent = before.recent[3 - RECENT_MAX :] + (lasted // 1000, kind, place)  # noqa: RUF005  a third faster
    return Habits(session, before.length, before.stake, before.hours, recent), seen


def is_marker(seen: PatternChanged, plan: PatternPlan) -> bool:
    """Tell whether the operator treats this as a marker of harm."""
    return seen.name in plan.markers


def shows_harm(effects: Iterable[Effect], plan: PatternPlan | None) -> bool:
    """Tell whether a turn has seen a marker of harm."""
    if plan is None or not plan.markers:
        return False
    return any(isinstance(effect, PatternChanged) and is_marker(effect, plan) for effect in effects)


def joined(mine: Habits, theirs: Habits) -> Habits:
    """Return the habits of two profiles that are one person: those that more sessions are behind."""
    return theirs if theirs.length.count > mine.length.count else mine


def expected(course: Course, spread: float, mean: float | None = None) -> tuple[float, float]:
    """Return mean and standard deviation that the next session's log is judged by.

    Args:
        spread: Of one player's sessions, over all players.
        mean: Of all players; None: there is none (stakes differ by currency).
    """
    n = course.count
    prior = MEAN_PRIOR if mean is not None else 0.0
    centre = (n * course.mean + prior * (mean or 0.0)) / (n + prior) if n + prior else 0.0
    squares = course.m2 + n * (course.mean - centre) ** 2
    variance = (squares + SPREAD_PRIOR * spread * spread) / (n + SPREAD_PRIOR)
    # What is usual is itself only estimated: without this a short past raises false alarms.
    return centre, math.sqrt(variance * (1 + 1 / (n + prior))) if n + prior else spread


def minutes_of(session: Session) -> float:
    """Return how long a session has lasted."""
    return (session.last_at - session.started_at) / 60_000 + ONE_MORE_MIN


def _next_session(before: Habits, at: int, plan: PatternPlan, zone: str) -> tuple[Habits, Seen]:
    """Close the last session, judge it, and open the next."""
    last = before.session
    length, stake, hours = before.length, before.stake, before.hours
    seen: list[PatternChanged] = []
    if last.last_at:
        at_least = math.log(max(plan.session_at_least_ms / 60_000, ONE_MORE_MIN))
        length = _judged(length, math.log(minutes_of(last)), plan, LENGTH, at_least, seen, plan.usual_length)
    if last.stakes >= plan.stakes_min:
        at_least = math.log(max(plan.stake_at_least, SMALLEST_STAKE))
        stake = _judged(stake, last.stake_logs / last.stakes, plan, STAKE, at_least, seen)
    hours = _begins(hours, local_ms(at, zone) // 3_600_000 % 24, plan, seen)
    session = Session(at, at, 0, 0, 0.0, 0, _long_ms(length, plan), _stake_limit(stake, plan))
    return Habits(session, length, stake, hours, ()), tuple(seen)


def _long_ms(length: Course, plan: PatternPlan) -> int:
    if length.count < plan.sessions_min:
        return 0
    mean, sd = expected(length, plan.spread, plan.usual_length)
    if sd > plan.erratic:
        return 0
    minutes = math.exp(min(mean + plan.z * sd, 20.0))  # 20: some 900 years, so that nothing overflows
    return max(int((minutes - ONE_MORE_MIN) * 60_000), plan.session_at_least_ms, 1)


def _stake_limit(stake: Course, plan: PatternPlan) -> float | None:
    if stake.count < plan.sessions_min:
        return None
    mean, sd = expected(stake, plan.spread)
    if sd > plan.erratic:
        return None
    return max(mean + plan.z * sd, math.log(max(plan.stake_at_least, SMALLEST_STAKE)))


def _within(habits: Habits, session: Session, seen: Seen, plan: PatternPlan) -> tuple[Session, Seen]:
    """Tell what a session that is going on has come to, each thing once a session."""
    found: list[PatternChanged] = []
    told = session.told
    lasted = session.last_at - session.started_at
    minutes = minutes_of(session)
    if 0 < session.long_ms <= lasted and not told & _LONG_TOLD:
        told |= _LONG_TOLD
        course = habits.length
        centre, sd = expected(course, plan.spread, plan.usual_length)
        z = (math.log(minutes) - centre) / sd
        found.append(_seen(LENGTH, SINGLE, centre, minutes, sd, course.count, z=z))
    if 0 < plan.session_limit_ms <= lasted and not told & _LIMIT_TOLD:
        told |= _LIMIT_TOLD
        evidence = {"limit": plan.session_limit_ms / 60_000, "now": round(minutes, 1)}
        found.append(PatternChanged(LENGTH, LIMIT, evidence))
    limit = session.stake_limit
    if limit is not None and session.stakes >= plan.stakes_min and not told & _STAKE_TOLD:
        now = session.stake_logs / session.stakes
        if now > limit:
            told |= _STAKE_TOLD
            centre, sd = expected(habits.stake, plan.spread)
            now_amount = math.exp(now)
            z = (now - centre) / sd
            found.append(_seen(STAKE, SINGLE, centre, now_amount, sd, habits.stake.count, z=z, over=session.stakes))
    if not found:
        return session, seen
    session = Session(
        session.started_at,
        session.last_at,
        session.events,
        session.stakes,
        session.stake_logs,
        told,
        session.long_ms,
        limit,
    )
    return session, (*seen, *found)


def _judged(
    course: Course,
    value: float,
    plan: PatternPlan,
    pattern: str,
    at_least: float,
    seen: list[PatternChanged],
    mean: float | None = None,
) -> Course:
    """Return the course after one more session, ``value`` being its log."""
    if course.count < plan.sessions_min:
        return _learned(course, value, plan.memory)
    centre, sd = expected(course, plan.spread, mean)
    z = (value - centre) / sd
    clipped = min(max(z, _Z_MIN), _Z_MAX)
    value = centre + clipped * sd  # one absurd session must not hide the next one
    level = course.level + _NEWEST * (value - course.level)
    cusum = course.cusum + clipped - plan.cusum_k
    if cusum <= 0:
        return _learned(_released(course, plan.memory) if course.held else course, value, plan.memory)
    if cusum > plan.cusum_h:
        if value >= at_least:
            now = math.exp(level)
            seen.append(_seen(pattern, LASTING, centre, now, sd, course.count, z=z, cusum=cusum, over=course.held + 1))
        # The new level is what is usual from here on, also where it is too low to be told: what is judged next is a
        # further rise. What was learned of the spread stays.
        count = min(course.count, max(course.held + 1, float(plan.sessions_min)))
        return Course(count, level, course.m2 * count / course.count, level=level)
    held = course.held + 1
    step = value - course.held_mean
    held_mean = course.held_mean + step / held
    held_m2 = course.held_m2 + step * (value - held_mean)
    return Course(course.count, course.mean, course.m2, cusum, held, held_mean, held_m2, level)


def _learned(course: Course, value: float, memory: float) -> Course:
    n = course.count + 1
    step = value - course.mean
    mean = course.mean + step / n
    m2 = course.m2 + step * (value - mean)
    level = course.level + _NEWEST * (value - course.level) if course.count else value
    return Course(min(n, memory), mean, m2 if n <= memory else m2 * memory / n, level=level)


def _released(course: Course, memory: float) -> Course:
    """Return the course with what was held apart joined to what is usual (Chan, Golub and LeVeque 1979)."""
    n = course.count + course.held
    step = course.held_mean - course.mean
    mean = course.mean + step * course.held / n
    m2 = course.m2 + course.held_m2 + step * step * course.count * course.held / n
    return Course(min(n, memory), mean, m2 if n <= memory else m2 * memory / n, level=course.level)


def _begins(hours: Hours, hour: int, plan: PatternPlan, seen: list[PatternChanged]) -> Hours:
    """Return the hours after a session has begun.

    What is summed is how much likelier the hour is of somebody who plays at any hour than of this player; a change to
    whatever other hours raises it, and a player of all hours never does.
    """
    starts = [*hours.starts] or [0] * 24
    total = sum(starts)
    cusum = hours.cusum
    if total >= plan.sessions_min * _HOUR_WEIGHT:
        near = starts[hour - 1] + starts[hour] + starts[(hour + 1) % 24]
        share = (near + _HOUR_PRIOR * _ANY_HOUR) / (total + _HOUR_PRIOR)
        cusum = max(0.0, cusum + min(max(math.log(_ANY_HOUR / share), -_HOUR_CLIP), _HOUR_CLIP))
        if cusum > plan.hours_h:
            evidence = {"hour": float(hour), "usual": round(near / total, 3), "cusum": round(cusum, 2)}
            evidence |= {"sessions": float(total // _HOUR_WEIGHT), "over": float(len(hours.held) + 1)}
            seen.append(PatternChanged(HOURS, LASTING, evidence))
            cusum = 0.0
            starts = [weight // 4 for weight in starts]  # the new hours are to be usual soon
    held = (*hours.held, hour)
    split = max(0, len(held) - HOURS_HELD_MAX) if cusum else len(held)
    for one in held[:split]:
        starts[one] += _HOUR_WEIGHT
    if sum(starts) > _HOURS_FULL:
        starts = [weight // 2 for weight in starts]
    return Hours(tuple(starts), cusum, held[split:])


def _seen(
    pattern: str, by: str, centre: float, now: float, sd: float, sessions: float, **more: float
) -> PatternChanged:
    usual = math.exp(centre)
    evidence = {
        "usual": round(usual, 2),
        "now": round(now, 2),
        "times": round(now / usual, 1),
        "spread": round(sd, 2),
        "sessions": float(round(sessions)),
    }
    evidence.update((name, round(value, 2)) for name, value in more.items())
    return PatternChanged(pattern, by, evidence)
