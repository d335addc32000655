"""What a player is shown: the programme as it stands for one player at a moment.

Pure and lazy: a mission whose day, week, window or time limit is over is shown so before any turn has noticed.
"""

from typing import Any

from domain.calendar import local_day
from domain.conditions import level_of
from domain.player import Balance, MissionProgress, Snapshot
from gamification import cycles, rooms
from gamification.missions import is_unlocked
from gamification.purses import credited
from gamification.rewards import described
from gamification.rules import AchievementRule, LevelSystem, MissionRule, Rules
from gamification.terms import shown as shown_expiry


def player_view(rules: Rules, snapshot: Snapshot, now: int) -> dict[str, Any]:
    """Return balances, level, levels, missions (those not begun too), achievements and what each room shows.

    All JSON values; ``api.views`` passes them on as they are.
    """
    shown: dict[str, Any] = {
        "balances": {
            currency: _balance(rules, currency, held)
            for currency, held in ({name: Balance() for name in rules.currencies} | snapshot.wallet).items()
        },
        "level": level_of(snapshot.progress.levels),
        "levels": [_levels(system, rules, snapshot, now) for system in rules.levels],
        "missions": missions_view(rules, snapshot, now),
        "achievements": [_achievement(rule, snapshot) for rule in rules.achievements.values()],
        "badges": [_badge(rule, snapshot) for rule in rules.achievements.values() if rule.badge],
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


def _balance(rules: Rules, currency: str, held: Balance) -> dict[str, Any]:
    """Return a balance; of a currency with options also what is held back and what expires next."""
    shown: dict[str, Any] = {"balance": held.balance, "lifetime": held.lifetime}
    purse = held.purse
    if purse is not None or currency in rules.purses:
        pending = purse.pending if purse else ()
        lots = purse.lots if purse else ()
        shown["pending"] = sum(amount for _, amount, _ in pending)
        shown["available_at"] = pending[0][0] if pending else None
        shown["expires"] = {"amount": lots[0][1], "at": shown_expiry(lots[0][0])} if lots else None
    return shown


def _badge(rule: AchievementRule, snapshot: Snapshot) -> dict[str, Any]:
    _, reached = snapshot.progress.achievements.get(rule.id, (0, 0))
    return {
        "id": rule.id,
        "name": dict(rule.name),
        "icon": rule.icon or None,
        "earned": reached > 0,
        "stage": reached,
        "stages": len(rule.stages),
    }


def _achievement(rule: AchievementRule, snapshot: Snapshot) -> dict[str, Any]:
    actual, reached = snapshot.progress.achievements.get(rule.id, (0, 0))
    return {
        "id": rule.id,
        "name": dict(rule.name),
        "actual": actual,
        "stages_reached": reached,
        "badge": rule.badge,
        "icon": rule.icon or None,
        "stages": [{"stage": i, "at": stage.at, "reached": i <= reached} for i, stage in enumerate(rule.stages, 1)],
    }


def _levels(system: LevelSystem, rules: Rules, snapshot: Snapshot, now: int) -> dict[str, Any]:
    held = snapshot.progress.levels.get(system.id)
    balance = snapshot.wallet.get(system.currency, Balance())
    place = system.index.get(held, -1) if held else -1
    following = place + 1
    standing = snapshot.progress.standings.get(system.id)
    shown: dict[str, Any] = {
        "id": system.id,
        "name": dict(system.name),
        "currency": system.currency,
        "level": held,
        "level_name": dict(system.levels[place].name) if place >= 0 else {},
        "lifetime": balance.lifetime,
        "benefits": dict(system.levels[place].benefits) if place >= 0 else {},
        "until": standing.until or None if standing else None,
        "next": (
            {
                "id": system.levels[following].id,
                "name": dict(system.levels[following].name),
                "at": system.levels[following].at,
                "benefits": dict(system.levels[following].benefits),
            }
            if following < len(system.levels)
            else None
        ),
    }
    if system.window_days:
        today = local_day(now, snapshot.profile.timezone or rules.timezone)
        shown["window"] = credited(balance, system.window_days, today)
    return shown
