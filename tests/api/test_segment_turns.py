"""Segments over HTTP with real turns: the answer that waits, the player, the list, the review after a publish."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis

from tests.api.world import PARTITIONS, PROGRAMME, World, world_of
from tests.conftest import Server

pytestmark = pytest.mark.redis

CRM: dict[str, dict[str, dict[str, Any]]] = {
    **PROGRAMME,
    "metrics": {"bets": {"event": "bet_placed", "aggregate": "count"}},
    "segments": {
        "bets-100": {"name": {"en": "A hundred bets"}, "where": {"metric": "bets", "op": "gte", "value": 100}},
        "club": {"visible": True, "where": {"field": "player.traits.vip", "op": "eq", "value": True}},
    },
}


@pytest.fixture
async def world(server: Server, redis: Redis) -> AsyncIterator[World]:
    async with world_of(server, redis) as made:
        yield made


async def bet(world: World, player: str, event_id: str, prefer: str = "") -> Any:
    body = {"event": "bet_placed", "userId": player, "messageId": event_id}
    answer = await world.http.post("/v1/track", json=body, headers={"Prefer": prefer} if prefer else {})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_the_answer_to_bet_number_100_shows_the_segment_entered(world: World) -> None:
    await world.publish(CRM)
    for n in range(1, 99):
        await bet(world, "amelia", f"m-{n}")
    assert "segment_entered" not in [e["kind"] for e in (await bet(world, "amelia", "m-99", "wait=5"))["effects"]]
    answer = await bet(world, "amelia", "m-100", "wait=5")
    assert answer["applied"] is True
    assert {"kind": "segment_entered", "segment": "bets-100"} in answer["effects"]
    again = await bet(world, "amelia", "m-100", "wait=5")
    assert (again["duplicate"], again["effects"]) == (True, answer["effects"])
    assert "segment_entered" not in [e["kind"] for e in (await bet(world, "amelia", "m-101", "wait=5"))["effects"]]


async def test_the_player_and_the_segment_show_each_other(world: World) -> None:
    await world.publish(CRM)
    await world.happen("amelia", "identify", "i-1", type="identify", traits={"vip": True})
    for n in range(100):
        await bet(world, "amelia", f"m-{n}")
    await bet(world, "amelia", "m-last", "wait=5")
    player = (await world.http.get("/v1/players/amelia")).json()
    assert player["segments"] == ["club", "bets-100"]
    (club, bets) = (await world.http.get("/v1/players/amelia/segments")).json()["items"]
    assert (club["id"], bets["name"]) == ("club", {"en": "A hundred bets"})
    assert player["first_seen_at"] <= club["since"] <= bets["since"]
    listed = (await world.http.get("/v1/segments")).json()["items"]
    assert {segment["id"]: segment["players"] for segment in listed} == {"bets-100": 1, "club": 1}
    members = (await world.http.get("/v1/segments/bets-100/members")).json()["items"]
    assert members == [{"id": "amelia", "since": bets["since"]}]


async def test_players_see_of_themselves_what_is_marked_visible(world: World) -> None:
    await world.publish(CRM)
    await world.happen("amelia", "identify", "i-1", type="identify", traits={"vip": True})
    for n in range(100):
        await bet(world, "amelia", f"m-{n}", "wait=5" if n == 99 else "")
    own = world.token("amelia")
    assert (await world.http.get("/v1/me", headers=own)).json()["segments"] == ["club"]
    mine = (await world.http.get("/v1/me/segments", headers=own)).json()["items"]
    assert [segment["id"] for segment in mine] == ["club"]
    history = (await world.http.get("/v1/me/history?limit=200", headers=own)).json()["items"]
    shown = [effect["segment"] for record in history for effect in record["effects"] if "segment" in effect]
    assert shown == ["club"]
    assert (await world.http.get("/v1/segments", headers=own)).status_code == 403


async def test_a_player_who_claims_is_not_told_of_hidden_segments(world: World) -> None:
    rich = {"where": {"field": "player.balance.gems", "op": "gte", "value": 3}}
    await world.publish({**CRM, "segments": {"rich": rich}})
    for n in range(2):
        await bet(world, "amelia", f"m-{n}", "wait=5")
    missions = (await world.http.get("/v1/me/missions", headers=world.token("amelia"))).json()["items"]
    (completion,) = (waiting for mission in missions for waiting in mission["unclaimed"])
    claim = f"/v1/me/completions/{completion['completion_id']}/claim"
    claimed = await world.http.post(claim, headers=world.token("amelia") | {"Idempotency-Key": "k-1"})
    assert claimed.status_code == 200, claimed.text
    assert {effect["kind"] for effect in claimed.json()["effects"]} == {"completion_claimed", "points"}
    assert (await world.http.get("/v1/players/amelia")).json()["segments"] == ["rich"]


async def test_publishing_a_segment_has_the_players_there_are_judged(world: World) -> None:
    await world.publish({**CRM, "segments": {}})
    players = [f"player-{n}" for n in range(30)]
    for player in players:
        for n in range(3):
            await bet(world, player, f"m-{n}", "wait=5" if n == 2 else "")
    assert (await world.http.get("/v1/segments")).json()["review"] is None

    keen = {"where": {"metric": "bets", "op": "gte", "value": 3}}
    await world.http.put("/v1/config/segments/keen", json=keen)
    published = (await world.http.post("/v1/programme/publish")).json()
    assert published["review"] == f"review:{published['version']}"
    done = await world.until("/v1/segments", lambda found: (found["review"] or {}).get("status") == "completed")
    assert (done["review"]["walk"], done["review"]["share"]) == (published["review"], 1.0)
    assert (done["review"]["visited"], done["review"]["partitions_done"]) == (30, PARTITIONS)
    await world.until("/v1/segments/keen", lambda segment: segment["players"] == 30)
    members = (await world.http.get("/v1/segments/keen/members?limit=200")).json()["items"]
    assert sorted(member["id"] for member in members) == sorted(players)

    again = (await world.http.post("/v1/programme/publish")).json()
    assert (again["published"], again.get("review")) == (False, None)
    await world.http.put("/v1/config/templates/bye", json={**PROGRAMME["templates"]["hello"]})
    assert "review" not in (await world.http.post("/v1/programme/publish")).json()
    review = (await world.http.get("/v1/segments")).json()["review"]
    assert review["walk"] == published["review"]  # the last one there was
