"""Journeys of two profiles that become one."""

from msgspec import structs

from crm.choices import course
from crm.journeys import walking
from crm.working import Turn
from domain.effects import JourneyEnded
from domain.player import Enrolment, JourneyRecord, Snapshot
from domain.step import GroupOp


def leave(turn: Turn) -> None:
    """Take the player out of every journey: groups are left and timers cleared, the walks go on elsewhere."""
    for journey, record in turn.journeys.items():
        if record.active is not None:
            _stop(turn, journey, record.active)
    turn.journeys = {}


def join(turn: Turn, source: Snapshot) -> None:
    """Take in the other profile's journeys.

    Entries add up. Of two walks through one journey this player's goes on and the other ends as ``merged``; the only
    one goes on here, where it was, with its timer. The numbers of entries stay unique: theirs follow this player's.
    """
    entered = {journey: record.entered for journey, record in turn.journeys.items()}
    for journey, theirs in source.journeys.items():
        mine = turn.journeys.get(journey, JourneyRecord())
        active = mine.active
        if theirs.active is not None:
            walk = _renumbered(theirs.active, journey, entered)
            if active is None:
                active = walk
                _go_on(turn, journey, walk)
            else:
                turn.effects.append(JourneyEnded(journey, walk.number, "merged", walk.node))
                course.leave(turn, f"journeys/{journey}/{walk.number}/{walk.taken}")
        latest = theirs if theirs.last_ended_at > mine.last_ended_at else mine
        turn.set_journey(
            journey,
            JourneyRecord(
                mine.entered + theirs.entered,
                max(mine.last_entered_at, theirs.last_entered_at),
                latest.last_ended_at,
                latest.outcome,
                active,
            ),
        )


def _renumbered(walk: Enrolment, journey: str, entered: dict[str, int]) -> Enrolment:
    """Return the walk under this player's numbers; so is the one that waits for its end (``<journey>#<number>``)."""
    waits, _, number = walk.parent.rpartition("#")
    parent = f"{waits}#{entered.get(waits, 0) + int(number)}" if waits and number.isdigit() else walk.parent
    return structs.replace(walk, number=entered.get(journey, 0) + walk.number, parent=parent)


def _stop(turn: Turn, journey: str, walk: Enrolment) -> None:
    turn.groups.append(GroupOp(f"journeys/{journey}/{walk.node}", add=False))
    if walk.armed:
        turn.clear_timer(walking.TIMER, f"{journey}#{walk.number}", walk.armed, walk.generation)


def _go_on(turn: Turn, journey: str, walk: Enrolment) -> None:
    turn.groups.append(GroupOp(f"journeys/{journey}/{walk.node}"))
    if walk.armed:
        turn.set_timer(walking.TIMER, f"{journey}#{walk.number}", walk.armed, walk.generation)
