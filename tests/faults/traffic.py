"""Steady traffic that keeps book: what was acknowledged must be applied exactly once, whatever is killed meanwhile."""

import asyncio
import time
from dataclasses import dataclass, field

import httpx

from tests.e2e.engine import ADMIN, Engine

PLAYERS = 200
PATIENCE_S = 60.0  # a batch is sent again until it is answered


@dataclass
class Traffic:
    """Sends ``bet_placed`` at a rate from several clients; every batch is retried with the same message ids."""

    engine: Engine
    run_id: str  # part of every message id
    rate: float = 500.0
    clients: int = 5
    acknowledged: set[str] = field(default_factory=set)
    sent: int = 0
    retries: int = 0

    async def run(self, stop: asyncio.Event) -> None:
        async with httpx.AsyncClient(base_url=self.engine.url, headers={"Authorization": f"Bearer {ADMIN}"}) as http:
            await asyncio.gather(*(self._client(http, n, stop) for n in range(self.clients)))

    async def _client(self, http: httpx.AsyncClient, number: int, stop: asyncio.Event) -> None:
        size, sent = 20, 0
        began = time.monotonic()
        while not stop.is_set():
            events = [
                {"type": "track", "event": "bet_placed", "userId": f"player-{(number * 37 + sent + i) % PLAYERS}",
                 "messageId": f"{self.run_id}-c{number}-{sent + i}"}
                for i in range(size)
            ]  # fmt: skip
            sent += size
            await self._until_answered(http, events)
            due = began + sent / (self.rate / self.clients)
            if (wait := due - time.monotonic()) > 0:
                await asyncio.sleep(wait)

    async def _until_answered(self, http: httpx.AsyncClient, events: list[dict[str, str]]) -> None:
        self.sent += len(events)
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                answer = await http.post("/v1/batch", json={"batch": events}, timeout=5)
            except httpx.TransportError:
                status = 0
            else:
                status = answer.status_code
            if status == 200:
                assert answer.json()["rejected"] == [], answer.text
                self.acknowledged |= {event["messageId"] for event in events}
                return
            assert status in (0, 429, 500, 502, 503), answer.text
            assert time.monotonic() < deadline, f"no answer for {PATIENCE_S} s"
            self.retries += 1
            await asyncio.sleep(0.2)


async def next_commit_s(engine: Engine, players: list[str], timeout_s: float = 30.0) -> float:
    """Return how long until an event of each of these players was committed, from now."""
    began = time.monotonic()
    async with httpx.AsyncClient(base_url=engine.url, headers={"Authorization": f"Bearer {ADMIN}"}) as http:
        await asyncio.gather(*(_committed(http, player, began + timeout_s) for player in players))
    return time.monotonic() - began


async def _committed(http: httpx.AsyncClient, player: str, deadline: float) -> None:
    event = {"event": "probed", "userId": player, "messageId": f"probe-{time.monotonic_ns()}"}
    while time.monotonic() < deadline:
        try:
            answer = await http.post("/v1/track", json=event, headers={"Prefer": "wait=1"}, timeout=5)
            if answer.status_code == 200 and answer.json()["applied"]:
                return
        except httpx.TransportError:
            pass
        await asyncio.sleep(0.02)
    raise AssertionError(f"no commit for {player}")
