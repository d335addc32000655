"""``/v1/dead-letters``: what was not applied, and sending it in again."""

from collections.abc import Callable
from hashlib import sha256
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Query, Request, Response
from msgspec.structs import asdict
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from api.auth import Principal, require
from api.context import Context, Ctx
from api.idempotency import IdempotencyKey
from api.intake import json_response, read_body
from api.names import snake_case
from api.pages import bad_cursor, instant, page
from api.replays import Replays, event_of, read_letter
from api.values import parse_time
from domain.dispatch import decode_dispatch
from domain.entries import decode_entry
from domain.errors import Busy, Conflict, NotFound
from store.dead_letters import DeadLetter, Replay
from store.ports import Verdict

MANY_MAX = 1_000  # letters of one replay

router = APIRouter(prefix="/v1/dead-letters", tags=["dead letters"])
Wanted = Callable[[DeadLetter], bool]


class ReplayMany(BaseModel):
    """Which letters to send in again: those named, or those not yet sent in that match all that is said."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ids: list[str] | None = Field(default=None, min_length=1, max_length=MANY_MAX)
    code: str | None = Field(default=None, max_length=100)
    event: str | None = Field(default=None, max_length=100)
    since: int | float | str | None = None  # ISO 8601, or s or ms since 1970
    until: int | float | str | None = None
    limit: int = Field(default=MANY_MAX, ge=1, le=MANY_MAX)
    cursor: str | None = None

    @field_validator("since", "until")
    @classmethod
    def _time(cls, value: float | str | None) -> int | None:
        return None if value is None else parse_time(value)

    @model_validator(mode="after")
    def _one_way(self) -> "ReplayMany":
        if self.ids is not None and len(self.model_fields_set) > 1:
            raise ValueError("expected either ids, or code, event, since, until, limit and cursor")
        return self


@router.get("")
async def index(
    context: Ctx,
    _: Annotated[Principal, Depends(require("events:read"))],
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    code: Annotated[str | None, Query(max_length=100, description="Only refused with this code.")] = None,
    event: Annotated[str | None, Query(max_length=100, description="Only events of this name.")] = None,
    replayed: Annotated[bool | None, Query(description="Only sent in again, or only not.")] = None,
) -> dict[str, Any]:
    """List dead letters, newest first: intake's, those that turns set aside, and messages that no provider took."""
    if code or event or replayed is not None:
        found, following = await _found(context, cursor, limit, _wanted(context, code, event, None, None), replayed)
    else:
        found, following = await _newest(context, cursor, limit)
    return page([_shown(context, *pair) for pair in found], following)


@router.get("/{letter_id}")
async def show(
    letter_id: str, context: Ctx, _: Annotated[Principal, Depends(require("events:read"))]
) -> dict[str, Any]:
    """Show one dead letter."""
    letter = await _letter(context, letter_id)
    (replay,) = await context.dead_letters.replays([letter_id])
    return _shown(context, letter, replay)


@router.post("/replay")
async def replay_many(
    asked: ReplayMany,
    context: Ctx,
    principal: Annotated[Principal, Depends(require("events:write"))],
    idempotency_key: IdempotencyKey,
) -> Response:
    """Send many letters in again, as they came, with the masks and mappings of now; oldest first.

    Each has the rights of who sent it first. One that is still bad is listed with its reason and stays; one that was
    sent in before is a duplicate. ``next`` is the cursor of older letters that match.
    """
    await context.programme.refresh()
    hashed = sha256(asked.model_dump_json().encode()).hexdigest()
    plan = await context.dead_letters.plan(idempotency_key, hashed, None)
    following: str | None = None
    if plan is None:
        ids, following = (asked.ids, None) if asked.ids is not None else await _matching(context, asked)
        unique = list(dict.fromkeys(ids or ()))
        plan = await context.dead_letters.plan(idempotency_key, hashed, unique, following or "")
        assert plan is not None, "it was just kept"
    if plan.body != hashed:
        raise Conflict("this Idempotency-Key was used with another body", code="idempotency_mismatch")
    if plan.answer is None:
        items = await Replays(context, idempotency_key, principal).run(plan.letters)
        counted = dict.fromkeys(("accepted", "duplicate", "rejected"), 0)
        for item in items:
            counted[item["status"]] += 1
        answer = {
            "accepted": counted["accepted"],
            "duplicates": counted["duplicate"],
            "rejected": counted["rejected"],
            "items": items,
            "next": plan.next or None,
        }
        await context.dead_letters.answered(idempotency_key, plan, answer)
        return json_response(answer)
    return json_response(plan.answer)


