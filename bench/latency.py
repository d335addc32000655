"""``latency``: an event to its player's websocket frame while others load the engine; and ``Prefer: wait``.

The load comes from a C generator (wrk), the probe is a process of its own: one player with an open socket whose
events leave at scheduled times. Counted from the schedule, so waiting behind a slow answer counts.
"""

import asyncio
import json
import time
from typing import Any

import uvloop
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as open_socket
from websockets.typing import Subprotocol

from bench.background import Background
from bench.engine_process import Engine
from bench.figures import percentile
from bench.load import Connection, connect, request
from bench.options import Options, machine, show
from bench.traffic import Bet, Traffic, now_iso, segment
from playtower.client import Client

RATES = (200, 500, 1_000)
PROBES_PER_S = 50
SETTLE_S = 1.5  # of background before the first probe
WAIT_RATE = 500
ANSWERED_WITHIN_S = 3.0
CONNECTIONS = 8  # of the probe: a slow answer does not delay the next event
PROTOCOL = Subprotocol("playtower.v1")
LAST = "last"  # in what is due: nothing more will be sent


def run(options: Options) -> dict[str, Any]:
    """Measure each rate in turn."""
    rates, generator = [], ""
    with Engine(options) as engine:
        engine.send(Traffic("warm", 2_000, 1_000, 100, 4, "segment_batch", people="bg"))
        for rate in RATES:
            with Background(engine, rate, options.seconds + SETTLE_S, f"bg{rate}") as load:
                frames = uvloop.run(probe_frames(engine, f"probe-{rate}", options.seconds - 1))
            generator = load.generator
            rates.append(
                {
                    "events_per_s": rate,
                    "held_events_per_s": round(load.rate_held, 1),
                    "refused": load.refused,
                    **summary(*frames),
                }
            )
            engine.settle_all()
        with Background(engine, WAIT_RATE, options.seconds + SETTLE_S, "bgw") as load:
            answers = uvloop.run(probe_waits(engine, "probe-wait", options.seconds - 1))
        wait = {"events_per_s": WAIT_RATE, "held_events_per_s": round(load.rate_held, 1), **summary(*answers)}
    result: dict[str, Any] = {
        "bench": "latency",
        "rates": rates,
        "prefer_wait": wait,
        "generator": generator,
        "machine": machine(options),
    }
    rows = [
        (
            f"frame at {each['events_per_s']}/s",
            f"p50 {each['p50_ms']} ms, p99 {each['p99_ms']} ms of {each['probes']} ({each['missing']} missing; "
            f"load held {each['held_events_per_s']}/s)",
        )
        for each in rates
    ]
    rows.append((f"Prefer: wait at {WAIT_RATE}/s", f"p50 {wait['p50_ms']} ms, p99 {wait['p99_ms']} ms"))
    rows.append(("load from", generator))
    show("latency: event to websocket frame", rows, result["machine"], options)
    return result


def summary(latencies_ms: list[float], missing: int) -> dict[str, Any]:
    """Return what is reported of a probe."""
    return {
        "probes": len(latencies_ms) + missing,
        "missing": missing,
        "p50_ms": round(percentile(latencies_ms, 0.5), 2),
        "p99_ms": round(percentile(latencies_ms, 0.99), 2),
    }


async def probe_frames(engine: Engine, player: str, seconds: float) -> tuple[list[float], int]:
    """Send scheduled events for a player with an open socket; milliseconds to each frame, and how many had none."""
    token = await asyncio.to_thread(_token, engine, player)
    due: dict[str, float] = {}
    latencies: list[float] = []
    async with open_socket(f"ws://127.0.0.1:{engine.port}/v1/ws", subprotocols=[PROTOCOL]) as socket:
        await socket.send(json.dumps({"type": "hello", "token": token, "cursor": None}))
        await socket.recv()
        reading = asyncio.create_task(_read_frames(socket, due, latencies))
        await asyncio.sleep(SETTLE_S)
        sent = await _send_scheduled(engine, player, seconds, due)
        due[LAST] = 0.0
        await asyncio.wait({reading}, timeout=ANSWERED_WITHIN_S)  # ends by itself when nothing is due
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
    return latencies, sent - len(latencies)


async def probe_waits(engine: Engine, player: str, seconds: float) -> tuple[list[float], int]:
    """Send scheduled events that wait for their turn; milliseconds to each answer, and how many were not applied."""
    await asyncio.sleep(SETTLE_S)
    latencies: list[float] = []
    sent = await _send_scheduled(engine, player, seconds, {}, "Prefer: wait=2\r\n", latencies)
    return latencies, sent - len(latencies)


async def _send_scheduled(
    engine: Engine,
    player: str,
    seconds: float,
    due: dict[str, float],
    extra: str = "",
    answered: list[float] | None = None,
) -> int:
    """Send each event at its time, whatever became of those before; how many were sent."""
    connections = [await connect(engine.port) for _ in range(CONNECTIONS)]
    free: asyncio.Queue[Connection] = asyncio.Queue()
    for connection in connections:
        free.put_nowait(connection)

    async def one(n: int, at: float) -> None:
        await asyncio.sleep(max(0.0, at - time.monotonic()))
        bet = Bet(f"{player}-{n}", player, 100, "roulette")
        due[bet.id] = at
        connection = await free.get()
        body = segment(bet, now_iso()).encode()
        status, content = await connection.send(request("/v1/track", body, engine.authorization, extra))
        free.put_nowait(connection)
        if answered is not None and status == 200 and json.loads(content).get("applied"):
            answered.append((time.monotonic() - at) * 1000)

    count, began = max(1, round(seconds * PROBES_PER_S)), time.monotonic() + 0.05
    await asyncio.gather(*(one(n, began + n / PROBES_PER_S) for n in range(count)))
    for connection in connections:
        connection.close()
    return count


async def _read_frames(socket: ClientConnection, due: dict[str, float], latencies: list[float]) -> None:
    """Note the first frame of each event that is due, until the last was sent and all have come."""
    async for text in socket:
        now = time.monotonic()
        at = due.pop(json.loads(text).get("event_id", ""), None)
        if at is not None:
            latencies.append((now - at) * 1000)
        if len(due) == 1 and LAST in due:
            return


def _token(engine: Engine, player: str) -> str:
    with Client(engine.key, engine.url) as client:
        return str(client.request("POST", f"/v1/players/{player}/token").json()["token"])
