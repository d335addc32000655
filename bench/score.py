"""``score``: what models cost a turn, in process: the state after an event, the net, and a whole turn with and without.

Signals come from a plain model of play (sessions of spins, a deposit now and then), a few weeks of each player, so
that states are as full as they get. Each call is timed alone, by a clock that needs no system call: after one, all
starts cold (a score took a quarter more). All is played ``--rounds`` times, at least five, and an event's figure is the
median of its rounds: what the event costs, not what the machine did meanwhile.
"""

import time
from collections.abc import Callable
from random import Random
from typing import Any

import msgspec

from actors.models import shipped
from actors.player import Player, Told
from actors.programme import Programme, compile_programme
from bench.figures import median, percentile
from bench.options import Options, machine, show
from bench.programmes import documents_of
from bench.traffic import Traffic
from bench.turn import entries
from domain.entries import Event, LogEntry
from domain.features import Features
from domain.habits import Habits
from domain.player import Snapshot
from ml.config import ModelPlan, ModelsConfig, compile_models
from ml.features import Signal, update, vector
from ml.patterns import watch
from store.documents import Documents

LIMIT_US_P50, LIMIT_US_P99 = 20.0, 60.0  # of all that models do for an event (research: 40,000 events/s of a core)
PLAYERS = 40
EVENTS = 400  # of each player
ROUNDS_MIN = 5
START_MS = 1_700_000_000_000
MINUTE_MS, DAY_MS = 60_000, 86_400_000
MODELS: dict[str, Any] = {
    "churn": {
        "signals": {
            "bet": {"event": "bet_placed", "amount": "properties.amount", "game": "properties.game"},
            "win": {"event": "bet_settled", "amount": "properties.payout"},
            "deposit": {"event": "deposit_completed", "amount": "properties.amount"},
            "withdrawal": {"event": "withdrawal_requested", "amount": "properties.amount"},
        }
    }
}
Timed = Callable[[], Any]


def run(options: Options) -> dict[str, Any]:
    """Measure; every figure in microseconds."""
    config = ModelsConfig.model_validate(MODELS["churn"])
    plan = compile_models(config)
    assert plan is not None
    played = [_played(Random(f"score {n}"), plan) for n in range(PLAYERS)]
    parts = _parts(plan, played, max(ROUNDS_MIN, options.rounds))
    turns = _turns(options)
    whole = [state + share for state, share in zip(parts["event"], parts["scored"], strict=True)]
    result: dict[str, Any] = {
        "bench": "score",
        "events": len(whole),
        "scored_share": round(sum(share > 0 for share in parts["scored"]) / len(whole), 3),
        "us_state": _figures(parts["state"]),
        "us_patterns": _figures(parts["patterns"]),
        "us_net": _figures([share for share in parts["scored"] if share > 0]),
        "us_per_event": _figures(whole),
        "us_limit": {"p50": LIMIT_US_P50, "p99": LIMIT_US_P99},
        "bytes_features": round(parts["bytes_features"]),
        "bytes_habits": round(parts["bytes_habits"]),
        **turns,
        "machine": machine(options),
    }
    within = result["us_per_event"]["p50"] <= LIMIT_US_P50 and result["us_per_event"]["p99"] <= LIMIT_US_P99
    result["within_limit"] = within
    rows = [
        ("features of an event", _line(result["us_state"])),
        ("patterns and intent of an event", _line(result["us_patterns"])),
        (f"vector and net, where they run ({result['scored_share']:.1%} of events)", _line(result["us_net"])),
        ("all that models do for an event", _line(result["us_per_event"])),
        ("  limit", _line(result["us_limit"])),
        ("stored", f"{result['bytes_features']} bytes of features, {result['bytes_habits']} of habits"),
        ("a turn of the casino without models", f"{turns['us_turn_off']} us"),
        ("a turn with them", f"{turns['us_turn_on']} us, {turns['turn_share']:+.1%}"),
    ]
    show("score: models in the turn", rows, result["machine"], options)
    return result


def _played(draws: Random, plan: ModelPlan) -> list[tuple[Event, Signal]]:
    """Return weeks of one player's events with what they mean."""
    at, played = START_MS, list[tuple[Event, Signal]]()
    while len(played) < EVENTS:
        at += int(draws.lognormvariate(0, 1) * DAY_MS)
        for n in range(max(2, int(draws.lognormvariate(3, 0.7)))):
            at += int(draws.lognormvariate(1.5, 1) * 1_000)
            name = (
                "deposit_completed" if n == 0 and draws.random() < 0.3 else draws.choice(("bet_placed", "bet_settled"))
            )
            money = "payout" if name == "bet_settled" else "amount"
            event = Event("ada", f"e{len(played)}", name, at, {money: draws.randrange(100, 5_000), "game": f"g{n % 9}"})
            signal = plan.signal(event)
            assert signal is not None
            played.append((event, signal))
    return played[:EVENTS]


