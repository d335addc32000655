"""``turn``: what one turn costs, alone: ``Player.take`` with the casino programme, no store, no network."""

import cProfile
import io
import pstats
import time
from typing import Any

from actors.player import Player, Told
from actors.programme import Programme, compile_programme
from actors.turns import Turns
from bench.figures import median
from bench.options import PLAIN, Options, machine, show
from bench.programmes import documents_of
from bench.traffic import Bet, Traffic
from domain.entries import Event, LogEntry, decode_entry, encode_entry
from domain.player import Snapshot

START_MS = 1_700_000_000_000


def casino(programme: str = PLAIN) -> Programme:
    """Return the sample programme, compiled, plain or with its season."""
    return compile_programme(1, documents_of(programme))


def entries(traffic: Traffic, start_ms: int = START_MS) -> list[tuple[str, LogEntry]]:
    """Return the traffic as a partition's log would hold it: (player, entry), a millisecond apart."""
    return [(bet.player, _entry(bet, start_ms + n)) for n, bet in enumerate(traffic.bets())]


def fold(programme: Programme, log: list[tuple[str, LogEntry]], group: int) -> tuple[dict[str, Snapshot], Turns]:
    """Fold the log in batches of ``group`` entries, grouped by player as a host does; states and the last turns."""
    told, states, turns = Told(programme, 0, "bench"), dict[str, Snapshot](), Turns("", 0)
    for start in range(0, len(log), group):
        theirs: dict[str, list[LogEntry]] = {}
        for player, entry in log[start : start + group]:
            theirs.setdefault(player, []).append(entry)
        for player, batch in theirs.items():
            turns, states[player] = Player(states.get(player) or Snapshot(player)).take(batch, told)
    return states, turns


def run(options: Options) -> dict[str, Any]:
    """Measure; with ``profile`` also where the time goes."""
    programme = casino(options.programme)
    traffic = Traffic("turn", events=6_000, players=500)
    log = entries(traffic)
    states, _ = fold(programme, log, 256)
    assert sum(int(s.version > 0) for s in states.values()) == len(traffic.by_player())
    spread, alone = [], []
    for _ in range(options.rounds):
        began = time.perf_counter()
        fold(programme, log, 256)
        spread.append((time.perf_counter() - began) / len(log) * 1e6)
        hot = [("hot", entry) for _, entry in _renamed(log[:2_000], "hot")]
        began = time.perf_counter()
        fold(programme, hot, 256)
        alone.append((time.perf_counter() - began) / len(hot) * 1e6)
    encoded = [encode_entry(entry.entry) for _, entry in log]
    began = time.perf_counter()
    for data in encoded:
        decode_entry(data)
    decode_us = (time.perf_counter() - began) / len(log) * 1e6
    result: dict[str, Any] = {
        "bench": "turn",
        "us_per_event": round(median(spread), 1),
        "us_per_event_hot_player": round(median(alone), 1),
        "us_per_event_decode": round(decode_us, 2),
        "events_per_s_one_core": round(1e6 / median(spread)),
        "programme": options.programme,
        "missions": len(programme.rules.missions),
        "machine": machine(options),
    }
    rows = [
        ("turn, 500 players, batches of 256", f"{result['us_per_event']} us an event"),
        ("turn, one hot player", f"{result['us_per_event_hot_player']} us an event"),
        ("decoding the entry", f"{result['us_per_event_decode']} us"),
        ("one core could fold", f"{result['events_per_s_one_core']:,} events/s"),
    ]
    show(
        f"turn: Player.take, programme {options.programme}, {result['missions']} missions",
        rows,
        result["machine"],
        options,
    )
    if options.profile:
        result["profile"] = profile(programme, log)
        if not options.quiet:
            print(result["profile"])
    return result


def profile(programme: Programme, log: list[tuple[str, LogEntry]]) -> str:
    """Return the 25 functions that take most time themselves, and by sum."""
    profiler = cProfile.Profile()
    profiler.runcall(fold, programme, log, 256)
    text = io.StringIO()
    stats = pstats.Stats(profiler, stream=text).strip_dirs()
    stats.sort_stats("tottime").print_stats(25)
    stats.sort_stats("cumulative").print_stats(25)
    return text.getvalue()


def _entry(bet: Bet, at: int) -> LogEntry:
    properties = {"amount": bet.amount, "currency": "EUR", "game": bet.game, "game_type": "slots"}
    return LogEntry(f"{at}-0", at, Event(bet.player, bet.id, "bet_placed", at, properties))


def _renamed(log: list[tuple[str, LogEntry]], player: str) -> list[tuple[str, LogEntry]]:
    renamed = []
    for _, entry in log:
        assert isinstance(entry.entry, Event)
        event = Event(player, entry.entry.id, entry.entry.name, entry.at, entry.entry.properties)
        renamed.append((player, LogEntry(entry.offset, entry.at, event)))
    return renamed
