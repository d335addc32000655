"""``timers``: "no deposit for 7 days" of many players, armed by timer: how late those that come due are, and what the
others cost meanwhile (a sweep would show as CPU that grows with the players).
"""

import time
from datetime import UTC, datetime
from typing import Any, cast

from bench import processes
from bench.background import Background
from bench.engine_process import Engine
from bench.figures import percentile
from bench.options import Options, machine, show
from domain.calendar import as_ms
from playtower.client import Client
from store.keys import PLAYERS, group

ARMED_EACH = 20  # armed players for each of ``--players``: 100,000 by default
BATCH = 100
PROBES = 300
PROBES_PER_S = 50
DUE_S = 15  # of the probes; those armed wait for seven days
IDLE_S = 5.0
LOAD = 200  # events/s while the probes come due
LOOK_S = 0.02
METRIC = {"event": "deposit_completed", "aggregate": "since"}
SEGMENTS = {
    "bench-silent": {"where": {"metric": "bench-since-deposit", "op": "gte", "value": 7 * 86_400}},
    "bench-due": {
        "where": {
            "all": [
                {"metric": "bench-since-deposit", "op": "gte", "value": DUE_S},
                {"field": "player.traits.probe", "op": "eq", "value": True},
            ]
        }
    },
}


def run(options: Options) -> dict[str, Any]:
    """Arm the players, look at the idle hosts, then let the probes come due under load."""
    armed = options.players * ARMED_EACH
    with Engine(options) as engine, Client(engine.key, engine.url) as client:
        client.request("PUT", "/v1/config/metrics/bench-since-deposit", json=METRIC)
        for name, document in SEGMENTS.items():
            client.request("PUT", f"/v1/config/segments/{name}", json=document)
        client.request("POST", "/v1/programme/publish", json={}, headers={"Prefer": "wait=10"})
        idle_before = _idle_share(engine)
        began = time.monotonic()
        _deposit(client, [f"armed-{n}" for n in range(armed)])
        engine.settle_all()
        arming_s = time.monotonic() - began
        waiting = _timers(engine)
        idle_after = _idle_share(engine)
        with Background(engine, LOAD, PROBES / PROBES_PER_S + DUE_S + 5, "timers"):
            late = _probe(engine, client)
    result: dict[str, Any] = {
        "bench": "timers",
        "armed": armed,
        "timers_set": waiting,
        "armed_per_s": round(armed / arming_s),
        "idle_cpu_share_before": round(idle_before, 4),
        "idle_cpu_share_armed": round(idle_after, 4),
        "probes": PROBES,
        "missing": PROBES - len(late),
        "late_ms_p50": round(percentile(late, 0.5)),
        "late_ms_p99": round(percentile(late, 0.99)),
        "late_ms_max": round(max(late, default=0)),
        "machine": machine(options),
    }
    rows = [
        ("players armed for 7 days", f"{armed:,} ({waiting:,} timers), {result['armed_per_s']:,} a second"),
        ("hosts, idle: share of a core", f"{idle_before:.1%} with none armed, {idle_after:.1%} with all"),
        (
            f"probes due under {LOAD} events/s",
            f"late by p50 {result['late_ms_p50']} ms, p99 {result['late_ms_p99']} ms, "
            f"at most {result['late_ms_max']} ms; {result['missing']} missing of {PROBES}",
        ),
    ]
    show("timers: segments that time alone changes", rows, result["machine"], options)
    return result


def _deposit(client: Client, players: list[str]) -> None:
    """Send one deposit of each player."""
    for start in range(0, len(players), BATCH):
        events = [_event(player) for player in players[start : start + BATCH]]
        client.request("POST", "/v1/batch", json={"batch": events})


def _event(player: str) -> dict[str, Any]:
    at = datetime.now(UTC).isoformat()
    said = {"type": "track", "event": "deposit_completed", "userId": player, "messageId": f"d-{player}"}
    return {**said, "timestamp": at, "properties": {"amount": 1_000, "currency": "EUR"}}


def _timers(engine: Engine) -> int:
    """Return how many timers wait in the store."""
    pipe = engine.redis.pipeline(transaction=False)
    for p in range(engine.partitions):
        pipe.zcard(PLAYERS.timers(p))
    return sum(pipe.execute())


def _idle_share(engine: Engine) -> float:
    """Return how much of one core the hosts use while nothing comes in."""
    pids = list(engine.hosts().values())
    before, began = processes.cpu_s(pids), time.monotonic()
    time.sleep(IDLE_S)
    return (processes.cpu_s(pids) - before) / (time.monotonic() - began)


def _probe(engine: Engine, client: Client) -> list[float]:
    """Have probes deposit at a steady pace; how many ms after its due time each was seen in the segment."""
    due: dict[str, int] = {}
    late: list[float] = []
    began = time.monotonic()
    for n in range(PROBES):
        time.sleep(max(0.0, began + n / PROBES_PER_S - time.monotonic()))
        player = f"probe-{n}"
        event = _event(player)
        identify = {"type": "identify", "userId": player, "messageId": f"i-{player}", "traits": {"probe": True}}
        client.request("POST", "/v1/batch", json={"batch": [identify, event]})
        due[player] = as_ms(datetime.fromisoformat(event["timestamp"])) + DUE_S * 1000
    until = time.monotonic() + DUE_S + 10
    while due and time.monotonic() < until:
        now = as_ms(datetime.now(UTC))
        late += [float(now - due.pop(player)) for player in _members(engine) & due.keys()]
        time.sleep(LOOK_S)
    return late


def _members(engine: Engine) -> set[str]:
    pipe = engine.redis.pipeline(transaction=False)
    for p in range(engine.partitions):
        pipe.zrange(group(p, "segments/bench-due"), 0, -1)
    return {name.decode() for names in pipe.execute() for name in cast("list[bytes]", names)}
