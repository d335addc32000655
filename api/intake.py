"""Events in: Segment's paths, long and short, with and without a trailing slash, never a redirect.

An answer of 200 comes after the log has the events. One bad event does not refuse the others; when any could not
be appended for want of room or store the whole call answers 429 or 503, and a retry applies nothing twice. The body
is read raw and decoded by msgspec: a batch of 100 takes about 10 us an event up to the store's call.

``FastIntake`` answers these paths before the router does; the routes exist for the schema and the other methods.
"""

import asyncio
import zlib
from collections.abc import Callable
from typing import Any

import msgspec
from fastapi import APIRouter, FastAPI, Request, Response
from msgspec import Struct, field
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from actors.clock import new_id
from api.auth import Principal, credential, principal_of
from api.context import Context
from api.limits import BodyTimeout
from api.masks import Rejection
from api.normalise import NEEDS_SCOPE, Accepted, Rules, decode_batch, decode_segment, named, read_event, shift_of
from api.problems import refused
from api.visible import for_player
from domain.effects import HistoryRecord, shown
from domain.errors import BadRequest, Busy, EngineError, Forbidden, StoreDown, TooLarge, Unauthorised
from store.dead_letters import DeadLetter
from store.ports import Appended, Incoming, Unavailable, Verdict

BATCH = "batch"
LONG = {name: name for name in ("track", "identify", "page", "screen", "group", "alias")}
SHORT = {name[0]: name for name in LONG}
PATHS = {
    f"/v1/{path}{slash}": kind
    for path, kind in {**LONG, **SHORT, "batch": BATCH, "import": BATCH, "b": BATCH}.items()
    for slash in ("", "/")
}
WAIT_MAX_S = 10.0
BACKLOG_RETRY_S = 1
CHANGED_SHOWN_MAX = 200  # events of a batch whose changes the answer lists; the trace has those of all

router = APIRouter(tags=["events"])


class Refusal(Struct, rename="camel", frozen=True):
    """An event of a batch that was not taken."""

    index: int
    message_id: str | None
    code: str
    detail: str
    path: str = ""


class Intent(Struct):
    """What one call brought, sorted."""

    entries: list[Incoming] = field(default_factory=list)
    places: list[int] = field(default_factory=list)  # index in the call, beside ``entries``
    refusals: list[Refusal] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)
    made: dict[int, str] = field(default_factory=dict)  # message ids that were missing, by index
    changed: dict[int, tuple[tuple[str, str], ...]] = field(default_factory=dict)  # what intake did to them, by index


class Outcome(Struct):
    """What became of the entries of a call."""

    intent: Intent
    appended: list[Appended] = field(default_factory=list)  # beside ``intent.entries``
    accepted: int = 0
    duplicates: int = 0


class Reader(Struct, frozen=True):
    """How one raw event is read; dead letters remember ``form`` and ``type`` to read it again."""

    read: Callable[[bytes, Rules], Accepted]  # Rejection when it is refused
    form: str = "segment"
    type: str = ""  # what the path says; "" when the body does


def segment_reader(kind: str) -> Reader:
    """Return the reader of a Segment event; ``kind`` "" leaves the type to the body."""
    return Reader(lambda raw, rules: read_event(raw, kind or None, rules), type=kind)


READERS = {kind: segment_reader(kind) for kind in ("", *LONG)}


class FastIntake:
    """Answers POST on the intake paths ahead of the router and its dependency machinery.

    It stands inside the CORS middleware, for browsers, and (``outermost``) once more before everything, for callers
    that send no ``Origin``: the chain between costs half of a single event's time.
    """

    def __init__(self, app: ASGIApp, outermost: FastAPI | None = None) -> None:
        self._app = app
        self._outermost = outermost

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "POST" and scope["path"] in PATHS:
            headers = Headers(scope=scope)
            if self._outermost is None or "origin" not in headers:
                application = self._outermost or scope["app"]
                response = await answer(application.state.context, scope["path"], headers, receive)
                await response(scope, receive, send)
                return
        await self._app(scope, receive, send)


async def answer(context: Context, path: str, headers: Headers, receive: Receive) -> Response:
    """Take one call and answer it; never raises."""
    try:
        principal = await _early_principal(context, headers)
        body = await read_body(context, headers, receive)
        if PATHS[path] == BATCH:
            return await _batch(context, principal, body)
        return await _single(context, principal, body, PATHS[path], headers)
    except Exception as error:
        return refused(error)


