"""A whole engine and a language model: it reads what the turn could not, and takes back what the turn misread."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.channels.peers import Peer, Request, Response, peer
from tests.channels.stubs import MODEL_KEY, chat
from tests.e2e.engine import Engine

pytestmark = [pytest.mark.ray, pytest.mark.slow]

IRONIC = "Oh wonderful, the third day without my withdrawal. Bravo. Call me, +380671234567"
MISREAD = "Шахраї та злодії, кажете? Навпаки, жахливо люблю вас, дякую!"
UPSET = {"field": "player.tone.mood", "op": "eq", "value": "negative"}


def judged(request: Request) -> Response:
    """Answer as a model would: the ironic text is angry, the other is not."""
    is_ironic = "Bravo" in request.json["messages"][1]["content"]
    mood = "negative" if is_ironic else "positive"
    return chat(f'{{"mood": "{mood}", "confidence": 0.9}}')(request)


@pytest.fixture
def model() -> Iterator[Peer]:
    """A peer that serves in a thread of its own."""
    loop, started, found = asyncio.new_event_loop(), threading.Event(), []

    async def serve() -> None:
        async with peer(judged) as running:
            found.append((running, asyncio.Event()))
            started.set()
            await found[0][1].wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    assert started.wait(10)
    yield found[0][0]
    loop.call_soon_threadsafe(found[0][1].set)
    thread.join(10)
    loop.close()


@pytest.fixture
def engine(tmp_path: Path, model: Peer) -> Iterator[Engine]:
    reader = {"kind": "chat_model", "base_url": f"{model.url}/v1", "model": "small-1", "allow_private": True}
    running = Engine(tmp_path / "data", ("--partitions", "2"), variables={"READER_KEY": MODEL_KEY}).start()
    running.publish(
        {
            "connectors": {"reader": reader | {"api_key": {"env": "READER_KEY"}}},
            "models": {"tone": {"endpoint": "reader"}},
            "segments": {"upset": {"where": UPSET}},
        }
    )
    yield running
    assert running.stop() == 0


def writes(http: httpx.Client, player: str, text: str) -> list[dict[str, Any]]:
    event = {
        "event": "support_message_sent",
        "userId": player,
        "messageId": f"{player}-m",
        "properties": {"text": text},
    }
    answer = http.post("/v1/track", json=event, headers={"Prefer": "wait=10"}).raise_for_status().json()
    assert answer["applied"], answer
    effects: list[dict[str, Any]] = answer["effects"]
    return effects


def segments(http: httpx.Client, player: str) -> list[str]:
    answer = http.get(f"/v1/players/{player}/segments").raise_for_status().json()
    return [segment["id"] for segment in answer["items"]]


def test_what_a_language_model_reads_stands_and_names_nobody(engine: Engine, model: Peer) -> None:
    with engine.http() as http:
        assert not [effect for effect in writes(http, "vera", IRONIC) if effect["kind"] == "segment_entered"]
        engine.wait_for(lambda: segments(http, "vera") == ["upset"], "what the model has read")
        assert [effect["kind"] for effect in writes(http, "pia", MISREAD)].count("segment_entered") == 1
        engine.wait_for(lambda: segments(http, "pia") == [], "what the model takes back")
        engine.drained()

        def tone() -> dict[str, Any]:
            items = http.get("/v1/channels").json()["items"]
            found: dict[str, Any] = next(item for item in items if item["channel"] == "tone")
            return found

        assert [connector["kind"] for connector in tone()["connectors"]] == ["chat_model"]
        # What is in flight is as of the courier's last beat.
        engine.wait_for(
            lambda: (tone()["waiting"], tone()["in_flight"]) == ({"urgent": 0, "bulk": 0}, 0), "no text left"
        )
    asked = [request.json["messages"][1]["content"] for request in model.requests]
    assert len(asked) == 2, "each once"
    assert "380671234567" not in asked[0]
    assert "[phone]" in asked[0]
    assert engine.audit()["violations"] == []
