"""Requests to send, and what the tower decided."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis

from domain.links import Link, sign
from tests.api.world import TOKEN_SECRET, World, world_of
from tests.conftest import Server

pytestmark = pytest.mark.redis

HELLO: dict[str, Any] = {
    "player_id": "amelia",
    "template": "hello",
    "purpose": "service",
    "channels": ["in_app"],
    "idempotency_key": "hello-1",
}


@pytest.fixture
async def world(server: Server, redis: Redis) -> AsyncIterator[World]:
    async with world_of(server, redis) as made:
        await made.publish()
        await made.happen("amelia", "identify", "i-1", type="identify", traits={"first_name": "Amelia"})
        await made.happen("amelia", "bet_placed", "m-1")
        yield made


async def test_a_message_is_judged_and_arrives_in_the_inbox(world: World) -> None:
    asked = await world.http.post("/v1/messages", json=HELLO)
    assert asked.status_code == 202, asked.text
    path = asked.headers["location"]
    assert path == f"/v1/messages/{asked.json()['request_id']}"
    judged = await world.until(path, lambda answer: answer["status"] != "pending")
    assert (judged["status"], judged["player_id"], len(judged["history"])) == ("cleared", "amelia", 1)
    (message,) = (await world.http.get("/v1/players/amelia/inbox")).json()["items"]
    assert (message["title"], message["body"]) == ("Hi Amelia", "You have 5 points")
    (decision,) = (await world.http.get("/v1/players/amelia/decisions")).json()["items"]
    assert (decision["outcome"], decision["channel"]) == ("cleared", "in_app")


async def test_the_same_key_is_the_same_request(world: World) -> None:
    first = (await world.http.post("/v1/messages", json=HELLO)).json()
    again = (await world.http.post("/v1/messages", json=HELLO)).json()
    assert again == first
    other = await world.http.post("/v1/messages", json={**HELLO, "purpose": "promo"})
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_mismatch")
    header = await world.http.post("/v1/messages", json=HELLO, headers={"Idempotency-Key": "hello-2"})
    assert header.json()["request_id"] != first["request_id"]


async def test_an_excluded_player_gets_no_promotion_and_the_reason_is_a_sentence(world: World) -> None:
    await world.http.post("/v1/players/amelia/exclusion", json={"reason": "self_exclusion"})
    asked = (await world.http.post("/v1/messages", json={**HELLO, "purpose": "promo"})).json()
    path = f"/v1/messages/{asked['request_id']}"
    judged = await world.until(path, lambda answer: answer["status"] != "pending")
    assert (judged["status"], judged["decision"]["reasons"]) == ("refused", ["excluded"])
    assert judged["decision"]["why"] == ["The player is excluded; only legal notices may reach them."]
    assert (await world.http.get("/v1/players/amelia/inbox")).json()["items"] == []


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        pytest.param({"template": "nothing"}, 422, "unknown_template", id="template not in the live programme"),
        pytest.param({"idempotency_key": None}, 400, "idempotency_key_required", id="no key"),
        pytest.param({"purpose": "spam"}, 422, "invalid", id="unknown purpose"),
        pytest.param({"channels": ["pigeon"]}, 422, "invalid", id="unknown channel"),
        pytest.param({"expires_at": "2020-01-01T00:00:00Z"}, 422, "expired", id="over before it began"),
        pytest.param({"expires_at": "2030-01-01T00:00:00"}, 422, "invalid", id="a naive time"),
        pytest.param({"colour": "red"}, 422, "invalid", id="unknown key"),
    ],
)
async def test_a_bad_request_is_refused(world: World, change: dict[str, Any], status: int, code: str) -> None:
    answer = await world.http.post("/v1/messages", json=HELLO | change)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


async def test_an_unknown_request_is_not_found(world: World) -> None:
    for request in ("req_0_0123456789abcdef", "req_ffff_0123456789abcdef", "nonsense"):
        answer = await world.http.get(f"/v1/messages/{request}")
        assert (answer.status_code, answer.json()["code"]) == (404, "request_not_found")


async def test_what_it_is_for_and_about_goes_along(world: World) -> None:
    goal = {"event": "deposit_completed", "where": {"field": "event.properties.amount", "op": "gte", "value": 100}}
    body = HELLO | {"product": "casino", "goal": goal, "idempotency_key": "g-1", "ask_person": True}
    asked = await world.http.post("/v1/messages", json=body)
    assert asked.status_code == 202, asked.text
    path = f"/v1/messages/{asked.json()['request_id']}"
    judged = await world.until(path, lambda answer: answer["status"] != "pending")
    assert (judged["status"], judged["decision"]["reasons"]) == ("escalated", ["needs_approval"])
    assert judged["receipts"] == []
    await world.happen("amelia", "deposit_completed", "d-1", properties={"amount": 99})
    await world.happen("amelia", "deposit_completed", "d-2", properties={"amount": 100})
    ended = await world.until(path, lambda answer: answer["status"] != "escalated")
    assert (ended["status"], ended["decision"]["reasons"]) == ("refused", ["goal_met"])


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"product": "lottery"}, id="no such product"),
        pytest.param({"goal": {}}, id="a goal without an event"),
        pytest.param({"goal": {"event": "x", "where": {"field": "nothing"}}}, id="a goal's condition that is none"),
        pytest.param({"ask_person": "perhaps"}, id="no plain word"),
    ],
)
async def test_what_it_is_for_must_be_said_right(world: World, change: dict[str, Any]) -> None:
    answer = await world.http.post("/v1/messages", json=HELLO | change)
    assert answer.status_code == 422, answer.text


async def test_receipts_are_shown_with_the_message(world: World) -> None:
    asked = (await world.http.post("/v1/messages", json=HELLO)).json()["request_id"]
    path = f"/v1/messages/{asked}"
    await world.until(path, lambda answer: answer["status"] == "cleared")
    click = Link("click", "amelia", asked, "in_app", "https://shop.example/", "hello", "service")
    for _ in range(2):
        token = sign(TOKEN_SECRET, click)
        answer = await world.http.get(f"/r/{token}", headers={"User-Agent": "Mozilla/5.0"})
        assert answer.status_code == 302
    found = await world.until(path, lambda answer: answer["receipts"])
    # twice within a minute counts once
    assert [(receipt["outcome"], receipt["channel"]) for receipt in found["receipts"]] == [("clicked", "in_app")]
