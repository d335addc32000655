"""What a player is shown (CONTRACT, "Reads"): the programme as it stands for one player at a moment.

Pure and lazy: a mission whose day, week, window or time limit is over is shown so before any turn has noticed.
"""

from typing import Any

from domain.conditions import level_of
from domain.player import Balance, MissionProgress, Snapshot
from gamification import cycles, rooms
from gamification.missions import is_unlocked
from gamification.rewards import described
from gamification.rules import AchievementRule, LevelSystem, MissionRule, Rules


def player_view(rules: Rules, snapshot: Snapshot, now: int) -> dict[str, Any]:
    """Return balances, level, levels, missions (those not begun too), achievements and what each room shows.

    All JSON values; ``api.views`` passes them on as they are.
    """
    shown: dict[str, Any] = {
        "balances": {
            currency: {"balance": held.balance, "lifetime": held.lifetime}
            for currency, held in ({name: Balance() for name in rules.currencies} | snapshot.wallet).items()
        },
        "level": level_of(snapshot.progress.levels),
        "levels": [_levels(system, snapshot) for system in rules.levels],
        "missions": missions_view(rules, snapshot, now),
        "achievements": [_achievement(rule, snapshot) for rule in rules.achievements.values()],
    }
    for room in rooms.ROOMS:
        if room.view is not None:
            shown |= room.view(rules, snapshot, now)
    return shown


def missions_view(rules: Rules, snapshot: Snapshot, now: int) -> list[dict[str, Any]]:
    """Return the missions alone."""
    return [_mission(rules, mission, snapshot, now) for mission in rules.missions.values()]


def _mission(rules: Rules, mission: MissionRule, snapshot: Snapshot, now: int) -> dict[str, Any]:
    held = snapshot.missions.get(mission.id, MissionProgress())
    rule = rules.mission_of(mission, held)
    overdue = cycles.is_overdue(rule, held, now)
    cycle = cycles.cycle_at(rule, held, now, snapshot.profile.timezone or rules.timezone)
    if cycle != held.cycle and not cycles.is_past(cycle, held.cycle):
        held, rule, overdue = cycles.next_cycle(held, cycle), mission, False
    status = "expired" if overdue else _status(rule, held, snapshot, now)
    deadline = cycles.deadline_of(rule, held) if status == "in_progress" else 0
    return {
        "id": mission.id,
        "name": dict(rule.name),
        "status": status,
        "tasks": [
            {"id": task.id, "actual": held.actual.get(task.id, 0), "expected": task.expected} for task in rule.tasks
        ],
        "completed_count": held.completed_count,
        "cycle": held.cycle,
        "opt_in": rule.opt_in,
        "until": deadline or None,
        "rewards": [
            {"kind": reward.kind, **said} for reward, said in zip(rule.rewards, described(rule.rewards), strict=True)
        ],
        "unclaimed": [
            {"completion_id": completion_id, "until": until or None}
            for completion_id, _, until in held.unclaimed
            if not 0 < until <= now
        ],
    }


def _status(rule: MissionRule, held: MissionProgress, snapshot: Snapshot, now: int) -> str:
    if held.status not in ("available", "in_progress"):
        return held.status
    if now >= rule.until:
        return "missed"
    if held.status == "available" and not (now >= rule.starts_at and is_unlocked(rule, snapshot.missions)):
        return "locked"
    return held.status


def _achievement(rule: AchievementRule, snapshot: Snapshot) -> dict[str, Any]:
    actual, reached = snapshot.progress.achievements.get(rule.id, (0, 0))
    return {
        "id": rule.id,
        "name": dict(rule.name),
        "actual": actual,
        "stages_reached": reached,
        "stages": [{"stage": i, "at": stage.at, "reached": i <= reached} for i, stage in enumerate(rule.stages, 1)],
    }


def _levels(system: LevelSystem, snapshot: Snapshot) -> dict[str, Any]:
    held = snapshot.progress.levels.get(system.id)
    lifetime = snapshot.wallet.get(system.currency, Balance()).lifetime
    following = system.index.get(held, -1) + 1 if held else 0
    return {
        "id": system.id,
        "currency": system.currency,
        "level": held,
        "lifetime": lifetime,
        "next": (
            {"id": system.levels[following].id, "at": system.levels[following].at}
            if following < len(system.levels)
            else None
        ),
    }