@router.post("/{letter_id}/replay")
async def replay(
    letter_id: str,
    request: Request,
    context: Ctx,
    principal: Annotated[Principal, Depends(require("events:write"))],
    idempotency_key: IdempotencyKey,
) -> Response:
    """Send a dead letter in again, as it came or corrected (an event as JSON body).

    It goes in under its own id, or ``<id>~replay-<n>`` when that one is in the log already. The lateness rule
    counts from when it first came. A message (``message_failed``) is asked for again: the tower judges it anew.
    """
    letter = await _letter(context, letter_id)
    corrected = await read_body(context, request.headers, request.receive)
    await context.programme.refresh()
    now = context.clock.now_ms()
    claim = await context.dead_letters.claim(idempotency_key, letter_id, sha256(corrected).hexdigest(), now)
    if claim.letter != letter_id or claim.body != sha256(corrected).hexdigest():
        raise Conflict("this Idempotency-Key was used with another letter or body", code="idempotency_mismatch")
    entry = read_letter(context, letter, claim, corrected, principal).entry
    (answer,) = await context.append([entry])
    if isinstance(answer, Verdict):
        raise Busy("too many events wait; a retry is safe", retry_after_s=1)
    if answer.mismatch:
        raise Conflict(f"the id {entry.message_id!r} is in the log with another content", code="id_reused")
    done = Replay(claim.n, entry.message_id, entry.player, answer.offset, claim.at, answer.duplicate)
    await context.dead_letters.mark_replayed(letter_id, done)
    return json_response(
        {"id": letter_id, "event_id": entry.message_id, "player_id": entry.player, "status": "accepted"}
    )


async def _letter(context: Context, letter_id: str) -> DeadLetter:
    letter = await context.dead_letters.get(letter_id)
    if letter is None:
        raise NotFound(f"there is no dead letter {letter_id!r}")
    return letter


async def _matching(context: Context, asked: ReplayMany) -> tuple[list[str], str | None]:
    """Return the ids of the letters that match and were not sent in again, oldest first, and the next cursor."""
    since, until = (value if isinstance(value, int) else None for value in (asked.since, asked.until))
    wanted = _wanted(context, asked.code, asked.event, since, until)
    found, following = await _found(context, asked.cursor, asked.limit, wanted, False)
    return [letter.id for letter, _ in reversed(found)], following


def _wanted(context: Context, code: str | None, event: str | None, since: int | None, until: int | None) -> Wanted:
    name = snake_case(event) if event else ""

    def wanted(letter: DeadLetter) -> bool:
        return (
            (not code or letter.code == code)
            and (since is None or letter.at >= since)
            and (until is None or letter.at < until)
            and (not name or event_of(letter, context.programme.mappings(letter.source)) == name)
        )

    return wanted


async def _found(
    context: Context, cursor: str | None, limit: int, wanted: Wanted, replayed: bool | None
) -> tuple[list[tuple[DeadLetter, Replay | None]], str | None]:
    try:
        return await context.dead_letters.find(cursor, limit, wanted, replayed=replayed)
    except ValueError as error:
        raise bad_cursor(cursor or "") from error


async def _newest(
    context: Context, cursor: str | None, limit: int
) -> tuple[list[tuple[DeadLetter, Replay | None]], str | None]:
    try:
        letters, following = await context.dead_letters.page(cursor, limit)
    except ValueError as error:
        raise bad_cursor(cursor or "") from error
    replays = await context.dead_letters.replays([letter.id for letter in letters])
    return list(zip(letters, replays, strict=True)), following


def _shown(context: Context, letter: DeadLetter, replayed: Replay | None) -> dict[str, Any]:
    body: Any = None
    if letter.is_message:
        body = msgspec.to_builtins(asdict(decode_dispatch(letter.raw)))
    elif letter.partition is not None:
        body = msgspec.to_builtins(decode_entry(letter.raw), str_keys=True)
    elif not letter.truncated:
        try:
            body = msgspec.json.decode(letter.raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            body = letter.raw.decode(errors="replace")
    else:
        body = letter.raw.decode(errors="replace")
    return {
        "id": letter.id,
        "at": instant(letter.at),
        "code": letter.code,
        "detail": letter.detail,
        "path": letter.path,
        "player_id": letter.player or None,
        "event_id": letter.event_id or None,
        "event": event_of(letter, context.programme.mappings(letter.source)) or None,
        "from": "courier" if letter.is_message else "intake" if letter.partition is None else "turn",
        "body": body,
        "truncated": letter.truncated,
        "replayed": {**msgspec.to_builtins(replayed), "at": instant(replayed.at)} if replayed else None,
    }
