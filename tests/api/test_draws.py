"""Draws over HTTP: committed to before, revealed after, and nobody else's."""

import asyncio
from collections.abc import AsyncIterator
from hashlib import sha256
from typing import Any

import pytest
from redis.asyncio import Redis

from domain.ids import keeper_id
from playtower.verify import verify
from tests.api.world import World, world_of
from tests.conftest import Server

pytestmark = pytest.mark.redis

TEN = {"kind": "currency", "currency": "points", "amount": 10}
CHANCE: dict[str, dict[str, dict[str, Any]]] = {
    "minigames": {
        "wheel": {
            "attempts": {"max": 3},
            "prizes": [
                {"id": "mug", "weight": 3, "stock": 1, "rewards": [TEN]},
                {"id": "none", "weight": 2, "lose": True},
            ],
        }
    },
    "jackpots": {
        "daily": {"event": "bet_placed", "contribute": {"fixed": 10}, "seed": 100, "hit": {"chance": 1}},
        "mine": {
            "event": "bet_placed",
            "scope": "personal",
            "contribute": {"fixed": 10},
            "seed": 100,
            "hit": {"must_hit_by": 110, "min": 110},
        },
        "slow": {"event": "bet_placed", "contribute": {"fixed": 10}, "seed": 100, "hit": {"must_hit_by": 900}},
    },
    "raffles": {
        "week": {"tickets": [{"event": "bet_placed"}], "draw": {"every": "week"}, "prizes": [{"id": "mug"}]},
        "over": {"draw": {"at": "2020-01-01T00:00:00Z"}, "prizes": [{"id": "mug"}]},
    },
}


@pytest.fixture
async def world(server: Server, redis: Redis) -> AsyncIterator[World]:
    async with world_of(server, redis) as made:
        await made.publish(CHANCE)
        await made.happen("amelia", "signed_up", "m0")
        yield made


async def play(world: World, key: str, player: str = "amelia") -> dict[str, Any]:
    headers = world.token(player) | {"Idempotency-Key": key}
    answer = await world.http.post("/v1/me/minigames/wheel/plays", json={"client_seed": key}, headers=headers)
    assert answer.status_code == 200, answer.text
    data: dict[str, Any] = answer.json()["data"]
    return data


async def read(world: World, path: str, player: str = "amelia") -> Any:
    answer = await world.http.get(f"/v1/me{path}", headers=world.token(player))
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_play_is_committed_to_before_and_revealed_when_the_player_asks(world: World) -> None:
    (game,) = (await read(world, "/minigames"))["items"]
    played = await play(world, "clover")
    before = await read(world, f"/draws/{played['draw']}")
    assert before["commitment"] == game["commitment"]
    assert (before["seed"], before["matches"], before["client_seed"]) == (None, None, "clover")
    headers = world.token("amelia") | {"Idempotency-Key": "next"}
    rotated = await world.http.post("/v1/me/minigames/wheel/seed", headers=headers)
    assert rotated.status_code == 200, rotated.text
    after = await read(world, f"/draws/{played['draw']}")
    assert sha256(bytes.fromhex(after["seed"])).hexdigest() == game["commitment"]
    assert (after["matches"], after["problems"], after["result"]) == (True, [], played["prize"])
    assert verify(after) == []
    (game,) = (await read(world, "/minigames"))["items"]
    assert game["commitment"] == rotated.json()["data"]["commitment"] != before["commitment"]


async def test_a_draw_is_for_its_player_and_for_server_keys(world: World) -> None:
    played = await play(world, "k1")
    await world.happen("bob", "signed_up", "m1")
    assert (await world.http.get(f"/v1/me/draws/{played['draw']}", headers=world.token("bob"))).status_code == 403
    assert (await world.http.get(f"/v1/draws/{played['draw']}")).status_code == 200
    few = await world.key("events:write")
    assert (await world.http.get(f"/v1/draws/{played['draw']}", headers=few)).status_code == 403


async def test_a_pot_of_ones_own_is_committed_to_before_it_is_hit(world: World) -> None:
    before = {pot["id"]: pot for pot in (await read(world, "/jackpots"))["items"]}
    assert (before["mine"]["pot"], before["mine"]["amount"]) == (0, 100)
    await world.happen("amelia", "bet_placed", "m2")
    hit = await world.until(
        "/v1/players/amelia", lambda told: next(pot for pot in told["jackpots"] if pot["id"] == "mine")["pot"]
    )
    history = (await world.http.get("/v1/players/amelia/history")).json()["items"]
    (draw,) = [e for record in history for e in record["effects"] if e["kind"] == "drawn" and e["ref"] == "mine"]
    drawn = await read(world, f"/draws/{draw['id']}")
    assert (drawn["commitment"], drawn["matches"]) == (before["mine"]["commitment"], True)
    after = next(pot for pot in hit["jackpots"] if pot["id"] == "mine")
    assert after["commitment"] != before["mine"]["commitment"]


async def test_a_raffle_is_committed_to_before_anybody_has_a_ticket(world: World) -> None:
    before = {raffle["id"]: raffle for raffle in (await read(world, "/raffles"))["items"]}
    assert (before["over"]["run"], "commitment" in before["over"]) == (None, False)
    await world.happen("amelia", "bet_placed", "m2")
    keeper = world.context.players.ref(keeper_id("raffle", f"week@{before['week']['run']}"))
    async with asyncio.timeout(10):
        while not (kept := (await keeper.state()).kept):
            continue
    assert kept["commitment"] == before["week"]["commitment"]


@pytest.mark.parametrize(
    "draw",
    [
        "nothing", "1-0.0@amelia", "1-0.x@amelia", "*.0@amelia", "1-0.0@", "99999999999999999999-0.0@a",
        "9999999999999999999-9999999999999999999.0@a", "1-0." + "9" * 5000 + "@a", "1-0.\u0660@a", "\u0661-\u0660.0@a",
    ],
)  # fmt: skip
async def test_what_was_never_drawn_is_not_found(world: World, draw: str) -> None:
    answer = await world.http.get(f"/v1/draws/{draw}")
    assert (answer.status_code, answer.json()["code"]) == (404, "draw_not_found")


async def test_the_pots_are_shown_and_a_hit_is_paid_and_proved(world: World) -> None:
    pots = {pot["id"]: pot for pot in (await world.http.get("/v1/jackpots")).json()["items"]}
    assert (pots["slow"]["amount"], pots["slow"]["pot"], pots["slow"]["currency"]) == (100, 0, "points")
    await world.happen("amelia", "bet_placed", "m2")
    hit = await world.until("/v1/jackpots", lambda told: told["items"][0]["winners"])
    daily, slow = hit["items"]
    assert (daily["pot"], daily["amount"], daily["paid"], slow["amount"]) == (1, 100, 110, 110)
    assert pots["slow"]["commitment"] == slow["commitment"]
    assert pots["daily"]["commitment"] != daily["commitment"]
    drawn = await read(world, f"/draws/{daily['winners'][0]['draw']}", "amelia")
    assert (drawn["commitment"], drawn["matches"]) == (pots["daily"]["commitment"], True)
    assert verify(drawn) == []
    both = 110 + 110  # her own pot is paid in the turn of the bet, the shared one when its keeper has answered
    await world.until("/v1/players/amelia", lambda told: told["balances"]["points"]["balance"] == both)
    history = (await world.http.get("/v1/players/amelia/history")).json()["items"]
    paid = [e for record in history for e in record["effects"] if e["kind"] == "points"]
    assert sorted((e["rule"], e["amount"]) for e in paid) == [("jackpots/daily", 110), ("jackpots/mine", 110)]
