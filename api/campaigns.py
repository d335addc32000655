"""Campaigns: sending one, seeing how far its runs are, stopping one.

A run is a walk of every partition through the players it is for. Publishing a campaign sends nothing by itself unless
it is scheduled or triggered.
"""

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, field_validator

from actors.partition import decode_part
from api.auth import Principal, require
from api.context import Context, Ctx
from api.groups import group_counts
from api.idempotency import IdempotencyKey
from api.journey_data import fitting
from api.pages import Cursor, Limit, answers, instant, page, page_by_name
from api.views import live_programme
from api.walks import shown_walk
from crm.campaigns import LEAVE, PREFIX, CampaignConfig, as_journey
from crm.recurrence import first_start
from crm.schedule import ENTER
from domain.entries import WalkAsked
from domain.errors import Conflict, NotFound
from store.campaign_runs import Run, begin_run, read_run, read_runs, run_id, stop_run
from store.keys import PLAYERS, walks
from store.walks import ask_walk, walk_progress

router = APIRouter(prefix="/v1/campaigns", tags=["Campaigns"])

RUNS_SHOWN = 20
_RESERVED = frozenset(("local", "late"))  # what a scheduled walk tells its visits
Scalar = Annotated[str, Field(max_length=1_000)] | int | float | bool | None

Reader = Annotated[Principal, Depends(require("messages:read"))]
Sender = Annotated[Principal, Depends(require("messages:write"))]

_RUN = {
    "id": "run_5d41402abc4b2a76",
    "campaign": "news",
    "by": "key_1",
    "begun": "api",
    "status": "under_way",
    "visited": 41_200,
    "players": 100_000,
    "share": 0.412,
    "entered": 41_007,
    "partitions": 32,
    "partitions_done": 3,
    "asked_at": "2026-11-22T09:00:00.000Z",
    "ended_at": None,
}
_LISTED = {
    "id": "news",
    "name": "News of the week",
    "send": "api",
    "segment": "readers",
    "next": None,
    "waiting": 0,
    "version": 8,
}
_ACCEPTED = {
    "run": {key: _RUN[key] for key in ("id", "campaign", "begun", "by", "asked_at")},
    "detail": "The run is in every partition's log. Players are visited in the background; nothing is sent yet.",
}


