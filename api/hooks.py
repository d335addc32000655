"""What providers report: delivered, bounced, complained, replied; as receipts in the log of the player it is about.

A hook is open to the world, so nothing is believed before the vendor's signature is right (``channels.<kind>``). A
message is found by our own id where the vendor hands it back, by the signed status token of its address, by the
vendor's id, or, for what names neither, by who has that address.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path
from fastapi.responses import JSONResponse, PlainTextResponse
from pydantic import BaseModel, ConfigDict
from starlette.requests import Request
from starlette.responses import Response

from actors.courier.inbound import entry_of, is_reported
from api.auth import Principal, credential, principal_of, require
from api.bodies import read_body
from api.context import Context, Ctx
from api.limits import HOOK_MAX
from api.pages import CHUNK, answers
from api.persons import owner_of
from api.request_ids import request_partition
from channels.bounces import read_mail
from channels.hooks import BODY_MAX, HookAnswer, HookRequest, read_hook
from channels.ports import Inbound
from crm.connectors import CHANNEL_OF
from crm.identity.duplicates import CLAIMS_MAX
from crm.identity.finding import actors_of
from domain.decisions import decode_decision
from domain.errors import BadRequest, Busy, Forbidden, NotFound, Unauthorised
from domain.ids import partition_of
from domain.links import TOKEN_MAX, Link, read, sign
from store.keys import TOWER, requests
from store.ports import Incoming, Verdict
from store.provider_ids import Posted, ProviderIds

router = APIRouter(prefix="/v1", tags=["Channels"])

MAIL_MAX = HOOK_MAX
INBOUND_MAX = 1_000  # reports of one call
MAIL_TYPE = "message/rfc822"

Name = Annotated[str, Path(max_length=100, description="Id of a connector of the live programme.")]
ConfigWriter = Annotated[Principal, Depends(require("config:write"))]


class HookTokenBody(BaseModel):
    """Nothing to say."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {}})


@router.post(
    "/channels/{connector}/hook-token",
    summary="The path to which a mail server pipes bounces",
    description="For SMTP connectors, whose mails nobody signs: the token in the path stands for a server key.",
    responses=answers({"path": "/v1/hooks/mail?t=..."}, 401, 403, 404),
)
async def make_hook_token(
    connector: Name, context: Ctx, _: ConfigWriter, __: HookTokenBody | None = None
) -> dict[str, str]:
    _document(context, connector)
    link = Link("status", "", channel="email", target=f"hooks/{connector}", issued_at=context.clock.now_ms())
    return {"path": f"/v1/hooks/{connector}?t={sign(context.settings.token_secret, link)}"}


@router.get(
    "/hooks/{connector}",
    summary="A provider asks whether the hook is ours",
    response_class=PlainTextResponse,
    responses={
        **answers(None, 403, 404),
        200: {"description": "What it asked to hear", "content": {"text/plain": {"example": "1158201444"}}},
    },
)
async def verify(connector: Name, request: Request, context: Ctx) -> Response:
    answer = _read(context, request, _document(context, connector), b"")
    return Response(answer.text, media_type=answer.content_type)


@router.post(
    "/hooks/{connector}",
    summary="A provider reports what became of messages",
    description="Signed as the vendor of the connector signs. Raw mails (`message/rfc822`: bounces, complaints) come "
    "to an SMTP connector with a server key or its hook token. 200: what it told is in the log. The same report again "
    "changes nothing.",
    openapi_extra={
        "requestBody": {"content": {"*/*": {"example": "as the vendor sends it"}}},
        "parameters": [
            {
                "name": "t",
                "in": "query",
                "required": False,
                "schema": {"type": "string"},
                "description": "A token of ours: the message's status token, or the hook's own for mails.",
            }
        ],
    },
    responses=answers({"received": 2, "noted": 2}, 400, 401, 403, 404, 413, 429, 503),
)
async def report(connector: Name, request: Request, context: Ctx) -> Response:
    document = _document(context, connector)
    kind = str(document["kind"])
    link = _status_link(context, request)
    if kind == "smtp":
        await _check_mail(context, request, connector, link)
        raw, secret = await read_body(request, MAIL_MAX), context.settings.token_secret
        answer = HookAnswer(await asyncio.to_thread(read_mail, raw, secret, context.counts))
        link = link if link is not None and link.player else None
    else:
        answer = _read(context, request, document, await read_body(request, BODY_MAX))
    found = answer.inbound[:INBOUND_MAX]
    noted = await note(context, connector, kind, found, link)
    context.counts["hooks_received"] += len(answer.inbound)
    context.counts["hooks_unmatched"] += len(answer.inbound) - noted
    if answer.text:  # what the vendor reads: Twilio takes an answer for a reply
        return Response(answer.text, media_type=answer.content_type)
    return JSONResponse({"received": len(answer.inbound), "noted": noted})


