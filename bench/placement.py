"""``placement``: players shared in a host against players in Ray actors of their own: starts, memory, events.

Shared: a whole engine, new players, first event each. Dedicated: plain Ray actors (``actors.ray_actors.RemotePlayer``)
beside an embedded store that holds the casino programme, called as a host calls them.
"""

import asyncio
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec

from bench import processes
from bench.engine_process import Engine
from bench.options import PLAIN, Options, machine, show
from bench.programmes import documents_of
from bench.traffic import Traffic
from bench.turn import START_MS, entries

DEDICATED = 6  # processes; each takes some 100 MB
CALLS = 150  # of one event
BATCHES = 20  # calls
BATCH = 50  # events of one


def run(options: Options) -> dict[str, Any]:
    """Measure both, one after the other."""
    shared, dedicated = _shared(options), _dedicated(options)
    result: dict[str, Any] = {"bench": "placement", "shared": shared, "dedicated": dedicated}
    result["machine"] = machine(options)
    rows = [
        (
            name,
            f"{side['actors_per_s']:,} actors/s started, {side['mb_each']} MB each, {side['events_per_s']:,} events/s",
        )
        for name, side in (("shared", shared), ("dedicated", dedicated))
    ]
    rows.append(("dedicated, batches of 50", f"{dedicated['events_per_s_batched']:,} events/s"))
    show("placement", rows, result["machine"], options)
    return result


def _shared(options: Options) -> dict[str, Any]:
    with Engine(options) as engine:
        engine.send(Traffic("warm", 1_000, 100, 100, 4, "segment_batch"))
        pids = list(engine.hosts().values())
        before = sum(map(processes.memory_kb, pids))
        first = Traffic("f", options.players, options.players, 100, 4, "segment_batch", people="new")
        _, seconds = engine.send(first)
        engine.settle_all()
        started = len(first.by_player())
        grown = sum(map(processes.memory_kb, pids)) - before
        again = Traffic("g", options.players, options.players, 100, 4, "segment_batch", people="new")
        _, later = engine.send(again)
        return {
            "actors": started,
            "actors_per_s": round(started / seconds),
            "mb_each": round(grown / 1024 / started, 4),
            "events_per_s": round(again.events / later),
        }


def _dedicated(options: Options) -> dict[str, Any]:
    from playtower import ray_runtime
    from store.embedded import EmbeddedStore

    base = Path(tempfile.mkdtemp(prefix="ptb-"))
    store = EmbeddedStore(base, durability=options.durability, maxmemory_mb=500)
    ray: Any = None
    try:
        store.start()
        version = _publish(store.url)
        ray_runtime.prepare(base, "")
        ray = ray_runtime.start(base, "", "bench")
        from actors.ray_actors import RemotePlayer
        from actors.settings import MemberSettings

        settings = MemberSettings(store.url, 32, "bench", namespace="bench")
        began = time.monotonic()
        actors = [
            RemotePlayer.options(num_cpus=0, max_restarts=0).remote(f"ded-{n}", settings) for n in range(DEDICATED)
        ]
        pids = ray.get([actor.pid.remote() for actor in actors], timeout=60)
        started_s = time.monotonic() - began
        single_s = _calls(ray, actors, version, 0, batches_of(CALLS, 1, START_MS))
        batched_s = _calls(ray, actors, version, CALLS, batches_of(BATCHES, BATCH, START_MS + 1_000_000))
        return {
            "actors": DEDICATED,
            "actors_per_s": round(DEDICATED / started_s, 2),
            "mb_each": round(sum(map(processes.memory_kb, pids)) / 1024 / DEDICATED, 1),
            "events_per_s": round(DEDICATED * CALLS / single_s),
            "events_per_s_batched": round(DEDICATED * BATCHES * BATCH / batched_s),
        }
    finally:
        if ray is not None:
            ray.shutdown()
            ray_runtime.tidy(base)
        store.stop()
        shutil.rmtree(base, ignore_errors=True)


def _calls(ray: Any, actors: list[Any], version: int, base: int, batches: list[bytes]) -> float:
    """Call every actor with each batch, one call each at a time, as hosts do; the seconds it took.

    Every bet changes the snapshot, so its version rises by one a call.
    """
    began = time.monotonic()
    for n, batch in enumerate(batches):
        if not all(ray.get([actor.take.remote(base + n, "1", version, batch, []) for actor in actors])):
            raise RuntimeError("a dedicated player had another version than the one asked for")
    return time.monotonic() - began


def batches_of(calls: int, size: int, start_ms: int) -> list[bytes]:
    """Return encoded batches of one player's entries."""
    log = [entry for _, entry in entries(Traffic(f"d{size}", calls * size, 1, size, 1), start_ms)]
    return [msgspec.msgpack.encode(log[n * size : (n + 1) * size]) for n in range(calls)]


def _publish(url: str) -> int:
    """Put the casino programme into an empty store; its version."""
    from store.client import connect
    from store.functions import load_functions
    from store.intake import Intake
    from store.programmes import Programmes

    async def publish() -> int:
        redis = connect(url)
        await load_functions(redis)
        programmes = Programmes(redis, Intake(redis, 32, bound=0, keep_ms=0))
        version = await programmes.publish(documents_of(PLAIN), "bench")
        await redis.aclose()
        return version

    return asyncio.run(publish())
