"""What is asked of a player: adjust, opt in, claim, exclude. A command is an entry of the player's log like any other.

The call appends, waits for the turn and answers with its effects. The idempotency key is the entry's id, so asking
again finds the first answer; when the time runs out the command is safe in the log and asking again tells.
"""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query
from fastapi.responses import JSONResponse, Response
from msgspec import structs
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from actors.clock import new_id
from api.auth import OwnPlayer, Principal, require
from api.context import Context, Ctx
from api.idempotency import REPLAYED, IdempotencyKey
from api.pages import answers, wait_of
from api.persons import HOPS_MAX, MOVED, checked, owner_of
from api.problems import OWN_MEMBERS, refused
from api.views import shown_effects, shown_stops
from api.visible import for_player
from crm.facts.exclusions import NEVER_ENDING, reason_of
from domain.calendar import as_ms
from domain.effects import Answered, HistoryRecord, SetAside
from domain.entries import Command, encode_entry
from domain.errors import Conflict, EngineError, Invalid, NotFound
from domain.ids import partition_of
from store.gates import read_stops
from store.keys import in_flight

router = APIRouter(prefix="/v1", tags=["Commands"])

ANSWER_WITHIN_S = 5.0
AMOUNT_MAX = 2**53  # exact in every JSON reader
_DONE = {"ok": True, "effects": [{"kind": "points", "currency": "points", "amount": 100, "balance_after": 115}]}
LATER = {"accepted": True, "command_id": "cmd:4711", "detail": "Ask again with the same Idempotency-Key."}
_EXCLUDED = {"ok": True, "excluded": True, "in_flight": 0}

PlayersReader = Annotated[Principal, Depends(require("players:read"))]
PlayersWriter = Annotated[Principal, Depends(require("players:write"))]
Prefer = Annotated[str | None, Header(alias="Prefer", description="`wait=<seconds>` for the turn; 5 without it.")]


class Adjustment(BaseModel):
    """A correction of a balance by a person or a back end."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"currency": "points", "amount": 100, "reason": "goodwill"}}
    )

    currency: Annotated[str, Field(min_length=1, max_length=100)] = "points"
    amount: Annotated[int, Field(strict=True, ge=-AMOUNT_MAX, le=AMOUNT_MAX)]
    reason: Annotated[str, Field(min_length=1, max_length=500)]


class ExclusionBody(BaseModel):
    """Why the player must not be contacted, and until when (none: until readmitted)."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"reason": "self_exclusion"}})

    reason: Annotated[str, Field(min_length=1, max_length=100)]
    until: AwareDatetime | None = None


_REPLIES = answers(_DONE, 400, 401, 403, 404, 409, 422, 429, 503, also={202: LATER})


@router.post("/players/{id}/adjustments", summary="Adjust a balance", responses=_REPLIES)
async def adjust(
    id: str, body: Adjustment, context: Ctx, caller: PlayersWriter, key: IdempotencyKey, prefer: Prefer = None
) -> Response:
    return await asked(context, id, "adjust", body.model_dump(), key, caller.id, prefer)


@router.post("/players/{id}/missions/{mission}/opt-in", summary="Begin a mission", responses=_REPLIES)
async def opt_in(
    id: str, mission: str, context: Ctx, caller: PlayersWriter, key: IdempotencyKey, prefer: Prefer = None
) -> Response:
    return await asked(context, id, "opt_in", {"mission": mission}, key, caller.id, prefer)


@router.post("/players/{id}/completions/{completion_id}/claim", summary="Take a reward", responses=_REPLIES)
async def claim(
    id: str, completion_id: str, context: Ctx, caller: PlayersWriter, key: IdempotencyKey, prefer: Prefer = None
) -> Response:
    return await asked(context, id, "claim", {"completion_id": completion_id}, key, caller.id, prefer)


@router.post("/me/missions/{mission}/opt-in", summary="Begin a mission", tags=["Me"], responses=_REPLIES)
async def opt_in_myself(
    mission: str, context: Ctx, player: OwnPlayer, key: IdempotencyKey, prefer: Prefer = None
) -> Response:
    return await asked(context, player, "opt_in", {"mission": mission}, key, f"player:{player}", prefer)


