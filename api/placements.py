"""What a slot of a page shows to one player: chosen from the last committed snapshot, in one round trip to the store.

The gates of every channel stand before it: an exclusion, a consent withdrawn a moment ago. What was shown and clicked
comes back as events of the player (``placement_shown``, ``placement_clicked``).
"""

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from actors.clock import new_id
from actors.programme import Programme
from actors.variables import filled_in
from api.auth import OwnPlayer, Principal, require
from api.consents import said_by
from api.context import Context, Ctx
from api.pages import answers, instant
from api.persons import MOVED, checked, owner_of
from api.receipts import append_event
from api.slot_choices import drawn_for, told
from api.views import live_programme
from crm.placements import CHANNEL, Allowed, Choice, choose
from crm.templates import render
from domain.calendar import local_day
from domain.context import PlayerContext
from domain.entries import Event
from domain.errors import BadRequest, Conflict, Forbidden, NotFound
from domain.ids import partition_of
from domain.links import TOKEN_MAX, Link, read, sign
from domain.player import Snapshot, snapshot_from_parts
from store.exposures import Exposures, shown_today
from store.gates import read_value
from store.keys import PLAYERS, mute, shown, stop

EXPOSURE_MS = 86_400_000  # a page that was open longer tells of nothing that is still counted
_CONTENT = {
    "slot": "home-banner",
    "content": {"title": "Hi Amelia", "body": "...", "action": {"label": "Play", "url": "/play"}},
    "template": "spring",
    "purpose": "promo",
    "fallback": False,
    "exposure": "lapwbGFjZW1lbnQ...",
}
_TOLD = answers({"accepted": True, "duplicate": False}, 400, 401, 403, 404, 422, 429, 503, ok=202)
_SHOWN = answers(_CONTENT, 401, 403, 404, 409, 503)

PlayersReader = Annotated[Principal, Depends(require("players:read"))]
PlayersWriter = Annotated[Principal, Depends(require("players:write"))]
Slot = Annotated[str, Path(max_length=100, description="Id of a placement of the live programme.")]
Expose = Annotated[bool, Query(description="Count it as shown at once, for pages that show what they ask for.")]


class ExposureBody(BaseModel):
    """What was shown or clicked: the ``exposure`` that the slot's content came with."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"exposure": "lapwbGFjZW1lbnQ..."}})

    exposure: Annotated[str, Field(min_length=1, max_length=TOKEN_MAX)]


async def _reader(id: str, _: PlayersReader) -> str:
    return checked(id)


async def _writer(id: str, _: PlayersWriter) -> str:
    return checked(id)


async def _myself(player_id: OwnPlayer) -> str:
    return player_id


def _endpoints(prefix: str, reader: Callable[..., Any], writer: Callable[..., Any], tag: str, own: bool) -> APIRouter:
    router = APIRouter(prefix=prefix, tags=[tag])
    reading = Annotated[str, Depends(reader)]
    writing = Annotated[str, Depends(writer)]

    @router.get(
        "/placements/{slot}",
        summary="What a slot shows to me" if own else "What a slot shows to the player",
        description="`content` is null when there is nothing to show. `exposure` names this showing: tell it when the "
        "content was seen and clicked.",
        responses=_SHOWN,
    )
    async def read_placement(slot: Slot, context: Ctx, player_id: reading, expose: Expose = False) -> JSONResponse:
        return await _shown(context, player_id, slot, expose=expose, own=own)

    @router.post("/placements/{slot}/shown", summary="It was seen", status_code=202, responses=_TOLD)
    async def tell_shown(slot: Slot, body: ExposureBody, context: Ctx, player_id: writing) -> JSONResponse:
        return await _told(context, player_id, slot, body.exposure, "shown")

    @router.post("/placements/{slot}/clicked", summary="It was clicked", status_code=202, responses=_TOLD)
    async def tell_clicked(slot: Slot, body: ExposureBody, context: Ctx, player_id: writing) -> JSONResponse:
        return await _told(context, player_id, slot, body.exposure, "clicked")

    return router


async def _shown(context: Context, player_id: str, slot: str, *, expose: bool, own: bool) -> JSONResponse:
    programme = await live_programme(context)
    if slot not in programme.crm.placements:
        raise NotFound(f"the live programme has no placement {slot!r}", code="placement_not_found")
    snapshot, choice, draw = await chosen(context, programme, player_id, slot, own=own)
    now = context.clock.now_ms()
    answer: dict[str, Any] = {"slot": slot, "content": None, "template": None, "purpose": None, "fallback": False}
    if choice.candidate is not None:
        candidate = choice.candidate
        link = Link("exposure", player_id, new_id(), CHANNEL, slot, candidate.template, candidate.purpose, now, draw)
        answer |= {
            "content": content(programme, snapshot, candidate.template, now),
            "template": candidate.template,
            "purpose": candidate.purpose,
            "fallback": choice.is_fallback,
            "exposure": sign(context.settings.token_secret, link),
        }
        if expose:
            await _note(context, link, "shown")
    if not own:  # an operator's view: why the others are not
        answer["passed_over"] = [{"template": name, "reason": reason} for name, reason in choice.passed_over]
    answer["at"] = instant(now)
    return JSONResponse(answer, headers={"Cache-Control": "no-store"})


async def chosen(
    context: Context, programme: Programme, player_id: str, slot: str, *, own: bool = False
) -> tuple[Snapshot, Choice, str]:
    """Return the player, known or not, what the slot shows to them, and the name of the draw that it came from.

    Raises:
        Conflict: the id of the player's own token was merged into another.
    """
    placement = programme.crm.placements[slot]
    now = context.clock.now_ms()
    snapshot, gates = await _read(context, player_id)
    if snapshot.identity.merged_into:
        if own:
            raise Conflict(MOVED, code="player_moved")
        following, theirs = await _read(context, snapshot.identity.merged_into)
        if following.version:
            snapshot, gates = following, theirs
    stopped, marks, counted = gates
    zone = snapshot.profile.timezone or programme.crm.timezone
    day = local_day(now, zone)
    member = snapshot.segments.member

    def metric(name: str) -> int | float | None:
        return programme.metrics.metric(snapshot, name, now)

    asked = PlayerContext(snapshot, metric=metric, segment=lambda name: name in member, now=now, zone=zone)
    policy = programme.crm.policy
    allowed = Allowed(
        is_excluded=bool(stopped and read_value(stopped, now)) or bool(_bars(snapshot, now)),
        said=said_by(snapshot)[0],
        muted=frozenset(marks.decode().splitlines()) if marks else frozenset(),
        required=policy.consent_required,
        products=policy.consent_products,
    )
    seen = shown_today(counted.items(), slot, day)
    pick = partial(choose, placement, asked, allowed, player=snapshot.player, day=day, shown=seen)
    rule = programme.crm.choices.choices.get(placement.choice)
    if rule is None:
        return snapshot, pick(), ""
    return snapshot, *await drawn_for(context, rule, snapshot, asked, (slot, day, counted), pick)


def content(programme: Programme, snapshot: Snapshot, template: str, now: int) -> dict[str, Any]:
    """Return a template's words for the player, in their language."""
    written = programme.crm.templates[template]
    variables = filled_in(written, {}, (programme, snapshot, now, None))
    return render(written, locale=snapshot.profile.locale, fallback_locale=programme.crm.locale, variables=variables)


