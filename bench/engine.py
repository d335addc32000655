"""``engine``: HTTP to committed turns, beside the bare limit in the same run; one hot player; single POSTs.

A run ends when nothing waits in any log. What was applied is read back from the store: entries done, every bet in
every player's history, the sum of all amounts, and the two sides of the ledger.
"""

import time
from typing import Any

from bench.baseline import Baseline
from bench.engine_process import Engine, cpu_spent
from bench.figures import Counts, median, ratio
from bench.intake import bare_plan
from bench.load import Load, Sent
from bench.options import Options, machine, show
from bench.traffic import Traffic
from store.keys import TOWER

HOT_RATE = 5_000  # events/s, the goal for one player
HOT_BURST = 8_000  # events; below the room of one partition, so that turns and not refusals are measured
PEOPLE = "e"


def run(options: Options) -> dict[str, Any]:
    """Measure and verify."""
    with Engine(options) as engine, Baseline("bare_app", options) as bare:
        ready_s = engine.ready_s
        size = _calibrated(engine, options)
        batches: list[tuple[float, float]] = []
        cpu: dict[str, float] = {}
        verified = Counts()
        wrong: list[str] = []
        events = 0
        for n in range(options.rounds):
            traffic = Traffic(f"e{n}", size, options.players, 100, 8, "segment_batch", people=PEOPLE)
            before, stakes, done = engine.cpu(), engine.stakes(traffic.by_player()), engine.counters()[1]
            sent, seconds = engine.send(traffic)
            applied = engine.counters()[1] - done
            engine.settle(TOWER)
            for role, used in cpu_spent(before, engine.cpu()).items():
                cpu[role] = cpu.get(role, 0.0) + used
            events += size
            counts, problems = _verify(engine, traffic, sent, stakes, applied)
            verified, wrong = verified + counts, wrong + problems
            plain = Load(bare_plan(bare, traffic)).run()
            batches.append((size / seconds, plain.accepted / plain.seconds))
        single, counts = _single(engine, options)
        hot, hot_counts = _hot(engine)
        difference = engine.ledger_difference()
    ours, theirs = median(a for a, _ in batches), median(b for _, b in batches)
    verified = verified + counts + hot_counts
    result: dict[str, Any] = {
        "bench": "engine",
        "events_per_s": round(ours),
        "bare_events_per_s": round(theirs),
        "ratio_to_bare": ratio(ours, theirs),
        "rounds": [[round(a), round(b)] for a, b in batches],
        "cpu_ms_per_event": round(sum(cpu.values()) / events * 1000, 3),
        "cpu_ms_per_event_by_role": {role: round(used / events * 1000, 3) for role, used in cpu.items()},
        "single": single,
        "hot_player": hot,
        "sent": verified.sent,
        "lost": verified.lost,
        "doubled": verified.doubled,
        "out_of_order": verified.out_of_order,
        "ledger_difference": difference,
        "problems": wrong,
        "ready_s": round(ready_s, 1),
        "machine": machine(options),
    }
    roles = ", ".join(f"{role} {ms}" for role, ms in list(result["cpu_ms_per_event_by_role"].items())[:5])
    rows = [
        ("batches of 100 to committed turns", f"{ours:,.0f} events/s"),
        ("bare limit in the same run", f"{theirs:,.0f} events/s"),
        ("ratio to the bare limit", f"{result['ratio_to_bare']}"),
        ("server CPU of a batched event", f"{result['cpu_ms_per_event']} ms ({roles})"),
        (
            "single POSTs to committed turns",
            f"{single['events_per_s']:,} events/s, {single['cpu_ms_per_event']} ms CPU",
        ),
        ("one hot player, burst", f"{hot['events_per_s']:,} events/s"),
        (f"one hot player at {HOT_RATE:,}/s", f"done {hot['lag_s']} s after the last answer, {hot['refused']} refused"),
        ("sent / lost / doubled / out of order", _counted(verified)),
        ("ledger off by", f"{difference} {'; '.join(wrong)}"),
        ("serve to ready", f"{result['ready_s']} s"),
    ]
    show("engine: HTTP to committed turns", rows, result["machine"], options)
    return result


def _counted(counts: Counts) -> str:
    return f"{counts.sent:,} / {counts.lost} / {counts.doubled} / {counts.out_of_order}"


def _calibrated(engine: Engine, options: Options) -> int:
    """Warm every player up; return how many events make a round of the length asked for."""
    traffic = Traffic("warm", 2 * options.players, options.players, 100, 8, "segment_batch", people=PEOPLE)
    _, seconds = engine.send(traffic)
    each_s = min(options.seconds / options.rounds, 5.0)
    return max(1_000, min(60_000, round(traffic.events / seconds * each_s / 100) * 100))


def _verify(engine: Engine, traffic: Traffic, sent: Sent, stakes: int, applied: int) -> tuple[Counts, list[str]]:
    """Read back what became of a round."""
    by_player = traffic.by_player()
    wrong = []
    if applied != traffic.events:
        wrong.append(f"{traffic.run}: {applied} turns of {traffic.events} events")
    expected = sum(bet.amount for bet in traffic.bets())
    if (found := engine.stakes(by_player) - stakes) != expected:
        wrong.append(f"{traffic.run}: stakes of {found}, expected {expected}")
    if sent.failed:
        wrong.append(f"{traffic.run}: {sent.failed} answers refused for good: {sent.sample}")
    return engine.counts(by_player), wrong


def _single(engine: Engine, options: Options) -> tuple[dict[str, Any], Counts]:
    speeds, cpu, counts, sent, events = [], 0.0, Counts(), Sent(), 0
    for n in range(2):
        traffic = Traffic(f"s{n}", 4_000, options.players, 1, 16, "segment_single", people=PEOPLE)
        before = engine.cpu()
        sent, seconds = engine.send(traffic)
        cpu += sum(cpu_spent(before, engine.cpu()).values())
        speeds.append(traffic.events / seconds)
        events += traffic.events
        counts = counts + engine.counts(traffic.by_player())
    return {
        "events_per_s": round(median(speeds)),
        "cpu_ms_per_event": round(cpu / events * 1000, 3),
        "p50_ms": sent.p50_ms,
        "p99_ms": sent.p99_ms,
    }, counts


def _hot(engine: Engine) -> tuple[dict[str, Any], Counts]:
    """One player: a burst tells what turns can do, the paced run whether the goal is held and nothing is refused."""
    burst = Traffic("h0", HOT_BURST, 1, 100, 1, "segment_batch", people="hot")
    _, seconds = engine.send(burst)
    paced = Traffic("h1", HOT_RATE * 3, 1, 50, 1, "segment_batch", people="hot")
    sent = Load(engine.plan(paced, rate=HOT_RATE)).run()
    engine.settle()
    lag_s = time.monotonic() - sent.ended
    counts = engine.counts(burst.by_player()) + engine.counts(paced.by_player())
    return {
        "events_per_s": round(burst.events / seconds),
        "paced_events_per_s": round(paced.events / (sent.seconds + lag_s)),
        "goal": HOT_RATE,
        "lag_s": round(lag_s, 2),
        "refused": sent.refused,
        "lost": counts.lost,
        "doubled": counts.doubled,
        "out_of_order": counts.out_of_order,
    }, counts
