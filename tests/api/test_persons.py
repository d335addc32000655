"""One person under several ids, as the API shows them: reads and commands of an id that ended."""

import asyncio
from typing import Any

import pytest
from redis.asyncio import Redis

from store.keys import PLAYERS, TOWER, outbox
from tests.api.world import PARTITIONS, PROGRAMME, World, world_of
from tests.conftest import Server

GUEST, TABLET, ANN = "anon:phone", "anon:tablet", "ann"


async def _settled(redis: Redis) -> None:
    async with asyncio.timeout(20):
        before: list[Any] = []
        while True:
            lanes = [lane.meta(p) for p in range(PARTITIONS) for lane in (PLAYERS, TOWER)]
            left = [await redis.xlen(outbox(p)) for p in range(PARTITIONS)]
            metas = [await redis.hmget(meta, ["in", "done"]) for meta in lanes]
            if not any(left) and metas == before and all(entered == done for entered, done in metas):
                return
            before = metas


async def _met(world: World) -> None:
    """Ann plays on two devices before she logs in; everything takes turns."""
    await world.publish(PROGRAMME)
    for n in range(4):
        for who in (GUEST, TABLET, ANN):
            await world.happen(who, "bet_placed", f"{who}-{n}")
    for device in (GUEST, TABLET):
        await world.happen(ANN, "identified", f"login-{device}", anonymous=device, traits={"first_name": "Ann"})
        await _settled(world.redis)


async def _all(world: World, path: str, limit: int) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    cursor = ""
    for _ in range(100):
        answer = (await world.http.get(f"{path}?limit={limit}{cursor}")).json()
        items += answer["items"]
        if not answer["next"]:
            return items
        cursor = f"&cursor={answer['next']}"
    raise AssertionError("the pages do not end")


async def test_an_id_that_ended_is_read_as_the_one_it_lives_on_under(server: Server, redis: Redis) -> None:
    async with world_of(server, redis) as world:
        await _met(world)
        old, new = [(await world.http.get(f"/v1/players/{who}")).json() for who in (GUEST, ANN)]
        export = (await world.http.get(f"/v1/players/{GUEST}/export")).json()
    assert old == new
    assert new["id"] == ANN
    assert new["merged_from"] == [GUEST, TABLET]
    assert new["balances"]["points"] == {"balance": 60, "lifetime": 60}
    assert export["player"] == ANN
    assert {item["player_id"] for item in export["history"]} == {GUEST, TABLET, ANN}


@pytest.mark.parametrize("what", ["history", "ledger"])
@pytest.mark.parametrize("limit", [1, 3, 200])
async def test_history_and_ledger_are_those_of_all_ids_in_time_order_page_by_page(
    server: Server, redis: Redis, what: str, limit: int
) -> None:
    async with world_of(server, redis) as world:
        await _met(world)
        items = await _all(world, f"/v1/players/{ANN}/{what}", limit)
        assert items == await _all(world, f"/v1/players/{GUEST}/{what}", 200)
    times = [item["at"] for item in items]
    assert times == sorted(times, reverse=True)
    assert {item["player_id"] for item in items} == {GUEST, TABLET, ANN}
    places = [(item["player_id"], item["id"] if what == "ledger" else item["offset"]) for item in items]
    assert len(set(places)) == len(places)
    if what == "ledger":
        points = [item["amount"] for item in items if item["currency"] == "points"]
        assert sum(points) == 60
        assert {item["account"] for item in items} >= {"issued", "merged"}


async def test_a_command_to_the_old_id_is_answered_by_the_person(server: Server, redis: Redis) -> None:
    async with world_of(server, redis) as world:
        await _met(world)
        for _ in range(2):  # the second time finds the first answer
            answer = await world.http.post(
                f"/v1/players/{GUEST}/adjustments",
                json={"currency": "points", "amount": 40, "reason": "goodwill"},
                headers={"Idempotency-Key": "k1"},
            )
            assert answer.status_code == 200, answer.text
            assert answer.json()["data"]["balance"] == 100
        completion = await world.http.post(
            f"/v1/players/{GUEST}/completions/two-bets.0/claim", headers={"Idempotency-Key": "k2"}
        )
        assert completion.status_code == 200, completion.text


