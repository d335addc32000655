"""``rivals``: the engine beside a hand-written FastAPI + Redis Lua app, same run, durability, connections and events.

Single POSTs on 16 connections; every 20th is sent twice, as a client does that saw no answer. The rival does a toy
programme, the engine the casino's. Both are read back: what was lost, doubled, out of order.
"""

import time
from typing import Any, cast

from bench.baseline import Baseline
from bench.engine_process import Engine, cpu_spent
from bench.figures import Counts, median, ratio
from bench.load import Load, Plan
from bench.options import Options, machine, show
from bench.rival_lua import Expected
from bench.traffic import Traffic

EVENTS = 4_000  # of a round
REPEAT_EVERY = 20
PLAYERS = 1_000  # W1


def run(options: Options) -> dict[str, Any]:
    """Measure both, interleaved."""
    speeds: dict[str, list[float]] = {"engine": [], "lua": []}
    cpu = {"engine": 0.0, "lua": 0.0}
    counts = {"engine": Counts(), "lua": Counts()}
    answers: dict[str, list[tuple[float, float]]] = {"engine": [], "lua": []}
    with Engine(options) as engine, Baseline("rival_lua", options) as rival:
        engine.send(Traffic("warm", 2_000, PLAYERS, 100, 4, "segment_batch", people="r"))
        for n in range(options.rounds):
            ours = Traffic(f"r{n}", EVENTS, PLAYERS, 1, 16, "segment_single", REPEAT_EVERY, people="r")
            before = engine.cpu()
            sent, seconds = engine.send(ours)
            speeds["engine"].append(EVENTS / seconds)
            answers["engine"].append((sent.p50_ms, sent.p99_ms))
            cpu["engine"] += sum(cpu_spent(before, engine.cpu()).values())
            counts["engine"] += engine.counts(ours.by_player())
            engine.settle_all()

            theirs = Traffic(f"l{n}", EVENTS, PLAYERS, 1, 16, "rival", REPEAT_EVERY)
            used, load = rival.cpu(), Load(Plan(rival.port, "/events", theirs))
            sent = load.run()
            speeds["lua"].append(EVENTS / (time.monotonic() - sent.started))
            answers["lua"].append((sent.p50_ms, sent.p99_ms))
            cpu["lua"] += rival.cpu() - used
            counts["lua"] += rival_counts(rival, theirs)
        difference = engine.ledger_difference()
    sides: dict[str, Any] = {}
    for name, values in speeds.items():
        sides[name] = {
            "events_per_s": round(median(values)),
            "cpu_ms_per_event": round(cpu[name] / (EVENTS * options.rounds) * 1000, 3),
            "answer_p50_ms": round(median(p50 for p50, _ in answers[name]), 2),
            "answer_p99_ms": round(median(p99 for _, p99 in answers[name]), 2),
            "sent": counts[name].sent,
            "lost": counts[name].lost,
            "doubled": counts[name].doubled,
            "out_of_order": counts[name].out_of_order,
        }
    result: dict[str, Any] = {
        "bench": "rivals",
        **sides,
        "ratio_to_lua": ratio(sides["engine"]["events_per_s"], sides["lua"]["events_per_s"]),
        "ledger_difference": difference,
        "machine": machine(options),
    }
    rows = [
        (
            f"{name}: single POSTs, all applied",
            f"{side['events_per_s']:,} events/s, {side['cpu_ms_per_event']} ms CPU, answer p50 {side['answer_p50_ms']} "
            f"p99 {side['answer_p99_ms']} ms; of {side['sent']:,} lost {side['lost']}, doubled {side['doubled']}, "
            f"out of order {side['out_of_order']}",
        )
        for name, side in sides.items()
    ]
    rows.append(("engine to hand-written Lua", f"{result['ratio_to_lua']} (the engine runs 30 missions, Lua one)"))
    show("rivals: 16 connections, 5 % of the requests sent twice", rows, result["machine"], options)
    return result


def rival_counts(rival: Baseline, traffic: Traffic) -> Counts:
    """Read the rival's players back (each round has its own): told apart by the count, checked by the points."""
    total = Counts()
    for player, bets in traffic.by_player().items():
        expected = Expected.of([bet.amount for bet in bets])
        stored = cast(list[Any], rival.redis.hmget(f"player:{player}", ["count", "points", "late"]))
        count, points, late = (int(value or 0) for value in stored)
        wrong = count == expected.count and points != expected.points
        total += Counts(len(bets), max(0, expected.count - count) + wrong, max(0, count - expected.count), late)
    return total
