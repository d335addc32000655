"""Is it alive and ready, how much waits, who owns what: for probes, Prometheus, ``playtower status`` and the page."""

import contextlib
from collections import deque
from typing import Annotated, Any, get_args
from weakref import WeakKeyDictionary

from fastapi import APIRouter, Depends, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from redis.exceptions import RedisError

from actors.models import ModelVersions
from api.auth import Principal, require
from api.budgets import every as all_budgets
from api.cases import open_cases
from api.channels import list_channels, read_channels
from api.context import Context, Ctx
from api.look import StoreView, look, shown_host
from api.metrics import Once, families
from api.pages import answers, instant
from api.tallies import tallies
from api.views import shown_decision
from api.watch import brief
from api.watch import view as watch_view
from crm.journeys.reasons import explain
from domain.decisions import Decision, Outcome, decode_decision
from domain.ids import partition_of
from store.keys import CHANNELS, PLAYERS, TOWER
from store.models import Models
from store.ports import Unavailable
from store.programmes import Programmes

router = APIRouter(tags=["Operations"])

RATE_OVER_MS = 10_000  # rates are over the last ten seconds at most
RECENT_MAX = 50
DECISIONS_MAX = 12  # of the tower, with their reasons
_OUTCOMES = frozenset(get_args(Outcome))

ReportsReader = Annotated[Principal, Depends(require("reports:read"))]


@router.get(
    "/healthz",
    summary="The process is alive",
    description="200 as long as the process answers; `store` tells whether the store does.",
    responses=answers({"status": "ok", "gateway": "g1", "store": True, "durability": "strict"}),
)
async def health(context: Ctx) -> dict[str, Any]:
    store, durability = await _durability(context)
    return {"status": "ok", "gateway": context.settings.gateway_id, "store": store, "durability": durability}


@router.get(
    "/readyz",
    summary="Ready for traffic",
    description="200 when the store answers and every partition has an owner; else 503, and "
    "`waiting_for` says what is missing. Events are accepted and kept while partitions wait for an owner.",
    responses=answers({"ready": True, "waiting_for": [], "partitions": 32, "owned": 32, "backlog": 0}, 503),
)
async def ready(context: Ctx) -> JSONResponse:
    try:
        view = await look(context)
    except (RedisError, OSError):
        return JSONResponse({"ready": False, "waiting_for": ["store"]}, status_code=503)
    lanes = view.of(PLAYERS)
    owned = sum(bool(lane.owner) for lane in lanes)
    missing = [
        what
        for what, lacking in (
            ("partitions", owned < len(lanes)),
            ("tower", not all(lane.owner for lane in view.of(TOWER))),
            ("couriers", bool(context.settings.couriers) and len(_sent_for(view)) < len(lanes)),
        )
        if lacking
    ]
    answer = {
        "ready": not missing,
        "waiting_for": missing,
        "programme": view.version,
        "partitions": len(lanes),
        "owned": owned,
        "backlog": sum(lane.backlog for lane in lanes),
    }
    return JSONResponse(answer, status_code=503 if missing else 200)


def _sent_for(view: StoreView) -> set[int]:
    """Return the partitions that couriers own, as those that are alive say."""
    couriers = [shown_host(beat, view.at) for beat in view.hosts if beat.get("lane") == CHANNELS.name]
    return {partition for courier in couriers if courier["alive"] for partition in courier["partitions"]}


async def _model(context: Context) -> dict[str, Any]:
    """Tell which model is in force, and whether this release can use it: one that it cannot use scores nobody."""
    models = Models(context.redis, context.intake)
    live = await models.live()
    passed = await models.passed(live.number)
    return {
        "version": live.version,
        "publication": live.number,
        "usable": await ModelVersions(models).ensure(live.version) is not None,
        "passed": passed.passed,
        "of": passed.of,
    }


@router.get(
    "/metrics",
    summary="Metrics in the Prometheus text format",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"example": 'playtower_partition_backlog{lane="players"} 0.0\n'}}}},
)
async def metrics(context: Ctx) -> Response:
    view = counted = seen = watched = budgets = cases = None
    with contextlib.suppress(RedisError, Unavailable, OSError):
        view = await look(context)
        counted = await tallies(context)
        seen = await read_channels(context)
        watched = await watch_view(context)
        budgets = await all_budgets(context)
        cases = await open_cases(context)
    registry = CollectorRegistry()
    registry.register(Once(families(context, view, counted, seen, watched, budgets, cases)))
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