async def test_an_exclusion_of_the_old_id_is_the_persons(server: Server, redis: Redis) -> None:
    async with world_of(server, redis) as world:
        await _met(world)
        assert (await world.http.post(f"/v1/players/{GUEST}/exclusion", json={"reason": "asked"})).status_code == 200
        assert (await world.http.get(f"/v1/players/{ANN}/exclusion")).json()["excluded"] is True
        assert (await world.http.delete(f"/v1/players/{GUEST}/exclusion")).status_code == 200
        assert (await world.http.get(f"/v1/players/{ANN}/exclusion")).json()["excluded"] is False


async def test_a_message_to_the_old_id_reaches_the_person_once(server: Server, redis: Redis) -> None:
    asked = {"player_id": GUEST, "template": "hello", "purpose": "service", "channels": ["in_app"]}
    async with world_of(server, redis) as world:
        await _met(world)
        for _ in range(2):
            answer = await world.http.post("/v1/messages", json=asked, headers={"Idempotency-Key": "m1"})
            assert answer.status_code == 202, answer.text
        path = f"/v1/messages/{answer.json()['request_id']}"
        told = await world.until(path, lambda answer: answer["status"] != "pending")
        inbox = (await world.http.get(f"/v1/players/{ANN}/inbox")).json()["items"]
    assert (told["status"], told["player_id"]) == ("cleared", ANN)
    assert [(message["title"], message["player_id"]) for message in inbox] == [("Hi Ann", ANN)]


@pytest.mark.parametrize("path", ["", "/ledger", "/history", "/inbox", "/segments", "/decisions", "/export"])
async def test_a_devices_token_does_not_open_the_profile_it_became_part_of(
    server: Server, redis: Redis, path: str
) -> None:
    async with world_of(server, redis) as world:
        await _met(world)
        answer = await world.http.get(f"/v1/me{path}", headers=world.token(GUEST))
        assert (answer.status_code, answer.json()["code"]) == (409, "player_moved")
        assert ANN not in answer.text.replace("another", "")
        assert (await world.http.get(f"/v1/me{path}", headers=world.token(ANN))).status_code == 200
        claim = await world.http.post(
            "/v1/me/completions/two-bets.0/claim", headers=world.token(GUEST) | {"Idempotency-Key": "k3"}
        )
        assert (claim.status_code, claim.json()["code"]) == (409, "player_moved")


async def test_the_trace_of_an_event_goes_on_where_it_was_sent_on_to(server: Server, redis: Redis) -> None:
    async with world_of(server, redis) as world:
        await _met(world)
        await world.happen(GUEST, "bet_placed", "late")
        await _settled(redis)
        items = (await world.http.get("/v1/events/late")).json()["items"]
    assert [item["player_id"] for item in items] == [GUEST, ANN]
    assert items[0]["effects"] == [{"kind": "forwarded", "to": ANN}]
    assert {effect["kind"] for effect in items[1]["effects"]} >= {"points"}


async def test_an_address_is_no_player(server: Server, redis: Redis) -> None:
    async with world_of(server, redis) as world:
        await world.happen(ANN, "identified", "i1", traits={"email": "ann@example.com"})
        await _settled(redis)
        listed = (await world.http.get("/v1/players?limit=200")).json()["items"]
    assert [item["id"] for item in listed] == [ANN]


@pytest.mark.parametrize(
    "cursor", ["x", "1-1", "1-1.x@0", "1-1.0@-1", "1-1.0@x", "²-1.0@1", "99999999999999999999-0.0@0"]
)
async def test_a_cursor_that_is_none_of_ours_is_refused(server: Server, redis: Redis, cursor: str) -> None:
    async with world_of(server, redis) as world:
        await _met(world)
        answer = await world.http.get(f"/v1/players/{ANN}/history", params={"cursor": cursor})
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_cursor")
