"""``swap``: a model published again and again while events flow, beside the same load without: nothing lost or delayed.

The load and the probe are those of ``latency``. With and without take turns; every publication is told to all
partitions and awaited, so each probe meets several swaps of its own partition.
"""

import threading
import time
from types import TracebackType
from typing import Any, Self

import uvloop

from actors.models import shipped_bytes
from bench.background import Background
from bench.engine_process import Engine
from bench.figures import percentile
from bench.latency import SETTLE_S, probe_waits, summary
from bench.options import Options, machine, show
from bench.traffic import Traffic
from playtower.client import Client

RATE = 300  # events a second, a third of which are the first of their player's session or bring money
EVERY_S = 2.0
KEPT = "/v1/models"


def run(options: Options) -> dict[str, Any]:
    """Measure answers to ``Prefer: wait`` in turns, with swaps and without."""
    found: dict[bool, list[float]] = {False: [], True: []}
    missing = {False: 0, True: 0}
    took: list[float] = []
    refused = 0
    with Engine(options) as engine, Client(engine.key, engine.url) as client:
        kept = client.request("POST", KEPT, content=shipped_bytes(), headers={"Content-Type": "application/json"})
        version = int(kept.json()["version"])
        engine.send(Traffic("warm", 2_000, 1_000, 100, 4, "segment_batch", people="bg"))
        engine.settle_all()
        for n in range(options.rounds * 2):
            with_swaps = bool(n % 2)
            with (
                Background(engine, RATE, options.seconds + SETTLE_S, f"bg{n}") as load,
                Swaps(engine, version if with_swaps else None) as swaps,
            ):
                answers, lost = uvloop.run(probe_waits(engine, f"probe-{n}", options.seconds - 1))
            found[with_swaps] += answers
            missing[with_swaps] += lost
            refused += load.refused
            took += swaps.took_ms
            engine.settle_all()
    still, swapped = summary(found[False], missing[False]), summary(found[True], missing[True])
    result: dict[str, Any] = {
        "bench": "swap",
        "events_per_s": RATE,
        "without": still,
        "with": swapped,
        "swaps": len(took),
        "swap_p50_ms": round(percentile(took, 0.5), 1),
        "swap_p99_ms": round(percentile(took, 0.99), 1),
        "refused": refused,
        "machine": machine(options),
    }
    rows = [
        (f"Prefer: wait at {RATE}/s, one model", f"p50 {still['p50_ms']} ms, p99 {still['p99_ms']} ms"),
        ("the same, a model published every 2 s", f"p50 {swapped['p50_ms']} ms, p99 {swapped['p99_ms']} ms"),
        ("events that were not applied in time, refused", f"{missing[False]} and {missing[True]}, {refused}"),
        (
            f"{len(took)} publications, to all partitions",
            f"p50 {result['swap_p50_ms']} ms, p99 {result['swap_p99_ms']} ms",
        ),
    ]
    show("swap: models published under load", rows, result["machine"], options)
    return result


class Swaps:
    """Publishes a version and the package's own in turn, each awaited, until left; None: nothing."""

    def __init__(self, engine: Engine, version: int | None) -> None:
        self._engine, self._version = engine, version
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._go, daemon=True)
        self._failed: Exception | None = None
        self.took_ms: list[float] = []

    def __enter__(self) -> Self:
        if self._version is not None:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        if self._version is not None:
            self._thread.join(timeout=30)
        if self._failed is not None and error is None:
            raise self._failed

    def _go(self) -> None:
        try:
            with Client(self._engine.key, self._engine.url) as client:
                for n in range(10_000):
                    if self._stop.is_set():
                        return
                    began = time.monotonic()
                    path = f"{KEPT}/{self._version if n % 2 else 0}/publish"
                    client.request("POST", path, json={}, headers={"Prefer": "wait=10"})
                    self.took_ms.append((time.monotonic() - began) * 1000)
                    self._stop.wait(max(0.0, EVERY_S - (time.monotonic() - began)))
        except Exception as error:  # told to whoever waits for the thread
            self._failed = error
