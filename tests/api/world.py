"""A gateway of this package's routers over a real store, and hosts that take the players' turns beside it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import jwt
from fastapi import FastAPI
from redis.asyncio import Redis

from actors.beliefs import BeliefVersions
from actors.carrier import Carrier
from actors.clock import SystemClock, new_id
from actors.models import ModelVersions
from actors.processor import Processor
from actors.programme import ProgrammeVersions
from actors.reducers import PlayerReducer, TowerReducer
from api import problems
from api.app import ROUTERS
from api.auth import ALGORITHM, PLAYER_SCOPE
from api.context import Context, opened
from api.once import Once
from api.settings import Settings
from domain.entries import Event
from store.access import Access
from store.beliefs import BeliefsStore
from store.client import connect
from store.identity import open_store
from store.keys import PLAYERS, TOWER
from store.models import Models
from store.programmes import Programmes
from store.redis_lane import RedisLane
from store.ways import RedisWays
from tests.conftest import Server

PARTITIONS = 4
SEED = "seed"
TOKEN_SECRET = "a secret of thirty-two bytes or more"
T0 = 1_764_000_000_000

PROGRAMME: dict[str, dict[str, dict[str, Any]]] = {
    "currencies": {"gems": {"name": {"en": "Gems"}}},
    "earn-rules": {"bets": {"event": "bet_placed", "currency": "points", "amount": 5}},
    "missions": {
        "two-bets": {
            "tasks": [{"id": "bets", "event": "bet_placed", "count": 2}],
            "claim": "manual",
            "rewards": [{"kind": "currency", "currency": "gems", "amount": 3}],
        },
        "marathon": {"tasks": [{"id": "bets", "event": "bet_placed", "count": 100}], "opt_in": True},
    },
    "levels": {"main": {"levels": [{"id": "bronze", "at": 0}, {"id": "silver", "at": 10}]}},
    "templates": {
        "hello": {
            "channel": "in_app",
            "title": {"en": "Hi {{ player.traits.first_name }}"},
            "body": {"en": "You have {{ player.balance.points }} points"},
        }
    },
}


@dataclass(repr=False)
class World:
    """What a test works with. Requests are the administrator's unless ``headers`` say otherwise."""

    http: httpx.AsyncClient
    context: Context
    redis: Redis

    async def publish(self, documents: dict[str, dict[str, dict[str, Any]]] = PROGRAMME) -> int:
        """Put the documents and publish them."""
        for kind, named in documents.items():
            for name, document in named.items():
                answer = await self.http.put(f"/v1/config/{kind}/{name}", json=document)
                assert answer.status_code in (200, 201), answer.text
        answer = await self.http.post("/v1/programme/publish")
        assert answer.status_code in (200, 202), answer.text
        return int(answer.json()["version"])

    async def key(self, *scopes: str) -> dict[str, str]:
        """Make a key with some scopes; its header, once the gateway knows it."""
        secret, _ = await self.context.access.create("server", scopes, now=T0)
        headers = {"Authorization": f"Bearer {secret}"}
        async with asyncio.timeout(10):
            while True:
                if (await self.http.get("/v1/me", headers=headers)).status_code != 401:
                    return headers

    def token(self, player: str) -> dict[str, str]:
        """Return a player's own header."""
        claims = {"sub": player, "scope": PLAYER_SCOPE, "exp": self.context.clock.now_ms() // 1000 + 600}
        return {"Authorization": f"Bearer {jwt.encode(claims, TOKEN_SECRET, ALGORITHM)}"}

    async def happen(self, player: str, name: str, event_id: str, **said: Any) -> None:
        """Tell the player an event and wait for its turn."""
        ref = self.context.players.ref(player)
        event = Event(
            player, event_id, name, self.context.clock.now_ms(), reply_to=self.context.replies.channel, **said
        )
        told = await ref.tell(event)
        assert await ref.applied(told.offset, 10) is not None, "the turn was not taken"

    async def until(self, path: str, done: Any) -> Any:
        """Ask until the answer satisfies ``done``."""
        async with asyncio.timeout(10):
            while True:
                if done(answer := (await self.http.get(path)).json()):
                    return answer


@contextlib.asynccontextmanager
async def world_of(server: Server, redis: Redis, *, hosts: bool = True) -> AsyncIterator[World]:
    """Make a store's identity, a gateway with an admin key, and the hosts."""
    await open_store(redis, partitions=PARTITIONS, clock=None, seed=SEED)
    app = FastAPI()
    problems.install(app)
    app.add_middleware(Once)
    for module in ROUTERS:
        app.include_router(module.router)
    patient = {"store_timeout_s": 15}  # of a machine that does much else
    settings = Settings.model_validate(
        {"redis_url": server.url, "token_secret": TOKEN_SECRET, "gateway_id": new_id(), **patient}
    )
    secret, _ = await Access(redis).create("server", ("admin",), now=T0)
    async with opened(settings) as context:
        app.state.context = context
        transport = httpx.ASGITransport(app=app)
        headers = {"Authorization": f"Bearer {secret}"}
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway", headers=headers) as http:
            world = World(http, context, redis)
            stopping = asyncio.Event()  # a cancelled read may be swallowed below, so hosts are asked to end
            lanes = ("players", "tower") if hosts else ()
            running = [asyncio.create_task(_host(server, lane, stopping)) for lane in lanes]
            yield world
            stopping.set()
            await asyncio.gather(*running)


async def _host(server: Server, lane: str, stopping: asyncio.Event) -> None:
    redis = connect(server.url)
    programmes = ProgrammeVersions(Programmes(redis))
    if lane == "players":
        reducer: Any = PlayerReducer(
            programmes,
            store_seed=SEED,
            partitions=PARTITIONS,
            models=ModelVersions(Models(redis)),
            beliefs=BeliefVersions(BeliefsStore(redis)),
        )
        processor: Processor[Any] = Processor(RedisLane(redis, PLAYERS), reducer, owner="h1", nonce=new_id)
    else:
        processor = Processor(RedisLane(redis, TOWER), TowerReducer(programmes), owner="t1", nonce=new_id)
    carrier = Carrier(RedisWays(redis), SystemClock(), partitions=PARTITIONS) if lane == "players" else None
    if carrier is not None:
        processor.on_commit = lambda partition, folded: carrier.committed(partition, folded.commit)
    try:
        for partition in range(PARTITIONS):
            assert await processor.acquire(partition)
        while not stopping.is_set():
            await processor.step(20)
            await processor.fire()
            if carrier is not None:
                carrier.owns({partition: owned.token for partition, owned in processor.owned.items()})
                await carrier.carry()
                await carrier.walk()
            assert not processor.stopped, processor.stopped
    finally:
        await redis.aclose()
