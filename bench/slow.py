"""``slow``: 500 sockets whose readers do not read, and what they cost those who do, and the gateway."""

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
from bench.latency import probe_frames, summary
from bench.load import connect, request
from bench.options import Options, machine, show
from bench.sockets import shake_hands
from bench.traffic import Bet, now_iso, segment

SLOW = 500
EVENTS_PER_S = 250  # to the slow ones' players, so that all their buffers fill
RECEIVE_BUFFER = 4_096  # bytes that a slow reader's kernel takes for it
SECRET = "bench" * 8


def run(options: Options) -> dict[str, Any]:
    """Measure one reader's frames beside so many players without a socket, then beside the slow ones."""
    with Engine(options, token_secret=SECRET) as engine:
        gateway = next(pid for pid in processes.tree(engine.pid) if processes.name_of(pid) == "api.gateway")
        alone = summary(*uvloop.run(_beside(engine, options.seconds, "alone", [f"quiet-{n}" for n in range(SLOW)])))
        before = processes.memory_kb(gateway)
        beside, peak, cut = uvloop.run(_with_slow(engine, options.seconds, gateway))
        engine.settle_all()
    result: dict[str, Any] = {
        "bench": "slow",
        "slow_readers": SLOW,
        "cut": cut,
        "alone": alone,
        "beside": beside,
        "gateway_kb_before": before,
        "gateway_kb_peak": peak,
        "kb_each": round((peak - before) / SLOW, 1),
        "machine": machine(options),
    }
    rows = [
        (f"event to frame, {SLOW} players without a socket", f"p50 {alone['p50_ms']} ms, p99 {alone['p99_ms']} ms"),
        (f"beside {SLOW} that do not read", f"p50 {beside['p50_ms']} ms, p99 {beside['p99_ms']} ms"),
        ("slow ones that were cut", f"{cut} of {SLOW}"),
        ("gateway memory at its peak", f"{peak / 1024:.0f} MB, {result['kb_each']} KB a slow reader"),
    ]
    show("slow: readers that do not read", rows, result["machine"], options)
    return result


async def _with_slow(engine: Engine, seconds: float, gateway: int) -> tuple[dict[str, Any], int, int]:
    slow = [await _open(engine.port, f"slow-{n}") for n in range(SLOW)]
    peak = 0
    done = asyncio.Event()

    async def watch() -> None:
        nonlocal peak
        while not done.is_set():
            peak = max(peak, await asyncio.to_thread(processes.memory_kb, gateway))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(done.wait(), 0.5)

    watching = asyncio.create_task(watch())
    found = summary(*await _beside(engine, seconds, "beside", [f"slow-{n}" for n in range(SLOW)]))
    done.set()
    await watching
    cut = sum([await _is_cut(each) for each in slow])
    for each in slow:
        each.close()
    return found, peak, cut


async def _beside(engine: Engine, seconds: float, run_id: str, players: list[str]) -> tuple[list[float], int]:
    """Probe one reader while the players of the slow ones get event after event."""
    feeding = asyncio.create_task(_feed(engine, players, seconds + 4, run_id))
    found = await probe_frames(engine, f"reader-{run_id}", seconds)
    await feeding
    return found


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
