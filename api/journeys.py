"""Journeys as they stand: the graph with who is where, and the commands that bring a player in or out."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, field_validator

from api.auth import Principal, require
from api.commands import asked
from api.context import Context, Ctx
from api.groups import group_counts, group_page, node_group, nodes_of, parts_of
from api.idempotency import IdempotencyKey
from api.journey_data import fitting
from api.masks import check_id
from api.pages import Cursor, Limit, answers, instant, page, page_by_name
from api.views import live_programme
from crm.journeys.view import graph_view
from domain.errors import NotFound
from domain.player import JourneyRecord

router = APIRouter(prefix="/v1/journeys", tags=["Journeys"])

PlayersReader = Annotated[Principal, Depends(require("players:read"))]
PlayersWriter = Annotated[Principal, Depends(require("players:write"))]
Prefer = Annotated[str | None, Header(alias="Prefer", description="`wait=<seconds>` for the turn; 5 without it.")]

_LISTED = {"id": "welcome", "name": "Welcome", "description": "", "version": 8, "players": 312}
_GRAPH = {
    **_LISTED,
    "entry": {"event": "signed_up", "once": True},
    "start": "hi",
    "steps": ["verified"],
    "nodes": [
        {"id": "hi", "kind": "message", "name": "hi", "waits": False, "players": 0},
        {"id": "w", "kind": "wait", "name": "First bet", "waits": True, "players": 312},
    ],
    "edges": [{"from": "hi", "to": "w", "by": "next"}],
    "earlier": [{"id": "old-wait", "players": 4}],
}
_THERE = {
    "id": "amelia",
    "number": 1,
    "version": 8,
    "entered_at": "2026-11-22T09:00:00.000Z",
    "arrived_at": "2026-11-22T09:00:00.000Z",
    "due": "2026-11-23T09:00:00.000Z",
    "tries": 0,
}
_ENTERED = {"ok": True, "effects": [{"kind": "journey_entered", "journey": "welcome", "number": 1, "by": "api"}]}
_ENDED = {"ok": True, "effects": [{"kind": "journey_ended", "journey": "welcome", "number": 1, "outcome": "removed"}]}
_LATER = {"accepted": True, "command_id": "cmd:4711", "detail": "Ask again with the same Idempotency-Key."}


class EntryBody(BaseModel):
    """Who enters, and what templates and conditions of the journey may read as ``journey.data``."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"player_id": "amelia", "data": {"cart_id": "c-42"}}}
    )

    player_id: Annotated[str, Field(min_length=1, max_length=255)]
    data: Annotated[dict[Annotated[str, Field(min_length=1, max_length=100)], Any], Field(max_length=50)] = {}

    @field_validator("data")
    @classmethod
    def _small(cls, value: dict[str, Any]) -> dict[str, Any]:
        return fitting(value)


