"""Requests to the tower, made whole: a final id, where they come from, their words in every channel they may take."""

from typing import Any, get_args

from msgspec import structs

from actors.programme import Programme
from actors.variables import filled_in
from crm.addresses import REACHABLE
from crm.content import render_contents
from crm.facts.goals import problem_of
from crm.fields import Product
from crm.templates import render
from crm.tower.policy import CHANNELS
from domain.effects import Answered
from domain.entries import Command, Event, LogEntry, MessageRequest
from domain.ids import request_id as request_id
from domain.player import Snapshot

MESSAGE_TTL_MS = 24 * 3_600_000  # a request without an expiry
_PRODUCTS = frozenset(get_args(Product))
_CONFIRM_KEY = "confirm_key"  # among a template's variables: the consent that its link confirms
_CONFIRMS = "confirm"  # where ``channels.tracking`` looks for it


def finish(
    request: MessageRequest, state: Snapshot, entry: LogEntry, programme: Programme, partition: int
) -> MessageRequest:
    """Give a rule's request its final id and its words; the rule's id names the cause, its content the variables."""
    content, contents = _words(request, state, entry, programme)
    return structs.replace(
        request,
        player=state.player,
        id=request_id(partition, state.player, request.id),
        content=content,
        contents=contents,
        source=request.source or "/".join(request.id.split("/")[:2]),  # missions/<id>/<cycle>: the game's rules
    )


def asked(command: Command, state: Snapshot, entry: LogEntry, programme: Programme) -> MessageRequest | Answered:
    """Make the request that ``POST /v1/messages`` asks for, or say why not."""
    args = command.args
    template = str(args.get("template", ""))
    rendered = args.get("rendered")  # of a message that is replayed: its words, by channel, as they were
    if template not in programme.crm.templates and not rendered:
        return Answered(code="unknown_template", detail=f"there is no template {template!r} in the live programme")
    product, goal = str(args.get("product") or ""), args.get("goal") or {}
    if product and product not in _PRODUCTS:
        return Answered("invalid_arguments", f"product: expected one of {' '.join(sorted(_PRODUCTS))}, got {product!r}")
    if goal and (problem := problem_of(goal)):
        return Answered("invalid_arguments", problem)
    channels = args.get("channels", "best")
    request = MessageRequest(
        player=state.player,
        id=str(args["request_id"]),
        template=template,
        purpose=str(args.get("purpose", "promo")),
        channels=tuple(channels) if isinstance(channels, list) else (str(channels),),
        requested_at=entry.at,
        expires_at=int(args.get("expires_at") or entry.at + MESSAGE_TTL_MS),
        content=dict(args.get("variables") or {}),
        priority=args.get("priority"),
        conflict_group=str(args.get("conflict_group") or ""),
        cause=command.id,
        product=product,
        source=str(args.get("source") or "api"),
        goal=dict(goal),
        ask_person=args.get("ask_person") is True,
    )
    if isinstance(rendered, dict) and rendered:
        return structs.replace(request, content={}, contents=rendered)
    content, contents = _words(request, state, entry, programme)
    return structs.replace(request, content=content, contents=contents)


def _words(
    request: MessageRequest, state: Snapshot, entry: LogEntry, programme: Programme
) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Return a template's words, and those of each channel outside that the message may take."""
    crm, given = programme.crm, request.content
    if not request.template:  # a journey calls another system plainly: what it brings is the message
        return {"title": "", "body": "", "payload": given.get("payload") or {}}, {}
    if request.template not in crm.templates:
        return {"title": request.template, "body": ""}, {}
    event = entry.entry if isinstance(entry.entry, Event) else None
    written, locale = crm.templates[request.template], state.profile.locale
    variables = filled_in(written, given, (programme, state, entry.at, event))
    content = render(written, locale=locale, fallback_locale=crm.locale, variables=variables)
    outside = _outside(request, state, crm.policy.available)
    contents = (
        render_contents(written, outside, locale=locale, fallback_locale=crm.locale, variables=variables)
        if outside
        else {}
    )
    if _CONFIRM_KEY in given:  # whoever signs the link must know what it confirms
        for said in contents.values():
            said[_CONFIRMS] = given[_CONFIRM_KEY]
    return content, contents


def _outside(request: MessageRequest, state: Snapshot, available: tuple[str, ...]) -> list[str]:
    """Return the channels to find words for: those asked for; if the tower may choose, those that reach the player."""
    reach = state.air.get("reach") or {}
    wanted: dict[str, None] = dict.fromkeys(name for name in request.channels if name != "best")
    if not request.channels or "best" in request.channels:
        wanted |= dict.fromkeys(name for name in CHANNELS if name in REACHABLE and name in reach)
    return [name for name in wanted if name in available and name != "in_app"]
