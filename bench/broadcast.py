"""``broadcast``: one campaign to everybody while live traffic goes on: how long it takes, what it costs the others."""

import time
from typing import Any

import uvloop

from bench.background import Background
from bench.engine_process import Engine
from bench.latency import probe_waits, summary
from bench.options import Options, machine, show
from playtower.client import Client
from store.keys import TOWER

KNOWN_EACH = 20  # players for each of ``--players``: 100,000 by default
KNOWN_WITHIN_S = 600.0  # until 100,000 players are known
BATCH = 100
LOAD = 200  # live events/s
DONE_WITHIN_S = 900.0
TEMPLATE = {"channel": "in_app", "title": {"en": "News, {{ player.traits.first_name }}"}, "body": {"en": "A new game."}}
CAMPAIGN = {
    "name": "News",
    "everyone": True,
    "send": {"now": "api"},
    "message": {"template": "bench-news", "purpose": "service"},
}


def run(options: Options) -> dict[str, Any]:
    """Make the players known, measure live answers alone, then beside the broadcast."""
    known = options.players * KNOWN_EACH
    with Engine(options) as engine, Client(engine.key, engine.url) as client:
        client.request("PUT", "/v1/config/templates/bench-news", json=TEMPLATE)
        client.request("PUT", "/v1/config/campaigns/bench-news", json=CAMPAIGN)
        client.request("POST", "/v1/programme/publish", json={}, headers={"Prefer": "wait=10"})
        make_known(client, known)
        engine.settle_all(KNOWN_WITHIN_S)
        with Background(engine, LOAD, options.seconds + 3, "alone"):
            alone = summary(*uvloop.run(probe_waits(engine, "probe-alone", options.seconds)))
        engine.settle_all()
        came, _ = engine.counters(TOWER)
        began = time.monotonic()
        asked = client.request(
            "POST", "/v1/campaigns/bench-news/send", json={}, headers={"Idempotency-Key": "bench"}
        ).json()
        with Background(engine, LOAD, options.seconds + 3, "beside"):
            beside = summary(*uvloop.run(probe_waits(engine, "probe-beside", options.seconds)))
        _wait(client)
        engine.settle_all()
        seconds = time.monotonic() - began
        requests = engine.counters(TOWER)[0] - came
    result: dict[str, Any] = {
        "bench": "broadcast",
        "players": known,
        "run": asked,
        "seconds": round(seconds, 1),
        "players_per_s": round(known / seconds),
        "tower_entries": requests,
        "live_alone": alone,
        "live_beside": beside,
        "machine": machine(options),
    }
    rows = [
        (f"broadcast to {known:,} players", f"{seconds:.0f} s, {result['players_per_s']:,} players/s"),
        (f"Prefer: wait under {LOAD} events/s, alone", f"p50 {alone['p50_ms']} ms, p99 {alone['p99_ms']} ms"),
        ("the same beside the broadcast", f"p50 {beside['p50_ms']} ms, p99 {beside['p99_ms']} ms"),
    ]
    show("broadcast: a campaign beside live traffic", rows, result["machine"], options)
    return result


def make_known(client: Client, count: int, *, phone: bool = False) -> None:
    """Have so many players identified, with a phone number each if wanted."""
    for start in range(0, count, BATCH):
        events = [
            {"type": "identify", "userId": f"known-{n}", "messageId": f"k-{n}", "traits": _traits(n, phone)}
            for n in range(start, min(start + BATCH, count))
        ]
        client.request("POST", "/v1/batch", json={"batch": events})


def _traits(n: int, phone: bool) -> dict[str, str]:
    return {"first_name": "Kim", **({"phone": f"+4474{n:08d}"} if phone else {})}


def _wait(client: Client) -> None:
    """Wait until every partition has been walked.

    Raises:
        TimeoutError: it did not end in time.
    """
    until = time.monotonic() + DONE_WITHIN_S
    while time.monotonic() < until:
        (run,) = client.get("/v1/campaigns/bench-news")["runs"]
        if run["ended_at"]:
            return
        time.sleep(0.25)
    raise TimeoutError(f"the broadcast did not end within {DONE_WITHIN_S:.0f} s")
