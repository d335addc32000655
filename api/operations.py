"""Is it alive and ready, how much waits, who owns what: for probes, Prometheus, ``playtower status`` and the page."""

import contextlib
from collections import deque
from collections.abc import Iterable
from typing import Annotated, Any
from weakref import WeakKeyDictionary

from fastapi import APIRouter, Depends, Response
from fastapi.responses import JSONResponse
from msgspec import Struct
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from redis.exceptions import RedisError

from api.auth import Principal, require
from api.context import Context, Ctx
from api.pages import answers, instant
from api.views import heartbeat
from store.keys import HOSTS, PLAYERS, PROGRAMME_VERSIONS, TOWER, Lane
from store.programmes import Programmes, part_version

router = APIRouter(tags=["Operations"])

RATE_OVER_MS = 10_000  # rates are over the last ten seconds at most
ALIVE_MS = 5_000  # a heartbeat older than that is shown as gone
RECENT_MAX = 50
_META = ("owner", "until", "epoch", "in", "done", "part", "broken", "off")

ReportsReader = Annotated[Principal, Depends(require("reports:read"))]


class LaneView(Struct, frozen=True):
    """One lane of one partition, as its meta hash tells."""

    partition: int
    lane: str
    owner: str  # "" when nobody's lease runs
    epoch: int
    entries_in: int
    entries_done: int
    programme: int
    offset: str
    broken: str

    @property
    def backlog(self) -> int:
        return max(self.entries_in - self.entries_done, 0)


class StoreView(Struct, frozen=True):
    """What one look at the store shows."""

    at: int  # ms, store clock
    version: int  # live programme
    lanes: list[LaneView]
    hosts: list[dict[str, Any]]

    def of(self, lane: Lane) -> list[LaneView]:
        return [view for view in self.lanes if view.lane == lane.name]


async def look(context: Context) -> StoreView:
    """Read partitions, hosts and the live version in one round trip."""
    pipe = context.redis.pipeline(transaction=False)
    pipe.time()
    pipe.hget(PROGRAMME_VERSIONS, "published")
    pipe.hgetall(HOSTS)
    places = [(lane, p) for lane in (PLAYERS, TOWER) for p in range(context.partitions)]
    for lane, p in places:
        pipe.hmget(lane.meta(p), _META)
    (seconds, micros), version, hosts, *metas = await pipe.execute()
    at = int(seconds) * 1000 + int(micros) // 1000
    return StoreView(
        at,
        int(version or 0),
        [_lane(lane.name, p, meta, at) for (lane, p), meta in zip(places, metas, strict=True)],
        sorted((heartbeat(value) for value in hosts.values()), key=lambda beat: str(beat.get("name", ""))),
    )


def _lane(lane: str, partition: int, meta: list[bytes | None], at: int) -> LaneView:
    owner, until, epoch, entries_in, done, part, broken, offset = meta
    return LaneView(
        partition,
        lane,
        owner.decode() if owner and float(until or 0) > at else "",
        int(epoch or 0),
        int(entries_in or 0),
        int(done or 0),
        part_version(part),
        offset.decode() if offset else "0-0",
        broken.decode() if broken else "",
    )


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


@router.get(
    "/metrics",
    summary="Metrics in the Prometheus text format",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"example": 'playtower_partition_backlog{lane="players"} 0.0\n'}}}},
)
async def metrics(context: Ctx) -> Response:
    view = None
    with contextlib.suppress(RedisError, OSError):
        view = await look(context)
    registry = CollectorRegistry()
    registry.register(_Once(_families(context, view)))
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


