"""Messages that wait for a person: who sees them, who decides, and what becomes of them."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis

from store.keys import reviews
from tests.api.test_why import ask
from tests.api.world import PARTITIONS, World, world_of
from tests.conftest import Server

pytestmark = pytest.mark.redis

KEY = {"Idempotency-Key": "r-1"}


@pytest.fixture
async def world(server: Server, redis: Redis) -> AsyncIterator[World]:
    async with world_of(server, redis) as made:
        await made.publish()
        await made.context.programme.refresh()
        yield made


@pytest.fixture
async def idle(server: Server, redis: Redis) -> AsyncIterator[World]:
    async with world_of(server, redis, hosts=False) as made:
        yield made


async def waiting(world: World) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await world.http.get("/v1/reviews")).json()["items"]
    return items


@pytest.mark.parametrize(("approved", "outcome"), [(True, "cleared"), (False, "refused")])
async def test_a_person_decides_and_who_is_kept(world: World, approved: bool, outcome: str) -> None:
    request = await ask(world, "k-1", "service", ask_person=True)
    assert (await world.http.get(f"/v1/messages/{request}")).json()["status"] == "escalated"
    (item,) = await waiting(world)
    assert (item["request_id"], item["player_id"], item["template"]) == (request, "amelia", "hello")
    assert item["reasons"] == ["needs_approval"]
    assert item["why"] == ["A person must approve this message first."]
    assert item["content"]["title"].startswith("Hi")
    path = f"/v1/messages/{request}/review"
    answer = await world.http.post(path, json={"approved": approved, "note": "checked"}, headers=KEY)
    assert answer.status_code == 200, answer.text
    found = await world.until(f"/v1/messages/{request}", lambda told: told["status"] != "escalated")
    assert found["status"] == outcome
    if not approved:
        assert found["decision"]["reasons"] == ["not_approved"]
    assert await waiting(world) == []
    again = await world.http.post(path, json={"approved": approved, "note": "checked"}, headers=KEY)
    assert again.json() == answer.json(), "the same key answers the same"
    other = await world.http.post(path, json={"approved": not approved}, headers=KEY)
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_mismatch")


async def test_what_was_not_put_to_a_person_cannot_be_approved(world: World) -> None:
    request = await ask(world, "k-1", "service")
    answer = await world.http.post(f"/v1/messages/{request}/review", json={"approved": True}, headers=KEY)
    assert (answer.status_code, answer.json()["code"]) == (409, "not_under_review")


@pytest.mark.parametrize(
    ("request_id", "body", "headers", "status"),
    [
        pytest.param("req_0_0123456789abcdef", {"approved": True}, KEY, 404, id="an unknown request"),
        pytest.param("nonsense", {"approved": True}, KEY, 404, id="no request"),
        pytest.param("req_0_0123456789abcdef", {"approved": "yes"}, KEY, 422, id="no plain word"),
        pytest.param("req_0_0123456789abcdef", {"approved": True}, {}, 400, id="no idempotency key"),
        pytest.param("req_0_0123456789abcdef", {"approved": True, "note": "x" * 501}, KEY, 422, id="a novel"),
    ],
)
async def test_a_bad_review_is_refused(
    idle: World, request_id: str, body: dict[str, Any], headers: dict[str, str], status: int
) -> None:
    answer = await idle.http.post(f"/v1/messages/{request_id}/review", json=body, headers=headers)
    assert answer.status_code == status, answer.text


async def test_reviews_are_listed_by_pages_over_all_partitions(idle: World) -> None:
    names = [f"req_{p:x}_{n:016x}" for p in range(PARTITIONS) for n in range(3)]
    for name in names:
        record = {"player_id": "amelia", "template": name, "reasons": ["needs_approval"], "at": 1}
        await idle.redis.hset(reviews(int(name[4], 16)), name, msgspec.msgpack.encode(record))
    seen: list[str] = []
    cursor = None
    for _ in range(20):
        params = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        answer = (await idle.http.get("/v1/reviews", params=params)).json()
        assert len(answer["items"]) <= 2
        seen += [item["request_id"] for item in answer["items"]]
        if (cursor := answer["next"]) is None:
            break
        await idle.redis.hdel(reviews(0), names[0])  # decided meanwhile: the others are still all there
    assert seen == names
    for bad in ("x", "9.a", "0", "-1.a"):
        assert (await idle.http.get("/v1/reviews", params={"cursor": bad})).json()["code"] == "bad_cursor"
