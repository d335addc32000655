"""Who begins a journey, when, and with what in hand."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from msgspec import structs

from crm.journeys.reasons import Ending, Outcome, Refusal
from crm.journeys.rules import Journey
from crm.journeys.walk import Round, Walk
from crm.recurrence import PLAYER, missed, own_time
from crm.working import Turn
from domain.effects import JourneyEntered, JourneyStepped, SegmentEntered
from domain.entries import Entry, Visited
from domain.player import Enrolment, JourneyRecord

VISIT = "journey"  # kind of visit

ACTIVE_MAX = 50  # walks of one player at a time; more are refused, and recorded as such
RECORDS_MAX = 300  # journeys that a player's past is kept of; of more, those that ended longest ago are forgotten
DATA_BYTES_MAX = 2_048  # of the properties kept, as JSON; the largest are left out


def begin_what_the_turn_begins(round_: Round, entry: Entry | None) -> None:
    """Begin journeys by the turn's event, what was unlike the player, segments entered and left, and a visit.

    Each in the order of ids.
    """
    turn, rules = round_.turn, round_.rules
    if turn.event is not None:
        for journey in rules.by_event.get(turn.event.name, ()):
            begin(round_, journey, "event", turn.event.properties)
    for seen in turn.seen:
        for journey in rules.by_pattern.get(seen.name, ()):
            begin(round_, journey, "pattern", {"pattern": seen.name, **seen.evidence})
    if turn.entered or turn.left:
        for journey in sorted(_moved_by_segments(round_), key=lambda journey: journey.id):
            begin(round_, journey, "segment", {})
    if isinstance(entry, Visited) and entry.kind == VISIT and entry.ref in rules.journeys:
        _visit(round_, rules.journeys[entry.ref], entry)


def begin(
    round_: Round, journey: Journey, by: str, data: Mapping[str, Any], parent: str = "", until: int = 0
) -> Refusal | None:
    """Begin a walk, unless the rules of entry refuse it; return why they do.

    Args:
        parent: The walk that waits for this one.
        until: ms; before it nothing happens but goal, exits and milestones. 0: it goes on at once.
    """
    turn = round_.turn
    record = turn.journeys.get(journey.id, JourneyRecord())
    if refusal := _refusal(journey, record, turn):
        if refusal is Refusal.TOO_MANY_JOURNEYS:
            turn.effects.append(
                JourneyStepped(journey.id, record.entered + 1, journey.start, Outcome.REFUSED.value, refusal.value)
            )
        return refusal
    kept, dropped = kept_data(data)
    number = record.entered + 1
    held = Enrolment(
        number, round_.rules.version, journey.start, turn.at, turn.at, data=kept, cause=turn.cause, parent=parent
    )
    walk = Walk(round_, journey, structs.replace(record, entered=number, last_entered_at=turn.at, active=held))
    if ending := walk.over_at_once():
        return Refusal.GOAL_ALREADY_MET if ending is Ending.GOAL else Refusal.EXIT_ALREADY_MET
    _make_room(turn, round_)
    round_.walks[journey.id] = walk
    walk.change()
    turn.effects.append(JourneyEntered(journey.id, number, round_.rules.version, by, dropped))
    walk.note_milestones(conditions_only=True)
    if until > turn.at:
        walk.change(due=until, paused=True)
        walk.settle()
    else:
        walk.travel(journey.start)
    return None


def kept_data(data: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return what of the properties is kept, and the names of those that are not: the largest go first."""
    sizes = {name: len(msgspec.json.encode({name: value})) for name, value in data.items()}
    total, dropped = sum(sizes.values()), []
    for name in sorted(sizes, key=lambda name: (-sizes[name], name)):
        if total <= DATA_BYTES_MAX:
            break
        dropped.append(name)
        total -= sizes[name]
    return {name: value for name, value in data.items() if name not in dropped}, tuple(sorted(dropped))


def _refusal(journey: Journey, record: JourneyRecord, turn: Turn) -> Refusal | None:
    """In order: under way, once in a life, re-entry (allowed, how often, how soon), room, who it is for."""
    entry, reentry = journey.entry, journey.config.reentry
    if record.active is not None:
        return Refusal.ALREADY_IN_JOURNEY
    if record.entered:
        if entry.config.once:
            return Refusal.ONCE_ONLY
        if not reentry.allowed:
            return Refusal.REENTRY_NOT_ALLOWED
        if reentry.max is not None and record.entered >= reentry.max:
            return Refusal.REENTRY_LIMIT
        if turn.at < record.last_ended_at + reentry.after * 1000:
            return Refusal.REENTRY_TOO_SOON
    if any(condition is not None and not condition.holds(turn) for condition in (entry.where, entry.audience)):
        return Refusal.NOT_IN_AUDIENCE
    if sum(other.active is not None for other in turn.journeys.values()) >= ACTIVE_MAX:
        return Refusal.TOO_MANY_JOURNEYS
    return None


def _moved_by_segments(round_: Round) -> Iterator[Journey]:
    turn, by_segment = round_.turn, round_.rules.by_segment
    published = {
        effect.segment
        for effect in turn.effects
        if isinstance(effect, SegmentEntered) and effect.by == "published" and effect.segment in turn.entered
    }
    for segment in turn.entered:
        for journey in by_segment.get((segment, "entered"), ()):
            if segment not in published or journey.entry.config.include_existing:
                yield journey
    for segment in turn.left:
        yield from by_segment.get((segment, "left"), ())


def _visit(round_: Round, journey: Journey, visited: Visited) -> None:
    """Begin what a walk over the players brings; membership is asked again, for the walk may have taken its time."""
    entry, turn = journey.entry.config, round_.turn
    if entry.segment and turn.segment(entry.segment) is not True:
        return
    if entry.schedule is not None:
        if missed(visited.args, turn.at, turn.zone):
            return
        until = own_time(visited.args, turn.zone) if entry.schedule.zone == PLAYER else 0
        begin(round_, journey, "schedule", visited.args, until=until)
    elif entry.kind == "segment" and entry.include_existing:
        begin(round_, journey, "segment", visited.args)
    elif entry.api:  # a campaign that a caller sends
        begin(round_, journey, "api", visited.args)


def _make_room(turn: Turn, round_: Round) -> None:
    """Forget the journey that ended longest ago when there are too many; first of those no longer in the programme."""
    if len(turn.journeys) < RECORDS_MAX:
        return
    ended = [
        (name in round_.rules.journeys, r.last_ended_at, name) for name, r in turn.journeys.items() if not r.active
    ]
    if ended:
        turn.journeys = dict(turn.journeys)
        del turn.journeys[min(ended)[2]]
