"""Messages that wait for a person: the list of them, and the person's word."""

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from api.auth import Principal, require
from api.commands import Prefer, asked
from api.context import Context, Ctx
from api.idempotency import IdempotencyKey
from api.pages import Cursor, Limit, answers, instant, page_of_hashes
from api.persons import owner_of
from api.request_ids import request_partition
from crm.tower.why import explain
from domain.decisions import decode_decision
from domain.errors import Conflict, NotFound
from domain.ids import partition_of
from store.keys import TOWER, requests, reviews

router = APIRouter(prefix="/v1", tags=["Messages"])

DECISIONS_READ = 500  # of the player, to see that the message was put to a person
_WAITING = {
    "request_id": "req_1f_5d41402abc4b2a76b9719d91",
    "player_id": "amelia",
    "template": "spring",
    "purpose": "promo",
    "product": "casino",
    "channels": ["sms"],
    "source": "campaigns/spring#1",
    "reasons": ["needs_approval"],
    "why": ["A person must approve this message first."],
    "content": {"title": "Hi Amelia", "body": "..."},
    "contents": {"sms": {"text": "Hi Amelia ..."}},
    "asked_at": "2026-11-22T20:10:00.000Z",
    "at": "2026-11-22T20:10:00.000Z",
    "until": "2026-11-23T20:10:00.000Z",
}

MessagesReader = Annotated[Principal, Depends(require("messages:read"))]
MessagesWriter = Annotated[Principal, Depends(require("messages:write"))]


class ReviewBody(BaseModel):
    """A person's word on one message."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"approved": True, "note": "checked with the lawyers"}}
    )

    approved: Annotated[bool, Field(strict=True)]
    note: Annotated[str, Field(max_length=500)] = ""


@router.get(
    "/reviews",
    summary="Messages that wait for a person",
    description="In no order of time; `next` goes on where the page ended, also when some were decided meanwhile.",
    responses=answers({"items": [_WAITING], "next": None}, 400, 401, 403, 503),
)
async def list_reviews(context: Ctx, _: MessagesReader, limit: Limit = 50, cursor: Cursor = None) -> dict[str, Any]:
    keys = [reviews(p) for p in range(context.partitions)]
    return await page_of_hashes(context.redis, keys, limit, cursor, _shown)


@router.post(
    "/messages/{request_id}/review",
    summary="Approve a message that waits for a person, or not",
    description="Noted with the id of the key, so give each reviewer a key of their own. Approved, it is judged again "
    "in all else: it may still wait for the end of quiet hours, or be refused because the player was excluded "
    "meanwhile. The latest decision is under `/v1/messages/{request_id}`.",
    responses=answers(
        {"ok": True, "data": {"request_id": "req_1f_5d41402abc4b2a76b9719d91"}, "effects": []},
        400,
        401,
        403,
        404,
        409,
        422,
        429,
        503,
    ),
)
async def review(
    request_id: str,
    body: ReviewBody,
    context: Ctx,
    caller: MessagesWriter,
    key: IdempotencyKey,
    prefer: Prefer = None,
) -> Response:
    partition = request_partition(request_id, context.partitions)
    stored = await context.redis.hget(requests(partition), request_id) if partition is not None else None
    if stored is None:
        raise NotFound(f"there is no message request {request_id[:80]!r}", code="request_not_found")
    player = await owner_of(context, stored.decode())
    if not await _was_put_to_a_person(context, player, request_id):
        raise Conflict("expected a message that was put to a person; this one was not", code="not_under_review")
    args = {"request_id": request_id, "approved": body.approved, "by": caller.id, "note": body.note}
    return await asked(context, player, "review_message", args, key, caller.id, prefer)


async def _was_put_to_a_person(context: Context, player: str, request_id: str) -> bool:
    """Tell whether the message waits for a person, or did: the same call again must find its first answer."""
    p = partition_of(player, context.partitions)
    if await context.redis.hexists(reviews(p), request_id):
        return True
    for _, fields in await context.redis.xrevrange(TOWER.history(p, player), count=DECISIONS_READ):
        decision = decode_decision(fields[b"d"])
        if decision.request_id == request_id and decision.outcome == "escalated":
            return True
    return False


def _shown(request_id: str, record: bytes) -> dict[str, Any]:
    """Return what the tower put down for the person (``crm.tower.records``)."""
    found: dict[str, Any] = (msgspec.json if record[:1] == b"{" else msgspec.msgpack).decode(record)
    reasons = [str(code) for code in found.get("reasons", ())]
    return {
        "request_id": request_id,
        "player_id": found.get("player_id"),
        "template": found.get("template"),
        "purpose": found.get("purpose"),
        "product": found.get("product") or None,
        "channels": found.get("channels") or [],
        "source": found.get("source") or None,
        "reasons": reasons,
        "why": [explain(code) for code in reasons],
        "content": found.get("content") or {},
        "contents": found.get("contents") or {},
        "asked_at": instant(int(found.get("asked_at") or 0)),
        "at": instant(int(found.get("at") or 0)),
        "until": instant(int(found.get("until") or 0)),
    }
