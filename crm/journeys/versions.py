"""Walks under way when the programme changes.

A walk keeps the version it began with, until the new one has ``migrate``. At the player's next touch:

1. The document's shape is the same as that of the walk's version (only words differ): the walk takes the new number.
2. The new version has ``migrate``: the node the player waits at is looked up in ``map``, else ``default`` says.
   ``keep`` leaves the walk as it is, ``exit`` ends it, a node takes the player there. A delay or a wait that becomes
   one of the same kind counts from the arrival at the old node, perhaps ending at once; every other node begins now.
3. Neither: the walk follows its own version, also when the journey is no longer in the programme.
4. Its own version is no longer to hand (only so many are kept): it goes on at the node of the same name in the current
   one, by the rule of 2; if there is none, it ends as ``removed``.
"""

from msgspec import structs

from crm.journeys.moments import due_at
from crm.journeys.node_config import DelayNode, JourneyNode, NodeConfig
from crm.journeys.reasons import Ending, Outcome, Reason
from crm.journeys.rules import Journey, JourneyRules
from crm.journeys.walk import TIMER, Round, Walk, take_back
from domain.effects import JourneyEnded
from domain.player import Enrolment, JourneyRecord
from domain.step import GroupOp

KEEP, EXIT = "keep", "exit"


def take_up(round_: Round) -> None:
    """Make a ``Walk`` of every record under way, in the order of journey ids, under the version that it follows."""
    under_way = sorted(name for name, record in round_.turn.journeys.items() if record.active is not None)
    for name in under_way:
        record = round_.turn.journeys[name]
        assert record.active is not None
        if record.active.version > round_.rules.version:
            continue  # it came with a merge, ahead of the publish: it is taken up when that has passed here too
        if record.active.version == round_.rules.version and name in round_.rules.journeys:
            round_.walks[name] = Walk(round_, round_.rules.journeys[name], record)
        else:
            _take_up_older(round_, name, record, record.active)


def own_graph(rules: JourneyRules, name: str, walk: Enrolment) -> Journey | None:
    """Return the journey as the walk's version has it; None when that is no longer to hand."""
    if walk.version == rules.version:
        return rules.journeys.get(name)
    older = rules.older.get(walk.version)
    return older.journeys.get(name) if older is not None else None


def _take_up_older(round_: Round, name: str, record: JourneyRecord, held: Enrolment) -> None:
    own, current = own_graph(round_.rules, name, held), round_.rules.journeys.get(name)
    if own is not None and current is not None and own.shape == current.shape:
        walk = round_.walks[name] = Walk(round_, current, record)
        walk.change(version=round_.rules.version)
        return
    target = _target(current, held.node) if current is not None else KEEP
    if target == KEEP and own is not None:
        round_.walks[name] = Walk(round_, own, record)
        return
    if target == KEEP:
        target = held.node if current is not None and held.node in current.nodes else ""
    if current is None or not target:
        _end_unknown(round_, name, record, held, Ending.REMOVED)
    elif target == EXIT:
        _end_unknown(round_, name, record, held, Ending.EXIT)
    else:
        _move(round_, current, record, own, target)


def _target(current: Journey, node: str) -> str:
    migrate = current.config.migrate
    return migrate.map.get(node, migrate.default) if migrate is not None else KEEP


def _move(round_: Round, current: Journey, record: JourneyRecord, own: Journey | None, target: str) -> None:
    """Take the walk to a node of the current version; what that does is done in the walk's turn among the others."""
    held, turn = record.active, round_.turn
    assert held is not None
    before = (own or current).nodes.get(held.node)
    after = current.nodes[target].config
    stays = before is not None and not held.paused and _is_the_same_stay(before.config, after)
    _forget_place(round_, current.id, held)
    since = held.arrived_at if stays else turn.at
    due: int | None = turn.at
    if stays:  # a time that was drawn stays the time
        is_drawn = isinstance(after, DelayNode) and after.choose is not None
        due = held.due if is_drawn else due_at(current.nodes[target], since, turn.zone, held.data)
    moved = structs.replace(
        held,
        version=round_.rules.version,
        node=target,
        arrived_at=since,
        due=turn.at if due is None else due,
        tries=held.tries if stays else (),
        paused=not stays,
        armed=0,
    )
    walk = round_.walks[current.id] = Walk(round_, current, structs.replace(record, active=held))
    walk.step(Outcome.MIGRATED, Reason.PUBLISHED, target)
    walk.place = ""
    walk.held = moved
    walk.change()


def _is_the_same_stay(before: NodeConfig, after: NodeConfig) -> bool:
    if isinstance(before, JourneyNode) and isinstance(after, JourneyNode):
        return before.wait and after.wait and before.journey == after.journey
    if isinstance(before, DelayNode) and isinstance(after, DelayNode) and before.choose != after.choose:
        return False
    return before.kind == after.kind and after.waits


def _end_unknown(round_: Round, name: str, record: JourneyRecord, held: Enrolment, outcome: Ending) -> None:
    """End a walk whose graph is not looked at any more."""
    _forget_place(round_, name, held)
    turn = round_.turn
    turn.set_journey(name, structs.replace(record, outcome=outcome.value, last_ended_at=turn.at, active=None))
    turn.effects.append(JourneyEnded(name, held.number, outcome.value, held.node, Reason.PUBLISHED.value))
    take_back(turn, name, held, outcome)
    if held.parent:
        round_.returns.append((held.parent, Reason.JOURNEY_ENDED))


def _forget_place(round_: Round, name: str, held: Enrolment) -> None:
    round_.turn.groups.append(GroupOp(f"journeys/{name}/{held.node}", add=False))
    if held.armed:
        round_.turn.clear_timer(TIMER, f"{name}#{held.number}", held.armed, held.generation)
