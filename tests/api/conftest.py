"""A gateway over a real store: in process by ASGI, and on a loopback port."""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from redis.asyncio import Redis

from actors.clock import new_id
from api.app import create_app
from api.context import Context
from api.gateway import CuttableSocket, bound
from api.settings import Settings
from domain.effects import Effect, HistoryRecord, Reply, encode_record, encode_reply
from domain.entries import Event, LogEntry
from domain.ids import partition_of
from store.identity import open_store
from store.keys import PLAYERS, poke
from store.ports import Commit, Token
from store.programmes import Programmes
from store.redis_lane import RedisLane
from tests.conftest import Server

PARTITIONS = 4
SECRET = "obviously-made-up-secret-of-the-tests"


class Host:
    """Takes turns without rules: each event's effects are what the test says."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._lane = RedisLane(redis, PLAYERS)
        self._tokens: dict[int, tuple[Token, str]] = {}

    async def logged(self) -> list[LogEntry]:
        """Return everything in the logs."""
        read = await self._lane.read(dict.fromkeys(range(PARTITIONS), "0-0"), 100_000, 1)
        return [entry for p in sorted(read) for entry in read[p]]

    async def turn(self, player: str, effects: tuple[Effect, ...] = (), *, outputs: tuple[bytes, ...] = ()) -> None:
        """Apply the next entry of the player's partition, which must be the player's."""
        p = partition_of(player, PARTITIONS)
        if p not in self._tokens:
            grant = await self._lane.acquire(p, "test-host", new_id(), 60_000)
            self._tokens[p] = (grant.token, grant.offset)
        token, offset = self._tokens[p]
        (entry,) = (await self._lane.read({p: offset}, 1, 1_000))[p]
        event = entry.entry
        assert isinstance(event, Event)
        assert event.player == player
        record = HistoryRecord(event.id, event.name, entry.at, effects)
        commit = Commit(offset, entry.offset, 1, outputs=list(outputs))
        if effects:
            commit.history.append((player, entry.offset, encode_record(record)))
            commit.publishes.append((poke(p), player.encode()))
        if event.reply_to:
            commit.publishes.append((event.reply_to, encode_reply(Reply(player, entry.offset, record))))
        ((verdict, detail),) = await self._lane.commit([(token, commit)])
        assert verdict == "OK", detail
        self._tokens[p] = (token, entry.offset)


class Api:
    """The gateway of a test, with one key of each kind."""

    def __init__(self, app: FastAPI, client: httpx.AsyncClient) -> None:
        self.app = app
        self.client = client
        self.context: Context = app.state.context
        self.admin = self.ingest = self.browser = ""

    async def make_keys(self) -> None:
        access, now = self.context.access, self.context.clock.now_ms()
        self.admin, _ = await access.create("server", ("admin",), now=now)
        self.ingest, _ = await access.create("server", ("events:write",), now=now)
        self.browser, _ = await access.create("client", ("events:write",), now=now)
        await self.context.keys.reload()

    async def post(self, path: str, body: Any = None, *, key: str | None = None, **headers: str) -> httpx.Response:
        """Post JSON (or bytes as they are) with the admin key, or another, or none ("")."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        secret = self.admin if key is None else key
        if secret:
            named["authorization"] = f"Bearer {secret}"
        content = {"content": body} if isinstance(body, bytes) else {"json": body} if body is not None else {}
        return await self.client.post(path, headers=named, **content)

    async def get(self, path: str, *, key: str | None = None) -> httpx.Response:
        return await self.client.get(path, headers={"authorization": f"Bearer {key or self.admin}"})

    async def token(self, player: str) -> str:
        answer = await self.post(f"/v1/players/{player}/token", {})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["token"])

    async def publish(self, documents: dict[str, dict[str, dict[str, Any]]]) -> None:
        """Make a programme live, and known to this gateway."""
        await Programmes(self.context.redis, self.context.intake).publish(documents, new_id())
        await self.context.programme.refresh()


def settings_of(server: Server, **changes: Any) -> Settings:
    return Settings(redis_url=server.url, token_secret=SECRET, gateway_id="test", **changes)


@contextlib.asynccontextmanager
async def opened_api(settings: Settings) -> AsyncIterator[Api]:
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
            api = Api(app, client)
            await api.make_keys()
            yield api


@pytest.fixture
async def made(redis: Redis) -> Redis:
    """An empty store with an identity."""
    await open_store(redis, partitions=PARTITIONS, clock="store", seed="seed")
    return redis


@pytest.fixture
async def api(server: Server, made: Redis) -> AsyncIterator[Api]:
    """A gateway in process."""
    assert made
    async with opened_api(settings_of(server)) as api:
        yield api


@pytest.fixture
def host(made: Redis) -> Host:
    return Host(made)


@contextlib.asynccontextmanager
async def listening(app: Any, *, lifespan: str = "off") -> AsyncIterator[str]:
    """Serve an application on a loopback port as the gateway process does; yields host:port."""
    listener = bound(Settings(redis_url="unix:///unused", token_secret=SECRET, port=0))
    config = uvicorn.Config(
        app, ws=CuttableSocket, ws_max_size=64 * 1024, ws_per_message_deflate=False, log_level="error",
        lifespan=lifespan, timeout_graceful_shutdown=1,  # type: ignore[arg-type]
    )  # fmt: skip
    server = uvicorn.Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup(sockets=[listener])
    address = listener.getsockname()
    loop = asyncio.create_task(server.main_loop())
    try:
        yield f"{address[0]}:{address[1]}"
    finally:
        server.should_exit = True
        await loop
        await server.shutdown(sockets=[listener])
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()


@pytest.fixture
async def address(api: Api) -> AsyncIterator[str]:
    """The gateway of ``api`` on a port."""
    async with listening(api.app) as address:
        yield address


async def eventually(condition: Callable[[], Awaitable[Any]], what: str, timeout_s: float = 5.0) -> Any:
    """Wait until a condition of another process holds; the failure names it."""
    deadline = time.monotonic() + timeout_s
    while not (value := await condition()):
        assert time.monotonic() < deadline, f"waited {timeout_s} s for: {what}"
        await asyncio.sleep(0.01)
    return value