async def _read(
    context: Context, player_id: str
) -> tuple[Snapshot, tuple[bytes | None, bytes | None, dict[bytes, bytes]]]:
    p = partition_of(player_id, context.partitions)
    pipe: Any = context.redis.pipeline(transaction=False)
    pipe.hgetall(PLAYERS.state(p, player_id))
    pipe.hget(stop(p), player_id)
    pipe.hget(mute(p), player_id)
    pipe.hgetall(shown(p, player_id))
    fields, stopped, marks, counted = await pipe.execute()
    parts = {name.decode(): value for name, value in fields.items()}
    return snapshot_from_parts(player_id, int(parts.pop("v", b"0")), parts), (stopped, marks, counted)


def _bars(snapshot: Snapshot, now: int) -> list[str]:
    """Return the reasons for which the player's own turns know them excluded: the store's stop may be elsewhere."""
    held = snapshot.air.get("exclusions") or {}
    return [
        reason
        for reason, bar in held.items()
        if not (isinstance(bar, dict) and bar.get("ends_by_itself") and (bar.get("until") or now) <= now)
    ]


async def _told(
    context: Context, player_id: str, slot: str, token: str, what: Literal["shown", "clicked"]
) -> JSONResponse:
    link = read(context.settings.token_secret, token, "exposure")
    if link is None or link.target != slot:
        raise BadRequest("expected the `exposure` that this slot's content came with", code="bad_exposure")
    if link.player != player_id:
        raise Forbidden("this exposure is another player's", code="other_player")
    if context.clock.now_ms() - link.issued_at > EXPOSURE_MS:
        raise BadRequest("expected an `exposure` of the last 24 hours", code="exposure_expired")
    duplicate = await _note(context, link, what)
    return JSONResponse({"accepted": True, "duplicate": duplicate}, status_code=202)


async def _note(context: Context, link: Link, what: str) -> bool:
    """Append the event of an exposure, once; whether it was there already. The time is when it was asked for."""
    exposures = Exposures(context.redis, context.partitions)
    properties: dict[str, Any] = {
        "slot": link.target,
        "template": link.template,
        "purpose": link.purpose,
        "channel": link.channel,
        "exposure_id": link.request,
    }
    if link.draw:
        properties |= await told(exposures, await owner_of(context, link.player), link, what)
    event_id = f"plc:{link.request}:{what}"
    event = Event(link.player, event_id, f"placement_{what}", link.issued_at, properties, source="placement")
    appended = await append_event(context, event)
    if what == "shown" and not appended.duplicate:
        programme = await live_programme(context)
        snapshot = await context.players.ref(link.player).state()
        day = local_day(context.clock.now_ms(), snapshot.profile.timezone or programme.crm.timezone)
        await exposures.count(link.player, link.target, day, link.template)
    return appended.duplicate


router = APIRouter()
router.include_router(_endpoints("/v1/me", _myself, _myself, "Me", own=True))
router.include_router(_endpoints("/v1/players/{id}", _reader, _writer, "Players", own=False))