class ExitBody(BaseModel):
    """Who leaves."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"player_id": "amelia"}})

    player_id: Annotated[str, Field(min_length=1, max_length=255)]


@router.get(
    "",
    summary="The live journeys, and how many players are under way in each",
    responses=answers({"items": [_LISTED], "next": None}, 400, 401, 403, 503),
)
async def list_journeys(context: Ctx, _: PlayersReader, limit: Limit = 50, cursor: Cursor = None) -> dict[str, Any]:
    nodes = await nodes_of(context)
    names, following = page_by_name(nodes, str, limit, cursor)
    counts = await group_counts(context, [node_group(name, node) for name in names for node in nodes[name]])
    version, documents = await context.programmes.current()
    journeys = documents.get("journeys", {})
    items = [
        {
            "id": name,
            "name": journeys[name].get("name") or name,
            "description": journeys[name].get("description") or "",
            "version": version,
            "players": sum(counts[node_group(name, node)] for node in nodes[name]),
        }
        for name in names
    ]
    return page(items, following)


@router.get(
    "/{journey}",
    summary="One journey as a graph, with the number of players at each node",
    description="`players` of a node are those that wait there now. `earlier` are nodes of earlier versions of the "
    "journey at which players still wait: they walk on the version they began with.",
    responses=answers(_GRAPH, 401, 403, 404, 503),
)
async def read_journey(journey: str, context: Ctx, _: PlayersReader) -> dict[str, Any]:
    nodes = await _nodes_with(context, journey)
    counts = await group_counts(context, [node_group(journey, node) for node in nodes])
    rules = (await live_programme(context)).crm.journeys
    graph = graph_view(rules, journey) if journey in rules.journeys else None
    if graph is None:  # it was published a moment ago, and the two reads fell on either side
        raise _unknown(journey)
    current = {node["id"] for node in graph["nodes"]}
    return {
        **graph,
        "players": sum(counts.values()),
        "nodes": [{**node, "players": counts.get(node_group(journey, node["id"]), 0)} for node in graph["nodes"]],
        "earlier": [
            {"id": node, "players": players}
            for node in nodes
            if node not in current and (players := counts[node_group(journey, node)])
        ],
    }


@router.get(
    "/{journey}/nodes/{node}/players",
    summary="Who waits at a node",
    description="Players that come or go while the pages are read may be missed.",
    responses=answers({"items": [_THERE], "next": None}, 400, 401, 403, 404, 503),
)
async def list_players(
    journey: str, node: str, context: Ctx, _: PlayersReader, limit: Limit = 50, cursor: Cursor = None
) -> dict[str, Any]:
    if node not in await _nodes_with(context, journey):
        raise NotFound(f"the journey {journey!r} has no node {node[:100]!r}", code="node_not_found")
    found = await group_page(context, node_group(journey, node), limit, cursor)
    records: list[dict[str, JourneyRecord] | None] = await parts_of(context, found.players, "journeys")
    items = [
        {"id": player, **_under_way((held or {}).get(journey))}
        for player, held in zip(found.players, records, strict=True)
    ]
    return page(items, found.next)


@router.post(
    "/{journey}/entries",
    summary="Bring a player into a journey",
    description="The journey's own rules hold: 409 tells why not, for example that the player is in it already or may "
    "not enter again. 200: the turn is taken, `effects` are its first steps.",
    responses=answers(_ENTERED, 400, 401, 403, 404, 409, 422, 429, 503, also={202: _LATER}),
)
async def enter(
    journey: str, body: EntryBody, context: Ctx, caller: PlayersWriter, key: IdempotencyKey, prefer: Prefer = None
) -> Response:
    check_id(body.player_id, "player_id")
    args = {"journey": journey, "data": body.data}
    return await asked(context, body.player_id, "enter_journey", args, key, caller.id, prefer)


@router.post(
    "/{journey}/exits",
    summary="Take a player out of a journey",
    responses=answers(_ENDED, 400, 401, 403, 404, 409, 422, 429, 503, also={202: _LATER}),
)
async def leave(
    journey: str, body: ExitBody, context: Ctx, caller: PlayersWriter, key: IdempotencyKey, prefer: Prefer = None
) -> Response:
    check_id(body.player_id, "player_id")
    return await asked(context, body.player_id, "exit_journey", {"journey": journey}, key, caller.id, prefer)


async def _nodes_with(context: Context, journey: str) -> list[str]:
    if (nodes := (await nodes_of(context)).get(journey)) is None:
        raise _unknown(journey)
    return nodes


def _unknown(journey: str) -> NotFound:
    return NotFound(f"there is no journey {journey[:100]!r} in the live programme", code="journey_not_found")


def _under_way(record: JourneyRecord | None) -> dict[str, Any]:
    active = record.active if record else None
    if active is None:  # left between the two reads
        return {"number": None, "version": None, "entered_at": None, "arrived_at": None, "due": None, "tries": 0}
    return {
        "number": active.number,
        "version": active.version,
        "entered_at": instant(active.entered_at),
        "arrived_at": instant(active.arrived_at),
        "due": instant(active.due),
        "tries": len(active.tries),
    }
