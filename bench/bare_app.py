"""The bare limit: a gateway that only validates and appends. No dedupe, no keys, no turns, no bounds.

What no engine behind the same HTTP server and the same log can exceed: bodies decoded and checked by msgspec, one
``XADD`` an event, one pipeline a request, answered when the store has synced.
"""

import contextlib
import os
from collections.abc import AsyncIterator
from typing import Any
from zlib import crc32

import msgspec
from msgspec import Struct
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from store.client import connect

PARTITIONS = 32


class Properties(Struct):
    amount: int
    game: str = ""
    currency: str = "EUR"


class Track(Struct, rename="camel"):
    """What is checked of an event."""

    message_id: str
    user_id: str
    event: str
    timestamp: str
    properties: Properties


class Batch(Struct):
    batch: list[Track]


_track = msgspec.json.Decoder(Track).decode
_batch = msgspec.json.Decoder(Batch).decode
_encode = msgspec.msgpack.Encoder().encode
_logs = [f"{{{p}}}:log" for p in range(PARTITIONS)]


async def append(request: Request, tracks: list[Track]) -> Response:
    """Append and answer."""
    pipe = request.app.state.redis.pipeline(transaction=False)
    for track in tracks:
        pipe.execute_command("XADD", _logs[crc32(track.user_id.encode()) % PARTITIONS], "*", "e", _encode(track))
    await pipe.execute()
    return Response(b'{"success":true}', media_type="application/json")


async def single(request: Request) -> Response:
    return await append(request, [_track(await request.body())])


async def batch(request: Request) -> Response:
    return await append(request, _batch(await request.body()).batch)


async def healthz(_: Request) -> Response:
    return Response(b"ok")


@contextlib.asynccontextmanager
async def lifespan(application: Starlette) -> AsyncIterator[None]:
    redis: Any = connect(os.environ["BENCH_REDIS_URL"])
    application.state.redis = redis
    yield
    await redis.aclose()


app = Starlette(
    routes=[
        Route("/v1/track", single, methods=["POST"]),
        Route("/v1/batch", batch, methods=["POST"]),
        Route("/healthz", healthz),
    ],
    lifespan=lifespan,
)
