"""Requests to send a message: they enter the player's log, and the control tower judges them."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header
from fastapi.responses import JSONResponse
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from actors.requests import request_id
from api.auth import Principal, require
from api.context import Context, Ctx
from api.idempotency import REPLAYED
from api.masks import check_id
from api.pages import CHUNK, CHUNKS_MAX, LAST, answers, instant
from api.past import past_of
from api.persons import checked, owner_of
from api.request_ids import request_partition
from api.views import shown_decision
from crm.fields import Channel, Product, Purpose, Where
from domain.calendar import as_ms
from domain.decisions import Decision, decode_decision
from domain.effects import MessageReceipt, decode_record
from domain.entries import Command
from domain.errors import BadRequest, Invalid, NotFound
from domain.ids import partition_of
from store.keys import PLAYERS, TOWER, requests

router = APIRouter(prefix="/v1/messages", tags=["Messages"])

_ACCEPTED = {"request_id": "req_1f_5d41402abc4b2a76b9719d91", "status": "pending"}
_DECISION = {
    "outcome": "held",
    "channel": None,
    "reasons": ["quiet_hours"],
    "why": ["It is quiet time for this channel where the player is."],
    "until": "2026-11-23T06:00:00.000Z",
    "at": "2026-11-22T20:10:00.000Z",
}


MessagesReader = Annotated[Principal, Depends(require("messages:read"))]
MessagesWriter = Annotated[Principal, Depends(require("messages:write"))]


class Goal(BaseModel):
    """What the message is for: an event of the player, with what must hold of it."""

    model_config = ConfigDict(extra="forbid")

    event: Annotated[str, Field(min_length=1, max_length=200)]
    where: Where = None


class MessageBody(BaseModel):
    """A wish to send one message to one player."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "player_id": "amelia",
                "template": "come-back",
                "purpose": "retention",
                "channels": "best",
                "idempotency_key": "campaign-7-amelia",
            }
        },
    )

    player_id: Annotated[str, Field(min_length=1, max_length=255)]
    template: Annotated[str, Field(min_length=1, max_length=100)]
    purpose: Purpose
    channels: Annotated[list[Channel], Field(min_length=1, max_length=6)] | Literal["best"] = "best"
    priority: Annotated[int, Field(ge=0, le=1000)] | None = None
    expires_at: AwareDatetime | None = None
    conflict_group: Annotated[str, Field(max_length=100)] = ""
    variables: Annotated[dict[str, Any], Field(max_length=50)] = {}
    product: Product | None = None  # consent is asked for it too
    goal: Goal | None = None  # when it happens the message is not wanted any more
    ask_person: bool = False  # a person must approve it
    idempotency_key: Annotated[str, Field(min_length=1, max_length=255)] | None = None


@router.post(
    "",
    summary="Ask for a message to a player",
    description="202: the request is in the log and will be judged; nothing is sent yet. The decision is under "
    "`/v1/messages/{request_id}`. With `ask_person` a person approves it first "
    "(`/v1/reviews`). The same key gives the same request again. The key comes as the header "
    "`Idempotency-Key`, which wins, or as `idempotency_key`.",
    status_code=202,
    responses=answers(_ACCEPTED, 400, 401, 403, 409, 422, 429, 503, ok=202),
)
async def request_message(
    body: MessageBody,
    context: Ctx,
    caller: MessagesWriter,
    idempotency_key: Annotated[str | None, Header(alias="Idempotency-Key")] = None,
) -> JSONResponse:
    key = idempotency_key or body.idempotency_key
    if not key:
        raise BadRequest("expected an Idempotency-Key header, or idempotency_key", code="idempotency_key_required")
    check_id(key, "Idempotency-Key")
    checked(body.player_id)
    await _check_template(context, body.template)
    now, expires_at = context.clock.now_ms(), as_ms(body.expires_at) if body.expires_at else None
    ref = context.players.ref(body.player_id)
    command_id = f"cmd:{key}"
    request = request_id(ref.partition, body.player_id, command_id)
    args = body.model_dump(exclude={"player_id", "idempotency_key", "expires_at"}, exclude_none=True)
    args |= {"request_id": request} | ({"expires_at": expires_at} if expires_at else {})
    if expires_at and expires_at <= now:
        raise Invalid("expected an expires_at in the future", code="expired")
    told = await ref.tell(Command(body.player_id, command_id, "message", args, source=caller.id))
    # the tower writes the same pair when it judges; until then this is how the request is found
    await context.redis.hset(requests(ref.partition), request, body.player_id)
    links = {"Location": f"/v1/messages/{request}"} | ({REPLAYED: "true"} if told.duplicate else {})
    return JSONResponse({"request_id": request, "status": "pending"}, status_code=202, headers=links)


