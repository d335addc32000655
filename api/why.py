"""``GET /v1/players/{id}/why``: one call that tells why a player did, or did not, get something.

In order: what was asked, what was decided, what still waits, and what stands between a message of that template and the
player right now. The last is the tower's own judgement (``crm.tower``) of a message that nobody asked for, over the
airspace as it is stored; nothing of it is written.
"""

from collections.abc import Mapping
from typing import Annotated, Any, get_args

from fastapi import APIRouter, Depends, Query
from msgspec import structs

from actors.programme import Programme
from actors.requests import MESSAGE_TTL_MS, finish
from api.auth import Principal, require
from api.context import Context, Ctx
from api.pages import CHUNK, answers, instant
from api.persons import snapshot_of
from api.views import live_programme, shown_decision
from crm.fields import Channel, Purpose
from crm.tower.airspace import Airspace, airspace_from_parts
from crm.tower.turn import take_tower_turn
from crm.tower.why import explain
from domain.calendar import as_datetime
from domain.decisions import Decision, decode_decision
from domain.entries import ChannelChanged, Command, LogEntry, MessageRequest
from domain.errors import Invalid, NotFound
from domain.ids import partition_of
from domain.player import Snapshot
from store.closures import Closures
from store.gates import read_stops
from store.keys import TOWER, in_flight, mute

router = APIRouter(prefix="/v1/players", tags=["Players"])

DECISIONS_MAX = 20  # shown; of the player's last 200
NONE_CLOSED: Mapping[str, ChannelChanged] = {}
DRY_ID = "req_0_dry"  # of the message that nobody asked for

PlayersReader = Annotated[Principal, Depends(require("players:read"))]
_EXAMPLE = {
    "player_id": "amelia",
    "at": "2026-11-22T20:10:00.000Z",
    "timezone": "Europe/Kyiv",
    "local_time": "2026-11-22T22:10:00+02:00",
    "template": "come-back",
    "asked": [{"request_id": "req_1f_5d41402abc4b2a76b9719d91", "template": "come-back", "by": "journeys/welcome#1"}],
    "decided": [{"outcome": "held", "reasons": ["quiet_hours"], "until": "2026-11-23T06:00:00.000Z"}],
    "waiting": [{"request_id": "req_1f_5d41402abc4b2a76b9719d91", "until": "2026-11-23T06:00:00.000Z"}],
    "gates": {"excluded": [], "muted": [], "in_flight": 0, "channels_closed": []},
    "on_its_way": [],
    "now": {"outcome": "held", "reasons": ["quiet_hours"], "until": "2026-11-23T06:00:00.000Z"},
    "in_words": ["It is quiet time for this channel where the player is."],
}


@router.get(
    "/{id}/why",
    summary="Why did this player (not) get this?",
    description="`asked`, `decided` and `waiting` are of the template, or of all without one. `now` is what the tower "
    "would decide of a message of it at this moment; nothing is asked or written.",
    responses=answers(_EXAMPLE, 401, 403, 404, 422),
)
async def read_why(
    id: str,
    context: Ctx,
    _: PlayersReader,
    template: Annotated[str | None, Query(max_length=100)] = None,
    purpose: Annotated[str | None, Query(max_length=20, description="Of the imagined message.")] = None,
    channel: Annotated[str | None, Query(max_length=20, description="Only this one, of the imagined message.")] = None,
) -> dict[str, Any]:
    _check(purpose, get_args(Purpose), "purpose")
    _check(channel, get_args(Channel), "channel")
    snapshot = await _known(context, id)
    programme = await live_programme(context)
    if template is not None and template not in programme.crm.templates:
        raise Invalid(f"there is no template {template!r} in the live programme", code="unknown_template")
    player, now = snapshot.player, context.clock.now_ms()
    p = partition_of(player, context.partitions)
    pipe: Any = context.redis.pipeline(transaction=False)
    pipe.hgetall(TOWER.state(p, player))
    pipe.xrevrange(TOWER.history(p, player), count=CHUNK)
    pipe.hget(mute(p), player)
    pipe.hlen(in_flight(p, player))
    fields, history, marks, flying = await pipe.execute()
    stops = await read_stops(context.redis, p, player)
    told = (await Closures(context.redis, context.intake).told([p]))[p]
    closed = {name: ChannelChanged(name, open=False, reason=reason) for name, reason in told.items()}
    parts = {name.decode(): value for name, value in fields.items()}
    airspace = airspace_from_parts(player, int(parts.pop("v", b"0")), parts)
    decisions = [
        decision
        for _offset, values in history
        if (decision := decode_decision(values[b"d"])) and template in (None, decision.template)
    ]
    zone = airspace.facts.timezone or snapshot.profile.timezone or programme.rules.timezone
    dry = None
    if template is not None:
        wanted = purpose or (decisions[0].purpose if decisions else "promo")
        request = imagined(context, programme, snapshot, template, wanted, channel, now)
        dry = dry_judgement(programme, airspace, request, now, stopped=bool(stops), closed=closed)
    return {
        "player_id": player,
        "at": instant(now),
        "timezone": zone,
        "local_time": as_datetime(now, zone).isoformat(timespec="seconds"),
        "policy_version": programme.version,
        "template": template,
        "asked": _asked(decisions),
        "decided": [shown_decision(decision) for decision in decisions[:DECISIONS_MAX]],
        "waiting": _waiting(airspace, template),
        "on_its_way": _flying(airspace, template),
        "gates": {
            "excluded": [{"reason": reason, "until": instant(until or 0)} for reason, until in stops.items()],
            "muted": sorted(marks.decode().splitlines()) if marks else [],
            "in_flight": flying,
            "channels_closed": [{"channel": name, "reason": reason} for name, reason in sorted(told.items())],
        },
        "now": shown_decision(dry) | {"request_id": None} if dry else None,
        "in_words": in_words(dry, bool(stops)) if dry else [],
    }


