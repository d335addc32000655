"""What is shown of a player after real turns."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import pytest
from redis.asyncio import Redis

from tests.api.world import PARTITIONS, World, world_of
from tests.conftest import Server

pytestmark = pytest.mark.redis


@pytest.fixture
async def world(server: Server, redis: Redis) -> AsyncIterator[World]:
    async with world_of(server, redis) as made:
        await made.publish()
        yield made


async def played(world: World, bets: int = 3) -> None:
    """Amelia says who she is and places bets."""
    await world.happen("amelia", "identify", "i-1", type="identify", traits={"first_name": "Amelia"})
    for n in range(bets):
        await world.happen("amelia", "bet_placed", f"m-{n}")


async def pages(world: World, path: str, **params: Any) -> list[Any]:
    items: list[Any] = []
    cursor = None
    while True:
        answer = (await world.http.get(path, params=params | ({"cursor": cursor} if cursor else {}))).json()
        items += answer["items"]
        cursor = answer["next"]
        if cursor is None:
            return items


async def test_the_state_of_a_player(world: World) -> None:
    await played(world)
    player = (await world.http.get("/v1/players/amelia")).json()
    assert player["traits"]["first_name"] == "Amelia"
    assert player["balances"]["points"] == {"balance": 15, "lifetime": 15}
    assert (player["level"], player["online"], player["segments"], player["scores"]) == ("silver", False, [], {})
    missions = {mission["id"]: mission for mission in player["missions"]}
    assert missions["two-bets"]["completed_count"] == 1
    assert missions["marathon"]["tasks"] == [{"id": "bets", "actual": 0, "expected": 100}]
    assert player["version"] >= 3
    mine = (await world.http.get("/v1/me", headers=world.token("amelia"))).json()
    assert mine == player
    for part in ("missions", "achievements"):
        assert (await world.http.get(f"/v1/players/amelia/{part}")).json() == {"items": player[part], "next": None}


async def test_an_unknown_player_is_not_found(world: World) -> None:
    for path in ("", "/missions", "/ledger", "/inbox", "/decisions", "/segments", "/history", "/export"):
        answer = await world.http.get(f"/v1/players/nobody{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "player_not_found"), path
    assert (await world.http.get("/v1/me", headers=world.token("nobody"))).status_code == 404
    assert (await world.http.get("/v1/me")).status_code == 403


async def test_the_ledger_lists_every_posting_with_its_cause(world: World) -> None:
    await played(world, bets=5)
    newest = (await world.http.get("/v1/players/amelia/ledger", params={"limit": 1})).json()["items"][0]
    assert (newest["amount"], newest["balance_after"]) == (5, 25)
    assert newest["cause"] == {"event_id": "m-4", "rule": "earn-rules/bets", "rule_version": 1}
    assert datetime.fromisoformat(newest["at"]).utcoffset() is not None
    everything = await pages(world, "/v1/players/amelia/ledger", limit=2)
    assert [entry["balance_after"] for entry in everything] == [25, 20, 15, 10, 5]
    assert len({entry["id"] for entry in everything}) == 5
    bad = await world.http.get("/v1/players/amelia/ledger", params={"cursor": "nonsense"})
    assert (bad.status_code, bad.json()["code"]) == (400, "bad_cursor")


async def test_the_history_is_what_each_entry_did(world: World) -> None:
    await played(world)
    history = (await world.http.get("/v1/players/amelia/history")).json()["items"]
    assert [record["id"] for record in history][:3] == ["m-2", "m-1", "m-0"]
    assert {effect["kind"] for effect in history[1]["effects"]} >= {"points", "mission_completed"}


async def test_the_export_holds_everything_stored(world: World) -> None:
    await played(world)
    export = (await world.http.get("/v1/me/export", headers=world.token("amelia"))).json()
    assert export["state"]["wallet"]["points"] == [15, 15, None]
    assert [record["id"] for record in export["history"]][-1] == "m-2"
    assert export["inbox"] == []


async def test_the_list_of_players_has_each_once(world: World) -> None:
    for n in range(30):
        await world.happen(f"player-{n}", "bet_placed", "m-0")
    listed = await pages(world, "/v1/players", limit=7)
    assert sorted(item["id"] for item in listed) == sorted(f"player-{n}" for n in range(30))
    assert all(item["version"] == 1 for item in listed)


async def test_a_player_has_no_way_to_another(world: World) -> None:
    await played(world)
    answer = await world.http.get("/v1/players/amelia", headers=world.token("mallory"))
    assert answer.status_code == 403


async def test_operations_show_what_runs(world: World) -> None:
    await played(world)
    health = (await world.http.get("/healthz")).json()
    assert (health["status"], health["store"], health["durability"]) == ("ok", True, "strict")
    ready = await world.until("/readyz", lambda told: told["ready"])  # a host that was held up renews its leases first
    assert ready["owned"] == PARTITIONS
    status = (await world.http.get("/v1/status")).json()
    assert status["programme"] == {"version": 1, "passed": PARTITIONS, "of": PARTITIONS}
    assert {partition["owner"] for partition in status["partitions"]} == {"h1"}
    metrics = (await world.http.get("/metrics")).text
    assert 'playtower_partition_backlog{lane="players",partition="0"} 0.0' in metrics
    live = (await world.http.get("/v1/live")).json()
    assert live["events"] == 4 + PARTITIONS
