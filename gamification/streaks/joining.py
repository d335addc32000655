"""Two profiles' streaks become one: a cycle in which either played is counted.

The longer of the two gives the beginning that is too old to be told apart; the freezes of both are held, as many as
may be; a count that either was paid is not paid again.
"""

from msgspec.structs import replace

from domain.player import Snapshot
from domain.streaks import Streak
from gamification.streaks.counting import NEW, Streaks, keep
from gamification.streaks.rules import StreakRule
from gamification.streaks.walking import fitted, marked, stands_at
from gamification.working import Turn


def hand_over(turn: Turn, _into: str) -> None:
    """End the profile: its streaks are told to the other by the snapshot."""
    if turn.part("streaks"):
        turn.set_part("streaks", {})


def join(turn: Turn, source: Snapshot) -> None:
    """Join every streak of the other profile."""
    rules: dict[str, StreakRule] = turn.rules.rooms.get("streaks", {})
    for streak_id, theirs in source.streaks.items():
        streaks: Streaks = turn.part("streaks")
        if (rule := rules.get(streak_id)) is None:
            turn.set_part("streaks", {streak_id: theirs, **streaks})
        else:
            _join(turn, rule, streaks.get(streak_id, NEW), theirs)


def _join(turn: Turn, rule: StreakRule, was: Streak, theirs: Streak) -> None:
    mine, theirs = fitted(rule, was), fitted(rule, theirs)
    mine_now, theirs_now = (stands_at(rule, one, turn.at, turn.zone).count for one in (mine, theirs))
    kept, other = (mine, theirs) if (mine_now, mine.count) >= (theirs_now, theirs.count) else (theirs, mine)
    marks = kept.marks
    for cycle, saw, _ in other.marks:
        if cycle > kept.base.seen:
            for bit in (1, 2, 4, 8):
                if saw & bit:
                    marks = marked(marks, cycle, bit)
    if other.freezes:
        newest = max(kept.base.seen + 1, kept.cycle, other.cycle)
        marks = marked(marks, newest, 0, other.freezes)
    together = replace(
        kept,
        best=max(mine.best, theirs.best),
        zone=kept.zone or other.zone,
        at=max(mine.at, theirs.at),
        paid=_paid(kept, other),
        epoch=max(mine.epoch, theirs.epoch),
    )
    keep(turn, rule, was, together, marks)


def _paid(kept: Streak, other: Streak) -> tuple[tuple[int, int], ...]:
    """Return the runs of both; the present one of either counts as paid to the higher of the two."""
    highest = max((streak.paid[-1][1] for streak in (kept, other) if streak.count), default=0)
    present = kept.paid[-1][0] if kept.count else -1
    runs = {*kept.paid, *other.paid}
    if present >= 0:
        runs.add((present, highest))
    by_first: dict[int, int] = {}
    for first, high in sorted(runs):
        by_first[first] = max(high, by_first.get(first, 0))
    return tuple(by_first.items())
