"""Bodies are bounded in bytes and time on every route, before anybody's key is looked at."""

import asyncio
import json
from collections.abc import AsyncIterator

import httpx
import pytest
from redis.asyncio import Redis
from starlette.types import Message, Receive, Scope, Send

from api.limits import HOOK_MAX, BodyLimits
from tests.api.conftest import Api, listening, opened_api, settings_of
from tests.conftest import Server

MOST = 500 * 1024
PATHS = ["/v1/messages/x/review", "/v1/me/devices", "/v1/players/amelia/exclusion", "/preferences/x", "/u/x", "/none"]


@pytest.mark.redis
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("announced", [True, False])
async def test_no_route_reads_more_than_the_bound_and_none_asks_for_a_key_first(
    api: Api, path: str, announced: bool
) -> None:
    body = b'{"a":[' + b"[]," * (MOST // 3) + b"[]]}"

    async def chunks() -> AsyncIterator[bytes]:
        yield body

    headers = {"content-type": "application/json"}
    answer = await api.client.post(path, content=body if announced else chunks(), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["connection"] == "close"
    fits = await api.client.post(path, content=b" " * MOST, headers=headers)
    assert fits.status_code not in (408, 413) or path in ("/preferences/x", "/u/x")


@pytest.mark.redis
async def test_hooks_take_what_providers_batch(api: Api) -> None:
    path = "/v1/hooks/nobody"
    assert (await api.client.post(path, content=b"x" * HOOK_MAX)).status_code == 404
    assert (await api.client.post(path, content=b"x" * (HOOK_MAX + 1))).status_code == 413


@pytest.mark.redis
async def test_a_body_that_never_ends_is_answered_in_time(server: Server, made: Redis) -> None:
    assert made
    async with opened_api(settings_of(server, body_timeout_s=0.2)) as api, listening(api.app) as address:
        host, port = address.split(":")
        for path in ("/u/x", "/v1/me/devices"):
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc".encode())
            async with asyncio.timeout(10):
                answer = await reader.read()  # to the end: the connection is closed
            assert answer.startswith(b"HTTP/1.1 408")
            assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == "body_timeout"
            writer.close()


async def test_what_fits_is_handed_on_whole_and_what_comes_after_it_too() -> None:
    seen: list[Message] = []

    async def app(_scope: Scope, receive: Receive, _send: Send) -> None:
        seen.extend([await receive(), await receive()])

    parts: list[Message] = [
        {"type": "http.request", "body": b"ab", "more_body": True},
        {"type": "http.request", "body": b"c"},
        {"type": "http.disconnect"},
    ]

    async def receive() -> Message:
        return parts.pop(0)

    async def send(message: Message) -> None:
        raise AssertionError(message)

    scope = {"type": "http", "method": "POST", "path": "/", "headers": []}
    await BodyLimits(app, 3, 1)(scope, receive, send)
    assert seen == [{"type": "http.request", "body": b"abc", "more_body": False}, {"type": "http.disconnect"}]


async def test_a_request_without_a_body_is_not_waited_for() -> None:
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    async def silent() -> Message:
        raise AssertionError("it was waited for")

    async def send(message: Message) -> None:
        assert message["type"].startswith("http.response")

    await BodyLimits(app, 3, 1)({"type": "http", "method": "GET", "path": "/", "headers": []}, silent, send)


async def test_a_get_that_announces_a_body_is_bounded_too() -> None:
    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise AssertionError("it got through")

    transport = httpx.ASGITransport(BodyLimits(app, 3, 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        assert (await client.request("GET", "/", content=b"abcd")).status_code == 413