@router.post("/me/completions/{completion_id}/claim", summary="Take a reward", tags=["Me"], responses=_REPLIES)
async def claim_myself(
    completion_id: str, context: Ctx, player: OwnPlayer, key: IdempotencyKey, prefer: Prefer = None
) -> Response:
    return await asked(context, player, "claim", {"completion_id": completion_id}, key, f"player:{player}", prefer)


@router.get(
    "/players/{id}/exclusion",
    summary="Whether the player is excluded, why, and whether anything is still on its way",
    description="`reason` is the first of `reasons`. One with an `until` ends there by itself; the others end "
    "only with a readmission.",
    responses=answers(
        {
            "excluded": True,
            "reason": "self_exclusion",
            "reasons": [{"reason": "self_exclusion", "until": None}],
            "in_flight": 0,
        },
        401,
        403,
    ),
)
async def read_exclusion(id: str, context: Ctx, _: PlayersReader) -> dict[str, Any]:
    player = await owner_of(context, id)
    p = partition_of(player, context.partitions)
    stops = await read_stops(context.redis, p, player)
    reason = next(iter(stops), None)
    sending = await _on_their_way(context, id, player)
    return {"excluded": bool(stops), "reason": reason, "reasons": shown_stops(stops), "in_flight": sending}


@router.post(
    "/players/{id}/exclusion",
    summary="Exclude the player from all messages but legal ones, at once",
    description="The stop is in force when this answers: nothing new leaves. 200: nothing is on its way any more. "
    "202: some sends still are; `GET` the same path until `in_flight` is 0. Needs no Idempotency-Key: asking twice "
    "excludes once. A player may be excluded for several reasons at once. Of those, `cool_off` and an operator's own "
    "end by themselves at `until`; self_exclusion, closed, under_age, blocked, harm, register and deceased never do: "
    "after their end only a readmission lets messages through.",
    responses=answers(_EXCLUDED, 401, 403, 422, 503, also={202: {**_EXCLUDED, "in_flight": 1, "status": "draining"}}),
)
async def exclude(id: str, body: ExclusionBody, context: Ctx, caller: PlayersWriter) -> JSONResponse:
    now = context.clock.now_ms()
    until = _until(body.until, now)
    reason = reason_of(body.reason)
    args = {"reason": reason, "since": now, "until": until}
    player = await owner_of(context, id)  # should it be merged just now, the entry is sent on
    command = Command(player, new_id("cmd:"), "exclude", args, source=caller.id)
    ends = None if reason in NEVER_ENDING else until
    await context.intake.exclude(player, reason, encode_entry(command), ends)
    sending = await _on_their_way(context, id, player)
    answer = {"ok": True, "excluded": True, "in_flight": sending}
    if sending:
        return JSONResponse(answer | {"status": "draining"}, status_code=202, headers={"Retry-After": "1"})
    return JSONResponse(answer)


@router.delete(
    "/players/{id}/exclusion",
    summary="Readmit the player",
    description="From one reason, or from all without `reason`. `excluded` tells whether others still stand.",
    responses=answers({"ok": True, "excluded": False, "reasons": [], "in_flight": 0}, 401, 403, 503),
)
async def readmit(
    id: str,
    context: Ctx,
    caller: PlayersWriter,
    reason: Annotated[str | None, Query(min_length=1, max_length=100, description="Only this one; none: all.")] = None,
) -> dict[str, Any]:
    player = await owner_of(context, id)
    lifted = reason_of(reason) if reason else ""
    command = Command(player, new_id("cmd:"), "readmit", {"reason": lifted} if lifted else {}, source=caller.id)
    await context.intake.readmit(player, lifted, encode_entry(command))
    sending = await _on_their_way(context, id, player)
    stops = await read_stops(context.redis, partition_of(player, context.partitions), player)
    return {"ok": True, "excluded": bool(stops), "reasons": shown_stops(stops), "in_flight": sending}


