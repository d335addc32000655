"""``GET /v1/events/{id}``: what became of an event, with every effect, message request and decision it caused."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends

from api.auth import Principal, require
from api.context import Ctx
from api.intake import shown_changes
from api.pages import instant
from api.views import shown_decision, shown_effects
from domain.effects import SetAside
from domain.errors import NotFound
from store.archive.tracing import traced
from store.dead_letters import DeadLetter
from store.trace import Found, trace

router = APIRouter(tags=["events"])


@router.get("/v1/events/{event_id}")
async def event(
    event_id: str, context: Ctx, _: Annotated[Principal, Depends(require("events:read"))]
) -> dict[str, Any]:
    """Tell what became of an event. Where several players used its id, all are listed."""
    found = await trace(context.redis, context.partitions, event_id)
    if context.archive and (not found or any(place.done and not place.name for place in found)):
        found = await asyncio.to_thread(traced, context.archive, found, event_id)
    letter = await context.dead_letters.of_event(event_id)
    items = [_shown(place) for place in found]
    if letter is not None:
        items.append(_rejected(letter))
    if not items:
        raise NotFound(f"there is no event {event_id!r}")
    return {"id": event_id, "items": items}


def _shown(place: Found) -> dict[str, Any]:
    effects = place.record.effects if place.record else ()
    aside = any(isinstance(effect, SetAside) for effect in effects)
    return {
        "player_id": place.player,
        "status": "set_aside" if aside else "applied" if place.done else "accepted",
        "at": instant(place.at),
        "name": place.name,
        "changes": shown_changes(place.changes),
        "effects": shown_effects(effects),
        "log": {"partition": place.partition, "offset": place.offset},
        "decisions": [shown_decision(decision) for decision in place.decisions],
    } | ({"archived": True} if place.archived else {})


def _rejected(letter: DeadLetter) -> dict[str, Any]:
    return {
        "player_id": letter.player,
        "status": "rejected",
        "at": instant(letter.at),
        "name": "",
        "changes": [],
        "effects": [],
        "log": None,
        "decisions": [],
        "rejection": {"code": letter.code, "detail": letter.detail, "path": letter.path, "dead_letter": letter.id},
    }
