"""Journeys and days of a player, drawn from a seed. Everything that the document allows may be drawn."""

from random import Random
from typing import Any

from pydantic import ValidationError

from crm.journeys.config import JourneyConfig
from tests.crm.journeys.traveller import HOUR, MINUTE, SECOND, field

EVENTS = ["a", "b", "c", "d"]
NAMES = [f"n{i}" for i in range(7)]
LASTS = ["20m", "1h", "3h"]
CONDITIONS: list[dict[str, Any]] = [
    field("player.traits.t", "eq", 1),
    field("player.traits.t", "exists", False),
    field("journey.steps_done", "gte", 1),
    field("journey.pace", "lt", 0.7),
    field("journey.elapsed_s", "gte", 3600),
    field("journey.node_elapsed_s", "gt", 600),
    field("journey.messages", "lt", 3),
    field("journey.tries", "gte", 1),
    field("journey.data.x", "eq", 1),
    field("event.properties.x", "eq", 1),
    field("now.hour", "gte", 13),
    {"not": {"segment": "ones"}},
    {"all": [{"segment": "ones"}, field("journey.elapsed_s", "lt", 7200)]},
]
KINDS = [*["message", "delay", "wait"] * 2, "branch", "split", "reward", "profile", "journey", "exit"]
Doing = tuple[str, Any, Any]


def drawn_journey(r: Random, *, below: str = "", **more: Any) -> dict[str, Any]:
    """Draw until the configuration accepts it; what it refuses must be for a reason that drawing cannot avoid."""
    while True:
        document = _document(r, below) | more
        try:
            JourneyConfig.model_validate(document)
        except ValidationError as error:
            said = str(error)
            assert "circle" in said or "on a way" in said or "other than the entry" in said, said
        else:
            return document


def drawn_doings(r: Random, length: int) -> list[Doing]:
    """Draw what happens: (what, with what, with what more)."""
    return [_doing(r) for _ in range(length)]


def _doing(r: Random) -> Doing:
    kind = r.choices(["does", "waits", "has", "asks", "publishes"], [8, 5, 2, 2, 1])[0]
    if kind == "does":
        return kind, r.choice(EVENTS), r.choice([{}, {"x": 1}, {"until": "2026-03-02T14:00"}])
    if kind == "asks":
        return kind, r.choice(["enter_journey", "exit_journey"]), r.choice(["j", "below"])
    choices = {
        "waits": [SECOND, MINUTE, 11 * MINUTE, HOUR, 3 * HOUR],
        "has": [1, 2, 3],
        "publishes": ["same", "words", "other", "none"],
    }
    return kind, r.choice(choices[kind]), None


def _document(r: Random, below: str) -> dict[str, Any]:
    by_name = {name: _node(r, name, below) for name in NAMES}
    found, reached = [NAMES[0]], set()
    while found:  # keep what can be reached, so that drawing is not mostly refusing
        node = by_name[found.pop()]
        if node["id"] not in reached:
            reached.add(node["id"])
            found += [name for name in NAMES if name in str({k: v for k, v in node.items() if k != "id"})]
    return {
        "entry": r.choice([{"event": "a"}, {"event": "b", "api": True}, {"segment": "ones"}, {"api": True}]),
        "nodes": [node for name, node in by_name.items() if name in reached],
        "steps": [{"id": "s0", "event": "c"}, {"id": "s1", "when": field("player.traits.t", "eq", 2)}],
        "pace": {"steps": 2, "over": "4h"},
        "exit": r.choice([{}, {"goal": {"event": "d"}}, {"when": field("journey.messages", "gte", 4)}]),
        "interrupts": r.choice([[], [{**_occasion(r), "id": "i", "to": NAMES[0]}]]),
        "reentry": r.choice([{}, {"allowed": False}, {"after": "30m"}]),
        "limits": r.choice([{}, {"max_duration": "5h"}, {"max_messages": 2}]),
    }


def _occasion(r: Random) -> dict[str, Any]:
    event = {"event": r.choice(EVENTS)}
    return r.choice([event, event | {"where": r.choice(CONDITIONS)}, {"when": r.choice(CONDITIONS)}])


def _way(r: Random) -> str | None:
    return r.choice([None, *NAMES, *NAMES])


def _node(r: Random, name: str, below: str) -> dict[str, Any]:
    kind = r.choice(KINDS)
    if kind == "journey" and not below:
        kind = "delay"
    if kind == "exit":
        return {"id": name, "kind": kind}
    node = {"id": name, "kind": kind, "next": _way(r), **_own(r, kind, below)}
    if r.random() < 0.2:
        node["skip_when"] = r.choice([{"step": "s0"}, r.choice(CONDITIONS)])
    if kind in ("delay", "wait") or node.get("wait"):
        if r.random() < 0.3:
            node["struggle"] = {"event": r.choice(EVENTS), "count": r.randint(1, 3), "to": r.choice(NAMES)}
        if r.random() < 0.3:
            node["dwell"] = {"for": r.choice(LASTS), "to": r.choice(NAMES)}
    return node


def _own(r: Random, kind: str, below: str) -> dict[str, Any]:
    match kind:
        case "message":
            return {"template": "t", "purpose": "promo"}
        case "delay":
            return r.choice([{"for": r.choice(LASTS)}, {"until_time": "12:30"}, {"until": "data.until"}])
        case "wait":
            return {"for": _occasion(r), "timeout_s": r.choice([None, *LASTS]), "on_event": _way(r)}
        case "branch":
            paths = [{"when": r.choice(CONDITIONS), "next": _way(r)} for _ in range(r.randint(1, 3))]
            return {"paths": paths, "default": _way(r)}
        case "split":
            return {"paths": [{"share": share, "next": _way(r)} for share in (0.25, 0.75)]}
        case "reward":
            return {"amount": 5}
        case "profile":
            return {"set": r.choice([{"t": 1}, {"t": 2}, {"t": None}])}
        case _:
            return {"journey": below, "wait": r.random() < 0.7}