async def _batch(context: Context, principal: Principal | None, body: bytes) -> Response:
    batch = _whole(decode_batch, body)
    principal = await sender(context, principal, batch.write_key)
    if batch.batch is None:
        raise BadRequest("expected an object with batch: [...]", code="no_batch", path="batch")
    raws = [bytes(raw) for raw in batch.batch]
    rules = rules_of(context, principal, shift=shift_of(batch.sent_at, context.clock.now_ms()))
    return json_response(report(await take(context, rules, raws, READERS[""])))


async def _single(context: Context, principal: Principal | None, body: bytes, kind: str, headers: Headers) -> Response:
    principal = await sender(context, principal, None if principal else _write_key(body))
    wait_s = wait_of(headers)
    rules = rules_of(context, principal, wait=wait_s is not None)
    return await take_one(context, rules, body, READERS[kind], wait_s)


# --- what all ways in share -------------------------------------------------------------------------------------------


def rules_of(context: Context, principal: Principal, *, wait: bool = False, shift: int = 0) -> Rules:
    """Return what holds for a call of this sender, now."""
    return Rules(
        now=context.clock.now_ms(),
        new_id=new_id,
        masks=context.programme.masks,
        lateness_max_ms=context.settings.lateness_max_s * 1000,
        max_event=context.settings.max_event,
        recorded=context.identity.clock == "log",
        client=principal.kind != "server",
        lifts=principal.may("players:write"),
        player=principal.player,
        source=principal.id,
        reply_to=context.replies.channel if wait else "",
        shift=shift,
        mappings=context.programme.mappings(principal.id),
        learning=context.learning,
    )


async def take(context: Context, rules: Rules, raws: list[bytes], reader: Reader) -> Outcome:
    """Append what is right, keep what is not in the dead letters, and say which is which.

    Raises:
        BadRequest: the body is not JSON after all, or holds too many events; nothing was appended.
        Busy: a partition has no room.
        StoreDown: no answer. After both a retry is safe.
    """
    if len(raws) > context.settings.max_batch:
        raise BadRequest(f"expected at most {context.settings.max_batch} events, got {len(raws)}", code="too_many")
    outcome = Outcome(_sort(rules, raws, reader))
    intent = outcome.intent
    if intent.entries:
        answers = await context.append(intent.entries)
        if any(isinstance(answer, Verdict) for answer in answers):
            context.counts["events_refused_backlog"] += len(raws)
            raise Busy("too many events wait; nothing is lost by sending this again", retry_after_s=BACKLOG_RETRY_S)
        outcome.appended = [answer for answer in answers if isinstance(answer, Appended)]
        for place, entry, appended in zip(intent.places, intent.entries, outcome.appended, strict=True):
            if appended.mismatch:
                reused = Rejection("id_reused", "the message id was used before with another content", "messageId")
                _refuse(intent, rules, reader, place, raws[place], reused, entry)
            elif appended.duplicate:
                outcome.duplicates += 1
            else:
                outcome.accepted += 1
    if intent.letters:
        try:
            await context.dead_letters.add(intent.letters)
        except Unavailable as error:
            raise StoreDown("the store does not answer; a retry is safe", retry_after_s=1) from error
    context.counts["events_accepted"] += outcome.accepted
    context.counts["events_duplicate"] += outcome.duplicates
    context.counts["events_rejected"] += len(intent.refusals)
    return outcome


async def take_one(context: Context, rules: Rules, raw: bytes, reader: Reader, wait_s: float | None) -> Response:
    """Take the only event of a call: refused with a problem document, answered with its effects when asked to wait."""
    outcome = await take(context, rules, [raw], reader)
    if outcome.intent.refusals:
        raise _problem_of(outcome.intent.refusals[0])
    entry, appended = outcome.intent.entries[0], outcome.appended[0]
    changes = {"changes": shown_changes(outcome.intent.changed[0])} if outcome.intent.changed else {}
    if wait_s is None:
        return json_response({**report(outcome, one=True), "event_id": entry.message_id, **changes})
    record = await applied(context, entry.player, appended, wait_s)
    effects = record.effects if record else ()
    if rules.client:  # the key is in a browser, or the token is a player's
        effects = for_player(effects, context.programme.visible)
    body = {
        "success": True,
        "event_id": entry.message_id,
        "applied": record is not None,
        "effects": [shown(effect) for effect in effects],
        "duplicate": appended.duplicate,
        **changes,
    }
    return json_response(body, {"Preference-Applied": f"wait={wait_s:g}"})