@router.get(
    "/v1/status",
    summary="Partitions, hosts, programme and durability",
    responses=answers(
        {
            "at": "2026-11-22T09:00:00.000Z",
            "durability": "strict",
            "programme": {"version": 7, "passed": 32, "of": 32},
            "backlog": 0,
            "partitions": [{"partition": 0, "owner": "host-1", "epoch": 1, "backlog": 0, "programme": 7}],
            "hosts": [{"name": "host-1", "lane": "players", "alive": True, "players": 120, "dedicated": {"vip": 4711}}],
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
    hosts = [_host(beat, view.at) for beat in view.hosts]
    stopped = {(host["lane"], p): why for host in hosts if host["alive"] for p, why in host["stopped"].items()}
    return {
        "at": instant(view.at),
        "durability": durability,
        "gateway": context.settings.gateway_id,
        "programme": {"version": view.version, "passed": passed, "of": len(lanes)},
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
    }


@router.get(
    "/v1/live",
    summary="What happens now: rates, backlog, recent completions",
    description="For a page that asks once a second. Rates are over the last ten seconds of this gateway's looks.",
    responses=answers(
        {
            "at": "2026-11-22T09:00:00.000Z",
            "events": 120000,
            "events_per_s": 350.0,
            "tower_entries": 500,
            "backlog": 0,
            "players": 4000,
            "recent": [{"at": "2026-11-22T08:59:59.000Z", "player": "amelia", "what": "mission", "id": "ten-bets"}],
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
    hosts = [_host(beat, view.at) for beat in view.hosts]
    recent = sorted((item for beat in view.hosts for item in beat.get("recent", ())), reverse=True)[:RECENT_MAX]
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
    }


def _host(beat: dict[str, Any], now: int) -> dict[str, Any]:
    return {
        "name": str(beat.get("name", "")),
        "lane": str(beat.get("lane", "")),
        "alive": now - int(beat.get("at", 0)) < ALIVE_MS,
        "pid": beat.get("pid"),
        "node": beat.get("node"),
        "at": instant(int(beat.get("at", 0))),
        "partitions": beat.get("partitions", []),
        "stopped": beat.get("stopped", {}),
        "entries": beat.get("entries", 0),
        "commits": beat.get("commits", 0),
        "lost": beat.get("lost", 0),
        "players": beat.get("players", 0),
        "dedicated": beat.get("dedicated", {}),
        "dedicated_refused": beat.get("dedicated_refused", 0),
        "dedicated_failed": beat.get("dedicated_failed", 0),
    }


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


class _Once(Collector):
    """Hands families that were already read to the exporter."""

    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def _families(context: Context, view: StoreView | None) -> list[Metric]:
    up = GaugeMetricFamily("playtower_store_up", "Whether the store answers", value=float(view is not None))
    counts = CounterMetricFamily("playtower_gateway", "What this gateway counted", labels=["what"])
    for what, count in sorted(context.counts.items()):
        counts.add_metric([what], count)
    sockets = GaugeMetricFamily("playtower_sockets", "Open player sockets", value=context.feeds.connected)
    return [up, counts, sockets, *(_store_families(view) if view else ())]


def _store_families(view: StoreView) -> list[Metric]:
    lane_labels = ["lane", "partition"]
    entries_in = CounterMetricFamily("playtower_partition_entries_in", "Entries appended", labels=lane_labels)
    done = CounterMetricFamily("playtower_partition_entries_done", "Entries committed", labels=lane_labels)
    backlog = GaugeMetricFamily("playtower_partition_backlog", "Entries that wait", labels=lane_labels)
    owned = GaugeMetricFamily("playtower_partition_owned", "1 when somebody's lease runs", labels=lane_labels)
    broken = GaugeMetricFamily("playtower_partition_broken", "1 when a person must look", labels=lane_labels)
    for lane in view.lanes:
        labels = [lane.lane, str(lane.partition)]
        entries_in.add_metric(labels, lane.entries_in)
        done.add_metric(labels, lane.entries_done)
        backlog.add_metric(labels, lane.backlog)
        owned.add_metric(labels, float(bool(lane.owner)))
        broken.add_metric(labels, float(bool(lane.broken)))
    version = GaugeMetricFamily("playtower_programme_version", "Live programme version", value=view.version)
    return [entries_in, done, backlog, owned, broken, version, *_host_families(view)]


def _host_families(view: StoreView) -> list[Metric]:
    labels = ["host", "lane"]
    alive = GaugeMetricFamily("playtower_host_alive", "1 when its heartbeat is recent", labels=labels)
    players = GaugeMetricFamily("playtower_host_players", "Players in memory", labels=labels)
    entries = CounterMetricFamily("playtower_host_entries", "Entries applied since it started", labels=labels)
    commits = CounterMetricFamily("playtower_host_commits", "Commits since it started", labels=labels)
    stopped = GaugeMetricFamily("playtower_host_stopped_partitions", "Partitions that stopped", labels=labels)
    for beat in view.hosts:
        host = _host(beat, view.at)
        names = [host["name"], host["lane"]]
        alive.add_metric(names, float(host["alive"]))
        players.add_metric(names, host["players"])
        entries.add_metric(names, host["entries"])
        commits.add_metric(names, host["commits"])
        stopped.add_metric(names, len(host["stopped"]))
    return [alive, players, entries, commits, stopped]
