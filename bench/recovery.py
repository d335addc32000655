"""``recovery``: a host killed, a host paused, the store killed: time to the next committed event of a player there.

One event after the other with ``Prefer: wait``, from the moment of the fault; the first that is applied ends it.
"""

import os
import signal
import time
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import httpx

from bench import processes
from bench.engine_process import Engine, NotUp
from bench.figures import median
from bench.options import Options, machine, show
from bench.traffic import Bet, Traffic, now_iso, segment
from domain.ids import partition_of
from store.keys import PLAYERS

WITHIN_S = 40.0


def run(options: Options) -> dict[str, Any]:
    """Break each in turn, on an engine with two hosts and on one with the default."""
    result: dict[str, Any] = {"bench": "recovery"}
    for hosts in (1, 2):
        with Engine(options, hosts=hosts) as engine:
            engine.send(Traffic("warm", 1_000, 500, 100, 4, "segment_batch"))
            times: dict[str, list[float]] = {"host_killed_s": [], "host_paused_s": []}
            for n in range(2):
                times["host_killed_s"].append(_broken(engine, f"k{n}", lambda pid: os.kill(pid, signal.SIGKILL)))
            times["host_paused_s"].append(_broken(engine, "p", lambda pid: os.kill(pid, signal.SIGSTOP)))
            if hosts == 1:
                store = next(pid for pid in processes.tree(engine.pid) if "valkey-server" in processes.name_of(pid))
                times["store_killed_s"] = [_after(engine, "s", "k0", partial(os.kill, store, signal.SIGKILL))]
            for pid in engine.hosts().values():
                _continue(pid)
            difference = engine.ledger_difference()
        result[f"{hosts}_host{'s' if hosts > 1 else ''}"] = {
            name: round(median(values), 2) for name, values in times.items()
        } | {"ledger_difference": difference}
    result["machine"] = machine(options)
    rows = [
        (f"{where.replace('_', ' ')}: {name.removesuffix('_s').replace('_', ' ')}", f"{seconds} s")
        for where, figures in result.items()
        if isinstance(figures, dict) and where != "machine"
        for name, seconds in figures.items()
        if name.endswith("_s")
    ]
    show("recovery: to the next committed event", rows, result["machine"], options)
    return result


def _broken(engine: Engine, run_name: str, fault: Callable[[int], None]) -> float:
    """Break the host that owns a player's partition; seconds until that player goes on."""
    player = f"rec-{run_name}"
    partition = partition_of(player, engine.partitions)
    until = time.monotonic() + WITHIN_S
    while time.monotonic() < until:
        before = engine.heartbeats()
        time.sleep(0.6)  # two heartbeats: one that stands still is of a host that is gone
        owner = cast("bytes | None", engine.redis.hget(PLAYERS.meta(partition), "owner"))
        beat = engine.heartbeats().get((owner or b"").decode())
        if beat and partition in beat["partitions"] and beat["beat"] > before.get(beat["name"], beat)["beat"]:
            return _after(engine, run_name, player, partial(fault, int(beat["pid"])))
    raise NotUp(f"no live host owned partition {partition} within {WITHIN_S:.0f} s")


def _after(engine: Engine, run_name: str, player: str, fault: Callable[[], None]) -> float:
    headers = {"Authorization": engine.authorization, "Prefer": "wait=0.25"}
    with httpx.Client(base_url=engine.url, headers=headers, timeout=5.0) as http:
        if not _until_applied(http, f"{run_name}-before", player):
            raise NotUp("the engine did not commit before the fault")
        fault()
        began = time.monotonic()
        if not _until_applied(http, f"{run_name}-after", player):
            raise NotUp(f"nothing was committed within {WITHIN_S:.0f} s of the fault")
        seconds = time.monotonic() - began
        time.sleep(1.5)  # the next fault finds a settled engine
        return seconds


def _until_applied(http: httpx.Client, name: str, player: str) -> bool:
    until, n = time.monotonic() + WITHIN_S, 0
    while time.monotonic() < until:
        n += 1
        body = segment(Bet(f"{name}-{n}", player, 100, "roulette"), now_iso())
        try:
            answer = http.post("/v1/track", content=body, headers={"Content-Type": "application/json"})
            if answer.status_code == 200 and answer.json().get("applied"):
                return True
        except httpx.TransportError:
            pass
        time.sleep(0.02)
    return False


def _continue(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGCONT)
    except ProcessLookupError:
        return