@router.get(
    "/v1/status",
    summary="Partitions, hosts, programme and durability",
    responses=answers(
        {
            "at": "2026-11-22T09:00:00.000Z",
            "durability": "strict",
            "programme": {"version": 7, "passed": 32, "of": 32},
            "model": {"version": 3, "publication": 5, "usable": True, "passed": 32, "of": 32},
            "watch": {
                "watching": True,
                "at": "2026-11-22T09:00:00.000Z",
                "alarms": [],
                "drifted": ["days_14"],
                "scores_off": [],
            },
            "backlog": 0,
            "partitions": [{"partition": 0, "owner": "host-1", "epoch": 1, "backlog": 0, "programme": 7}],
            "hosts": [{"name": "host-1", "lane": "players", "alive": True, "players": 120, "dedicated": {"vip": 4711}}],
            "segments": {"at-risk": 1204},
            "journeys": {"welcome": 312},
            "walks": 0,
            "relays": 0,
            "channels": [{"channel": "email", "state": "open", "waiting": {"urgent": 0, "bulk": 12}, "in_flight": 4}],
        },
        401,
        403,
        503,
    ),
)
async def status(context: Ctx, _: ReportsReader) -> dict[str, Any]:
    view = await look(context)
    _store, durability = await _durability(context)
    lanes = view.of(PLAYERS)
    towers = {lane.partition: lane for lane in view.of(TOWER)}
    passed = sum(lane.programme >= view.version for lane in lanes)
    hosts = [shown_host(beat, view.at) for beat in view.hosts]
    stopped = {(host["lane"], p): why for host in hosts if host["alive"] for p, why in host["stopped"].items()}
    counted = await tallies(context)
    return {
        "at": instant(view.at),
        "durability": durability,
        "gateway": context.settings.gateway_id,
        "programme": {"version": view.version, "passed": passed, "of": len(lanes)},
        "model": await _model(context),
        "watch": brief(await watch_view(context)),
        "backlog": sum(lane.backlog for lane in view.lanes),
        "entries": sum(lane.entries_done for lane in lanes),
        "partitions": [
            {
                "partition": lane.partition,
                "owner": lane.owner or None,
                "epoch": lane.epoch,
                "backlog": lane.backlog,
                "programme": lane.programme,
                "offset": lane.offset,
                "stopped": lane.broken or stopped.get(("players", str(lane.partition))),
                "tower": {
                    "owner": towers[lane.partition].owner or None,
                    "epoch": towers[lane.partition].epoch,
                    "backlog": towers[lane.partition].backlog,
                    "stopped": towers[lane.partition].broken or stopped.get(("tower", str(lane.partition))),
                },
            }
            for lane in lanes
        ],
        "hosts": hosts,
        "players_by_host": {host["name"]: host["players"] for host in hosts if host["lane"] == "players"},
        "dedicated": {player: pid for host in hosts for player, pid in host["dedicated"].items()},
        "segments": counted.segments,
        "journeys": {journey: sum(nodes.values()) for journey, nodes in counted.journeys.items()},
        "walks": counted.walks,
        "relays": counted.relays,
        "channels": (await list_channels(context, _))["items"],
    }


@router.get(
    "/v1/live",
    summary="What happens now: rates, backlog, recent completions, who is in segments and journeys",
    description="For a page that asks once a second. Rates are over the last ten seconds of this gateway's looks; the "
    "players of segments and journeys are counted every few seconds.",
    responses=answers(
        {
            "at": "2026-11-22T09:00:00.000Z",
            "events": 120000,
            "events_per_s": 350.0,
            "tower_entries": 500,
            "backlog": 0,
            "players": 4000,
            "recent": [{"at": "2026-11-22T08:59:59.000Z", "player": "amelia", "what": "mission", "id": "ten-bets"}],
            "segments": [{"id": "at-risk", "name": {"en": "At risk"}, "players": 1204}],
            "journeys": [
                {
                    "id": "welcome",
                    "name": "Welcome",
                    "players": 312,
                    "nodes": [{"id": "w", "kind": "wait", "players": 312}],
                }
            ],
            "steps": [
                {
                    "at": "2026-11-22T08:59:59.000Z",
                    "player": "amelia",
                    "journey": "welcome",
                    "node": "w",
                    "outcome": "waited",
                    "why": "The wait is over.",
                }
            ],
            "walks": 0,
            "decisions": [
                {
                    "player": "amelia",
                    "outcome": "held",
                    "channel": None,
                    "template": "come-back",
                    "reasons": ["quiet_hours"],
                    "why": ["It is quiet time for this channel where the player is."],
                    "at": "2026-11-22T08:59:59.000Z",
                }
            ],
            "channels": [{"channel": "email", "waiting": 12, "open": True, "landings": {"sent": 4021}}],
            "in_flight": 3,
        },
        401,
        403,
        503,
    ),
)
async def live(context: Ctx, _: ReportsReader) -> dict[str, Any]:
    view = await look(context)
    events = sum(lane.entries_done for lane in view.of(PLAYERS))
    judged = sum(lane.entries_done for lane in view.of(TOWER))
    hosts = [shown_host(beat, view.at) for beat in view.hosts]
    recent = sorted((item for beat in view.hosts for item in beat.get("recent", ())), reverse=True)[:RECENT_MAX]
    steps = sorted((item for beat in view.hosts for item in beat.get("steps", ())), reverse=True)[:RECENT_MAX]
    counted = await tallies(context)
    seen = await read_channels(context)
    documents = (await context.programmes.current())[1]
    events_per_s, judged_per_s = _rates(context, view.at, (events, judged))
    return {
        "at": instant(view.at),
        "programme": view.version,
        "events": events,
        "events_per_s": events_per_s,
        "tower_entries": judged,
        "tower_entries_per_s": judged_per_s,
        "backlog": sum(lane.backlog for lane in view.lanes),
        "players": sum(host["players"] for host in hosts if host["lane"] == "players"),
        "gateway": dict(context.counts),
        "hosts": [
            {key: host[key] for key in ("name", "lane", "alive", "players", "entries", "partitions", "dedicated")}
            for host in hosts
        ],
        "recent": [
            {"at": instant(int(at)), "player": player, "what": what, "id": name} for at, player, what, name in recent
        ],
        "segments": [
            {"id": name, "name": documents.get("segments", {}).get(name, {}).get("name") or {}, "players": players}
            for name, players in counted.segments.items()
        ],
        "journeys": [
            _journey(name, documents.get("journeys", {}).get(name, {}), nodes)
            for name, nodes in counted.journeys.items()
        ],
        "steps": [_step(*item) for item in steps],
        "walks": counted.walks,
        "decisions": await _decisions(context, recent),
        "channels": [
            {
                "channel": channel,
                "waiting": sum(n for (name, _lane), n in seen.waiting.items() if name == channel),
                "open": all(said.get("open", True) for said in seen.channels.get(channel, ())),
                "landings": dict(seen.landings(channel)),
            }
            for channel in sorted(seen.channels)
        ],
        "in_flight": seen.in_flight,
    }


