"""The walk over a streak's cycles: a function of what each saw, so the order in which events came is nothing to it.

Only the last ``RECENT`` cycles are kept apart; what is before them is the walk's beginning (``Streak.base``). A late
event puts its mark where it belongs and the walk is done again.
"""

from msgspec.structs import replace

from domain.streaks import Streak, Walked
from gamification.streaks.rules import StreakRule

RECENT = 16  # marks kept; intake takes no event older than a few days
PLAYED = 1  # an event in the cycle, after the grace of the one before
EARLY = 2  # an event in the grace of the cycle before: it counts there, if that one has none
AGAIN = 4  # a second one
EXCUSED = 8  # the cycle was cut short by a change of zone: it is not missed

Mark = tuple[int, int, int]  # cycle, bits, freezes gained in it


def walk(rule: StreakRule, base: Walked, marks: tuple[Mark, ...]) -> Walked:
    """Return how the streak stands after the marks."""
    for mark in marks:
        base = _step(rule, base, mark)
    return base


def judged(rule: StreakRule, stands: Walked, before: int) -> Walked:
    """Judge the cycles up to ``before`` (not included) as missed: freezes first, then the streak ends or decays."""
    missed = before - 1 - stands.seen
    if missed <= 0:
        return stands
    if not stands.count:
        return replace(stands, seen=before - 1)
    frozen = min(missed, stands.freezes)
    missed -= frozen
    count = stands.count
    if missed:
        count = 0 if rule.decay is None else max(0, count - rule.decay * missed)
    stands = replace(stands, count=count, freezes=stands.freezes - frozen, seen=before - 1)
    return stands if count else replace(stands, first=-1, high=0)


def _step(rule: StreakRule, stands: Walked, mark: Mark) -> Walked:
    cycle, saw, gained = mark
    early = (saw & EARLY > 0) + (saw & AGAIN > 0)
    if early:
        stands = judged(rule, stands, cycle - 1)
        if stands.seen < cycle - 1 and stands.count:
            stands = _counted(stands, cycle - 1)
            early -= 1
    stands = judged(rule, stands, cycle)
    if early or saw & PLAYED:
        stands = _counted(stands, cycle)
    elif saw & EXCUSED:
        stands = replace(stands, seen=cycle)
    if gained:
        stands = replace(stands, freezes=max(stands.freezes, min(rule.freezes_max, stands.freezes + gained)))
    return stands


def _counted(stands: Walked, cycle: int) -> Walked:
    count = stands.count + 1
    return Walked(
        count,
        stands.freezes,
        cycle,
        cycle if count == 1 else stands.first,
        cycle,
        max(stands.high, count),
    )


def has(mark: Mark, saw: int) -> bool:
    """Tell whether one more event of this kind would change nothing."""
    return mark[1] & (AGAIN if saw == EARLY else saw) > 0


def marked(marks: tuple[Mark, ...], cycle: int, saw: int, gained: int = 0) -> tuple[Mark, ...]:
    """Return the marks with one more event, or freezes, in a cycle."""
    for place, (other, bits, before) in enumerate(marks):
        if other == cycle:
            if saw == EARLY and bits & EARLY:
                saw = AGAIN
            return (*marks[:place], (cycle, bits | saw, before + gained), *marks[place + 1 :])
        if other > cycle:
            return (*marks[:place], (cycle, saw, gained), *marks[place:])
    return (*marks, (cycle, saw, gained))


def fitted(rule: StreakRule, held: Streak) -> Streak:
    """Return a streak that goes by the rule: where what it goes by was changed, from how it stands on.

    Days that became weeks begin anew, in another epoch; the freezes and the best stay.
    """
    if held.by == rule.by:
        return held
    if held.by.partition("/")[0] != rule.every:
        epoch = held.epoch + (held.by != "")
        return Streak(best=held.best, freezes=held.freezes, base=Walked(freezes=held.freezes), by=rule.by, epoch=epoch)
    first, high = held.paid[-1] if held.count else (-1, 0)
    stands = Walked(held.count, held.freezes, held.cycle, first, held.cycle, high)
    return replace(held, marks=(), base=stands, by=rule.by)


def stands_at(rule: StreakRule, held: Streak, now: int, zone: str) -> Walked:
    """Return how it stands at a moment: cycles that are over by then, in both zones after a change, are judged."""
    held = fitted(rule, held)
    before = rule.cycle_at(now - rule.grace_ms, zone)
    if held.zone and held.zone != zone:
        before = min(before, rule.cycle_at(now - rule.grace_ms, held.zone))
    return judged(rule, walk(rule, held.base, held.marks), before)
