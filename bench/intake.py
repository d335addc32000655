"""``intake``: events accepted a second, single POSTs and batches of 100, beside the bare limit in the same run."""

from typing import Any

from msgspec import structs

from bench.baseline import Baseline
from bench.engine_process import Engine
from bench.figures import median, ratio
from bench.load import Load, Plan, Sent
from bench.options import Options, machine, show
from bench.traffic import Traffic, now_iso

BATCHES = 6_000  # events of a round; less than what the partitions have room for
SINGLES = 4_000


def run(options: Options) -> dict[str, Any]:
    """Measure both, interleaved. Accepted means answered after the log has it; the turns follow later."""
    with Engine(options) as engine, Baseline("bare_app", options) as bare:
        found: dict[str, list[tuple[Sent, Sent]]] = {"batch": [], "single": []}
        for n in range(options.rounds):
            batch = Traffic(f"b{n}", BATCHES, options.players, 100, 4, "segment_batch")
            single = Traffic(f"s{n}", SINGLES, options.players, 1, 16, "segment_single")
            for name, traffic in (("batch", batch), ("single", single)):
                ours = Load(engine.plan(traffic)).run()
                engine.settle_all()
                found[name].append((ours, Load(bare_plan(bare, traffic)).run()))
    result: dict[str, Any] = {"bench": "intake", "machine": machine(options)}
    rows = []
    for name, pairs in found.items():
        accepted = median(a.accepted / a.seconds for a, _ in pairs)
        limit = median(b.accepted / b.seconds for _, b in pairs)
        result[name] = {
            "events_per_s": round(accepted),
            "bare_events_per_s": round(limit),
            "ratio_to_bare": ratio(accepted, limit),
            "p50_ms": round(median(a.p50_ms for a, _ in pairs), 2),
            "p99_ms": round(median(a.p99_ms for a, _ in pairs), 2),
            "refused": sum(a.refused for a, _ in pairs),
            "failed": sum(a.failed for a, _ in pairs),
        }
        rows.append((f"{name}: accepted", f"{accepted:,.0f} events/s"))
        rows.append((f"{name}: bare limit", f"{limit:,.0f} events/s, ratio {result[name]['ratio_to_bare']}"))
        rows.append((f"{name}: answer p50 / p99", f"{result[name]['p50_ms']} / {result[name]['p99_ms']} ms"))
    show("intake: accepted, hosts running beside it", rows, result["machine"], options)
    return result


def bare_plan(bare: Baseline, traffic: Traffic) -> Plan:
    """Return how the same traffic is sent to the bare application."""
    path = "/v1/batch" if traffic.form == "segment_batch" else "/v1/track"
    return Plan(bare.port, path, structs.replace(traffic, at=now_iso()))
