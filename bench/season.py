"""``engine --programme both``: the sample programme with its season and without, each in an engine of its own.

``plain`` is the same folder without the kinds and the fields of the season (streaks, tournaments, the store ...):
points, missions, achievements, levels, metrics, segments, journeys and messages stay. Earlier figures are of that.

Two engines stand side by side and are loaded in turns: a season that was taken back in the same engine would leave
its boards, its timers and its part of every player's state behind, and what is measured then is not plain. Which of
the two is first changes from round to round; the idle one costs both the same.
"""

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

from msgspec import structs

from bench.baseline import Baseline
from bench.engine_process import Engine
from bench.figures import Counts, median, ratio
from bench.intake import bare_plan
from bench.load import Load
from bench.options import PLAIN, SEASON, Options, machine, show
from bench.rounds import Side, calibrated, measured_round, ratios
from bench.traffic import Traffic

SLOWER_MAX = 0.25  # what the season may take off the plain programme's events a second


def compare(options: Options) -> dict[str, Any]:
    """Measure both beside the bare limit; every event of every round is read back."""
    sides = {PLAIN: Side(), SEASON: Side()}
    verified, problems, bare_rates = Counts(), list[str](), list[float]()
    with ExitStack() as running:
        engines = {name: running.enter_context(Engine(structs.replace(options, programme=name))) for name in sides}
        bare = running.enter_context(Baseline("bare_app", options))
        size = min(calibrated(engine, options) for engine in engines.values())
        for n in range(options.rounds + options.rounds % 2):  # each side is first as often
            for name in order(n):
                traffic = Traffic(f"e{n}-{name}", size, options.players, 100, 8, "segment_batch", people="e")
                counts, wrong = measured_round(engines[name], traffic, sides[name])
                verified, problems = verified + counts, problems + wrong
            sent = Load(bare_plan(bare, Traffic(f"e{n}", size, options.players, 100, 8, "segment_batch"))).run()
            bare_rates.append(sent.accepted / sent.seconds)
        difference = {name: engine.ledger_difference() for name, engine in engines.items()}
    result = {
        "bench": "engine",
        "programme": "both",
        **told(sides),
        "bare_events_per_s": round(median(bare_rates)),
        "ratio_to_bare": {name: ratio(median(side.rates), median(bare_rates)) for name, side in sides.items()},
        "sent": verified.sent,
        "lost": verified.lost,
        "doubled": verified.doubled,
        "out_of_order": verified.out_of_order,
        "ledger_difference": difference,
        "problems": problems,
        "machine": machine(options),
    }
    show("engine: the sample programme plain and with its season", _rows(result), result["machine"], options)
    return result


def order(n: int) -> tuple[str, str]:
    """Return the sides of the ``n``-th round in their order: what comes second finds the machine warmer."""
    return (SEASON, PLAIN) if n % 2 else (PLAIN, SEASON)


def told(sides: Mapping[str, Side]) -> dict[str, Any]:
    """Return what the season costs; each round's ratio by itself, so that a drift of the machine cancels."""
    plain, season = sides[PLAIN], sides[SEASON]
    share = median(ratios(season.rates, plain.rates))
    return {
        "events_per_s": {name: round(median(side.rates)) for name, side in sides.items()},
        "rounds": {name: [round(rate) for rate in side.rates] for name, side in sides.items()},
        "season_to_plain": round(share, 3),
        "season_to_plain_rounds": [round(each, 3) for each in ratios(season.rates, plain.rates)],
        "cpu_ms_per_event": {name: side.cpu_ms for name, side in sides.items()},
        "cpu_ms_per_event_by_role": {name: side.cpu_ms_by_role for name, side in sides.items()},
        "cpu_share": round(median(ratios(season.cpu, plain.cpu)) - 1, 3),
        "limit": round(1 - SLOWER_MAX, 2),
        "within_limit": share >= 1 - SLOWER_MAX,
    }


def _rows(result: dict[str, Any]) -> list[tuple[str, str]]:
    rates, cpu, roles = result["events_per_s"], result["cpu_ms_per_event"], result["cpu_ms_per_event_by_role"]
    rows = [
        (
            f"{name}: batches of 100 to committed turns",
            f"{rates[name]:,} events/s, {result['ratio_to_bare'][name]} of the bare limit, {cpu[name]} ms CPU ("
            + ", ".join(f"{role} {ms}" for role, ms in list(roles[name].items())[:5])
            + ")",
        )
        for name in (PLAIN, SEASON)
    ]
    return [
        *rows,
        ("bare limit in the same run", f"{result['bare_events_per_s']:,} events/s"),
        (
            "season to plain",
            f"{result['season_to_plain']} (rounds {result['season_to_plain_rounds']}), limit {result['limit']}; "
            f"CPU of an event {result['cpu_share']:+.1%}",
        ),
        (
            "sent / lost / doubled / out of order",
            f"{result['sent']:,} / {result['lost']} / {result['doubled']} / {result['out_of_order']}",
        ),
        ("ledgers off by", f"{result['ledger_difference']} {'; '.join(result['problems'])}"),
    ]
