"""Walking a journey: entries, steps, and what every event means to those under way.

The order within a turn. Each part is done for all of the player's walks, in the order of journey ids, before the next:

1. Walks of an older version are taken up, and perhaps migrated (``versions``).
2. Milestones, the goal, exits, the longest duration: wherever the player is, also in the middle of a delay.
3. Interrupts; struggle, what a wait waits for, ``skip_when``, time and dwell at the node; then on through the graph
   until a node waits.
4. Sub-journeys that nodes began, and walks whose sub-journey is over.
5. New entries, which walk until a node waits; then 4 again. An event that begins a journey is seen by the conditions
   of its branches, but is neither its first wait's nor a step.

An event moves a walk once: a wait that it leads to waits for the next one. A follow-up (what a journey itself gave or
changed) is judged the same way, by conditions only.
"""

from typing import Any

from msgspec import structs

from crm.journeys import entering, versions
from crm.journeys.node_config import JourneyNode
from crm.journeys.reasons import Ending, Outcome, Reason, Refusal, explain
from crm.journeys.rules import JourneyRules
from crm.journeys.walk import TIMER, Round, Walk
from crm.working import Turn
from domain.effects import Answered
from domain.entries import Command, Entry, TimerFired, Visited

__all__ = ["TIMER", "advance", "on_enter", "on_exit"]

_NO_JOURNEY: dict[str, Any] = {}


def advance(rules: JourneyRules, turn: Turn, entry: Entry | None) -> None:
    """Judge this player's journeys, then begin those that the turn begins. A player in none costs two look-ups.

    Args:
        entry: None in a follow-up, when only what ``turn.before`` and ``turn.start`` differ in is new.
    """
    is_under_way = any(record.active for record in turn.journeys.values()) if turn.journeys else False
    if not is_under_way and not _may_begin(rules, turn, entry):
        return
    if isinstance(entry, TimerFired) and entry.kind == TIMER:
        _hear(turn, entry)
    round_ = Round(rules, turn)
    versions.take_up(round_)
    for walk in list(round_.walks.values()):
        if not walk.ended:
            walk.asks()
            walk.judge()
    for walk in list(round_.walks.values()):
        if not walk.ended:
            walk.react()
    _see_to_the_others(round_)
    entering.begin_what_the_turn_begins(round_, entry)
    _see_to_the_others(round_)
    turn.journey = _NO_JOURNEY


def on_enter(rules: JourneyRules, turn: Turn, command: Command) -> Answered:
    """Begin a journey for a caller: ``args`` ``{journey, data}``; it must be open to callers (``entry.api``)."""
    name, data = command.args.get("journey"), command.args.get("data") or {}
    journey = rules.journeys.get(name) if isinstance(name, str) else None
    if journey is None:
        return _refused(Refusal.JOURNEY_NOT_FOUND, name)
    if not journey.entry.config.api:
        return _refused(Refusal.NOT_OPEN_TO_CALLERS, name)
    if not isinstance(data, dict):
        return _refused(Refusal.DATA_NOT_AN_OBJECT, name)
    round_ = Round(rules, turn)
    versions.take_up(round_)
    refusal = entering.begin(round_, journey, "api", data)
    _see_to_the_others(round_)
    turn.journey = _NO_JOURNEY
    if refusal is not None:
        return _refused(refusal, name)
    return Answered("ok", data={"journey": name, "number": turn.journeys[journey.id].entered})


def on_exit(rules: JourneyRules, turn: Turn, command: Command) -> Answered:
    """End a journey for a caller: ``args`` ``{journey}``."""
    name = command.args.get("journey")
    round_ = Round(rules, turn)
    versions.take_up(round_)
    walk = round_.walks.get(name) if isinstance(name, str) else None
    if walk is None:
        is_known = name in rules.journeys or name in turn.journeys
        return _refused(Refusal.NOT_IN_JOURNEY if is_known else Refusal.JOURNEY_NOT_FOUND, name)
    walk.end(Ending.EXIT, Reason.COMMAND)
    _see_to_the_others(round_)
    turn.journey = _NO_JOURNEY
    return Answered("ok", data={"journey": name, "number": walk.held.number})


def _may_begin(rules: JourneyRules, turn: Turn, entry: Entry | None) -> bool:
    event = turn.event
    return bool(
        (event is not None and event.name in rules.by_event)
        or (turn.seen and rules.by_pattern)
        or ((turn.entered or turn.left) and rules.by_segment)
        or isinstance(entry, Visited)
    )


def _hear(turn: Turn, timer: TimerFired) -> None:
    """Note whose timer has fired: it is no longer set. An older generation's changes nothing."""
    name, _, number = timer.ref.rpartition("#")
    record = turn.journeys.get(name)
    walk = record.active if record is not None else None
    if record is not None and walk is not None and str(walk.number) == number and walk.generation == timer.generation:
        turn.set_journey(name, structs.replace(record, active=structs.replace(walk, armed=0)))


def _see_to_the_others(round_: Round) -> None:
    """Begin the journeys that nodes asked for, and let walks go on whose sub-journey is over, until none is left."""
    while round_.begins or round_.returns:
        if round_.begins:
            node, walk = round_.begins.pop(0)
            _begin_below(round_, node, walk)
        else:
            ref, reason = round_.returns.pop(0)
            waiting = round_.walks.get(ref.rpartition("#")[0])
            if waiting is not None and waiting.ref == ref:
                waiting.resume(reason)


def _begin_below(round_: Round, node: JourneyNode, parent: Walk) -> None:
    """Begin a sub-journey for a walk that is perhaps over by now; it is waited for only by one that is not."""
    journey = round_.rules.journeys.get(node.journey)
    waits = node.wait and not parent.ended and parent.held.node == node.id
    refusal: Refusal | None = Refusal.JOURNEY_NOT_FOUND
    if journey is not None:
        refusal = entering.begin(round_, journey, "journey", parent.held.data, parent.ref if waits else "")
    if refusal is None:
        return
    parent.step(Outcome.REFUSED, Reason.JOURNEY_REFUSED, "", refusal.value)
    if waits:
        round_.returns.append((parent.ref, Reason.JOURNEY_REFUSED))


def _refused(refusal: Refusal, name: object) -> Answered:
    return Answered(refusal.value, f"{explain(refusal.value)} (journey {str(name)[:100]!r})")
