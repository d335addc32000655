"""``sockets``: what idle sockets cost a gateway. A minimal client, so that the measuring process stays small."""

import asyncio
import base64
import json
import os
import resource
import struct
import time
from typing import Any

import jwt
import uvloop

from bench import processes
from bench.engine_process import Engine
from bench.options import Options, machine, show

WANTED = 10_000
OPENING = 100  # handshakes at a time


def run(options: Options) -> dict[str, Any]:
    """Open as many as the limit on open files lets us, up to 10,000, and see what the gateway grew by."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = min(WANTED, (hard if hard > 0 else soft) - 500)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, count + 500)), hard))
    with Engine(options, token_secret="bench" * 8) as engine:  # the gateways inherit our limit
        gateway = next(pid for pid in processes.tree(engine.pid) if processes.name_of(pid) == "api.gateway")
        before = processes.memory_kb(gateway)
        opened, seconds, after = uvloop.run(_hold(engine, count, gateway))
    each_kb = (after - before) / max(1, opened)
    result: dict[str, Any] = {
        "bench": "sockets",
        "wanted": count,
        "opened": opened,
        "kb_each": round(each_kb, 1),
        "opened_per_s": round(opened / seconds),
        "machine": machine(options),
    }
    rows = [
        ("idle sockets open", f"{opened:,} of {count:,}"),
        ("gateway memory each", f"{each_kb:.1f} KB"),
        ("opened and welcomed", f"{result['opened_per_s']:,}/s"),
    ]
    show("sockets", rows, result["machine"], options)
    return result


async def _hold(engine: Engine, count: int, gateway: int) -> tuple[int, float, int]:
    gate = asyncio.Semaphore(OPENING)
    now = int(time.time())

    async def one(n: int) -> asyncio.StreamWriter | None:
        claims = {"sub": f"idle-{n}", "iat": now, "exp": now + 3600, "scope": "player"}
        token = jwt.encode(claims, "bench" * 8, "HS256")
        async with gate:
            try:
                return await asyncio.wait_for(_open(engine.port, token), 20)
            except (OSError, TimeoutError, EOFError):
                return None

    began = time.monotonic()
    writers = [writer for writer in await asyncio.gather(*(one(n) for n in range(count))) if writer is not None]
    seconds = time.monotonic() - began
    await asyncio.sleep(1.0)
    after = processes.memory_kb(gateway)
    for writer in writers:
        writer.close()
    return len(writers), seconds, after


async def _open(port: int, token: str) -> asyncio.StreamWriter:
    """Shake hands, say hello, wait for the welcome."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=8_192)
    upgrade, hello = shake_hands(port, json.dumps({"type": "hello", "token": token, "cursor": None}))
    writer.write(upgrade)
    if b" 101 " not in await reader.readuntil(b"\r\n\r\n"):
        raise ConnectionRefusedError
    writer.write(hello)
    await reader.readexactly(2)  # the welcome's head
    return writer


def shake_hands(port: int, hello: str) -> tuple[bytes, bytes]:
    """Return what a client says, each to be answered: the upgrade, and its first frame."""
    key = base64.b64encode(os.urandom(16)).decode()
    upgrade = (
        f"GET /v1/ws HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: playtower.v1\r\n\r\n"
    )
    return upgrade.encode(), masked(hello.encode())


def masked(payload: bytes) -> bytes:
    """Return a client's text frame (RFC 6455); the mask of zeros leaves the payload as it is."""
    size = len(payload)
    head = struct.pack("!BB", 0x81, 0x80 | size) if size < 126 else struct.pack("!BBH", 0x81, 0xFE, size)
    return head + b"\0\0\0\0" + payload
