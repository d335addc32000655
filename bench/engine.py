"""``engine``: HTTP to committed turns, beside the bare limit in the same run; one hot player; single POSTs.

A run ends when nothing waits in any log. What was applied is read back from the store: entries done, every bet in
every player's history, the sum of all amounts, and the two sides of the ledger.

``--models both`` (the default) measures every round twice in the same engine, with ``models/churn`` and with it
switched off, and says what models cost beside a limit. Which of the two is first changes from round to round (the first
costs up to a quarter more), so the number of rounds is even then.

``--programme plain`` (the default, what earlier figures are of) runs the sample programme without its season,
``season`` all of it, ``both`` the two beside each other (``bench.season``; models stay on).
"""

import time
from typing import Any

from bench import season
from bench.baseline import Baseline
from bench.engine_process import Engine, cpu_spent
from bench.figures import Counts, median, ratio
from bench.intake import bare_plan
from bench.load import Load, Sent
from bench.options import Options, machine, show
from bench.programmes import documents_of
from bench.rounds import Side, calibrated, measured_round, ratios
from bench.score import switched_off
from bench.traffic import Traffic
from playtower.client import Client

HOT_RATE = 5_000  # events/s, the goal for one player
HOT_BURST = 8_000  # events; below the room of one partition, so that turns and not refusals are measured
PEOPLE = "e"
ON, OFF = "on", "off"
MODELS_SHARE_MAX = 0.15  # of an event's server CPU, what models may add to it


def run(options: Options) -> dict[str, Any]:
    """Measure and verify; with ``programme`` both, the two programmes beside each other."""
    if options.programme == "both":
        return season.compare(options)
    with Engine(options) as engine, Baseline("bare_app", options) as bare:
        ready_s = engine.ready_s
        sides = {name: Side() for name in order(options.models, 0)}
        live = ON  # the casino comes with models
        size = calibrated(engine, options, PEOPLE)
        verified, wrong, bare_rates = Counts(), list[str](), list[float]()
        for n in range(options.rounds + (len(sides) == 2 and options.rounds % 2)):  # each side is first as often
            for name in order(options.models, n):
                if name != live:
                    _switch(engine, options, name, n)
                    live = name
                traffic = Traffic(f"e{n}-{name}", size, options.players, 100, 8, "segment_batch", people=PEOPLE)
                counts, problems = measured_round(engine, traffic, sides[name])
                verified, wrong = verified + counts, wrong + problems
            plain = Load(bare_plan(bare, Traffic(f"e{n}", size, options.players, 100, 8, "segment_batch"))).run()
            bare_rates.append(plain.accepted / plain.seconds)
        if live != (shown := next(iter(sides))):
            _switch(engine, options, shown, options.rounds)
        single, counts = _single(engine, options)
        hot, hot_counts = _hot(engine)
        difference = engine.ledger_difference()
    told = sides[shown]
    ours, theirs = median(told.rates), median(bare_rates)
    verified = verified + counts + hot_counts
    result: dict[str, Any] = {
        "bench": "engine",
        "models": shown,
        "programme": options.programme,
        "events_per_s": round(ours),
        "bare_events_per_s": round(theirs),
        "ratio_to_bare": ratio(ours, theirs),
        "rounds": [[round(a), round(b)] for a, b in zip(told.rates, bare_rates, strict=True)],
        "cpu_ms_per_event": told.cpu_ms,
        "cpu_ms_per_event_by_role": told.cpu_ms_by_role,
        "models_cost": models_cost(sides[ON], sides[OFF]) if len(sides) == 2 else None,
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
        (f"batches of 100 to committed turns, programme {options.programme}, models {shown}", f"{ours:,.0f} events/s"),
        ("bare limit in the same run", f"{theirs:,.0f} events/s"),
        ("ratio to the bare limit", f"{result['ratio_to_bare']}"),
        ("server CPU of a batched event", f"{result['cpu_ms_per_event']} ms ({roles})"),
        *_cost_rows(result["models_cost"]),
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


def order(models: str, n: int) -> tuple[str, ...]:
    """Return the sides of the ``n``-th round, in their order: what comes second finds the machine warmer."""
    if models != "both":
        return (models,)
    return (OFF, ON) if n % 2 else (ON, OFF)


def _switch(engine: Engine, options: Options, models: str, n: int) -> None:
    """Publish the programme with models on or off, and have every player judged under it before anything is timed."""
    documents = documents_of(options.programme)
    changed = switched_off(documents)
    with Client(engine.key, engine.url) as client:
        for kind in ("choices", "models") if models == OFF else ("models", "choices"):
            for name, document in changed[kind].items():
                client.put(kind, name, document if models == OFF else documents[kind][name])
        client.publish(f"models {models}")
    engine.send(Traffic(f"w{n}-{models}", 2 * options.players, options.players, 100, 8, "segment_batch", people=PEOPLE))
    engine.settle_all()


def models_cost(on: Side, off: Side) -> dict[str, Any]:
    """Return what models add to an event; each round's ratio by itself, so that a drift of the machine cancels."""
    share = median(ratios(on.cpu, off.cpu)) - 1
    return {
        "cpu_ms_per_event": {ON: on.cpu_ms, OFF: off.cpu_ms},
        "cpu_share": round(share, 3),
        "cpu_share_rounds": [round(each - 1, 3) for each in ratios(on.cpu, off.cpu)],
        "events_per_s": {ON: round(median(on.rates)), OFF: round(median(off.rates))},
        "events_share": round(median(ratios(on.rates, off.rates)) - 1, 3),
        "limit": MODELS_SHARE_MAX,
        "within_limit": share <= MODELS_SHARE_MAX,
    }


def _cost_rows(cost: dict[str, Any] | None) -> list[tuple[str, str]]:
    if cost is None:
        return []
    cpu, rates = cost["cpu_ms_per_event"], cost["events_per_s"]
    return [
        (
            "the same without models",
            f"{rates[OFF]:,} events/s ({cost['events_share']:+.1%} with them), {cpu[OFF]} ms of CPU",
        ),
        ("models add to an event's CPU", f"{cost['cpu_share']:+.1%}, limit {cost['limit']:+.0%}"),
    ]


def _counted(counts: Counts) -> str:
    return f"{counts.sent:,} / {counts.lost} / {counts.doubled} / {counts.out_of_order}"


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