class SendBody(BaseModel):
    """What this run brings: its own pace, and values that the message's variables take with ``{from: data.<key>}``."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"data": {"code": "SPRING"}}})

    data: Annotated[dict[Annotated[str, Field(min_length=1, max_length=100)], Scalar], Field(max_length=50)] = {}
    per_minute: Annotated[int, Field(ge=1, le=6_000_000)] | None = None

    @field_validator("data")
    @classmethod
    def _fits(cls, value: dict[str, Any]) -> dict[str, Any]:
        if taken := sorted(_RESERVED & value.keys()):
            raise ValueError(f"expected keys of your own; schedules use {' '.join(taken)}")
        fitting({**value, "run": "run_0123456789abcdef"})  # which run it is goes along
        return value


@router.get(
    "",
    summary="The live campaigns",
    description="`send` is api, schedule or event; `next` the next occurrence of a schedule; `waiting` how many "
    "players are in it and have not been sent the message yet.",
    responses=answers({"items": [_LISTED], "next": None}, 400, 401, 403, 503),
)
async def list_campaigns(context: Ctx, _: Reader, limit: Limit = 50, cursor: Cursor = None) -> dict[str, Any]:
    version, documents = await context.programmes.current()
    found = documents.get("campaigns", {})
    names, following = page_by_name(sorted(found), str, limit, cursor)
    configs = {name: CampaignConfig.model_validate(found[name]) for name in names}
    waiting = await _waiting(context, configs)
    home = (await live_programme(context)).crm.timezone
    items = [
        _shown(name, config, version, context.clock.now_ms(), home, waiting[name]) for name, config in configs.items()
    ]
    return page(items, following)


@router.get(
    "/{id}",
    summary="One campaign and its last runs",
    description="Runs by API and by schedule, newest first, at most 20 with their progress. `entered` counts the "
    "players whom a run brought into the campaign; it is null for runs long past.",
    responses=answers({**_LISTED, "document": {}, "runs": [_RUN]}, 401, 403, 404, 503),
)
async def read_campaign(id: str, context: Ctx, _: Reader) -> dict[str, Any]:
    version, config, document = await _campaign(context, id)
    home = (await live_programme(context)).crm.timezone
    waiting = await _waiting(context, {id: config})
    shown = _shown(id, config, version, context.clock.now_ms(), home, waiting[id])
    runs = (await _runs(context, id))[:RUNS_SHOWN]
    entered = await _entered(context)
    return {**shown, "document": document, "runs": [await _shown_run(context, id, run, entered) for run in runs]}


@router.get("/{id}/runs/{run}", summary="How far a run is", responses=answers(_RUN, 401, 403, 404, 503))
async def read_one_run(id: str, run: str, context: Ctx, _: Reader) -> dict[str, Any]:
    return await _shown_run(context, id, await _run(context, id, run), await _entered(context))


@router.post(
    "/{id}/send",
    summary="Send a campaign now",
    description="202: the run is in every partition's log. Players are visited in the background, behind live traffic "
    "and no faster than `per_minute`; who is in the audience then gets the message, judged by the control tower as any "
    "other. The same Idempotency-Key gives the same run again, and completes one that was cut short.",
    status_code=202,
    responses=answers(_ACCEPTED, 400, 401, 403, 404, 409, 422, 503, ok=202),
)
async def send_campaign(
    id: str, context: Ctx, caller: Sender, key: IdempotencyKey, body: SendBody | None = None
) -> JSONResponse:
    body = body or SendBody()
    version, config, _document = await _campaign(context, id)
    if config.send.now is None:
        way = "by its schedule" if config.send.schedule else f"when {config.send.event} happens"
        raise Conflict(f"expected a campaign with `send: {{now: api}}`; {id!r} is sent {way}", code="not_sent_by_api")
    name = run_id(id, key)
    asked = Run(
        name, f"{PREFIX}{id}@{name}", context.clock.now_ms(), by=caller.id, version=version, request=_request(body)
    )
    run = await begin_run(context.redis, id, asked)
    if run.request != asked.request:
        raise Conflict("this Idempotency-Key was used with another body", code="idempotency_mismatch")
    pace = body.per_minute if body.per_minute is not None else config.per_minute
    group = f"segments/{config.segment}" if config.segment else ""
    args = {**body.data, "run": name}
    walk = WalkAsked(run.walk, ENTER, f"{PREFIX}{id}", group, per_minute=pace, args=args)
    await ask_walk(context.intake, context.partitions, walk)
    # The same for every call with this key: how far the run is, its own address tells.
    shown = {"id": name, "campaign": id, "begun": "api", "by": run.by, "asked_at": instant(run.asked_at)}
    links = {"Location": f"/v1/campaigns/{id}/runs/{name}"}
    return JSONResponse({"run": shown, "detail": _ACCEPTED["detail"]}, status_code=202, headers=links)


@router.post(
    "/{id}/runs/{run}/stop",
    summary="Stop a run",
    description="202: every partition stops visiting, and players who wait for their own local time leave the "
    "campaign. Messages that were asked for already are with the control tower, and may still be sent. Stopping twice "
    "stops once; a run that was stopped is not taken up again.",
    status_code=202,
    responses=answers({"run": {**_RUN, "status": "stopping"}}, 401, 403, 404, 503, ok=202),
)
async def stop(id: str, run: str, context: Ctx, caller: Sender) -> dict[str, Any]:
    known = await _run(context, id, run)
    await ask_walk(context.intake, context.partitions, WalkAsked(known.walk, ENTER, stop=True))
    if not known.by:  # of a schedule: players may wait for their own local time, at the campaign's first node
        group = f"journeys/{PREFIX}{id}/message"
        leave = WalkAsked(f"{known.walk}!stop", LEAVE, f"{PREFIX}{id}", group, args={"run": known.walk})
        await ask_walk(context.intake, context.partitions, leave)
    if known.by:  # a caller's; schedules' runs are known by their walks only
        known = await stop_run(context.redis, id, known, context.clock.now_ms(), caller.id)
    return {"run": await _shown_run(context, id, known, await _entered(context))}


# --- below ---


async def _campaign(context: Context, name: str) -> tuple[int, CampaignConfig, dict[str, Any]]:
    version, documents = await context.programmes.current()
    document = documents.get("campaigns", {}).get(name)
    if document is None:
        drafted = await context.programmes.get("campaigns", name)
        hint = "; it is in the draft and was not published" if drafted else ""
        raise NotFound(f"there is no live campaign {name[:100]!r}{hint}", code="campaign_not_found")
    return version, CampaignConfig.model_validate(document), document


def _shown(name: str, config: CampaignConfig, version: int, now: int, home: str, waiting: int) -> dict[str, Any]:
    send = config.send
    start = first_start(send.schedule, now, home) if send.schedule else None
    return {
        "id": name,
        "name": config.name,
        "send": "schedule" if send.schedule else "event" if send.event else "api",
        "segment": config.segment,
        "next": {"begins_at": instant(start.at), "local": start.local} if start else None,
        "waiting": waiting,
        "version": version,
    }


async def _waiting(context: Context, configs: dict[str, CampaignConfig]) -> dict[str, int]:
    """Return how many players are in each campaign, their message still to be asked for."""
    groups = {name: _groups(name, config) for name, config in configs.items()}
    counts = await group_counts(context, [group for theirs in groups.values() for group in theirs])
    return {name: sum(counts[group] for group in theirs) for name, theirs in groups.items()}


def _groups(name: str, config: CampaignConfig) -> list[str]:
    return [f"journeys/{PREFIX}{name}/{node['id']}" for node in as_journey(config)["nodes"]]


async def _runs(context: Context, name: str) -> list[Run]:
    """Return a campaign's runs, newest first: those that callers began, and those of its schedule that are known."""
    asked = await read_runs(context.redis, name)
    known = {run.id for run in asked}
    scheduled = []
    for field in await context.redis.hkeys(walks(0)):
        campaign, _, occurrence = field.decode().rpartition("@")
        if campaign == f"{PREFIX}{name}" and occurrence not in known and not occurrence.endswith("!stop"):
            scheduled.append(Run(occurrence, field.decode(), 0))
    return [*sorted(scheduled, key=lambda run: run.id, reverse=True), *asked]