async def applied(context: Context, player: str, appended: Appended, wait_s: float) -> HistoryRecord | None:
    """Wait for the entry's turn; None when the time ran out, or the store cannot tell (the event is safe)."""
    ref = context.players.ref(player)
    try:
        if appended.duplicate and (record := await ref.trace(appended.offset)) is not None:
            return record
        return await ref.applied(appended.offset, wait_s)
    except EngineError:
        raise
    except Exception as error:
        if refused(error).status_code != StoreDown.status:
            raise
        return None


def report(outcome: Outcome, *, one: bool = False) -> dict[str, Any]:
    """Return the answer to a batch, or to ``one`` event, whose changes the caller adds."""
    body: dict[str, Any] = {
        "success": True,
        "accepted": outcome.accepted,
        "duplicates": outcome.duplicates,
        "rejected": sorted(outcome.intent.refusals, key=lambda refusal: refusal.index),
    }
    if outcome.intent.made:
        body["ids"] = [{"index": index, "messageId": made} for index, made in outcome.intent.made.items()]
    if (changed := outcome.intent.changed) and not one:
        some = list(changed.items())[:CHANGED_SHOWN_MAX]
        body["changed"] = [{"index": index, "changes": shown_changes(changes)} for index, changes in some]
        if len(changed) > len(some):
            body["changed_more"] = len(changed) - len(some)
    return body


def shown_changes(changes: tuple[tuple[str, str], ...]) -> list[dict[str, str]]:
    """Return what was done to an event as answers show it."""
    return [{"path": path, "what": what} for path, what in changes]


def json_response(body: Any, headers: dict[str, str] | None = None, status: int = 200) -> Response:
    """Return a JSON answer."""
    return Response(msgspec.json.encode(body), status, headers, "application/json")


async def sender(context: Context, principal: Principal | None, write_key: str | None) -> Principal:
    """Return who sends, by header or else by the body's ``writeKey``.

    Raises:
        Unauthorised: nobody known.
        Forbidden: a server key without the scope.
    """
    if principal is None:
        if not write_key:
            raise Unauthorised("expected a key: Basic (key:), Bearer, or writeKey in the body")
        principal = await principal_of(context, write_key)
    if principal.kind == "server" and not principal.may("events:write"):
        raise Forbidden("this needs a key with scope events:write", scope="events:write")
    return principal


async def _early_principal(context: Context, headers: Headers) -> Principal | None:
    secret = credential(headers.get("authorization"))
    return await principal_of(context, secret) if secret else None


def wait_of(headers: Headers) -> float | None:
    """Return how long ``Prefer: wait=`` asks to wait, at most 10 s; None when it does not (RFC 7240)."""
    for value in headers.getlist("prefer"):
        for preference in value.split(","):
            name, _, wanted = preference.partition(";")[0].partition("=")
            if name.strip().lower() == "wait":
                try:
                    seconds = float(wanted.strip().strip('"'))
                except ValueError:
                    continue  # a preference that cannot be read is ignored
                if seconds >= 0:
                    return min(seconds, WAIT_MAX_S)
    return None


async def read_body(context: Context, headers: Headers, receive: Receive) -> bytes:
    """Return the whole body, inflated.

    Raises:
        TooLarge: more bytes than allowed came.
        BadRequest: it could not be inflated, inflates to more than allowed, or is not UTF-8.
    """
    limit = context.settings.max_body
    try:
        async with asyncio.timeout(context.settings.body_timeout_s):
            body = await _received(receive, limit)
    except TimeoutError as error:
        raise BodyTimeout("the body did not arrive in time") from error
    if len(body) > limit:
        raise TooLarge(f"expected at most {limit} bytes")
    encoding = headers.get("content-encoding", "").strip().lower()
    if encoding in ("gzip", "x-gzip"):
        body = inflated(body, limit)
    elif encoding not in ("", "identity"):
        raise BadRequest(f"expected gzip or no Content-Encoding, got {encoding[:40]!r}", code="bad_encoding")
    try:
        str(body, "utf-8")  # at memory speed; msgspec skips over what it does not read
    except UnicodeDecodeError as error:
        raise BadRequest(f"the body is not UTF-8 at byte {error.start}", code="malformed") from error
    return body


