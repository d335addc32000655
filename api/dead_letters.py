"""``/v1/dead-letters``: what was not applied, and sending it in again."""

from hashlib import sha256
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Query, Request, Response
from msgspec import structs

from actors.clock import new_id
from api.auth import Principal, require
from api.cloudevents import READER as CLOUD_EVENTS
from api.context import Context, Ctx
from api.idempotency import IdempotencyKey
from api.intake import READERS, Reader, json_response, read_body
from api.masks import Rejection
from api.normalise import Rules, named
from api.pages import instant
from domain.entries import Command, Event, decode_entry, encode_entry
from domain.errors import BadRequest, Busy, Conflict, Invalid, NotFound
from store.dead_letters import DeadLetter, Replay, ReplayClaim
from store.intake import DEDUPE_BUCKET_MS
from store.ports import Incoming, Verdict

router = APIRouter(prefix="/v1/dead-letters", tags=["dead letters"])


@router.get("")
async def index(
    context: Ctx,
    _: Annotated[Principal, Depends(require("events:read"))],
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> dict[str, Any]:
    """List dead letters, newest first: intake's, and those that turns set aside."""
    try:
        letters, following = await context.dead_letters.page(cursor, limit)
    except ValueError as error:
        raise BadRequest(f"the cursor {cursor!r} is not one of ours", code="bad_cursor") from error
    replays = await context.dead_letters.replays([letter.id for letter in letters])
    return {"items": [_shown(*pair) for pair in zip(letters, replays, strict=True)], "next": following}


@router.get("/{letter_id}")
async def show(
    letter_id: str, context: Ctx, _: Annotated[Principal, Depends(require("events:read"))]
) -> dict[str, Any]:
    """Show one dead letter."""
    letter = await _letter(context, letter_id)
    (replay,) = await context.dead_letters.replays([letter_id])
    return _shown(letter, replay)


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
    counts from when it first came.
    """
    letter = await _letter(context, letter_id)
    corrected = await read_body(context, request.headers, request.receive)
    now = context.clock.now_ms()
    claim = await context.dead_letters.claim(idempotency_key, letter_id, sha256(corrected).hexdigest(), now)
    if claim.letter != letter_id or claim.body != sha256(corrected).hexdigest():
        raise Conflict("this Idempotency-Key was used with another letter or body", code="idempotency_mismatch")
    entry = _entry(context, letter, claim, corrected, principal)
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


def _entry(context: Context, letter: DeadLetter, claim: ReplayClaim, corrected: bytes, by: Principal) -> Incoming:
    """Return what goes into the log.

    Raises:
        Invalid: it is still not right, or its body was not kept whole.
    """
    if corrected.strip():
        raw, reader = corrected, READERS[letter.type]
        if b'"specversion"' in corrected:
            reader = CLOUD_EVENTS
    elif letter.truncated:
        raise Invalid("the event was too large to keep whole: send it corrected", code="too_large")
    elif letter.partition is not None:
        return _again(letter, claim)
    else:
        raw, reader = letter.raw, CLOUD_EVENTS if letter.form == "cloudevents" else READERS[letter.type]
    return _read(context, letter, claim, raw, reader, by)


def _read(
    context: Context, letter: DeadLetter, claim: ReplayClaim, raw: bytes, reader: Reader, by: Principal
) -> Incoming:
    rules = Rules(
        now=letter.at,  # when it came: what was in time then is in time now
        new_id=new_id,
        masks=context.programme.masks,
        lateness_max_ms=context.settings.lateness_max_s * 1000,
        max_event=context.settings.max_event,
        recorded=context.identity.clock == "log",
        source=by.id,
    )
    if letter.was_in_log:
        rules = structs.replace(rules, message_id=f"{letter.event_id}~replay-{claim.n}")
    elif named(raw)[0] is None:  # one that stays the same when this is asked again
        rules = structs.replace(rules, message_id=letter.event_id or f"letter:{letter.id}")
    try:
        entry, _ = reader.read(raw, rules)
    except Rejection as rejection:
        raise Invalid(rejection.detail, code=rejection.code, path=rejection.path) from rejection
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(str(error), code="malformed") from error
    return entry


def _again(letter: DeadLetter, claim: ReplayClaim) -> Incoming:
    """Return the entry that a turn set aside, under its next id."""
    entry = decode_entry(letter.raw)
    if not isinstance(entry, Event | Command):
        raise Invalid("only events and commands can be replayed", code="not_replayable")
    again = structs.replace(entry, id=f"{letter.event_id}~replay-{claim.n}", reply_to="")
    body = encode_entry(again)
    occurred = entry.occurred_at if isinstance(entry, Event) else letter.at
    said = sha256(body).hexdigest()[:16]
    return Incoming(again.player, again.id, said, f"{claim.at // DEDUPE_BUCKET_MS}", body, "", occurred)


def _shown(letter: DeadLetter, replayed: Replay | None) -> dict[str, Any]:
    body: Any = None
    if letter.partition is not None:
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
        "from": "intake" if letter.partition is None else "turn",
        "body": body,
        "truncated": letter.truncated,
        "replayed": {**msgspec.to_builtins(replayed), "at": instant(replayed.at)} if replayed else None,
    }
