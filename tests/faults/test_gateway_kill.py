"""One request a hundred times over two gateways, one of them killed meanwhile: one effect, a hundred equal answers."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from api.settings import VARIABLE, Settings
from tests.api.world import TOKEN_SECRET, World, world_of
from tests.conftest import Server
from tests.e2e.engine import free_port

pytestmark = [pytest.mark.redis, pytest.mark.slow]
REQUESTS = 100
READY_WITHIN_S, ANSWERED_WITHIN_S = 120.0, 60.0
GOODWILL = {"currency": "gems", "amount": 7, "reason": "goodwill"}
STONES = "/v1/config/currencies/stones"


class Gateway:
    """A gateway process."""

    def __init__(self, server: Server, name: str) -> None:
        self.port = free_port()
        settings = Settings(redis_url=server.url, token_secret=TOKEN_SECRET, gateway_id=name, port=self.port)
        environment = os.environ | {VARIABLE: settings.model_dump_json()}
        self.process = subprocess.Popen([sys.executable, "-m", "api.gateway"], env=environment)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def ready(self, http: httpx.AsyncClient) -> None:
        async with asyncio.timeout(READY_WITHIN_S):
            while not await self._answers(http):
                assert self.process.poll() is None, "the gateway ended"
                await asyncio.sleep(0.1)

    async def _answers(self, http: httpx.AsyncClient) -> bool:
        try:
            return (await http.get(f"{self.url}/healthz")).status_code == 200
        except httpx.TransportError:
            return False

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
async def world(server: Server, redis: Redis) -> AsyncIterator[World]:
    async with world_of(server, redis) as made:
        await made.publish()
        yield made


@asynccontextmanager
async def two_gateways(server: Server, world: World) -> AsyncIterator[tuple[httpx.AsyncClient, Gateway, Gateway]]:
    headers = {"Authorization": world.http.headers["Authorization"], "Idempotency-Key": "once"}
    limits = httpx.Limits(max_connections=2 * REQUESTS)
    async with (
        httpx.AsyncClient(headers=headers, limits=limits, timeout=ANSWERED_WITHIN_S) as http,
        AsyncExitStack() as s,
    ):
        first, second = Gateway(server, "first"), Gateway(server, "second")
        for gateway in (first, second):
            s.callback(gateway.kill)
        await asyncio.gather(first.ready(http), second.ready(http))
        yield http, first, second


async def asked_by_all(
    http: httpx.AsyncClient, first: Gateway, second: Gateway, method: str, path: str, body: Any = None
) -> list[httpx.Response]:
    """Send the same from a hundred clients; kill the first gateway as soon as anybody has an answer."""
    some_answer = asyncio.Event()

    async def client(n: int) -> httpx.Response:
        gateway = first if n % 2 else second
        while True:
            try:
                answer = await http.request(method, gateway.url + path, json=body)
            except httpx.TransportError:
                gateway = second  # as a balancer would
                continue
            if answer.status_code not in (202, 429, 503) and "retry-after" not in answer.headers:
                some_answer.set()
                return answer
            await asyncio.sleep(0.1)

    async def killer() -> None:
        await some_answer.wait()
        first.kill()

    async with asyncio.timeout(ANSWERED_WITHIN_S):
        answers, _ = await asyncio.gather(asyncio.gather(*(client(n) for n in range(REQUESTS))), killer())
    return list(answers)


async def test_a_command_is_one_effect_and_a_hundred_equal_answers(server: Server, world: World) -> None:
    async with two_gateways(server, world) as (http, first, second):
        path = "/v1/players/amelia/adjustments"
        answers = await asked_by_all(http, first, second, "POST", path, GOODWILL)
        assert len(answers) == REQUESTS
        assert {(answer.status_code, answer.content) for answer in answers} == {(200, answers[0].content)}
        assert (await http.get(f"{second.url}/v1/players/amelia")).json()["balances"]["gems"]["balance"] == 7
        history = (await http.get(f"{second.url}/v1/players/amelia/history")).json()["items"]
        assert [item["name"] for item in history] == ["adjust"]


async def test_a_change_of_configuration_is_made_once_and_told_to_all_alike(server: Server, world: World) -> None:
    await world.http.put(STONES, json={})
    async with two_gateways(server, world) as (http, first, second):
        answers = await asked_by_all(http, first, second, "DELETE", STONES)
        assert len(answers) == REQUESTS
        assert len({(answer.status_code, answer.content) for answer in answers}) == 1
        assert (await world.http.get(STONES)).status_code == 404


async def test_what_a_dead_gateway_had_begun_is_taken_up_by_another(server: Server, world: World) -> None:
    """All that the first gateway had at work dies unanswered; the second finds what the log has."""
    async with two_gateways(server, world) as (http, first, second):
        path = "/v1/players/amelia/adjustments"
        lost = [asyncio.create_task(http.post(first.url + path, json=GOODWILL)) for _ in range(REQUESTS)]
        await world.until("/v1/players/amelia", lambda player: player.get("version"))
        first.kill()
        await asyncio.gather(*lost, return_exceptions=True)
        answer = await http.post(second.url + path, json=GOODWILL)
        assert (answer.status_code, answer.headers["idempotency-replayed"]) == (200, "true")
        assert (await http.get(f"{second.url}/v1/players/amelia")).json()["balances"]["gems"]["balance"] == 7
