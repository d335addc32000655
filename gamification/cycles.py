"""When a mission's cycle begins and ends.

Cycles follow the event's own time in the player's zone; the time limit starts with it, and runs out by turn time,
because that is what timers go by. The timer and the next event run the same check, so either leaves the same state.
"""

from msgspec.structs import replace

from domain.calendar import local_day, local_week
from domain.effects import MissionStatus
from domain.player import MissionProgress
from gamification.rules import MissionRule
from gamification.working import Turn

TIMER = "mission_expires"


_RENUMBERED = 1_000  # no event is so late: the mission was daily and is weekly now


def cycle_at(rule: MissionRule, progress: MissionProgress, at: int, zone: str) -> int:
    """Return the cycle a moment belongs to: the local day or week, else the player's counter."""
    if rule.recurrence == "daily":
        return local_day(at, zone)
    if rule.recurrence == "weekly":
        return local_week(at, zone)
    # An older programme may have completed it for good; recurring now, it begins again.
    return progress.cycle + (rule.recurrence == "on_completion" and progress.status == "completed")


def is_past(cycle: int, held: int) -> bool:
    """Tell whether a cycle is over because a later one has begun."""
    return 0 < held - cycle < _RENUMBERED


def deadline_of(rule: MissionRule, progress: MissionProgress) -> int:
    """Return when the time limit of a mission in progress runs out, 0 when it has none."""
    return progress.started_at + rule.time_limit_ms if rule.time_limit_ms else 0


def is_overdue(rule: MissionRule, progress: MissionProgress, now: int) -> bool:
    return progress.status == "in_progress" and 0 < deadline_of(rule, progress) <= now


def next_cycle(progress: MissionProgress, cycle: int) -> MissionProgress:
    """Return the mission at the start of a cycle: what was completed and not yet claimed stays."""
    return replace(progress, status="available", cycle=cycle, actual={}, started_at=0, programme=0)


def expire_overdue(turn: Turn, rule: MissionRule, progress: MissionProgress) -> MissionProgress:
    """Return the progress, expired and stored if its time has run out by turn time."""
    if not is_overdue(rule, progress, turn.at):
        return progress
    expired = replace(progress, status="expired")
    turn.set_mission(rule.id, expired)
    turn.effects.append(MissionStatus(rule.id, "expired", progress.cycle))
    return expired


def on_timer(turn: Turn, mission_id: str, cycle: int) -> None:
    """Expire the mission a timer names, unless it has moved on to another cycle or was deleted."""
    mission = turn.rules.missions.get(mission_id)
    progress = turn.missions.get(mission_id)
    if mission and progress and progress.cycle == cycle:
        expire_overdue(turn, turn.rules.mission_of(mission, progress), progress)


def watch(turn: Turn, rule: MissionRule, progress: MissionProgress) -> None:
    """Set the timer of a time limit that begins."""
    if rule.time_limit_ms:
        turn.set_timer(TIMER, rule.id, deadline_of(rule, progress), progress.cycle)


def unwatch(turn: Turn, rule: MissionRule, progress: MissionProgress) -> None:
    """Clear the timer that ``watch`` set, by the same values."""
    if rule.time_limit_ms and progress.status == "in_progress":
        turn.clear_timer(TIMER, rule.id, deadline_of(rule, progress), progress.cycle)
