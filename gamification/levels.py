"""Levels: where the credits of a currency, of all time or of a window, have brought the player. Last in a turn."""

from bisect import bisect_right
from math import inf

from domain.effects import LevelChanged
from gamification.downgrades import first_time, judged_at, measure, watch
from gamification.rewards import ask_for_message, described, grant, local_text
from gamification.rules import Level, LevelSystem
from gamification.working import Turn


def raise_levels(turn: Turn) -> None:
    """Enter every level reached, one at a time, each with its rewards, which may raise further ones.

    A level is never taken back here (but see ``gamification.downgrades``). The loop ends because each round enters a
    level, and a turn enters a level once.
    """
    moved = True
    while moved:
        moved = False
        for system in turn.rules.levels:
            held = turn.levels.get(system.id)
            if system.downgrade != "none" and system.index.get(held or "", 0) and not judged_at(turn, system):
                watch(turn, system)  # entered before levels could be lost
            balance = turn.wallet.get(system.currency)
            sum_ = balance.lifetime if balance else 0
            if system.window_days:
                if held in system.index and balance is turn.start.wallet.get(system.currency):
                    continue  # only a credit raises it, and to add the window up costs more than to ask
                if held is not None and sum_ < _following(system, held):
                    continue  # no window has more than all time has
                sum_ = measure(turn, system)
            reached = bisect_right(system.thresholds, sum_) - 1
            if reached >= 0 and held != system.levels[reached].id:
                moved = _rise(turn, system, held, reached) or moved


def _following(system: LevelSystem, held: str) -> float:
    """Return what the level after this one begins at: of the last one infinity, of an unknown one 0."""
    following = system.index.get(held, len(system.thresholds)) + 1
    if following > len(system.thresholds):
        return 0
    return system.thresholds[following] if following < len(system.thresholds) else inf


def _rise(turn: Turn, system: LevelSystem, held: str | None, reached: int) -> bool:
    if held is None:
        first = 0
    elif held in system.index:
        first = system.index[held] + 1
    else:  # the programme no longer has this level: the player is placed anew, and paid nothing twice
        turn.set_level(system.id, system.levels[reached].id)
        turn.effects.append(LevelChanged(system.id, system.levels[reached].id, held))
        watch(turn, system)
        return True
    for level in system.levels[first : reached + 1]:
        _enter(turn, system, level)
    if reached >= first:
        watch(turn, system)
    return reached >= first


def _enter(turn: Turn, system: LevelSystem, level: Level) -> None:
    turn.effects.append(LevelChanged(system.id, level.id, turn.levels.get(system.id, "")))
    turn.set_level(system.id, level.id)
    if not first_time(turn, system, level.id):
        return
    grant(turn, level.rewards, "levels/" + system.id, turn.rules.version, system.budget)
    if level.message:
        name = local_text(level.name, turn.profile.locale, level.id)
        content = {"level": {"id": level.id, "name": name, "system": system.id, "rewards": described(level.rewards)}}
        ask_for_message(turn, level.message, f"levels/{system.id}/{level.id}", content)


def keep_level(turn: Turn, system_id: str, level_id: str) -> None:
    """Enter a level that was entered before, and those below it; one that is held, or lower, changes nothing."""
    for system in turn.rules.levels:
        if system.id == system_id and level_id in system.index:
            held = turn.levels.get(system_id)
            if held is None or system.index.get(held, -1) < system.index[level_id]:
                _rise(turn, system, held, system.index[level_id])
