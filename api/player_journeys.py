"""One player's journeys, for server keys: where they are, and every step taken with its cause."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends

from api.auth import Principal, require
from api.context import Ctx
from api.pages import Cursor, Limit, answers, instant, page
from api.persons import page_of_person
from api.views import known_player, live_programme
from crm.journeys.reasons import explain
from crm.journeys.view import journeys_view
from domain.effects import HistoryRecord, JourneyEnded, JourneyEntered, JourneyStepped, decode_record
from domain.errors import NotFound
from store.keys import PLAYERS

router = APIRouter(prefix="/v1/players/{id}/journeys", tags=["Players"])

PlayersReader = Annotated[Principal, Depends(require("players:read"))]

_JOURNEY = {
    "id": "welcome",
    "name": "Welcome",
    "status": "active",
    "entered_count": 1,
    "number": 1,
    "version": 8,
    "node": "w",
    "node_kind": "wait",
    "entered_at": "2026-11-22T09:00:00.000Z",
    "due": "2026-11-23T09:00:00.000Z",
    "steps": [{"id": "verified", "done_at": None}],
    "pace": 1.0,
    "cause": "m-3",
}
_STEP = {
    "at": "2026-11-22T09:00:00.000Z",
    "cause": "m-3",
    "name": "deposit_completed",
    "number": 1,
    "node": "w",
    "outcome": "waited",
    "reason": "event",
    "why": "The wait is over. An event happened.",
    "next": "thanks",
}
_BEGUN_BY = {
    "event": "An event began the journey.",
    "segment": "Entering or leaving a segment began the journey.",
    "schedule": "The calendar began the journey.",
    "api": "A caller brought the player in.",
    "journey": "Another journey began it.",
}


@router.get(
    "",
    summary="Journeys that the player is or was in",
    responses=answers({"items": [_JOURNEY], "next": None}, 401, 403, 404, 503),
)
async def read_journeys(id: str, context: Ctx, _: PlayersReader) -> dict[str, Any]:
    snapshot = await known_player(context, id)
    rules = (await live_programme(context)).crm.journeys
    return page(journeys_view(rules, snapshot, context.clock.now_ms()))


@router.get(
    "/{journey:path}/steps",
    summary="Every step the player took in a journey, newest first",
    description="`cause` is the id of the event, command or timer (`timer:...`) behind the step, as in the history. An "
    "entry into the journey is shown with the outcome `entered`, its end with the outcome it ended with. A page looks "
    "at a bounded part of the player's history, so it may hold few items, or none, and still have a next one.",
    responses=answers({"items": [_STEP], "next": None}, 400, 401, 403, 404, 503),
)
async def read_steps(
    id: str, journey: str, context: Ctx, _: PlayersReader, limit: Limit = 50, cursor: Cursor = None
) -> dict[str, Any]:
    snapshot = await known_player(context, id)
    if journey not in snapshot.journeys and journey not in (await live_programme(context)).crm.journeys.journeys:
        raise NotFound(f"there is no journey {journey[:120]!r}", code="journey_not_found")

    def shown(_offset: str, fields: dict[bytes, bytes]) -> list[dict[str, Any]]:
        return steps_of(decode_record(fields[b"d"]), journey)

    return await page_of_person(context, snapshot, PLAYERS.history, limit, cursor, shown, PLAYERS)


def steps_of(record: HistoryRecord, journey: str) -> list[dict[str, Any]]:
    """Return what one entry did in a journey, newest first."""
    head = {"at": instant(record.at), "cause": record.id, "name": record.name}
    steps = []
    for effect in reversed(record.effects):
        match effect:
            case JourneyEntered() if effect.journey == journey:
                step = _step(effect.number, "", "entered", effect.by, "") | {
                    "why": _BEGUN_BY.get(effect.by, effect.by),
                    "version": effect.version,
                }
            case JourneyStepped() if effect.journey == journey:
                step = _step(effect.number, effect.node, effect.outcome, effect.reason, effect.next)
            case JourneyEnded() if effect.journey == journey:
                step = _step(effect.number, effect.node, effect.outcome, effect.reason, "") | {"ended": True}
            case _:
                continue
        steps.append(head | step)
    return steps


def _step(number: int, node: str, outcome: str, reason: str, following: str) -> dict[str, Any]:
    return {
        "number": number,
        "node": node or None,
        "outcome": outcome,
        "reason": reason or None,
        "why": " ".join(explain(code) for code in (outcome, reason) if code),
        "next": following or None,
    }
