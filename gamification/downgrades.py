"""Levels that may be lost: by the credits of a window, judged by a timer when the level's period is over.

A level is kept, for another period, while the window's sum reaches it. Otherwise the player falls: by one level, or to
the one that the sum reaches (``downgrade: balance``); never below the first. A level's rewards are given once ever.
"""

from bisect import bisect_right

from msgspec.structs import replace

from domain.calendar import local_day
from domain.effects import LevelChanged
from domain.entries import TimerFired
from domain.player import Snapshot, Standing
from gamification.purses import credited
from gamification.room import Room
from gamification.rules import LevelSystem
from gamification.working import Turn

TIMER = "level_period"
_NEW = Standing()


def measure(turn: Turn, system: LevelSystem) -> int:
    """Return what the levels of a system go by."""
    held = turn.wallet.get(system.currency)
    if system.window_days:
        return credited(held, system.window_days, local_day(turn.at, turn.zone))
    return held.lifetime if held else 0


def first_time(turn: Turn, system: LevelSystem, level: str) -> bool:
    """Tell whether the level is entered for the first time, and note it."""
    if system.downgrade == "none":
        return True
    standing = turn.standings.get(system.id, _NEW)
    if level in standing.paid:
        return False
    turn.set_standing(system.id, replace(standing, paid=(*standing.paid, level)))
    return True


def judged_at(turn: Turn, system: LevelSystem) -> int:
    """Return when the level is judged; 0: never."""
    return turn.standings.get(system.id, _NEW).until


def watch(turn: Turn, system: LevelSystem) -> None:
    """Begin the period of the level that the player has now; the first level has none, since it is not lost."""
    if system.downgrade == "none":
        return
    standing = turn.standings.get(system.id, _NEW)
    until = turn.at + system.period_ms if system.index.get(turn.levels.get(system.id, ""), 0) > 0 else 0
    if standing.until and standing.until != until:
        turn.clear_timer(TIMER, system.id, standing.until)
    if until and standing.until != until:
        turn.set_timer(TIMER, system.id, until)
    turn.set_standing(system.id, replace(standing, until=until))


def on_timer(turn: Turn, timer: TimerFired) -> None:
    """Judge a level whose period is over; a timer of an earlier period changes nothing."""
    standing = turn.standings.get(timer.ref)
    if standing is None or standing.until != timer.due:
        return
    turn.set_standing(timer.ref, replace(standing, until=0))
    system = next((system for system in turn.rules.levels if system.id == timer.ref), None)
    held = turn.levels.get(timer.ref, "")
    if system is None or held not in system.index:
        return
    place = system.index[held]
    reached = max(0, bisect_right(system.thresholds, measure(turn, system)) - 1)
    if reached < place and system.downgrade != "none":
        level = system.levels[place - 1 if system.downgrade == "one" else reached]
        entered = (entered.id for entered in system.levels[: place + 1])  # some perhaps before levels could be lost
        standing = turn.standings.get(system.id, _NEW)
        turn.set_standing(system.id, replace(standing, paid=tuple(dict.fromkeys((*standing.paid, *entered)))))
        turn.set_level(system.id, level.id)
        turn.effects.append(LevelChanged(system.id, level.id, held, down=True))
    watch(turn, system)


def hand_over(turn: Turn, _into: str) -> None:
    """End the profile: its standings are told to the other by the snapshot."""
    for system_id, standing in turn.standings.items():
        if standing.until:
            turn.clear_timer(TIMER, system_id, standing.until)
    turn.standings = {}


def join(turn: Turn, source: Snapshot) -> None:
    """Take what either was paid, and a new period for the level that the two have together."""
    for system_id, theirs in source.progress.standings.items():
        mine = turn.standings.get(system_id, _NEW)
        turn.set_standing(system_id, replace(mine, paid=tuple(dict.fromkeys((*mine.paid, *theirs.paid)))))
    for system in turn.rules.levels:
        if system.id in source.progress.standings:
            watch(turn, system)


ROOM = Room(name="levels", timers={TIMER: on_timer}, hand_over=hand_over, join=join)
