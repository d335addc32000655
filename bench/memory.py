"""``memory``: what a hot player costs its host, and what an idle one is as bytes."""

import time
from typing import Any

from bench import processes
from bench.engine_process import Engine
from bench.figures import percentile
from bench.options import Options, machine, show
from bench.traffic import Traffic

EVENTS_EACH = 6
BATCH_PAUSE_S = 0.6  # two heartbeats, so that the host says how many it holds


def run(options: Options) -> dict[str, Any]:
    """Let ``players`` play, and see what their host grew by."""
    with Engine(options) as engine:
        engine.send(Traffic("warm", 1_000, 100, 100, 4, "segment_batch"))  # code and buffers are there already
        engine.settle_all()
        before = _resident_kb(engine)
        traffic = Traffic("m", EVENTS_EACH * options.players, options.players, 100, 4, "segment_batch")
        engine.send(traffic, rate=2_000)
        engine.settle_all()
        time.sleep(BATCH_PAUSE_S)
        grown_kb = _resident_kb(engine) - before
        players = list(traffic.by_player())
        hot = sum(beat["players"] for beat in engine.heartbeats().values() if beat["lane"] == "players")
        sizes = [
            sum(len(value) for name, value in state.items() if name != b"v")
            for state in engine.states(players).values()
        ]
        stored = engine.redis.info("memory")["used_memory"]
    result: dict[str, Any] = {
        "bench": "memory",
        "players": len(players),
        "players_in_host": hot,
        "hot_bytes_per_player": round(grown_kb * 1024 / max(1, len(players))),
        "idle_bytes_p50": round(percentile(sizes, 0.5)),
        "idle_bytes_p99": round(percentile(sizes, 0.99)),
        "store_bytes_per_event": round(int(stored) / (traffic.events + 1_000)),
        "machine": machine(options),
    }
    rows = [
        ("players that played", f"{len(players):,} ({hot:,} in memory as objects)"),
        ("a hot player in its host", f"{result['hot_bytes_per_player']:,} bytes"),
        ("an idle player as bytes, p50 / p99", f"{result['idle_bytes_p50']:,} / {result['idle_bytes_p99']:,}"),
        ("the store, all keys", f"{result['store_bytes_per_event']:,} bytes an event"),
    ]
    show("memory", rows, result["machine"], options)
    return result


def _resident_kb(engine: Engine) -> int:
    return sum(processes.memory_kb(pid, "Rss") for pid in engine.hosts().values())
