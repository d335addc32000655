"""Missions: set tasks within a window. Windows, cycles and counting go by the event's own time.

An event counts for a mission if, in this order, its cycle is not past, the mission is neither over nor waiting for an
opt-in, the event lies in the active window and (with an opt-in or a time limit) not before the counting began, every
mission it waits for was complete when the turn began, and the player is in the audience.
"""

from msgspec.structs import replace

from domain.calendar import local_day, local_week
from domain.effects import MissionCompleted, MissionProgressed, MissionStatus
from domain.entries import Event
from domain.event_fields import field_value
from domain.player import MissionProgress
from domain.step import UniqueKey
from gamification import claims, cycles
from gamification.rewards import ask_for_message, described, local_text
from gamification.rules import MissionRule, TaskRule, whole_amount
from gamification.working import Turn

_NEW = MissionProgress()


def advance_missions(turn: Turn, missions: tuple[MissionRule, ...], event: Event) -> None:
    """Count the event towards every mission that it can move.

    Most missions of a live programme listen to the same few events, so what cannot move, and the usual case of a
    mission in progress in its own cycle, are told apart here: with 18 missions on a bet, ``_advance`` for each was
    two thirds of the turn.
    """
    at, held_missions = event.occurred_at, turn.missions
    cycle_of = _Cycles(at, turn.zone)
    for mission in missions:
        held = held_missions.get(mission.id, _NEW)
        status = held.status
        if status != "in_progress":
            # The two commonest answers of ``_may_start`` first: a call costs more than they do.
            if mission.opt_in or (status == "completed" and mission.recurrence == "none"):
                continue
            if _may_start(turn, mission, held, event, cycle_of):
                _advance(turn, mission, held, event)
        elif _is_usual(turn, mission, held, at) and (mission.is_open or _is_current(mission, held, at, cycle_of)):
            moved = _moved_tasks(turn, mission, held, event)
            if moved:
                _count(turn, mission, held, moved, at)
        else:
            _advance(turn, mission, held, event)


def _may_start(turn: Turn, mission: MissionRule, held: MissionProgress, event: Event, cycle_of: "_Cycles") -> bool:
    """Tell what surely cannot begin from what may; cheapest questions first, and none of them has an effect."""
    status, recurrence = held.status, mission.recurrence
    if mission.opt_in or not mission.starts_at <= event.occurred_at < mission.until:
        return False
    if status == "completed" and recurrence != "on_completion":
        return recurrence != "none" and held.cycle != cycle_of(recurrence)
    if mission.unlock_after and not is_unlocked(mission, turn.start.missions):
        return False
    if mission.audience is not None and not mission.audience(turn):
        return False
    return status != "available" or bool(_moved_tasks(turn, mission, held, event))


def _is_usual(turn: Turn, mission: MissionRule, held: MissionProgress, at: int) -> bool:
    """Tell whether a mission in progress follows the current version, well within its time limit, open to all."""
    if held.programme != mission.version or mission.audience is not None:
        return False
    if not mission.time_limit_ms:
        return True
    return held.started_at <= at and max(at, turn.at) < held.started_at + mission.time_limit_ms


class _Cycles:
    """The local day and week of a moment, worked out once a turn and only when asked."""

    __slots__ = ("_at", "_day", "_week", "_zone")

    def __init__(self, at: int, zone: str) -> None:
        self._at = at
        self._zone = zone
        self._day = self._week = -1

    def __call__(self, recurrence: str) -> int:
        if recurrence == "daily":
            if self._day < 0:
                self._day = local_day(self._at, self._zone)
            return self._day
        if self._week < 0:
            self._week = local_week(self._at, self._zone)
        return self._week


def _is_current(mission: MissionRule, held: MissionProgress, at: int, cycle_of: _Cycles) -> bool:
    """Tell whether the event falls into the mission's window and cycle; for a cycle to come it does not."""
    recurrence = mission.recurrence
    if recurrence in ("daily", "weekly") and held.cycle != cycle_of(recurrence):
        return False
    return not (mission.opt_in and at < held.started_at) and mission.starts_at <= at < mission.until


def is_unlocked(rule: MissionRule, missions: dict[str, MissionProgress]) -> bool:
    """Tell whether every mission that this one waits for was completed at least once."""
    for other in rule.unlock_after:  # a generator costs four times as much, and chains are asked on every event
        held = missions.get(other)
        if held is None or not held.completed_count:
            return False
    return True


def start(turn: Turn, rule: MissionRule, progress: MissionProgress, at: int) -> MissionProgress:
    """Begin a cycle at ``at``; from here on it keeps this version of the rule."""
    started = replace(progress, status="in_progress", started_at=at, programme=rule.version)
    turn.effects.append(MissionStatus(rule.id, "in_progress", started.cycle))
    cycles.watch(turn, rule, started)
    return started