def _journey(name: str, document: dict[str, Any], nodes: dict[str, int]) -> dict[str, Any]:
    """Return a journey for the live page; nodes of earlier versions only while players are at them."""
    kinds = {node["id"]: str(node.get("kind", "")) for node in document.get("nodes", ())}
    return {
        "id": name,
        "name": document.get("name") or "",
        "players": sum(nodes.values()),
        "nodes": [
            {"id": node, "kind": kinds.get(node), "players": players}
            for node, players in nodes.items()
            if node in kinds or players
        ],
    }


async def _decisions(context: Context, recent: list[Any]) -> list[dict[str, Any]]:
    """Return the tower's last decisions with their reasons. Hosts tell of whom; the rest is in the players' history."""
    last = [(int(at), player, str(what), name) for at, player, what, name in recent if what in _OUTCOMES]
    last = last[:DECISIONS_MAX]
    pipe = context.redis.pipeline(transaction=False)
    for player in dict.fromkeys(player for _, player, _, _ in last):
        pipe.xrevrange(TOWER.history(partition_of(player, context.partitions), player), count=DECISIONS_MAX)
    found: dict[tuple[int, str, str, str], Decision] = {}
    for player, entries in zip(dict.fromkeys(player for _, player, _, _ in last), await pipe.execute(), strict=True):
        for _offset, fields in entries:
            decision = decode_decision(fields[b"d"])
            found.setdefault((decision.at, player, decision.outcome, decision.template), decision)
    return [
        {"player": key[1], **shown_decision(found[key])}
        if key in found
        else {"at": instant(key[0]), "player": key[1], "outcome": key[2], "template": key[3]}
        for key in last
    ]


def _step(at: int, player: str, what: str, name: str) -> dict[str, Any]:
    journey, node, outcome = name.rsplit("/", 2)
    outcome = outcome or "entered"
    shown = {"at": instant(int(at)), "player": player, "journey": journey, "node": node or None, "outcome": outcome}
    return shown | {"ended": what == "journey_ended", "why": explain(outcome)}


_samples: WeakKeyDictionary[Programmes, deque[tuple[int, tuple[int, ...]]]] = WeakKeyDictionary()


def _rates(context: Context, at: int, totals: tuple[int, ...]) -> list[float]:
    """Return how fast the totals grew since the oldest look of the last ten seconds."""
    samples = _samples.setdefault(context.programmes, deque(maxlen=1_000))
    samples.append((at, totals))
    while samples[0][0] < at - RATE_OVER_MS:
        samples.popleft()
    then, before = samples[0]
    return [
        round((now - was) * 1000 / (at - then), 1) if at > then else 0.0
        for now, was in zip(totals, before, strict=True)
    ]


async def _durability(context: Context) -> tuple[bool, str]:
    """Return whether the store answers and what an acknowledgement promises: strict, relaxed, none or unknown."""
    try:
        settings = await context.redis.config_get("append*")
    except RedisError as error:
        reached = not isinstance(error, ConnectionError | TimeoutError) and "onnect" not in type(error).__name__
        return reached and type(error).__name__ != "TimeoutError", "unknown"
    except OSError:
        return False, "unknown"
    if settings.get("appendonly") != "yes":
        return True, "none"
    return True, {"always": "strict", "everysec": "relaxed"}.get(settings.get("appendfsync", ""), "none")