async def _received(receive: Receive, limit: int) -> bytes:
    """Return the body as it came, or a little more than ``limit`` of it."""
    chunks: list[bytes] = []
    size, more = 0, True
    while more and size <= limit:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise BadRequest("the client went away")
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        more = message.get("more_body", False)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def inflated(body: bytes, limit: int) -> bytes:
    """Return a gzip body inflated, stopping at the limit: a bomb costs no more than that.

    Raises:
        BadRequest: it is damaged, or inflates to more than ``limit`` bytes.
    """
    whole = b""
    try:
        while body:
            inflater = zlib.decompressobj(wbits=31)
            whole += inflater.decompress(body, limit + 1 - len(whole))
            if len(whole) > limit or inflater.unconsumed_tail:
                raise BadRequest(f"inflates to more than {limit} bytes", code="too_large")
            if not inflater.eof:
                raise BadRequest("the gzip body ends too early", code="malformed")
            body = inflater.unused_data
    except zlib.error as error:
        raise BadRequest("the gzip body is damaged", code="malformed") from error
    return whole


def _sort(rules: Rules, raws: list[bytes], reader: Reader) -> Intent:
    """Read every event; what is refused becomes a refusal and a dead letter."""
    intent = Intent()
    entries, places = intent.entries, intent.places
    for index, raw in enumerate(raws):
        try:
            accepted = reader.read(raw, rules)
        except Rejection as rejection:
            _refuse(intent, rules, reader, index, raw, rejection, None)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise _malformed(error) from error
        else:
            entries.append(accepted.entry)
            places.append(index)
            if accepted.made:
                intent.made[index] = accepted.entry.message_id
            if accepted.changes:
                intent.changed[index] = accepted.changes
    return intent


def _refuse(
    intent: Intent,
    rules: Rules,
    reader: Reader,
    index: int,
    raw: bytes,
    rejection: Rejection,
    entry: Incoming | None,
) -> None:
    message_id, player = (entry.message_id, entry.player) if entry else named(raw)
    intent.changed.pop(index, None)
    intent.refusals.append(Refusal(index, message_id, rejection.code, rejection.detail, rejection.path))
    intent.letters.append(
        DeadLetter(
            id="",
            at=rules.now,
            code=rejection.code,
            detail=rejection.detail,
            path=rejection.path,
            player=player or rules.player,
            event_id=message_id or "",
            raw=raw,
            form=reader.form,
            type=reader.type,
            client=rules.client,
            own=rules.player,
            source=rules.source,
        )
    )


def _problem_of(refusal: Refusal) -> EngineError:
    kind = Forbidden if refusal.code in ("not_allowed", NEEDS_SCOPE) else BadRequest
    return kind(refusal.detail, code=refusal.code, path=refusal.path, messageId=refusal.message_id)


def _whole(decode: Callable[[bytes], Any], body: bytes) -> Any:
    try:
        return decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _malformed(error) from error


def _write_key(body: bytes) -> str | None:
    """Return the body's key; a body that is JSON but not an event has none."""
    try:
        key: str | None = decode_segment(body).write_key
    except msgspec.ValidationError:
        return None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _malformed(error) from error
    return key


def _malformed(error: Exception) -> BadRequest:
    if isinstance(error, RecursionError):
        return BadRequest("expected less nesting", code="malformed")
    return BadRequest(str(error), code="malformed")


# --- routes -----------------------------------------------------------------------------------------------------------


async def receive_event(request: Request) -> Response:
    """Take events as Segment's clients send them; the answer comes when they are durable."""
    context: Context = request.app.state.context
    return await answer(context, request.url.path, request.headers, request.receive)


for _path, _kind in PATHS.items():
    router.add_api_route(
        _path,
        receive_event,
        methods=["POST"],
        name=f"events_{_kind}",
        operation_id=f"post_{_path.strip('/').replace('/', '_')}",
        summary=f"Send a {_kind}" if _kind != BATCH else "Send a batch of events",
        include_in_schema=not _path.endswith("/") and len(_path) > len("/v1/x"),
        openapi_extra={
            "requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}
        },
    )


@router.get("/v1/projects/{key}/settings")
@router.get("/v1/projects/{key}/settings/", include_in_schema=False)
async def project_settings(key: str, request: Request) -> Response:
    """Return what analytics-next and the mobile clients read first: where to send events."""
    host = request.headers.get("host", "")
    integration = {"apiKey": key, "apiHost": f"{host}/v1", "protocol": request.url.scheme}
    body = {"integrations": {"Segment.io": integration}, "plan": {}, "edgeFunction": {}}
    return json_response(body, {"Cache-Control": "no-store"})
