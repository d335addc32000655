"""``POST /v1/cloudevents``: CloudEvents 1.0 over HTTP, structured, batched and binary.

``subject`` is the player, ``type`` the event's name, ``id`` the message id, ``time`` when it happened, ``data`` its
properties. Everything else is as for ``/v1/track``.
"""

from typing import Any
from urllib.parse import unquote

import msgspec
from fastapi import APIRouter, Request, Response
from msgspec import Struct
from starlette.datastructures import Headers

from api.auth import credential, principal_of
from api.context import Context
from api.intake import Reader, json_response, read_body, report, rules_of, sender, take, take_one, wait_of
from api.masks import Rejection
from api.normalise import Accepted, Rules, Segment, normalise
from domain.errors import BadRequest, Unauthorised

STRUCTURED = "application/cloudevents+json"
BATCHED = "application/cloudevents-batch+json"

router = APIRouter(tags=["events"])


class CloudEvent(Struct, gc=False):
    """The attributes that are read; extensions are ignored."""

    specversion: str | None = None
    id: str | None = None
    type: str | None = None
    subject: str | None = None
    source: str | None = None
    time: str | None = None
    data: dict[str, Any] | None = None
    data_base64: str | None = None


_decode = msgspec.json.Decoder(CloudEvent).decode
_decode_batch = msgspec.json.Decoder(list[msgspec.Raw]).decode


def read_cloud_event(raw: bytes, rules: Rules) -> Accepted:
    """Return the log entry of one CloudEvent.

    Raises:
        Rejection: it is refused for good.
        msgspec.DecodeError: it is not JSON at all.
    """
    if len(raw) > rules.max_event:
        raise Rejection("too_large", f"expected at most {rules.max_event} bytes, got {len(raw)}")
    try:
        event = _decode(raw)
    except msgspec.ValidationError as error:
        code = "number_out_of_range" if "out of range" in str(error) else "bad_event"
        raise Rejection(code, str(error)) from error
    if event.specversion != "1.0":
        raise Rejection("bad_event", f"expected specversion 1.0, got {str(event.specversion)[:20]!r}", "specversion")
    if event.data_base64 is not None:
        raise Rejection("bad_event", "expected data as a JSON object", "data_base64")
    context = {"source": event.source} if event.source else None
    body = Segment(
        event=event.type,
        user_id=event.subject,
        message_id=event.id,
        timestamp=event.time,
        properties=event.data,
        context=context,
    )
    return normalise(body, raw, "track", rules)


READER = Reader(read_cloud_event, form="cloudevents")


@router.post("/v1/cloudevents")
async def receive_cloud_events(request: Request) -> Response:
    """Take CloudEvents; the answer comes when they are durable."""
    context: Context = request.app.state.context
    headers = request.headers
    secret = credential(headers.get("authorization"))
    if secret is None:
        raise Unauthorised("expected a key: Basic (key:) or Bearer")
    principal = await sender(context, await principal_of(context, secret), None)
    body = await read_body(context, headers, request.receive)
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == BATCHED:
        try:
            raws = [bytes(raw) for raw in _decode_batch(body)]
        except (msgspec.DecodeError, RecursionError) as error:
            raise BadRequest(str(error), code="malformed") from error
        outcome = await take(context, rules_of(context, principal), raws, READER)
        return json_response(report(outcome))
    if "ce-specversion" in headers and media_type != STRUCTURED:
        body = _structured(headers, body)
    wait_s = wait_of(headers)
    rules = rules_of(context, principal, wait=wait_s is not None)
    return await take_one(context, rules, body, READER, wait_s)


def _structured(headers: Headers, body: bytes) -> bytes:
    """Return a binary-mode message in structured form."""
    attributes = {name: unquote(headers.get(f"ce-{name}", "")) for name in ("specversion", "id", "type", "source")}
    attributes |= {name: unquote(headers[f"ce-{name}"]) for name in ("subject", "time") if f"ce-{name}" in headers}
    fields = {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in attributes.items() if value}
    if body.strip():
        try:
            fields["data"] = msgspec.json.decode(body, type=msgspec.Raw)
        except (msgspec.DecodeError, RecursionError) as error:
            raise BadRequest(str(error), code="malformed") from error
    return msgspec.json.encode(fields)
