"""What a partition does by the calendar: walks that a new programme version needs, campaigns and journeys that start.

Pure: (rules before, rules after, now) to timers and walks of the partition. Players' own timers are elsewhere. Every
partition does this by itself, from its own log, and comes to the same walks as the others.

A timer names its schedule by ``generation`` (a fingerprint), so one that another schedule set does nothing, and one
that is still true stays armed across publishes: an occurrence is neither lost nor doubled when a publish meets it.
"""

from collections.abc import Iterator

from crm.programme import CrmRules
from crm.recurrence import (
    LATE_MS,
    PLAYER,
    Scheduled,
    Start,
    fingerprint,
    first_start,
    is_start,
    next_start,
)
from domain.entries import TimerFired, WalkAsked
from domain.player import Snapshot
from domain.step import Step, TimerOp

REVIEW = "review"  # kind of visit: judge all segments anew
ENTER = "journey"  # kind of visit: enter ``ref``
SCHEDULE_TIMER = "schedule"  # ref: journey id

_NOBODY = Snapshot("")


def opened(before: CrmRules, after: CrmRules, at: int) -> Step[Snapshot]:
    """Return what publishing ``after`` begins: a review when segments changed, invitations, timers of schedules."""
    changed = before.segments.meanings != after.segments.meanings
    walks = (WalkAsked(f"review:{after.version}", REVIEW),) if changed else ()
    timers = [_first(after, name, at) for name in after.schedules if not _is_armed(before, after, name)]
    return Step(_NOBODY, timers=tuple(timer for timer in timers if timer), walks=(*walks, *_invited(before, after)))


def _invited(before: CrmRules, after: CrmRules) -> Iterator[WalkAsked]:
    """Yield a walk over the members of a segment for each new journey that begins with those who are in it already.

    Of a segment that is itself new, the review brings them in.
    """
    for name, journey in after.journeys.journeys.items():
        entry = journey.entry.config
        if (
            entry.include_existing
            and entry.segment in before.segments.conditions
            and name not in before.journeys.journeys
        ):
            yield WalkAsked(f"{name}@{after.version}", ENTER, name, f"segments/{entry.segment}")


def fired(rules: CrmRules, timer: TimerFired, at: int) -> Step[Snapshot]:
    """Return what a partition's own timer begins, and when it is due again; nothing when its schedule is not in force.

    A timer that comes more than an hour late (the store was down) begins nothing, unless the schedule says
    ``late: send``; then, of several that were missed, the last one. In players' own zones each player's clock decides.
    """
    scheduled = rules.schedules.get(timer.ref) if timer.kind == SCHEDULE_TIMER else None
    if scheduled is None or timer.generation != fingerprint(scheduled.schedule, rules.timezone):
        return Step(_NOBODY)
    schedule = scheduled.schedule
    start = is_start(schedule, timer.due, rules.timezone)
    following = next_start(schedule, timer.due, rules.timezone)
    timers = (_timer(rules, timer.ref, scheduled, following),) if following else ()
    is_late = at > timer.due + LATE_MS and (schedule.late == "skip" or (following is not None and following.at <= at))
    begins = start is not None and (schedule.zone == PLAYER or not is_late)
    return Step(_NOBODY, timers=timers, walks=(_walk(timer.ref, scheduled, start),) if start and begins else ())


def occurrence(journey: str, start: Start) -> str:
    """Return the id of an occurrence's walk, the same in every partition."""
    return f"{journey}@{start.local}"


def _is_armed(before: CrmRules, after: CrmRules, name: str) -> bool:
    """Tell whether the timer that an earlier version set is still the right one."""
    old = before.schedules.get(name)
    if old is None:
        return False
    return fingerprint(old.schedule, before.timezone) == fingerprint(after.schedules[name].schedule, after.timezone)


def _first(rules: CrmRules, name: str, at: int) -> TimerOp | None:
    scheduled = rules.schedules[name]
    start = first_start(scheduled.schedule, at, rules.timezone)
    return _timer(rules, name, scheduled, start) if start else None


def _timer(rules: CrmRules, name: str, scheduled: Scheduled, start: Start) -> TimerOp:
    generation = fingerprint(scheduled.schedule, rules.timezone)
    return TimerOp(TimerFired("", SCHEDULE_TIMER, name, start.at, generation))


def _walk(name: str, scheduled: Scheduled, start: Start) -> WalkAsked:
    schedule = scheduled.schedule
    args = {"local": start.local, "late": schedule.late} if schedule.zone == PLAYER else {"local": start.local}
    return WalkAsked(occurrence(name, start), ENTER, name, scheduled.group, per_minute=schedule.per_minute, args=args)
