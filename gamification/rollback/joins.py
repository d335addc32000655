"""Who has joined a run stays in it, although the event that joined is left out: with no score from that event.

So every fold has the same ask for a seat, in the same place, and the keeper's answer finds it.
"""

from msgspec.structs import replace

from domain.entries import KeeperAsked
from domain.player import Asks, Snapshot, with_parts
from domain.step import Step
from gamification.tournaments.entering import JOINED
from gamification.tournaments.records import group_of


def with_joins(step: Step[Snapshot], before: Snapshot, whole: Step[Snapshot]) -> Step[Snapshot]:
    """Return the step of an event that is left out, with the asks for seats that the whole event makes."""
    held, after = before.asks.open, whole.state
    if after.asks.open is held:
        return step
    asked = {name: ask for name, ask in after.asks.open.items() if name not in held and ask.then == JOINED}
    if not asked:
        return step
    runs = dict(step.state.runs)
    for ask in asked.values():
        key = str(ask.data["key"])
        known = before.runs.get(key)
        unscored = replace(after.runs[key], score=0.0, reached_at=0, events=0, of=0.0, to=0.0)
        runs[key] = unscored if known is None else replace(known, status=unscored.status)
    groups = {group_of(str(ask.data["key"])) for ask in asked.values()}
    state = with_parts(step.state, runs=runs, asks=Asks(step.state.asks.open | asked, step.state.asks.done))
    return replace(
        step,
        state=state,
        groups=(*step.groups, *(op for op in whole.groups if op.group in groups)),
        relays=(
            *step.relays,
            *(relay for relay in whole.relays if isinstance(relay, KeeperAsked) and relay.id in asked),
        ),
    )
