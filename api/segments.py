"""Segments as they stand: how many are in each, who, and how far a newly published one is filled."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends

from actors.programme import Document
from api.auth import Principal, require
from api.context import Context, Ctx
from api.groups import group_counts, group_page, parts_of
from api.pages import Cursor, Limit, answers, instant, page, page_by_name
from api.walks import review_progress
from domain.errors import NotFound
from domain.player import Segments

router = APIRouter(prefix="/v1/segments", tags=["Segments"])

PlayersReader = Annotated[Principal, Depends(require("players:read"))]

_REVIEW = {
    "walk": "review:8",
    "status": "under_way",
    "visited": 41200,
    "players": 100000,
    "share": 0.412,
    "partitions": 32,
    "partitions_done": 3,
    "asked_at": "2026-11-22T09:00:00.000Z",
    "ended_at": None,
}
_SEGMENT = {
    "id": "at-risk",
    "name": {"en": "At risk"},
    "description": "Likely to leave, and no deposit for a week",
    "visible": False,
    "players": 1204,
    "where": {"all": [{"metric": "deposits_7d", "op": "eq", "value": 0}]},
}


@router.get(
    "",
    summary="The live segments, and how many players are in each",
    description="`review` tells how far the players have been judged under the newest segments: after publishing a "
    "new or changed segment its count is whole when `review.status` is `completed`. It is null when there was none.",
    responses=answers({"items": [_SEGMENT], "next": None, "review": _REVIEW}, 400, 401, 403, 503),
)
async def list_segments(context: Ctx, _: PlayersReader, limit: Limit = 50, cursor: Cursor = None) -> dict[str, Any]:
    documents = await _documents(context)
    names, following = page_by_name(sorted(documents), str, limit, cursor)
    items = await _shown(context, {name: documents[name] for name in names})
    return page(items, following) | {"review": await review_progress(context)}


@router.get(
    "/{segment}",
    summary="One live segment",
    responses=answers({**_SEGMENT, "review": _REVIEW}, 401, 403, 404, 503),
)
async def read_segment(segment: str, context: Ctx, _: PlayersReader) -> dict[str, Any]:
    (item,) = await _shown(context, {segment: await _document(context, segment)})
    return item | {"review": await review_progress(context)}


@router.get(
    "/{segment}/members",
    summary="Who is in a segment, in no order of time",
    description="Players that enter or leave while the pages are read may be missed or listed as they were.",
    responses=answers(
        {"items": [{"id": "amelia", "since": "2026-11-22T09:00:00.000Z"}], "next": None}, 400, 401, 403, 404
    ),
)
async def list_members(
    segment: str, context: Ctx, _: PlayersReader, limit: Limit = 50, cursor: Cursor = None
) -> dict[str, Any]:
    await _document(context, segment)
    found = await group_page(context, f"segments/{segment}", limit, cursor)
    held: list[Segments | None] = await parts_of(context, found.players, "segments")
    items = [
        {"id": player, "since": instant(segments.member.get(segment, 0) if segments else 0)}
        for player, segments in zip(found.players, held, strict=True)
    ]
    return page(items, found.next)


async def _documents(context: Context) -> dict[str, Document]:
    _, documents = await context.programmes.current()
    return documents.get("segments", {})


async def _document(context: Context, segment: str) -> Document:
    if (document := (await _documents(context)).get(segment)) is None:
        raise NotFound(f"there is no segment {segment[:100]!r} in the live programme", code="segment_not_found")
    return document


async def _shown(context: Context, documents: dict[str, Document]) -> list[dict[str, Any]]:
    counts = await group_counts(context, [f"segments/{name}" for name in documents])
    return [
        {
            "id": name,
            "name": document.get("name") or {},
            "description": document.get("description") or "",
            "visible": bool(document.get("visible")),
            "players": counts[f"segments/{name}"],
            "where": document.get("where"),
        }
        for name, document in documents.items()
    ]
