"""Reading dead letters again: with the masks and mappings of now, as of when they first came."""

from hashlib import sha256
from typing import Any

import msgspec
from msgspec import Struct, structs

from actors.clock import new_id
from actors.requests import request_id
from api.auth import Principal
from api.cloudevents import READER as CLOUD_EVENTS
from api.context import Context
from api.intake import READERS, Reader, shown_changes
from api.mappings import Mappings
from api.masks import Rejection
from api.names import snake_case
from api.normalise import NAMES, NEEDS_SCOPE, Accepted, Rules, named
from domain.dispatch import decode_dispatch
from domain.entries import Command, Event, decode_entry, encode_entry
from domain.errors import BadRequest, Busy, EngineError, Invalid
from domain.ids import partition_of
from domain.spelling import spelled
from store.dead_letters import DeadLetter, Replay, ReplayClaim
from store.intake import DEDUPE_BUCKET_MS
from store.ports import Appended, Incoming, Verdict

CHUNK = 100  # letters of one append
NOT_ALLOWED = "not_allowed"


class _Said(Struct):
    event: Any = None
    type: Any = None


_decode_said = msgspec.json.Decoder(_Said).decode


def read_letter(
    context: Context,
    letter: DeadLetter,
    claim: ReplayClaim,
    corrected: bytes,
    caller: Principal,
    *,
    own_rights: bool = False,
) -> Accepted:
    """Return what goes into the log.

    It goes in under its own id, or ``<id>~replay-<n>`` when that one is in the log already.

    Args:
        corrected: The event as it should have been; b"": as it came.
        caller: Who asks; mappings of the key that it came with count.
        own_rights: As its sender, who may have been a browser; else as the operator who asks for just this one.

    Raises:
        Invalid: it is still not right, or its body was not kept whole.
        BadRequest: it is not JSON.
    """
    if letter.is_message:
        return Accepted(_asked_again(context, letter, claim, corrected), False)
    if corrected.strip():
        reader = CLOUD_EVENTS if b'"specversion"' in corrected else READERS[letter.type]
        return _read(context, letter, claim, corrected, reader, caller, own_rights)
    if letter.truncated:
        raise Invalid("the event was too large to keep whole: send it corrected", code="too_large")
    if letter.partition is not None:
        return Accepted(_again(letter, claim), False)
    reader = CLOUD_EVENTS if letter.form == "cloudevents" else READERS[letter.type]
    return _read(context, letter, claim, letter.raw, reader, caller, own_rights)


