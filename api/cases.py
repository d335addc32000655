"""Cases: what only a person can put right. The list of them, and the person's word."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from actors.ref import fingerprint
from api.auth import Principal, require
from api.commands import Prefer, asked
from api.context import Context, Ctx
from api.idempotency import IdempotencyKey
from api.pages import Cursor, Limit, answers, instant, page_of_hashes
from api.persons import owner_of
from domain.effects import decode_record
from domain.entries import Command
from domain.errors import NotFound
from domain.game_effects import CaseOpened
from store.keys import cases, cases_over
from store.trace import askers

router = APIRouter(prefix="/v1/cases", tags=["Cases"])

PlayersReader = Annotated[Principal, Depends(require("players:read"))]
PlayersWriter = Annotated[Principal, Depends(require("players:write"))]

_CASE = {
    "id": "case_0f3c5a1d2b4e6f708192a3b4",
    "player_id": "amelia",
    "about": "not_undone",
    "detail": "properties.round_id=r-7: reserve was asked of budget welcome (1764580000000-0#5bea398c1f20.0@amelia)",
    "events": ["m-1", "m-2"],
    "cause": "m-3",
    "at": "2026-11-22T20:10:00.000Z",
}


class ResolutionBody(BaseModel):
    """What a person did about a case."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"resolution": "adjusted", "note": "took 50 points back"}}
    )

    resolution: Annotated[str, Field(min_length=1, max_length=60)]  # a word of yours: adjusted, let_go ...
    note: Annotated[str, Field(max_length=1_000)] = ""


@router.get(
    "",
    summary="Cases that wait for a person",
    description="In no order of time; `next` goes on where the page ended, also when some were closed meanwhile. "
    "`over` counts those that found no room in the list (10,000 for each partition); they are in the histories of "
    "their players.",
    responses=answers({"items": [_CASE], "next": None, "over": 0}, 400, 401, 403, 503),
)
async def list_cases(context: Ctx, _: PlayersReader, limit: Limit = 50, cursor: Cursor = None) -> dict[str, Any]:
    keys = [cases(p) for p in range(context.partitions)]
    found = await page_of_hashes(context.redis, keys, limit, cursor, lambda _, record: _shown(record))
    return found | {"over": await _over(context)}


@router.post(
    "/{id}/resolution",
    summary="Close a case",
    description="Says what was done about it; nothing else happens. It stays in the player's history, with the id of "
    "the key. The same key again is answered the same, also after a 202.",
    responses=answers({"ok": True, "data": {"case": _CASE["id"]}, "effects": []}, 400, 401, 403, 404, 422, 429, 503),
)
async def resolve_case(
    id: str,
    body: ResolutionBody,
    context: Ctx,
    caller: PlayersWriter,
    key: IdempotencyKey,
    prefer: Prefer = None,
) -> Response:
    args = {"case": id, "resolution": body.resolution, "by": caller.id, "note": body.note}
    try:
        partition, record = await _found(context, id)
    except NotFound:
        if not (asked_before := await _asked_before(context, args, key)):
            raise
        return await asked(context, asked_before, "resolve_case", args, key, caller.id, prefer)
    player = await owner_of(context, decode_record(record).name)
    answer = await asked(context, player, "resolve_case", args, key, caller.id, prefer)
    if answer.status_code == 200:  # the player's commit takes it off its own list; of a merged profile it is another's
        await context.redis.hdel(cases(partition), id)
    return answer


async def _asked_before(context: Context, args: dict[str, Any], key: str) -> str:
    """Return the player that was asked the same with the key, "" when none was: a closed case is in no list."""
    command_id = f"cmd:{key}"
    for player, said in await askers(context.redis, context.partitions, command_id, context.clock.now_ms()):
        if said == fingerprint(Command(player, command_id, "resolve_case", args)):
            return player
    return ""


async def _found(context: Context, case_id: str) -> tuple[int, bytes]:
    pipe = context.redis.pipeline(transaction=False)
    for p in range(context.partitions):
        pipe.hget(cases(p), case_id[:100])
    for p, record in enumerate(await pipe.execute()):
        if record is not None:
            return p, record
    raise NotFound(f"there is no open case {case_id[:80]!r}", code="case_not_found")


async def open_cases(context: Context) -> int:
    """Return how many cases are in the list."""
    pipe = context.redis.pipeline(transaction=False)
    for p in range(context.partitions):
        pipe.hlen(cases(p))
    return sum(await pipe.execute())


async def _over(context: Context) -> int:
    pipe = context.redis.pipeline(transaction=False)
    for p in range(context.partitions):
        pipe.hget(cases_over(p), "cases")
    return sum(int(count or 0) for count in await pipe.execute())


def _shown(data: bytes) -> dict[str, Any]:
    """Return a case; its record names the player, and the entry that opened it."""
    record = decode_record(data)
    case = next(effect for effect in record.effects if isinstance(effect, CaseOpened))
    return {
        "id": case.id,
        "player_id": record.name,
        "about": case.about,
        "detail": case.detail,
        "events": list(case.events),
        "cause": record.id,
        "at": instant(record.at),
    }