@router.get(
    "/{request_id}",
    summary="What became of a request",
    description="`status` is `pending` until the tower has judged it, then the outcome of its latest decision. "
    "`receipts` is what became of it outside: sent, delivered, opened, clicked, bounced ...; the latest first.",
    responses=answers(
        {
            "request_id": "req_1f_5d41402abc4b2a76b9719d91",
            "player_id": "amelia",
            "status": "held",
            "decision": _DECISION,
            "history": [_DECISION],
            "receipts": [{"outcome": "sent", "channel": "email", "at": "2026-11-23T06:00:01.000Z", "detail": None}],
        },
        401,
        403,
        404,
    ),
)
async def read_message(request_id: str, context: Ctx, _: MessagesReader) -> dict[str, Any]:
    partition = request_partition(request_id, context.partitions)
    player = await context.redis.hget(requests(partition), request_id) if partition is not None else None
    if player is None:
        raise NotFound(f"there is no message request {request_id[:80]!r}", code="request_not_found")
    asked = player.decode()
    found_under = await _decisions(context, asked, request_id)
    if not found_under and (owner := await owner_of(context, asked)) != asked:  # sent on: it is judged there
        asked, found_under = owner, await _decisions(context, owner, request_id)
    decisions = [shown_decision(decision) for decision in found_under]
    return {
        "request_id": request_id,
        "player_id": asked,
        "status": decisions[0]["outcome"] if decisions else "pending",
        "decision": decisions[0] if decisions else None,
        "history": decisions,
        "receipts": await _receipts(context, asked, request_id),
    }


async def _check_template(context: Context, template: str) -> None:
    if template not in context.programme.documents.get("templates", {}):
        await context.programme.refresh()
    templates = context.programme.documents.get("templates", {})
    if template not in templates:
        known = f" ({' '.join(sorted(templates)[:20])})" if templates else ", and it has none"
        raise Invalid(f"expected a template of the live programme{known}, got {template!r}", code="unknown_template")


async def _decisions(context: Context, player: str, request: str) -> list[Decision]:
    """Return the decisions on a request, newest first; looks at the player's last 2,000."""
    key = TOWER.history(partition_of(player, context.partitions), player)
    found: list[Decision] = []
    newest = "+"
    for _ in range(CHUNKS_MAX):
        entries = await context.redis.xrevrange(key, max=newest, count=CHUNK)
        decisions = (decode_decision(fields[b"d"]) for _offset, fields in entries)
        found += [decision for decision in decisions if decision.request_id == request]
        if len(entries) < CHUNK:
            if not found and (older := past_of(context, player, TOWER)) is not None:  # the store may have let go of it
                past = await older(entries[-1][0].decode() if entries else LAST, CHUNKS_MAX * CHUNK)
                decisions = (decode_decision(fields[b"d"]) for _offset, fields in past)
                found = [decision for decision in decisions if decision.request_id == request]
            break
        newest = "(" + entries[-1][0].decode()
    return found


async def _receipts(context: Context, player: str, request: str) -> list[dict[str, Any]]:
    """Return what became of a message outside, the latest first; looks at the player's last 2,000 records."""
    key = PLAYERS.history(partition_of(player, context.partitions), player)
    found: list[dict[str, Any]] = []
    newest = "+"
    for _ in range(CHUNKS_MAX):
        entries = await context.redis.xrevrange(key, max=newest, count=CHUNK)
        for _offset, fields in entries:
            record = decode_record(fields[b"d"])
            found += [
                {
                    "outcome": effect.outcome,
                    "channel": effect.channel or None,
                    "at": instant(record.at),
                    "detail": effect.detail or None,
                }
                for effect in record.effects
                if isinstance(effect, MessageReceipt) and effect.request_id == request
            ]
        if len(entries) < CHUNK:
            break
        newest = "(" + entries[-1][0].decode()
    return found
