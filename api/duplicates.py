"""Probable duplicates: two players that may be one person. The engine proposes, a person decides."""

import re
from typing import Annotated, Any

from fastapi import APIRouter, Depends

from api.auth import Principal, require
from api.context import Ctx
from api.pages import Cursor, Limit, answers, bad_cursor, instant, page
from domain.effects import DuplicateProposed, decode_record
from domain.errors import NotFound
from store.keys import duplicates

router = APIRouter(prefix="/v1/duplicates", tags=["Identity"])

PlayersReader = Annotated[Principal, Depends(require("players:read"))]
PlayersWriter = Annotated[Principal, Depends(require("players:write"))]

_ID = re.compile(r"([0-9]{1,5})-([0-9]{1,19})-([0-9]{1,19})")  # partition and stream id
_DUPLICATE = {
    "id": "17-1764580000000-0",
    "at": "2026-11-22T09:00:00.000Z",
    "players": ["amelia", "amelia-2"],
    "score": 0.7,
    "reasons": ["email", "name"],
    "cause": "m-3",
}

Place = tuple[int, int, int]  # ms, sequence, partition: the order of the list


@router.get(
    "",
    summary="Probable duplicates, newest first",
    description="`score` runs from 0 to 1. Two users are never merged by the engine: a person looks, and dismisses the "
    "proposal when it is done with.",
    responses=answers({"items": [_DUPLICATE], "next": None}, 400, 401, 403, 503),
)
async def list_duplicates(context: Ctx, _: PlayersReader, limit: Limit = 50, cursor: Cursor = None) -> dict[str, Any]:
    before = _place(cursor, context.partitions) if cursor is not None else None
    pipe = context.redis.pipeline(transaction=False)
    for p in range(context.partitions):
        pipe.xrevrange(duplicates(p), max=_most(before, p), count=limit + 1)
    rows = [
        ((*_parsed(offset), p), fields[b"d"])
        for p, entries in enumerate(await pipe.execute())
        for offset, fields in entries
    ]
    rows.sort(key=lambda row: row[0], reverse=True)
    items = [_shown(place, data) for place, data in rows[:limit]]
    return page(items, items[-1]["id"] if len(rows) > limit else None)


@router.post(
    "/{id}/dismiss",
    summary="They are two persons: take the proposal off the list",
    description="Asking again answers 404: it is off the list. Should new evidence come, it is proposed again.",
    responses=answers({"ok": True, "id": _DUPLICATE["id"]}, 401, 403, 404, 503),
)
async def dismiss(id: str, context: Ctx, _: PlayersWriter) -> dict[str, Any]:
    found = _ID.fullmatch(id)
    gone = 0
    if found and int(found[1]) < context.partitions:
        gone = await context.redis.xdel(duplicates(int(found[1])), f"{found[2]}-{found[3]}")
    if not gone:
        raise NotFound(f"there is no probable duplicate {id[:60]!r}", code="duplicate_not_found")
    return {"ok": True, "id": id}


def _shown(place: Place, data: bytes) -> dict[str, Any]:
    record = decode_record(data)
    proposed = next(effect for effect in record.effects if isinstance(effect, DuplicateProposed))
    ms, sequence, partition = place
    return {
        "id": f"{partition}-{ms}-{sequence}",
        "at": instant(record.at),
        "players": [proposed.player, proposed.other],
        "score": proposed.score,
        "reasons": list(proposed.reasons),
        "cause": record.id,
    }


def _place(cursor: str, partitions: int) -> Place:
    found = _ID.fullmatch(cursor)
    if found is None or int(found[1]) >= partitions:
        raise bad_cursor(cursor)
    return int(found[2]), int(found[3]), int(found[1])


def _most(before: Place | None, partition: int) -> str:
    """Return the newest stream id of a partition that comes after the place in the list."""
    if before is None:
        return "+"
    ms, sequence, last = before
    return f"{ms}-{sequence}" if partition < last else f"({ms}-{sequence}"


def _parsed(offset: bytes) -> tuple[int, int]:
    ms, _, n = offset.partition(b"-")
    return int(ms), int(n)
