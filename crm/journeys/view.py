"""Journeys as they are read: a player's walks with their steps, and a journey's graph. Times are ISO 8601, UTC."""

from typing import Any

from crm.journeys.measures import pace, steps_done
from crm.journeys.node_config import JourneyNode
from crm.journeys.rules import Journey, JourneyRules
from crm.journeys.versions import own_graph
from domain.calendar import as_datetime
from domain.player import Enrolment, JourneyRecord, Snapshot


def journeys_view(rules: JourneyRules, snapshot: Snapshot, now: int) -> list[dict[str, Any]]:
    """Return the player's journeys by id: those under way with where they are, the others with how they ended.

    Args:
        now: ms, for the pace.
    """
    return [_viewed(rules, name, record, now) for name, record in sorted(snapshot.journeys.items())]


def graph_view(rules: JourneyRules, journey_id: str) -> dict[str, Any]:
    """Return a journey's graph as nodes and edges.

    Raises:
        KeyError: there is no such journey in this version.
    """
    journey = rules.journeys[journey_id]
    config = journey.config
    return {
        "id": journey.id,
        "name": journey.name,
        "description": config.description,
        "version": rules.version,
        "entry": config.entry.model_dump(mode="json", by_alias=True, exclude_defaults=True),
        "start": journey.start,
        "steps": [step.id for step in journey.steps],
        "nodes": [
            {
                "id": node.id,
                "kind": node.config.kind,
                "name": node.config.name or node.id,
                "waits": node.config.waits,
                "next": list(dict.fromkeys(target for _, target in node.config.ways if target is not None)),
            }
            for node in journey.nodes.values()
        ],
        "edges": list(_edges(journey)),
    }


def _edges(journey: Journey) -> list[dict[str, Any]]:
    found = [
        {"from": node.id, "to": target, "by": by} for node in journey.nodes.values() for by, target in node.config.ways
    ]
    return found + [{"from": None, "to": i.to, "by": f"interrupts.{i.id}"} for i in journey.interrupts]


def _viewed(rules: JourneyRules, name: str, record: JourneyRecord, now: int) -> dict[str, Any]:
    walk = record.active
    journey = own_graph(rules, name, walk) if walk is not None else None
    journey = journey or rules.journeys.get(name)
    shown: dict[str, Any] = {
        "id": name,
        "name": journey.name if journey is not None else name,
        "status": "active" if walk is not None else "ended",
        "entered_count": record.entered,
        "last_entered_at": _iso(record.last_entered_at),
        "last_ended_at": _iso(record.last_ended_at),
        "outcome": record.outcome or None,
    }
    return shown | (_under_way(journey, walk, now) if walk is not None else {"number": record.entered})


def _under_way(journey: Journey | None, walk: Enrolment, now: int) -> dict[str, Any]:
    node = journey.nodes.get(walk.node) if journey is not None else None
    shown: dict[str, Any] = {
        "number": walk.number,
        "version": walk.version,
        "node": walk.node,
        "node_kind": node.config.kind if node is not None else None,
        "entered_at": _iso(walk.entered_at),
        "arrived_at": _iso(walk.arrived_at),
        "due": _iso(walk.due),
        "messages": walk.messages,
        "tries": len(walk.tries),
        "cause": walk.cause,
        "parent": walk.parent or None,
        "waits_for_journey": node.config.journey if node and isinstance(node.config, JourneyNode) else None,
        "steps": [{"id": name, "done_at": _iso(at)} for name, at in walk.steps.items()],
        "steps_done": len(walk.steps),
        "pace": None,
    }
    if journey is not None:
        shown["steps"] = [{"id": s.id, "done_at": _iso(walk.steps.get(s.id, 0))} for s in journey.steps]
        shown["steps_done"] = steps_done(journey, walk)
        shown["pace"] = pace(journey, walk, now)
    return shown


def _iso(at: int) -> str | None:
    return as_datetime(at).isoformat(timespec="milliseconds").replace("+00:00", "Z") if at else None
