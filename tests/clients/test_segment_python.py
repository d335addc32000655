"""segment-analytics-python as it is, against a gateway that is in trouble for a while."""

import asyncio
from collections import Counter
from typing import Any

import pytest
from segment.analytics.client import Client

from domain.entries import Event
from tests.api.conftest import Api, Host, api, host, listening, made

__all__ = ["api", "host", "made"]  # fixtures

EVENTS = 1_000


class Trouble:
    """Answers some calls with 429 or 503 before the gateway sees them, or after: the answer was lost."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self.answers: Counter[int] = Counter()
        self._calls = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        self._calls += 1
        trouble = {0: 503, 1: 503, 2: 429, 3: 503, 5: 429}.get(self._calls % 8 if self._calls < 24 else 7)
        if trouble is None:

            async def noted(message: Any) -> None:
                if message["type"] == "http.response.start":
                    self.answers[message["status"]] += 1
                await send(message)

            await self._app(scope, receive, noted)
            return
        if self._calls % 2:  # it was taken, and the sender never learns

            async def unheard(_: Any) -> None:
                pass

            await self._app(scope, receive, unheard)
        else:
            while (await receive()).get("more_body"):
                pass
        self.answers[trouble] += 1
        headers = [(b"retry-after", b"1")] if trouble == 429 else []
        body = b'{"code": "trouble", "message": "injected"}'
        await send({"type": "http.response.start", "status": trouble, "headers": headers})
        await send({"type": "http.response.body", "body": body})


@pytest.mark.slow
@pytest.mark.parametrize("gzip", [False, True], ids=["plain", "gzip"])
async def test_a_thousand_events_arrive_once_each_through_trouble(api: Api, host: Host, gzip: bool) -> None:
    trouble = Trouble(api.app)
    errors: list[Any] = []

    def send(address: str) -> None:
        client = Client(
            write_key=api.ingest, host=f"http://{address}", gzip=gzip, upload_size=50, upload_interval=0.05,
            on_error=lambda error, _items: errors.append(error),
        )  # fmt: skip
        for n in range(EVENTS):
            client.track(f"player-{n % 37}", "Bet Placed", {"n": n}, message_id=f"m-{n}")
        client.shutdown()

    async with listening(trouble) as address:
        await asyncio.wait_for(asyncio.to_thread(send, address), 120)
    assert not errors
    assert trouble.answers[429] + trouble.answers[503] >= 3, trouble.answers
    ids = [entry.entry.id for entry in await host.logged() if isinstance(entry.entry, Event)]
    assert sorted(ids) == sorted(f"m-{n}" for n in range(EVENTS))