def _advance(turn: Turn, mission: MissionRule, held: MissionProgress, event: Event) -> None:
    rule = turn.rules.mission_of(mission, held)
    held = cycles.expire_overdue(turn, rule, held)
    at = event.occurred_at
    cycle = cycles.cycle_at(rule, held, at, turn.zone)
    if cycles.is_past(cycle, held.cycle):
        return
    progress = held
    if cycle != held.cycle:
        progress, rule = cycles.next_cycle(held, cycle), mission
    if not _may_count(turn, rule, progress, at):
        return
    moved = _moved_tasks(turn, rule, progress, event)
    if not moved:
        return
    if progress is not held:
        cycles.unwatch(turn, rule, held)
    _count(turn, rule, progress, moved, at)


def _may_count(turn: Turn, rule: MissionRule, progress: MissionProgress, at: int) -> bool:
    if progress.status == "in_progress":
        bounded = rule.opt_in or rule.time_limit_ms
        if bounded and at < progress.started_at:
            return False
        if rule.time_limit_ms and at >= cycles.deadline_of(rule, progress):
            return False
    elif progress.status != "available" or rule.opt_in:
        return False
    if not rule.starts_at <= at < rule.until:
        return False
    if rule.unlock_after and progress.status == "available" and not is_unlocked(rule, turn.start.missions):
        return False
    return rule.audience is None or rule.audience(turn)


def _moved_tasks(turn: Turn, rule: MissionRule, progress: MissionProgress, event: Event) -> list[tuple[TaskRule, int]]:
    """Return the tasks that the event moves, with their new counts (never above what is expected)."""
    moved = []
    for task in rule.tasks_of.get(event.name, ()):
        actual = progress.actual.get(task.id, 0)
        if actual < task.expected and (task.holds is None or task.holds(turn)):
            amount = whole_amount(field_value(event, task.sum)) if task.sum else 1
            if amount:
                actual += amount
                moved.append((task, actual if actual < task.expected else task.expected))
    return moved


def _count(
    turn: Turn, rule: MissionRule, progress: MissionProgress, moved: list[tuple[TaskRule, int]], at: int
) -> None:
    if progress.status == "available":
        progress = start(turn, rule, progress, at)
    actual = progress.actual.copy()
    reached = False
    for task, now_at in moved:
        actual[task.id] = now_at
        reached = reached or now_at >= task.expected
        turn.effects.append(MissionProgressed(rule.id, task.id, now_at, task.expected, progress.cycle))
    progress = MissionProgress(
        progress.status,
        progress.cycle,
        actual,
        # A late event moves the beginning back, where neither opt-in nor limit sets it.
        at if at < progress.started_at else progress.started_at,
        progress.programme,
        progress.completed_count,
        progress.unclaimed,
        progress.completed_at,
    )
    if reached and all(actual.get(task.id, 0) >= task.expected for task in rule.tasks):
        complete(turn, rule, progress, at)
    else:
        turn.set_mission(rule.id, progress)


def complete(turn: Turn, rule: MissionRule, progress: MissionProgress, at: int) -> None:
    """Close the cycle: rewards now or for the claim, the key of a recurring cycle, and what this unlocks."""
    cycle = progress.cycle
    completion_id = f"{rule.id}.{cycle}"
    claim_until = turn.at + rule.claim_within_ms if rule.claim_within_ms else 0
    turn.effects.append(MissionCompleted(rule.id, completion_id, cycle, rule.claim, claim_until, progress.started_at))
    cycles.unwatch(turn, rule, progress)
    done = replace(progress, status="completed", completed_count=progress.completed_count + 1, completed_at=at)
    if rule.recurrence == "on_completion":
        done = cycles.next_cycle(done, cycle + 1)
    if rule.recurrence != "none":  # daily, weekly and daily again within a day: the day's number comes twice
        turn.keys.append(UniqueKey(f"{turn.player}|missions/{rule.id}|{cycle}|{progress.programme}", turn.cause))
    turn.set_mission(rule.id, done)
    claims.settle(turn, rule, completion_id, claim_until)
    _tell(turn, rule, cycle, completion_id)
    if progress.completed_count == 0:
        unlock(turn, rule)
    for hear in turn.rules.completed.get(rule.id, ()):
        hear(turn, at)


def _tell(turn: Turn, rule: MissionRule, cycle: int, completion_id: str) -> None:
    if rule.message:
        content = {
            "mission": {
                "id": rule.id,
                "name": local_text(rule.name, turn.profile.locale, rule.id),
                "completion_id": completion_id,
                "claim": rule.claim,
                "rewards": described(rule.rewards),
            }
        }
        ask_for_message(turn, rule.message, f"missions/{rule.id}/{cycle}", content)


def unlock(turn: Turn, completed: MissionRule) -> None:
    """Tell which missions waited for this one alone."""
    for waiting in turn.rules.unlocks.get(completed.id, ()):
        if waiting.id not in turn.missions and is_unlocked(waiting, turn.missions):
            turn.effects.append(MissionStatus(waiting.id, "available"))