async def _run(context: Context, name: str, run: str) -> Run:
    if (asked := await read_run(context.redis, name, run)) is not None:
        return asked
    walk = f"{PREFIX}{name}@{run}"
    if await walk_progress(context.redis, context.partitions, walk) is None:
        raise NotFound(f"the campaign {name[:100]!r} has no run {run[:100]!r}", code="run_not_found")
    return Run(run, walk, 0)


async def _shown_run(context: Context, name: str, run: Run, entered: dict[str, int]) -> dict[str, Any]:
    """Return a run for people; one whose partitions have not begun, or forgot it long ago, says so."""
    shown: dict[str, Any] = {"status": "asked", "visited": 0, "players": None, "share": 0.0, "ended_at": None}
    progress = await walk_progress(context.redis, context.partitions, run.walk)
    if progress is not None:
        shown = await shown_walk(context, progress)
        shown.pop("walk")
    return {
        "id": run.id,
        "campaign": name,
        "begun": "api" if run.by else "schedule",
        "by": run.by or None,
        **shown,
        "entered": entered.get(run.walk),
        "asked_at": instant(run.asked_at) or shown.get("asked_at"),
        "stopped_at": instant(run.stopped_at),
        "stopped_by": run.stopped_by or None,
    }


async def _entered(context: Context) -> dict[str, int]:
    """Return how many players each of the last walks brought into a journey, over all partitions."""
    pipe: Any = context.redis.pipeline(transaction=False)
    for p in range(context.partitions):
        pipe.hget(PLAYERS.meta(p), "part")
    counts: dict[str, int] = {}
    for part in await pipe.execute():
        for walk, count in decode_part(part or b"").entered.items():
            counts[walk] = counts.get(walk, 0) + count
    return counts


def _request(body: SendBody) -> str:
    return msgspec.json.encode(body.model_dump(mode="json"), order="deterministic").decode()
