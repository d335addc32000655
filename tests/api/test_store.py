"""The store and budgets over HTTP, through real logs and keepers: nothing is sold twice, no budget is passed."""

import asyncio
import re
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis

from tests.api.world import PROGRAMME, World, world_of
from tests.conftest import Server

pytestmark = pytest.mark.redis

BUYERS = 12
SHOP: dict[str, dict[str, dict[str, Any]]] = {
    "rewards": {
        "pouch": {
            "type": "currency",
            "gives": [{"kind": "currency", "currency": "gems", "amount": 10}],
            "price": {"currency": "points", "amount": 50},
            "stock": 5,
        },
        "mug": {"type": "thing", "price": {"currency": "points", "amount": 50}, "stock": 1},
    },
    "budgets": {"welcome": {"currency": "gems", "amount": 3}},
    "achievements": {
        "first-visit": {
            "event": "visited",
            "stages": [{"at": 1, "rewards": [{"kind": "currency", "currency": "gems", "amount": 1}]}],
            "budget": "welcome",
        }
    },
}


@pytest.fixture
async def world(server: Server, redis: Redis) -> AsyncIterator[World]:
    async with world_of(server, redis) as made:
        await made.publish(PROGRAMME | SHOP)
        yield made


async def adjusted(world: World, player: str) -> None:
    body = {"currency": "points", "amount": 50, "reason": "pocket money"}
    answer = await world.http.post(f"/v1/players/{player}/adjustments", json=body, headers={"Idempotency-Key": player})
    assert answer.status_code == 200, answer.text


async def bought(world: World, player: str, item: str) -> Any:
    path = f"/v1/me/store/{item}/purchases"
    return await world.http.post(path, headers=world.token(player) | {"Idempotency-Key": f"{player}-{item}"})


async def test_who_comes_at_once_buys_what_there_is_and_no_more(world: World) -> None:
    players = [f"buyer-{n}" for n in range(BUYERS)]
    await asyncio.gather(*(adjusted(world, player) for player in players))
    answers = await asyncio.gather(*(bought(world, player, "pouch") for player in players))
    codes = sorted(answer.json().get("code", "ok") for answer in answers)
    assert codes == ["ok"] * 5 + ["sold_out"] * 7, [answer.text for answer in answers]
    for player, answer in zip(players, answers, strict=True):
        balances = (await world.http.get(f"/v1/players/{player}")).json()["balances"]
        has = (balances["points"]["balance"], balances["gems"]["balance"])
        assert has == ((0, 10) if answer.status_code == 200 else (50, 0))


async def test_a_keeper_or_a_key_is_no_player_of_whom_anything_is_asked(world: World) -> None:
    for actor in ("keeper:budget:welcome", "keeper:x", "key:email:0"):
        for path, body in (
            (f"/v1/players/{actor}/store/pouch/purchases", {}),
            (f"/v1/players/{actor}/adjustments", {"currency": "points", "amount": 5, "reason": "none"}),
        ):
            told = await world.http.post(path, json=body, headers={"Idempotency-Key": actor[:6] + path[-5:]})
            assert (told.status_code, told.json()["code"]) == (422, "bad_id"), told.text


@pytest.mark.parametrize("actor", ["keeper:budget:welcome", "keeper:x", "key:email:0"])
async def test_nothing_is_read_of_a_keeper_or_a_key_and_no_token_is_its(world: World, actor: str) -> None:
    await world.happen("guest", "visited", "e1")  # the keeper of the budget has a state
    await world.until("/v1/budgets/welcome", lambda answer: answer["spent"])
    of_player = "/v1/players/{id}"
    paths = (await world.http.get("/openapi.json")).json()["paths"]
    reads = [path for path, methods in paths.items() if path.startswith(of_player) and "get" in methods]
    assert len(reads) > 20
    for path in reads:
        told = await world.http.get(re.sub(r"\{\w+\}", "none", path.replace("{id}", actor)))
        assert (told.status_code, told.json()["code"]) == (422, "bad_id"), (path, told.text)
    for path in ("/token", "/placements/none/shown", "/placements/none/clicked"):
        told = await world.http.post(
            of_player.format(id=actor) + path, json={"exposure": "x"} if "placements" in path else {}
        )
        assert (told.status_code, told.json()["code"]) == (422, "bad_id"), (path, told.text)
    mine = await world.http.get("/v1/me", headers=world.token(actor))
    assert (mine.status_code, mine.json()["code"]) == (401, "bad_token")


async def test_a_thing_waits_for_its_confirmation_and_a_failed_one_is_paid_back(world: World) -> None:
    player = "a" * 230 + "@example.com"  # a purchase's id is longer than the player's
    await adjusted(world, player)
    answer = await bought(world, player, "mug")
    assert (answer.status_code, answer.json()["data"]["status"]) == (200, "granting"), answer.text
    purchase = answer.json()["data"]["purchase"]
    said = {"status": "failed", "reason": "no address"}
    told = await world.http.post(f"/v1/grants/{purchase}", json=said, headers={"Idempotency-Key": "g1"})
    assert (told.status_code, told.json()["data"]["status"]) == (200, "failed"), told.text
    me = world.token(player)
    (one,) = (await world.http.get("/v1/me/purchases", headers=me)).json()["items"]
    assert (one["status"], one["reason"]) == ("failed", "no address")
    assert (await world.http.get("/v1/me", headers=me)).json()["balances"]["points"]["balance"] == 50


async def test_a_grant_that_nobody_asked_for_is_not_found(world: World) -> None:
    await adjusted(world, "ada")
    names = (b"ada", b"stranger", b"keeper:budget:welcome", b"a|b")
    coded = [urlsafe_b64encode(name).decode().rstrip("=") for name in names]
    for n, unknown in enumerate((*(f"pur_{name}_0c1f" for name in coded), "pur_", "4711")):
        for status in ("granted", "failed"):
            headers = {"Idempotency-Key": f"{n}-{status}"}
            told = await world.http.post(f"/v1/grants/{unknown}", json={"status": status}, headers=headers)
            assert (told.status_code, told.json()["code"]) == (404, "purchase_not_found"), (unknown, told.text)
    said = {"status": "granted", "player_id": "ada"}
    told = await world.http.post("/v1/grants/4711", json=said, headers={"Idempotency-Key": "named"})
    assert (told.status_code, told.json()["code"]) == (404, "purchase_not_found"), told.text


async def test_a_grant_is_not_found_either_where_nothing_is_sold(server: Server, redis: Redis) -> None:
    async with world_of(server, redis) as world:
        await world.publish(PROGRAMME)
        unknown = f"pur_{urlsafe_b64encode(b'ada').decode().rstrip('=')}_0c1f"
        said, headers = {"status": "granted"}, {"Idempotency-Key": "g1"}
        told = await world.http.post(f"/v1/grants/{unknown}", json=said, headers=headers)
        assert (told.status_code, told.json()["code"]) == (404, "purchase_not_found"), told.text


async def test_a_budget_is_not_passed_by_players_of_all_partitions(world: World) -> None:
    players = [f"guest-{n}" for n in range(BUYERS)]
    await asyncio.gather(*(world.happen(player, "visited", f"e-{player}") for player in players))
    budget = await world.until("/v1/budgets/welcome", lambda answer: answer["spent"] == 3 and not answer["reserved"])
    assert (budget["left"], budget["waiting"]) == (0, 0)
    gems = 0
    for player in players:
        gems += (await world.http.get(f"/v1/players/{player}")).json()["balances"]["gems"]["balance"]
    assert gems == 3