async def _known(context: Context, player_id: str) -> Snapshot:
    """Return the player's last snapshot; an empty one of a player who was only ever asked to be told something."""
    try:
        return await snapshot_of(context, player_id)
    except NotFound:
        key = TOWER.history(partition_of(player_id, context.partitions), player_id)
        if not await context.redis.exists(key):
            raise
        return Snapshot(player_id)


def imagined(
    context: Context,
    programme: Programme,
    snapshot: Snapshot,
    template: str,
    purpose: str,
    channel: str | None,
    now: int,
) -> MessageRequest:
    """Return the request that ``POST /v1/messages`` would make now, with its words."""
    partition = partition_of(snapshot.player, context.partitions)
    entry = LogEntry("0-0", now, Command(snapshot.player, "why", "message", {"template": template}))
    request = MessageRequest(
        snapshot.player, "why", template, purpose, (channel or "best",), now, now + MESSAGE_TTL_MS, source="api"
    )
    return structs.replace(finish(request, snapshot, entry, programme, partition), id=DRY_ID)


def dry_judgement(
    programme: Programme,
    airspace: Airspace,
    request: MessageRequest,
    now: int,
    *,
    stopped: bool,
    closed: Mapping[str, ChannelChanged] = NONE_CLOSED,
) -> Decision | None:
    """Return what the tower would decide; the step that it would take is thrown away."""
    step = take_tower_turn(programme.crm, airspace, LogEntry("0-0", now, request), stopped=stopped, closed=closed)
    return next((decision for decision in step.decisions if decision.request_id == request.id), None)


def in_words(decision: Decision, stopped: bool) -> list[str]:
    """Return a decision as sentences for a person."""
    if decision.outcome in ("cleared", "rerouted"):
        lines = [f"It would go now, by {decision.channel.replace('_', '-')}."]
        for other in decision.alternatives:
            lines += [f"Not by {other.channel.replace('_', '-')}: {explain(code)}" for code in other.reasons]
        return lines
    lines = [explain(code) for code in decision.reasons]
    return lines or (["The player is excluded."] if stopped else [f"It is {decision.outcome}."])


def _asked(decisions: list[Decision]) -> list[dict[str, Any]]:
    """Return the requests that were decided of, each once, the latest first."""
    found: dict[str, dict[str, Any]] = {}
    for decision in decisions:
        asked = {
            "request_id": decision.request_id,
            "template": decision.template,
            "purpose": decision.purpose,
            "by": decision.source or None,
            "latest": decision.outcome,
        }
        found.setdefault(decision.request_id, asked)
    return list(found.values())[:DECISIONS_MAX]


def _waiting(airspace: Airspace, template: str | None) -> list[dict[str, Any]]:
    held = [one for one in airspace.waiting.values() if template in (None, one.request.template)]
    return [
        {
            "request_id": one.request.id,
            "template": one.request.template,
            "purpose": one.request.purpose,
            "reasons": list(one.reasons),
            "why": [explain(code) for code in one.reasons],
            "until": instant(one.until),
            "expires_at": instant(one.request.expires_at),
            "waits_for_person": one.escalated,
        }
        for one in sorted(held, key=lambda one: (one.until, one.request.id))
    ]


def _flying(airspace: Airspace, template: str | None) -> list[dict[str, Any]]:
    return [
        {
            "request_id": one.request.id,
            "template": one.request.template,
            "channel": one.channel,
            "cleared_at": instant(one.cleared_at),
        }
        for one in airspace.flying.values()
        if template in (None, one.request.template)
    ]


def _check(value: str | None, known: tuple[str, ...], name: str) -> None:
    if value is not None and value not in known:
        raise Invalid(f"{name}: expected one of {' '.join(known)}, got {value[:40]!r}")
