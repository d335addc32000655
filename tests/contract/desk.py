"""One partition of a store under test, as tests of one call after the other see it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from redis.asyncio import Redis

from domain.entries import TimerFired, encode_entry
from store.ports import Appended, Commit, Grant, Incoming, LaneStore, Token, Verdict
from tests.conftest import Server
from tests.contract.script import KEEP, incoming
from tests.contract.sides import ModelSide, RealSide, Side

ANN, BOB = "ann", "bob"  # both in partition 0 of 1
TTL = 2_000


@pytest.fixture(params=["model", "server"])
async def side(request: pytest.FixtureRequest, any_server: Server, any_redis: Redis) -> AsyncIterator[Side]:
    """Each implementation; the model once, not once a server."""
    if request.param == "server":
        yield await RealSide.of(any_redis)
    elif any_server.socket != request.getfixturevalue("server").socket:
        pytest.skip("the model needs no second server")
    else:
        yield ModelSide()


@dataclass
class Desk:
    """One partition, seen through its intake and both lanes."""

    side: Side
    bound: int = 0
    clock: str = "store"

    def __post_init__(self) -> None:
        self.players: LaneStore = self.side.lane("players", self.clock)
        self.tower: LaneStore = self.side.lane("tower", self.clock)
        self.intake = self.side.intake(bound=self.bound, keep_ms=KEEP, clock=self.clock, partitions=1)

    async def send(self, *events: str | Incoming, player: str = ANN) -> list[Appended | Verdict]:
        return await self.intake.append([e if isinstance(e, Incoming) else incoming(e, player) for e in events])

    async def sent(self, *events: str) -> list[str]:
        """Append and return the offsets."""
        return [offset_of(answer) for answer in await self.send(*events)]

    async def own(self, owner: str = "host-1", nonce: str = "n1", ttl_ms: int = TTL) -> Grant:
        return await self.players.acquire(0, owner, nonce, ttl_ms)

    async def commit(self, token: Token, start: str, end: str, **parts: Any) -> Verdict:
        ((verdict, _),) = await self.players.commit([(token, Commit(start, end, **parts))])
        return verdict

    async def log(self, lane: str = "players") -> list[Any]:
        store = self.players if lane == "players" else self.tower
        return (await store.read({0: "0-0"}, 1_000, 0)).get(0, [])


def offset_of(answer: Appended | Verdict) -> str:
    assert isinstance(answer, Appended)
    return answer.offset


def timer(ref: str, due: int) -> tuple[bool, int, bytes]:
    return True, due, encode_entry(TimerFired(ANN, "held", ref, due))
