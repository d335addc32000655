"""Journeys over HTTP with real turns: the graph with who is where, every step with its cause, and the commands."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from httpx import Response
from redis.asyncio import Redis

from tests.api.world import PROGRAMME, World, world_of
from tests.conftest import Server

pytestmark = pytest.mark.redis

WELCOME: dict[str, Any] = {
    "name": "Welcome",
    "entry": {"event": "signed_up", "once": True, "api": True},
    "exit": {"goal": {"event": "deposit_completed"}},
    "nodes": [
        {"id": "hi", "kind": "message", "template": "hello", "purpose": "service", "next": "first-bet"},
        {"id": "first-bet", "kind": "wait", "for": {"event": "bet_placed"}, "timeout_s": "1d", "next": "rest"},
        {"id": "rest", "kind": "delay", "for": "2h"},
    ],
}
CLOSED: dict[str, Any] = {
    "entry": {"event": "never_sent"},
    "nodes": [{"id": "hi", "kind": "message", "template": "hello", "purpose": "service"}],
}
CRM: dict[str, dict[str, dict[str, Any]]] = {**PROGRAMME, "journeys": {"welcome": WELCOME, "closed": CLOSED}}


@pytest.fixture
async def world(server: Server, redis: Redis) -> AsyncIterator[World]:
    async with world_of(server, redis) as made:
        await made.publish(CRM)
        yield made


async def ask(world: World, path: str, key: str, **body: Any) -> Response:
    return await world.http.post(f"/v1/journeys/{path}", json=body, headers={"Idempotency-Key": key})


async def places(world: World, journey: str = "welcome") -> dict[str, int]:
    graph = (await world.http.get(f"/v1/journeys/{journey}")).json()
    return {node["id"]: node["players"] for node in graph["nodes"]}


async def test_the_graph_shows_how_many_wait_at_each_node(world: World) -> None:
    for n in range(5):
        await world.happen(f"player-{n}", "signed_up", "m-1")
    for n in range(2):
        await world.happen(f"player-{n}", "bet_placed", "m-2")
    await world.happen("player-0", "deposit_completed", "m-3")
    graph = (await world.http.get("/v1/journeys/welcome")).json()
    assert (graph["name"], graph["version"], graph["start"], graph["players"]) == ("Welcome", 1, "hi", 4)
    assert await places(world) == {"hi": 0, "first-bet": 3, "rest": 1}
    assert {"from": "hi", "to": "first-bet", "by": "next"} in graph["edges"]
    listed = (await world.http.get("/v1/journeys")).json()["items"]
    assert {item["id"]: item["players"] for item in listed} == {"closed": 0, "welcome": 4}


async def test_who_waits_at_a_node_is_listed_in_pages(world: World) -> None:
    for n in range(7):
        await world.happen(f"player-{n}", "signed_up", "m-1")
    found: list[Any] = []
    path: str | None = "/v1/journeys/welcome/nodes/first-bet/players?limit=3"
    while path and len(found) < 20:
        answer = (await world.http.get(path)).json()
        found += answer["items"]
        path = f"{path.partition('&')[0]}&cursor={answer['next']}" if answer["next"] else None
    assert sorted(item["id"] for item in found) == [f"player-{n}" for n in range(7)]
    assert {(item["number"], item["version"], item["tries"]) for item in found} == {(1, 1, 0)}
    assert all(item["entered_at"] == item["arrived_at"] < item["due"] for item in found)


async def test_players_on_an_earlier_version_are_shown_where_they_wait(world: World) -> None:
    await world.happen("amelia", "signed_up", "m-1")
    nodes = [node | ({"next": "rest"} if node["id"] == "hi" else {}) for node in WELCOME["nodes"]]
    await world.publish({"journeys": {"welcome": WELCOME | {"nodes": [n for n in nodes if n["id"] != "first-bet"]}}})
    graph = (await world.http.get("/v1/journeys/welcome")).json()
    assert (graph["version"], graph["earlier"]) == (2, [{"id": "first-bet", "players": 1}])
    there = (await world.http.get("/v1/journeys/welcome/nodes/first-bet/players")).json()["items"]
    assert [(item["id"], item["version"]) for item in there] == [("amelia", 1)]


async def test_a_player_shows_where_they_are_and_every_step_with_its_cause(world: World) -> None:
    await world.happen("amelia", "signed_up", "m-1")
    await world.happen("amelia", "bet_placed", "m-2")
    (walk,) = (await world.http.get("/v1/players/amelia/journeys")).json()["items"]
    assert (walk["id"], walk["status"], walk["node"], walk["number"], walk["cause"]) == (
        "welcome",
        "active",
        "rest",
        1,
        "m-1",
    )
    await world.happen("amelia", "deposit_completed", "m-3")
    steps = (await world.http.get("/v1/players/amelia/journeys/welcome/steps")).json()["items"]
    assert [(step["cause"], step["name"], step["node"], step["outcome"], step["reason"]) for step in steps] == [
        ("m-3", "deposit_completed", "rest", "goal", "event"),
        ("m-2", "bet_placed", "first-bet", "waited", "event"),
        ("m-1", "signed_up", "hi", "sent", None),
        ("m-1", "signed_up", None, "entered", "event"),
    ]
    assert steps[1]["why"] == "The wait is over. An event happened."
    assert steps[2]["next"] == "first-bet"
    first = (await world.http.get("/v1/players/amelia/journeys/welcome/steps?limit=1")).json()
    cursor = first["next"]
    rest = (await world.http.get(f"/v1/players/amelia/journeys/welcome/steps?cursor={cursor}")).json()["items"]
    assert [*first["items"], *rest] == steps
    assert (await world.http.get("/v1/players/amelia/journeys/closed/steps")).json()["items"] == []
    (walk,) = (await world.http.get("/v1/players/amelia/journeys")).json()["items"]
    assert (walk["status"], walk["outcome"]) == ("ended", "goal")


async def test_a_caller_brings_a_player_in_and_out(world: World) -> None:
    entered = await ask(world, "welcome/entries", "k-1", player_id="amelia", data={"source": "fair"})
    assert entered.status_code == 200, entered.text
    assert entered.json()["effects"][0] == {
        "kind": "journey_entered",
        "journey": "welcome",
        "number": 1,
        "version": 1,
        "by": "api",
    }
    assert (await places(world))["first-bet"] == 1
    again = await ask(world, "welcome/entries", "k-1", player_id="amelia", data={"source": "fair"})
    assert again.json() == entered.json()  # the same key: asked once
    twice = await ask(world, "welcome/entries", "k-2", player_id="amelia")
    assert (twice.status_code, twice.json()["code"]) == (409, "already_in_journey")

    left = await ask(world, "welcome/exits", "k-3", player_id="amelia")
    assert left.status_code == 200, left.text
    assert [effect["kind"] for effect in left.json()["effects"]] == ["journey_ended", "message_withdrawn"]
    assert (await places(world))["first-bet"] == 0
    gone = await ask(world, "welcome/exits", "k-4", player_id="amelia")
    assert (gone.status_code, gone.json()["code"]) == (409, "not_in_journey")


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        pytest.param("nowhere/entries", {"player_id": "amelia"}, 404, "journey_not_found", id="no such journey"),
        pytest.param("nowhere/exits", {"player_id": "amelia"}, 404, "journey_not_found", id="no such journey to leave"),
        pytest.param("closed/entries", {"player_id": "amelia"}, 409, "not_open_to_callers", id="not open to callers"),
        pytest.param("welcome/entries", {"player_id": "a|b"}, 422, "bad_id", id="a bad id"),
        pytest.param("welcome/entries", {"player_id": ""}, 422, "invalid", id="no id"),
        pytest.param("welcome/entries", {"player_id": "a", "data": {"x": "y" * 3_000}}, 422, "invalid", id="too much"),
        pytest.param("welcome/entries", {"player_id": "a", "extra": 1}, 422, "invalid", id="an unknown key"),
    ],
)
async def test_what_is_refused_has_a_stable_code(
    world: World, path: str, body: dict[str, Any], status: int, code: str
) -> None:
    answer = await ask(world, path, "k-1", **body)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


async def test_commands_need_a_key_and_the_scope_to_write(world: World) -> None:
    bare = await world.http.post("/v1/journeys/welcome/entries", json={"player_id": "amelia"})
    assert (bare.status_code, bare.json()["code"]) == (400, "idempotency_key_required")
    reader = await world.key("players:read")
    for path in ("welcome/entries", "welcome/exits"):
        headers = reader | {"Idempotency-Key": "k-1"}
        answer = await world.http.post(f"/v1/journeys/{path}", json={"player_id": "amelia"}, headers=headers)
        assert answer.status_code == 403
    assert (await world.http.get("/v1/journeys/welcome", headers=reader)).status_code == 200
    assert (await world.http.get("/v1/journeys", headers=world.token("amelia"))).status_code == 403
    assert (await world.http.get("/v1/me/journeys", headers=world.token("amelia"))).status_code == 404


async def test_what_is_not_there_is_not_found(world: World) -> None:
    await world.happen("amelia", "bet_placed", "m-1")
    for path, code in (
        ("/v1/journeys/nowhere", "journey_not_found"),
        ("/v1/journeys/nowhere/nodes/hi/players", "journey_not_found"),
        ("/v1/journeys/welcome/nodes/nowhere/players", "node_not_found"),
        ("/v1/players/nobody/journeys", "player_not_found"),
        ("/v1/players/nobody/journeys/welcome/steps", "player_not_found"),
        ("/v1/players/amelia/journeys/nowhere/steps", "journey_not_found"),
    ):
        answer = await world.http.get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, code), path
