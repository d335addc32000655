"""What goes on with a player, as policies name it: a fresh loss, a failed deposit, a bad mood (docs/tower.md).

A context opens with an event and is over with another or after a time, whichever is first; the tower's own clock ends
it (fact ``context:<id>``: {open, since, until}). Several rules may open and end one context.
"""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from crm.facts.turn import Heard
from domain.conditions import Condition
from domain.context import Context
from domain.entries import Event

PREFIX = "context:"
_OVER: dict[str, Any] = {"open": False, "since": 0, "until": 0}


class Occasion(Struct, frozen=True):
    """Something that begins or ends a context."""

    context: str
    where: Condition | None  # None: any event of the name
    begins: bool
    lasts_ms: int = 0  # 0: until an event ends it


def on_event(heard: Heard, event: Event, occasions: tuple[Occasion, ...], scene: Context) -> None:
    """Begin or end the contexts that the event does; what ends one is asked first, so a new beginning stands."""
    for occasion in occasions:
        if occasion.where is None or occasion.where.holds(scene):
            if occasion.begins:
                _begin(heard, event, occasion)
            else:
                _end(heard, event, occasion.context)


def join(heard: Heard, theirs: Mapping[str, Any]) -> None:
    """Take in what goes on with another profile; of one context on both sides the later end stands."""
    for name, found in theirs.items():
        if name.startswith(PREFIX) and _goes_on(found, heard.at):
            mine = heard.air.get(name) or _OVER
            heard.tell(name, _both(mine, found) if _goes_on(mine, heard.at) else found)


def _begin(heard: Heard, event: Event, occasion: Occasion) -> None:
    """Open it; one that is open lasts longer. An event that comes when it would be over opens nothing."""
    since = event.occurred_at
    found = {"open": True, "since": since, "until": since + occasion.lasts_ms if occasion.lasts_ms else 0}
    if not _goes_on(found, heard.at):
        return
    held = heard.air.get(PREFIX + occasion.context) or _OVER
    heard.tell(PREFIX + occasion.context, _both(held, found) if _goes_on(held, heard.at) else found)


def _end(heard: Heard, event: Event, context: str) -> None:
    held = heard.air.get(PREFIX + context)
    if held and held["open"] and event.occurred_at >= held["since"]:
        heard.tell(PREFIX + context, _OVER)


def _both(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    until = max(one["until"], other["until"]) if one["until"] and other["until"] else 0
    return {"open": True, "since": min(one["since"], other["since"]), "until": until}


def _goes_on(context: dict[str, Any], at: int) -> bool:
    return bool(context["open"]) and (not context["until"] or context["until"] > at)