async def _on_their_way(context: Context, *ids: str) -> int:
    """Return how many sends to a person are in flight under any id: one that ended may have been claimed before.

    Args:
        ids: As it was asked for, and the id that lives on, last.
    """
    sources = (await context.players.ref(ids[-1]).state()).identity.sources
    pipe: Any = context.redis.pipeline(transaction=False)
    for player in {*ids, *sources}:
        pipe.hlen(in_flight(partition_of(player, context.partitions), player))
    return sum(await pipe.execute())


def _until(until: datetime | None, now: int) -> int | None:
    if until is None:
        return None
    if (ends := as_ms(until)) <= now:
        raise Invalid(f"expected an `until` in the future, got {until.isoformat()}")
    return ends


async def asked(
    context: Context, player: str, name: str, args: dict[str, Any], key: str, source: str, prefer: str | None
) -> Response:
    """Ask the player, or the one the id lives on under, and answer with what the turn did.

    The log knows the command's id: the same key again is answered the same, and says that it is (``REPLAYED``).

    Raises:
        Invalid: the id is one of the engine's own, which no player has.
        EngineError: the turn refused the command; its code is the problem's.
    """
    return await asked_of(context, checked(player), name, args, key, source, prefer)


async def asked_of(
    context: Context, player: str, name: str, args: dict[str, Any], key: str, source: str, prefer: str | None
) -> Response:
    """Ask any actor, a keeper too, as ``asked`` does."""
    command = Command(player, f"cmd:{key}", name, args, reply_to=context.replies.channel, source=source)
    wait_s = wait_of(prefer, ANSWER_WITHIN_S)
    record, again = await context.players.ref(player).ask_again(command, timeout_s=wait_s)
    for _ in range(HOPS_MAX):
        if record is None or not (owner := _moved_to(record)):
            break
        if source.startswith("player:"):
            raise Conflict(MOVED, code="player_moved")
        command = structs.replace(command, player=owner)
        record, again = await context.players.ref(owner).ask_again(command, timeout_s=wait_s)
    if record is None:
        detail = "It is in the log and will be applied. Ask again with the same Idempotency-Key to learn the outcome."
        answer = {"accepted": True, "command_id": command.id, "detail": detail}
        return JSONResponse(answer, status_code=202, headers={"Retry-After": "1"})
    if source.startswith("player:"):
        record = structs.replace(record, effects=for_player(record.effects, context.programme.visible))
    if not again:
        return JSONResponse(answer_of(record))
    try:
        told: Response = JSONResponse(answer_of(record))
    except EngineError as error:
        told = refused(error)
    told.headers[REPLAYED] = "true"
    return told


def _moved_to(record: HistoryRecord) -> str:
    """Return the id that the command's player lives on under, "" when it was this player's to answer."""
    moved = [e for e in record.effects if isinstance(e, Answered) and e.code == "moved"]
    return str(moved[0].data["to"]) if moved else ""


def answer_of(record: HistoryRecord) -> dict[str, Any]:
    """Return the good answer of a command's turn.

    Raises:
        EngineError: the turn refused it.
    """
    for effect in record.effects:
        if isinstance(effect, SetAside):
            raise Conflict("the turn failed and changed nothing; the entry is among the dead letters", code="set_aside")
    outcome = next((e for e in reversed(record.effects) if isinstance(e, Answered)), Answered("ok"))
    if outcome.code != "ok":
        raise _refusal(outcome)
    effects = [effect for effect in record.effects if not isinstance(effect, Answered)]
    return {"ok": True, **({"data": outcome.data} if outcome.data else {}), "effects": shown_effects(effects)}


def _refusal(outcome: Answered) -> EngineError:
    detail = outcome.detail or outcome.code.replace("_", " ")
    if outcome.code.endswith("_not_found") or outcome.code.startswith("unknown_"):
        return NotFound(detail, code=outcome.code)
    if outcome.code in ("invalid_arguments", "amount_out_of_range"):
        return Invalid(detail, code=outcome.code)
    clashes = not OWN_MEMBERS.isdisjoint(outcome.data)  # it tells of a thing's status, say; the document has its own
    return Conflict(detail, code=outcome.code, **({"data": outcome.data} if clashes else outcome.data))
