"""The hand-written rival: FastAPI and one Redis Lua script doing a toy programme.

The least that a game needs: a repeated event id is ignored; points += amount; level by the square root of
the points; every tenth event completes the mission for 50 points and notifies the player's socket by pub/sub.
Answers when the store has synced. It has no log, no rules as data, no history, no timers, no second process: what
an able person writes in an afternoon.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from typing import Any

from fastapi import FastAPI, Request, WebSocket, WebSocketDisconnect
from msgspec import Struct
from pydantic import BaseModel

from store.client import connect

BONUS = 50
EVERY = 10
SCRIPT = """
-- KEYS seen, player | ARGV eid amount uid seq. Answers {points, level, done, mission completed}.
if redis.call('SADD', KEYS[1], ARGV[1]) == 0 then return {-1, 0, 0, 0} end
local amount, seq = tonumber(ARGV[2]), tonumber(ARGV[4])
local m = redis.call('HMGET', KEYS[2], 'points', 'count', 'seq', 'late')
local points, count = tonumber(m[1] or '0') + amount, tonumber(m[2] or '0') + 1
local late = tonumber(m[4] or '0')
if seq < tonumber(m[3] or '-1') then late = late + 1 end
local done = 0
if count % 10 == 0 then points = points + 50; done = 1 end
local level = math.floor(math.sqrt(points / 100)) + 1
redis.call('HSET', KEYS[2], 'points', points, 'count', count, 'level', level, 'seq', seq, 'late', late)
if done == 1 then redis.call('PUBLISH', 'notify:' .. ARGV[3], points) end
return {points, level, count, done}
"""


class W1(BaseModel):
    """The body of workload W1."""

    eid: str
    uid: str
    name: str
    amount: int
    seq: int = 0


class Expected(Struct, frozen=True):
    """What a player must have after its events."""

    count: int
    points: int

    @classmethod
    def of(cls, amounts: list[int]) -> "Expected":
        """Return the state that the amounts lead to."""
        return cls(len(amounts), sum(amounts) + BONUS * (len(amounts) // EVERY))


@contextlib.asynccontextmanager
async def lifespan(application: FastAPI) -> AsyncIterator[None]:
    redis: Any = connect(os.environ["BENCH_REDIS_URL"])
    application.state.redis, application.state.sockets = redis, {}
    application.state.script = redis.register_script(SCRIPT)
    listening = asyncio.create_task(listen(application))
    yield
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
    await redis.aclose()


async def listen(application: FastAPI) -> None:
    """Hand notifications to the sockets of this process."""
    pubsub = application.state.redis.pubsub()
    await pubsub.psubscribe("notify:*")
    while True:
        message = await pubsub.get_message(ignore_subscribe_messages=True, timeout=1.0)
        if message and (socket := application.state.sockets.get(message["channel"].decode().partition(":")[2])):
            await socket.send_json({"type": "mission", "points": int(message["data"])})


app = FastAPI(lifespan=lifespan)


@app.post("/events")
async def events(body: W1, request: Request) -> dict[str, Any]:
    """Apply one event."""
    points, level, count, done = await request.app.state.script(
        keys=["seen", f"player:{body.uid}"], args=[body.eid, body.amount, body.uid, body.seq]
    )
    return {"applied": points >= 0, "points": points, "level": level, "count": count, "completed": bool(done)}


@app.get("/healthz")
async def healthz() -> str:
    return "ok"


@app.websocket("/ws/{uid}")
async def ws(socket: WebSocket, uid: str) -> None:
    await socket.accept()
    socket.app.state.sockets[uid] = socket
    with contextlib.suppress(WebSocketDisconnect):
        while True:
            await socket.receive_text()
    socket.app.state.sockets.pop(uid, None)
