"""The gateway as a process: several share a port, and one ends in order."""

import asyncio
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest
from redis.asyncio import Redis

from api.settings import VARIABLE, Settings
from store.access import Access
from tests.api.conftest import SECRET, eventually
from tests.conftest import Server


@pytest.fixture
def port() -> Iterator[int]:
    """A port that stays ours while gateways come and go."""
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


def start(server: Server, port: int, name: str) -> subprocess.Popen[bytes]:
    settings = Settings(redis_url=server.url, token_secret=SECRET, port=port, gateway_id=name)
    environment = {VARIABLE: settings.model_dump_json(), "PATH": "/usr/bin:/bin"}
    # repr=False hides the secret from logs, not from the process that must have it
    return subprocess.Popen([sys.executable, "-m", "api.gateway"], env=environment)


@pytest.mark.slow
async def test_two_gateways_share_a_port_and_end_in_order(server: Server, made: Redis, port: int) -> None:
    key, _ = await Access(made).create("server", ("events:write",), now=1)
    processes = [start(server, port, name) for name in ("g1", "g2")]
    try:

        async def listeners() -> bool:
            channels = await made.pubsub_numsub("reply:g1", "reply:g2")
            return all(count for _, count in channels)

        await eventually(listeners, "both gateways", 60)
        headers = {"authorization": f"Bearer {key}"}

        async def send(n: int) -> int:
            event = {"event": "Bet Placed", "userId": "amelia", "messageId": f"m-{n}"}
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
                for _ in range(100):
                    try:
                        answer = await client.post("/v1/track", json=event, headers=headers)
                    except httpx.TransportError:
                        continue  # the port is bound before it listens; a connection of the ending one was reset
                    return answer.status_code
            return 0

        assert await asyncio.gather(*(send(n) for n in range(20))) == [200] * 20
        processes[0].send_signal(signal.SIGTERM)
        assert await asyncio.gather(*(send(n) for n in range(20, 60))) == [200] * 40
        assert await asyncio.to_thread(processes[0].wait, 20) in (0, -signal.SIGTERM)
        assert await asyncio.gather(*(send(n) for n in range(60, 80))) == [200] * 20
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            await asyncio.to_thread(process.wait, 20)