def _parts(plan: ModelPlan, played: list[list[tuple[Event, Signal]]], rounds: int) -> dict[str, Any]:
    """Time each part of each event alone; the second half of a player's events, on states that are full."""
    timed: list[list[tuple[int, int, int]]] = []  # of each round, of each event: ns
    sizes: list[tuple[int, int]] = []
    for _ in range(rounds):
        seen = [_timed(plan, events) for events in played]
        timed.append([each for one, _ in seen for each in one])
        sizes = [size for _, size in seen]
    each = [[median(part) / 1_000 for part in zip(*times, strict=True)] for times in zip(*timed, strict=True)]
    state, patterns, scored = (list(part) for part in zip(*each, strict=True))
    return {
        "state": state,
        "patterns": patterns,
        "event": [one + other for one, other in zip(state, patterns, strict=True)],
        "scored": scored,
        "bytes_features": sum(size for size, _ in sizes) / len(sizes),
        "bytes_habits": sum(size for _, size in sizes) / len(sizes),
    }


def _timed(plan: ModelPlan, events: list[tuple[Event, Signal]]) -> tuple[list[tuple[int, int, int]], tuple[int, int]]:
    """Play one player's events; ns of state, patterns and net (0: it did not run), and the bytes of what is kept."""
    model, patterns, clock = shipped(), plan.patterns, time.perf_counter_ns
    assert patterns is not None
    features, habits, timed = Features(), Habits(), list[tuple[int, int, int]]()
    for n, (event, _) in enumerate(events):
        began = clock()
        signal = plan.signal(event)
        assert signal is not None
        after = update(features, signal, event.occurred_at)
        seen = clock()
        habits, _told = watch(habits, signal, event.occurred_at, patterns, event=event)
        ended = clock()
        scored = 0
        if signal.kind in ("deposit", "withdrawal") or after.sessions_all > features.sessions_all:
            _ = model.score(vector(after, event.occurred_at), plan.horizon_days).drivers  # as of a score that is told
            scored = clock() - ended
        features = after
        if n >= EVENTS // 2:
            timed.append((seen - began, ended - seen, scored))
    return timed, (len(msgspec.msgpack.encode(features)), len(msgspec.msgpack.encode(habits)))


def _turns(options: Options) -> dict[str, Any]:
    """Time whole turns with and without models, alternating; one batch a player, as a host folds them."""
    documents = documents_of(options.programme)
    without, with_models = compile_programme(1, documents | switched_off(documents)), compile_programme(2, documents)
    log = entries(Traffic("score", events=6_000, players=100))
    off, on, ratios = [], [], []
    for _ in range(max(3, options.rounds)):
        off.append(_fold(without, log))
        on.append(_fold(with_models, log))
        ratios.append(on[-1] / off[-1])
    return {
        "us_turn_off": round(median(off), 1),
        "us_turn_on": round(median(on), 1),
        "turn_share": round(median(ratios) - 1, 3),
    }


def switched_off(documents: Documents) -> Documents:
    """Return the documents that differ where models are off: the models, and choices that read what models know."""
    return {
        "models": {name: said | {"enabled": False} for name, said in documents["models"].items()},
        "choices": {
            name: {key: value for key, value in said.items() if key != "context"}
            for name, said in documents.get("choices", {}).items()
        },
    }


def _fold(programme: Programme, log: list[tuple[str, LogEntry]]) -> float:
    told = Told(programme, 0, "bench", shipped())
    states: dict[str, Snapshot] = {}
    began = time.thread_time()
    for start in range(0, len(log), 256):
        theirs: dict[str, list[LogEntry]] = {}
        for player, entry in log[start : start + 256]:
            theirs.setdefault(player, []).append(entry)
        for player, batch in theirs.items():
            _, states[player] = Player(states.get(player) or Snapshot(player)).take(batch, told)
    return (time.thread_time() - began) / len(log) * 1e6


def _figures(values: list[float]) -> dict[str, float]:
    return {"p50": round(percentile(values, 0.5), 2), "p99": round(percentile(values, 0.99), 2)}


def _line(figures: dict[str, float]) -> str:
    return f"p50 {figures['p50']:.1f} us, p99 {figures['p99']:.1f} us"