async def note(context: Context, connector: str, kind: str, found: Sequence[Inbound], link: Link | None) -> int:
    """Append receipts of what a provider reports; how many of the reports were about a player of ours.

    Raises:
        Busy: a partition's backlog is full; the provider asks again.
        StoreDown: no answer.
    """
    entries: list[Incoming] = []
    noted, now, lateness_ms = 0, context.clock.now_ms(), context.settings.lateness_max_s * 1_000
    for inbound in found:
        if not is_reported(inbound):
            continue
        about = await _about(context, connector, kind, inbound, link)
        noted += bool(about)
        entries += [entry_of(inbound, told, connector, now, lateness_ms) for told in about]
    if entries and any(isinstance(answer, Verdict) for answer in await context.append(entries)):
        raise Busy("too many events wait; a retry is safe", retry_after_s=1)
    return noted


async def _about(context: Context, connector: str, kind: str, inbound: Inbound, link: Link | None) -> list[Posted]:
    """Return whom a report is about; a reply, or an address that is dead, may be of several players."""
    channel = CHANNEL_OF[kind]
    if link is not None:
        return [Posted(link.player, link.request, link.channel or channel, link.template, link.purpose)]
    if inbound.provider_id and (posted := await ProviderIds(context.redis).find(connector, inbound.provider_id)):
        return [posted]
    if inbound.request and (told := await _of_request(context, inbound.request, channel)):
        return [told]
    if inbound.player:
        return [Posted(inbound.player, inbound.request, channel)]
    if not inbound.address:
        return []
    return await _of_address(context, kind, inbound.address)


async def _of_request(context: Context, request: str, channel: str) -> Posted | None:
    partition = request_partition(request, context.partitions)
    player = await context.redis.hget(requests(partition), request) if partition is not None else None
    if player is None:
        return None
    owner = await owner_of(context, player.decode())
    key = TOWER.history(partition_of(owner, context.partitions), owner)
    for _offset, fields in await context.redis.xrevrange(key, count=CHUNK):
        decision = decode_decision(fields[b"d"])
        if decision.request_id == request:
            return Posted(owner, request, decision.channel or channel, decision.template, decision.purpose)
    return Posted(owner, request, channel)


async def _of_address(context: Context, kind: str, address: str) -> list[Posted]:
    for actor in actors_of(kind, address):
        if claims := (await context.players.ref(actor).state()).identity.claims:
            return [Posted(player, "", CHANNEL_OF[kind]) for player in list(claims)[:CLAIMS_MAX]]
    return []


async def _check_mail(context: Context, request: Request, connector: str, link: Link | None) -> None:
    """Let a raw mail pass: by a server key that may write events, or by the connector's token."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != MAIL_TYPE:
        raise BadRequest(f"expected a raw mail as {MAIL_TYPE}, got {media_type[:60]!r}", code="mail_expected")
    if link is not None and link.target == f"hooks/{connector}":
        return
    secret = credential(request.headers.get("authorization"))
    if secret is None:
        raise Unauthorised("expected a server key, or the hook's token as `t`")
    if not (await principal_of(context, secret)).may("events:write"):
        raise Forbidden("this needs a server key with scope events:write", scope="events:write")


def _status_link(context: Context, request: Request) -> Link | None:
    token = request.query_params.get("t", "")
    if not token:
        return None
    link = read(context.settings.token_secret, token, "status") if len(token) <= TOKEN_MAX else None
    if link is None:
        raise Forbidden("expected `t` as the engine signed it", code="bad_token")
    return link


def _document(context: Context, connector: str) -> Mapping[str, Any]:
    document: Mapping[str, Any] | None = context.programme.documents.get("connectors", {}).get(connector)
    if document is None or document.get("kind") not in CHANNEL_OF:
        raise NotFound(f"the live programme has no connector {connector!r}", code="connector_not_found")
    return document


def _read(context: Context, request: Request, document: Mapping[str, Any], body: bytes) -> HookAnswer:
    """Return what a vendor tells; what is not the vendor's is refused and counted."""
    public = context.settings.public_url.rstrip("/")
    query = f"?{request.url.query}" if request.url.query else ""
    url = public + request.url.path + query if public else str(request.url)
    try:
        return read_hook(document, HookRequest(request.method, url, dict(request.headers), body))
    except Forbidden:
        context.counts["hooks_refused"] += 1
        raise
