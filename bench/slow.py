"""``slow``: 500 sockets that nobody reads against 500 that are read: what another reader and the gateway pay."""

import asyncio
import contextlib
import json
import socket as sockets
import time
from typing import Any

import jwt
import uvloop

from bench import processes
from bench.engine_process import Engine
from bench.figures import median
from bench.latency import probe_frames, summary
from bench.load import connect, request
from bench.options import Options, machine, show
from bench.processes import Steal
from bench.sockets import shake_hands
from bench.traffic import Bet, now_iso, segment

SOCKETS = 500
EVENTS_PER_S = 250  # to the sockets' players, so that the buffers of those not read fill
RECEIVE_BUFFER = 4_096  # bytes that a slow reader's kernel takes for it
SECRET = "bench" * 8


def run(options: Options) -> dict[str, Any]:
    """Measure one reader's frames beside sockets that are read and beside as many that are not, in turn."""
    runs: dict[str, list[dict[str, Any]]] = {"read": [], "not read": []}
    peaks: list[tuple[int, int]] = []
    cut = 0
    steal = Steal()
    with Engine(options, token_secret=SECRET) as engine:
        gateway = next(pid for pid in processes.tree(engine.pid) if processes.name_of(pid) == "api.gateway")
        for n in range(options.rounds):
            found, _, _ = uvloop.run(_beside(engine, options.seconds, f"read-{n}", gateway, is_read=True))
            runs["read"].append(found)
            engine.settle_all()
            found, memory, cut_now = uvloop.run(_beside(engine, options.seconds, f"slow-{n}", gateway, is_read=False))
            runs["not read"].append(found)
            peaks.append(memory)
            cut = max(cut, cut_now)
            engine.settle_all()
    stolen = steal.percent()
    grown, peak = max((after - before, after) for before, after in peaks)
    figures = {
        side: {f"p{p}_ms": round(median(found[f"p{p}_ms"] for found in some), 2) for p in (50, 99)}
        for side, some in runs.items()
    }
    result: dict[str, Any] = {
        "bench": "slow",
        "sockets": SOCKETS,
        "cut": cut,
        "beside_read": figures["read"],
        "beside_not_read": figures["not read"],
        "runs": runs,
        "gateway_kb_peak": peak,
        "kb_each": round(grown / SOCKETS, 1),
        "stolen_percent": stolen,
        "machine": machine(options),
    }
    rows = [
        *(
            (f"event to frame, beside {SOCKETS} sockets that are {side}", _told(figures[side], runs[side]))
            for side in ("read", "not read")
        ),
        ("those not read that were cut", f"{cut} of {SOCKETS}"),
        ("gateway memory at its peak", f"{peak / 1024:.0f} MB, {result['kb_each']} KB a slow reader"),
        ("CPU that the hypervisor gave to others meanwhile", f"{stolen} %"),
    ]
    show("slow: sockets that nobody reads", rows, result["machine"], options)
    return result


def _told(figure: dict[str, float], runs: list[dict[str, Any]]) -> str:
    each = ", ".join(str(found["p99_ms"]) for found in runs)
    return f"p50 {figure['p50_ms']} ms, p99 {figure['p99_ms']} ms (medians; p99 of the runs: {each})"


async def _beside(
    engine: Engine, seconds: float, run_id: str, gateway: int, *, is_read: bool
) -> tuple[dict[str, Any], tuple[int, int], int]:
    """Probe one reader beside the sockets.

    Returns:
        Its figures, the gateway's memory before and at its peak (KB), how many sockets were cut.
    """
    before = processes.memory_kb(gateway)
    players = [f"{run_id}-{n}" for n in range(SOCKETS)]
    opened = [await _open(engine.port, player) for player in players]
    readers = [asyncio.create_task(_drain(each)) for each in opened] if is_read else []
    peak = before
    done = asyncio.Event()

    async def watch() -> None:
        nonlocal peak
        while not done.is_set():
            peak = max(peak, await asyncio.to_thread(processes.memory_kb, gateway))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(done.wait(), 0.5)

    watching = asyncio.create_task(watch())
    feeding = asyncio.create_task(_feed(engine, players, seconds + 4, run_id))
    found = summary(*await probe_frames(engine, f"reader-{run_id}", seconds))
    await feeding
    done.set()
    await watching
    for reader in readers:
        reader.cancel()
    await asyncio.gather(*readers, return_exceptions=True)
    cut = 0 if is_read else sum([await _is_cut(each) for each in opened])
    for each in opened:
        each.close()
    return found, (before, peak), cut


async def _drain(raw: sockets.socket) -> None:
    loop = asyncio.get_running_loop()
    while await loop.sock_recv(raw, 1 << 16):
        pass


async def _feed(engine: Engine, players: list[str], seconds: float, run_id: str) -> None:
    """Send big batches, so that the frames outgrow what the kernels buffer."""
    connection = await connect(engine.port)
    until, n, at = time.monotonic() + seconds, 0, time.monotonic()
    while time.monotonic() < until:
        bets = [
            segment(Bet(f"{run_id}-{n + i}", players[(n + i) % len(players)], 100, "roulette"), now_iso())
            for i in range(50)
        ]
        n += len(bets)
        body = ('{"batch":[' + ",".join(bets) + "]}").encode()
        await connection.send(request("/v1/batch", body, engine.authorization, ""))
        at += len(bets) / EVENTS_PER_S
        await asyncio.sleep(max(0.0, at - time.monotonic()))
    connection.close()


async def _open(port: int, player: str) -> sockets.socket:
    """Shake hands by a socket with a small buffer, say hello, and never read again."""
    now = int(time.time())
    token = jwt.encode({"sub": player, "iat": now, "exp": now + 3600, "scope": "player"}, SECRET, "HS256")
    raw = sockets.socket()
    raw.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, RECEIVE_BUFFER)
    raw.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(raw, ("127.0.0.1", port))
    for part in shake_hands(port, json.dumps({"type": "hello", "token": token, "cursor": None})):
        await loop.sock_sendall(raw, part)
        await loop.sock_recv(raw, 2_048)
    return raw


async def _is_cut(raw: sockets.socket) -> bool:
    """Tell whether the gateway has ended the connection: read what is left of it until it ends, or waits."""
    loop = asyncio.get_running_loop()
    try:
        while await asyncio.wait_for(loop.sock_recv(raw, 1 << 20), 0.2):
            pass
    except TimeoutError:
        return False
    except OSError:
        return True
    return True