def event_of(letter: DeadLetter, mappings: Mappings) -> str:
    """Return the name of the event that a letter holds, under the mapping of now; "" when it cannot be read."""
    if letter.is_message:
        return letter.code
    if letter.partition is not None:
        return str(getattr(decode_entry(letter.raw), "name", ""))
    try:
        said = _decode_said(letter.raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    stated = said.type if letter.form == "cloudevents" else said.event
    kind = "track" if letter.form == "cloudevents" else letter.type or said.type or "track"
    if kind != "track":
        return NAMES.get(kind, "") if isinstance(kind, str) else ""
    try:
        name = snake_case(stated) if isinstance(stated, str) else ""
    except Rejection:
        return ""
    return mappings.events.get(spelled(name), name) if name else ""


class Replays:
    """Sends many letters in again; one that is still bad does not stop the others.

    Args:
        key: The idempotency key: what was done under it before is not done again.
    """

    def __init__(self, context: Context, key: str, caller: Principal) -> None:
        self._context = context
        self._key = key
        self._caller = caller

    async def run(self, letter_ids: list[str]) -> list[dict[str, Any]]:
        """Send them in, in this order; what became of each.

        Raises:
            Busy, StoreDown: no room or no store; what was done is noted, and asking again goes on.
        """
        items: list[dict[str, Any]] = []
        for start in range(0, len(letter_ids), CHUNK):
            items += await self._chunk(letter_ids[start : start + CHUNK])
        return items

    async def _chunk(self, letter_ids: list[str]) -> list[dict[str, Any]]:
        letters = self._context.dead_letters
        done = dict(zip(letter_ids, await letters.replays(letter_ids), strict=True))
        kept = await letters.get_all(letter_ids)
        # one number for every replay of many: the ids stay the same, so repeating it at the same time is harmless too
        claims = dict(
            zip(letter_ids, await letters.claims("many", letter_ids, self._context.clock.now_ms()), strict=True)
        )
        shown: dict[str, dict[str, Any]] = {}
        read: dict[str, Accepted] = {}
        for letter_id, letter in zip(letter_ids, kept, strict=True):
            if (before := done[letter_id]) is not None:
                shown[letter_id] = self._done_before(letter_id, before)
                continue
            if letter is None:
                shown[letter_id] = _rejected(letter_id, "not_found", "there is no such dead letter")
                continue
            try:
                read[letter_id] = read_letter(
                    self._context, letter, claims[letter_id], b"", self._caller, own_rights=True
                )
            except EngineError as error:
                path = str(error.extra.get("path", ""))
                shown[letter_id] = _rejected(letter_id, error.problem_code, error.detail, path, letter)
        shown |= await self._append(read, claims)
        return [shown[letter_id] for letter_id in letter_ids]

    async def _append(self, read: dict[str, Accepted], claims: dict[str, ReplayClaim]) -> dict[str, dict[str, Any]]:
        answers = await self._context.append([accepted.entry for accepted in read.values()])
        if any(isinstance(answer, Verdict) for answer in answers):
            raise Busy("too many events wait; ask again with the same Idempotency-Key", retry_after_s=1)
        shown: dict[str, dict[str, Any]] = {}
        marks: dict[str, Replay] = {}
        for (letter_id, accepted), answer in zip(read.items(), answers, strict=True):
            assert isinstance(answer, Appended)
            entry = accepted.entry
            if answer.mismatch:
                detail = f"the id {entry.message_id!r} is in the log with another content"
                shown[letter_id] = _rejected(letter_id, "id_reused", detail, "messageId")
                continue
            claim = claims[letter_id]
            marks[letter_id] = Replay(
                claim.n, entry.message_id, entry.player, answer.offset, claim.at, answer.duplicate, self._key
            )
            shown[letter_id] = _accepted(letter_id, marks[letter_id])
            if accepted.changes:
                shown[letter_id]["changes"] = shown_changes(accepted.changes)
        await self._context.dead_letters.mark_all_replayed(marks)
        return shown

    def _done_before(self, letter_id: str, before: Replay) -> dict[str, Any]:
        """Answer what was answered if this call did it, else that it was done."""
        if before.by == self._key:
            return _accepted(letter_id, before)
        return _accepted(letter_id, structs.replace(before, duplicate=True))


def _accepted(letter_id: str, done: Replay) -> dict[str, Any]:
    status = "duplicate" if done.duplicate else "accepted"
    return {"id": letter_id, "event_id": done.message_id, "player_id": done.player, "status": status}


def _rejected(
    letter_id: str, code: str, detail: str, path: str = "", letter: DeadLetter | None = None
) -> dict[str, Any]:
    return {
        "id": letter_id,
        "event_id": (letter.event_id or None) if letter else None,
        "player_id": (letter.player or None) if letter else None,
        "status": "rejected",
        "code": code,
        "detail": detail,
        "path": path,
    }


def _read(
    context: Context,
    letter: DeadLetter,
    claim: ReplayClaim,
    raw: bytes,
    reader: Reader,
    caller: Principal,
    own_rights: bool,
) -> Accepted:
    message_id, player = named(raw)
    rules = Rules(
        now=letter.at,  # when it came: what was in time then is in time now
        new_id=new_id,
        masks=context.programme.masks,
        lateness_max_ms=context.settings.lateness_max_s * 1000,
        max_event=context.settings.max_event,
        recorded=context.identity.clock == "log",
        client=own_rights and (letter.client or letter.code == NOT_ALLOWED),
        lifts=caller.may("players:write") and not (own_rights and (letter.client or letter.code == NEEDS_SCOPE)),
        player=letter.own if own_rights or not player else "",
        source=caller.id,
        mappings=context.programme.mappings(letter.source or caller.id),
    )
    if letter.was_in_log:
        rules = structs.replace(rules, message_id=f"{letter.event_id}~replay-{claim.n}")
    elif message_id is None:  # one that stays the same when this is asked again
        rules = structs.replace(rules, message_id=letter.event_id or f"letter:{letter.id}")
    try:
        return reader.read(raw, rules)
    except Rejection as rejection:
        raise Invalid(rejection.detail, code=rejection.code, path=rejection.path) from rejection
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(str(error), code="malformed") from error


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


def _asked_again(context: Context, letter: DeadLetter, claim: ReplayClaim, corrected: bytes) -> Incoming:
    """Return the request for a message that no provider took: to the tower, which judges it as any other.

    It has the words that it had, its channel, and a request id and a life of its own.
    """
    if corrected.strip():
        raise Invalid("expected no body: a message is sent in again as it was", code="not_correctable")
    sent = decode_dispatch(letter.raw)
    command_id = f"cmd:{letter.event_id}~replay-{claim.n}"
    partition = partition_of(sent.player, context.partitions)
    args = {
        "template": sent.template,
        "purpose": sent.purpose,
        "channels": [sent.channel],
        "request_id": request_id(partition, sent.player, command_id),
        "rendered": {sent.channel: sent.content},
        "source": sent.source,
        "product": next((m.partition("/")[0] for m in sent.marks if m.endswith(f"/{sent.channel}")), ""),
    }
    body = encode_entry(Command(sent.player, command_id, "message", args))
    said = sha256(body).hexdigest()[:16]
    return Incoming(sent.player, command_id, said, f"{claim.at // DEDUPE_BUCKET_MS}", body, "", letter.at)
