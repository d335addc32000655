"""The registry of benches; ``playtower bench`` calls ``run``. Also ``python -m bench.main <name> [--json] ...``."""

import argparse
import importlib
import json
from collections.abc import Mapping
from typing import Any

from bench.options import Options

BENCHES: dict[str, str] = {
    "board": "100,000 entrants on one board: rows written beside bare ZADD, ranks read meanwhile",
    "intake": "events accepted, single and in batches of 100, against the bare limit",
    "broadcast": "a campaign to 100,000 players beside live traffic",
    "engine": "HTTP batches to committed turns, against the bare limit; one hot player; single POSTs",
    "rivals": "beside a hand-written FastAPI + Redis Lua app: speed, CPU, and what was lost, doubled or reordered",
    "latency": "event to websocket frame under load; Prefer: wait",
    "placement": "shared against dedicated players: starts, memory, events",
    "memory": "a hot player in a host, an idle one as bytes",
    "recovery": "a host killed, a host paused, the store restarted: time to the next committed event",
    "score": "models in the turn: microseconds an event for features, patterns and the net; a turn with and without",
    "slow": "500 sockets that nobody reads: what the others wait, what the gateway holds",
    "sockets": "memory of idle sockets",
    "swap": "models published again and again while events flow: what is lost, and who waits",
    "timers": "100,000 players armed by timer: how late those due are, what the others cost",
    "tower": "decisions a second; a broadcast at a provider's limit beside transactional messages",
    "turn": "a turn alone: microseconds an event (--profile: where they go)",
}


def run(name: str | None, options: Options | Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Run one bench, or all of them (None); figures that can be written as JSON.

    Raises:
        KeyError: there is no such bench.
    """
    read = Options.of(options)
    if name is None:
        return {each: run(each, read) for each in BENCHES}
    if name not in BENCHES:
        raise KeyError(name)
    result: dict[str, Any] = importlib.import_module(f"bench.{name}").run(read)
    return result


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="bench", description="Benchmarks of Playtower.")
    parser.add_argument("name", choices=[*BENCHES, "all"])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--players", type=int)
    parser.add_argument("--durability", choices=["strict", "relaxed"])
    parser.add_argument("--models", choices=["on", "off", "both"], help="of engine: with models, without, or in turn")
    parser.add_argument(
        "--programme", choices=["plain", "season", "both"], help="without the season, with it; of engine: both"
    )
    given = vars(parser.parse_args())
    result = run(None if given["name"] == "all" else given["name"], given)
    if given["json"]:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
