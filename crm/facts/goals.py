"""What messages are for: when it happens while one waits or is on its way, nobody wants it any more.

The record ``goals`` is looked at with every event, so it is by event name: name -> request id -> [where, expires_at].
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from crm.facts.turn import Heard
from domain.conditions import Condition, ConditionError, compile_condition, validate_condition
from domain.context import Context
from domain.effects import MessageWithdrawn
from domain.entries import Event, MessageRequest, Withdrawn

GOALS = "goals"
GOALS_MAX = 100  # of one player's messages; of more, those that expire first are no longer watched
GOAL_MET = "goal_met"
OVER = frozenset({"sent", "failed", "unknown", "stopped", "expired", "withdrawn"})
"""Receipts after which a message can no longer be withdrawn. ``returned`` is not one: it is judged again."""
_EVENT_CHARS_MAX = 200

Goals = dict[str, dict[str, list[Any]]]


def problem_of(goal: object) -> str:
    """Return what is wrong with a goal as a caller wrote it, "" when nothing is."""
    if not isinstance(goal, Mapping) or not goal.keys() <= {"event", "where"}:
        return f"goal: expected an event and perhaps where, got {str(goal)[:60]!r}"
    event = goal.get("event")
    if not isinstance(event, str) or not 0 < len(event) <= _EVENT_CHARS_MAX:
        return f"goal.event: expected the name of an event, got {str(event)[:60]!r}"
    try:
        validate_condition(goal.get("where"), "goal.where")
    except ConditionError as error:
        return str(error)
    return ""


def on_event(heard: Heard, event: Event, scene: Context) -> None:
    """Withdraw the messages whose goal this event is."""
    waiting: Mapping[str, list[Any]] = (heard.air.get(GOALS) or {}).get(event.name, {})
    met = tuple(
        request
        for request, (where, expires_at) in waiting.items()
        if expires_at > heard.at and _condition(_encode(where)).holds(scene)
    )
    if met:
        heard.entries.append(Withdrawn(heard.player, GOAL_MET, met, cause=heard.cause))
        heard.effects.append(MessageWithdrawn(GOAL_MET, met))
        drop(heard, met)


def watch(heard: Heard, requests: Iterable[MessageRequest]) -> None:
    """Remember the goals of messages that are being asked for; those of messages that expired are forgotten."""
    new = [r for r in requests if r.goal]
    if not new:
        return
    goals = {request: found for request, found in _all(heard.air) if found[2] > heard.at}
    for r in new:
        goals[r.id] = (str(r.goal["event"]), r.goal.get("where"), r.expires_at)
    _keep(heard, goals)


def drop(heard: Heard, requests: Iterable[str]) -> None:
    """Forget the goals of messages that are over."""
    gone = set(requests)
    goals = dict(_all(heard.air))
    if gone & goals.keys():
        _keep(heard, {request: found for request, found in goals.items() if request not in gone})


def on_message(heard: Heard, event: Event, outcome: str) -> None:
    """Forget the goal of a message that has landed."""
    request = event.properties.get("message_id")
    if outcome in OVER and isinstance(request, str) and heard.air.get(GOALS):
        drop(heard, (request,))


def join(heard: Heard, theirs: Mapping[str, Any]) -> None:
    """Take in another profile's goals. The tower of the old id refuses what waits there, so most of them rest."""
    brought = {request: found for request, found in _all(theirs) if found[2] > heard.at}
    if brought:
        _keep(heard, {**dict(_all(heard.air)), **brought})


Found = tuple[str, Any, int]  # event, where, expires_at


def _all(told: Mapping[str, Any]) -> Iterator[tuple[str, Found]]:
    goals: Goals = told.get(GOALS) or {}
    for event, waiting in goals.items():
        for request, (where, expires_at) in waiting.items():
            yield request, (event, where, expires_at)


def _keep(heard: Heard, found: Mapping[str, Found]) -> None:
    latest = sorted(found.items(), key=lambda item: (-item[1][2], item[0]))[:GOALS_MAX]
    goals: Goals = {}
    for request, (event, where, expires_at) in sorted(latest):
        goals.setdefault(event, {})[request] = [where, expires_at]
    heard.keep(GOALS, goals)


_encode = msgspec.json.Encoder(order="deterministic").encode


@lru_cache(maxsize=1_024)
def _condition(where: bytes) -> Condition:
    """Return the compiled form: many players wait for the same."""
    return compile_condition(msgspec.json.decode(where))
