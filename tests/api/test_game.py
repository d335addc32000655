"""The game over HTTP: what a player asks of streaks, wheels, tournaments and the store, and what is shown of them."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from actors.programme import compile_programme
from api.app import create_app
from api.game import _COMMANDS
from api.game_reads import READS
from api.settings import Settings
from domain.games import Games, Play, Win
from domain.player import Snapshot
from domain.shop import Purchase, Shop
from gamification import rooms
from gamification.view import player_view
from playtower.programme_files import read_programme
from tests.api.world import PROGRAMME, TOKEN_SECRET, World, world_of
from tests.conftest import Server

TEN_GEMS = [{"kind": "currency", "currency": "gems", "amount": 10}]
SEASON: dict[str, dict[str, dict[str, Any]]] = {
    "streaks": {
        "daily-play": {
            "event": "bet_placed",
            "freezes": {"max": 2, "price": {"currency": "gems", "amount": 10}},
        }
    },
    "minigames": {
        "wheel": {
            "type": "wheel",
            "attempts": {"max": 1, "per": "day"},
            "prizes": [{"id": "ten-gems", "weight": 1, "rewards": TEN_GEMS}],
        }
    },
    "rewards": {
        "mug": {
            "name": {"en": "Mug"},
            "type": "currency",
            "gives": TEN_GEMS,
            "price": {"currency": "gems", "amount": 20},
            "stock": 1,
            "refundable_within": "24h",
        }
    },
    "tournaments": {
        "race": {
            "schedule": {"every": "week"},
            "events": [{"event": "bet_placed", "score": {"count": True}}],
            "registration": "opt_in",
        }
    },
}
# Asked over other routes, or by nobody.
ELSEWHERE = {"resolve_case"}


@pytest.fixture
async def world(server: Server, redis: Redis) -> AsyncIterator[World]:
    async with world_of(server, redis) as made:
        await made.publish(PROGRAMME | SEASON)
        given = {"currency": "gems", "amount": 25, "reason": "welcome"}
        answer = await made.http.post("/v1/players/amelia/adjustments", json=given, headers={"Idempotency-Key": "g"})
        assert answer.status_code == 200
        yield made


def test_every_command_of_a_room_has_a_route() -> None:
    routed = {command.name for command in _COMMANDS} | {"approve_registration", "confirm_grant"}
    assert set(rooms.COMMANDS) <= routed | ELSEWHERE


def test_the_game_is_documented() -> None:
    document = create_app(Settings(redis_url="unix:///unused", token_secret=TOKEN_SECRET)).openapi()
    paths = [(f"{prefix}{one.path}", one.method.lower()) for one in _COMMANDS for prefix in PREFIXES]
    paths += [(f"{prefix}/{one.part}", "get") for one in READS for prefix in PREFIXES]
    paths += [
        (path, method) for path, ways in document["paths"].items() for method, o in ways.items() if GAME in o["tags"]
    ]
    for path, method in paths:
        operation = document["paths"][path][method]
        assert operation["summary"]
        assert "example" in operation["responses"]["200"]["content"]["application/json"], path
        assert {"401", "403", *(["404"] if "{" in path else [])} <= set(operation["responses"])
        named = {one["name"] for one in operation.get("parameters", ()) if one["in"] == "path"}
        assert all(f"{{{name}}}" in path for name in named)
        assert path.count("{") == len(named), f"{method} {path} documents {named}"


def test_the_examples_of_the_lists_have_the_fields_that_are_shown() -> None:
    games = Games(plays=(Play("1-0@amelia", "wheel", "drawn"),), wins=(Win("r@m1.0", "r", "mug", 1, "won", 9, (), 1),))
    shop = Shop(purchases=(Purchase("pur_1", "mug", "granted", 1),))
    seen = player_view(
        compile_programme(1, read_programme(CASINO)).rules, Snapshot("amelia", games=games, shop=shop), NOW
    )
    for read in READS:
        fields = {name for item in seen[read.part] if item.get("type") != "calendar" for name in item}
        assert set(read.example) - AT_THE_GATEWAY == fields, read.part


PREFIXES = ("/v1/me", "/v1/players/{id}")
CASINO = Path(__file__).parents[2] / "examples/programmes/casino/programme"
NOW = 1_764_580_000_000
AT_THE_GATEWAY = {"commitment"}  # it knows the store's seed
GAME = "Game"


async def test_a_player_buys_a_freeze_and_the_operator_may_too(world: World) -> None:
    me = world.token("amelia")
    bought = await world.http.post("/v1/me/streaks/daily-play/freezes", headers=me | {"Idempotency-Key": "f1"})
    assert (bought.status_code, bought.json()["data"]) == (200, {"streak": "daily-play", "freezes": 1}), bought.text
    again = await world.http.post("/v1/me/streaks/daily-play/freezes", headers=me | {"Idempotency-Key": "f1"})
    assert (again.content, again.headers["idempotency-replayed"]) == (bought.content, "true")
    path = "/v1/players/amelia/streaks/daily-play/freezes"
    assert (await world.http.post(path, headers={"Idempotency-Key": "f2"})).json()["data"]["freezes"] == 2
    full = await world.http.post(path, headers={"Idempotency-Key": "f3"})
    assert (full.status_code, full.json()["code"]) == (409, "freezes_full")
    (streak,) = (await world.http.get("/v1/me/streaks", headers=me)).json()["items"]
    assert streak["freezes"]["held"] == 2
    assert (await world.http.get("/v1/me", headers=me)).json()["balances"]["gems"]["balance"] == 5


@pytest.mark.parametrize("path", ["streaks/none/freezes", "minigames/none/plays", "tournaments/none/registration"])
async def test_what_nobody_configured_is_not_found(world: World, path: str) -> None:
    me = world.token("amelia")
    answer = await world.http.post(f"/v1/me/{path}", headers=me | {"Idempotency-Key": "n1"})
    assert (answer.status_code, answer.json()["code"].rpartition("_")[2]) == (404, "found"), answer.text


@pytest.mark.parametrize("command", _COMMANDS, ids=lambda command: command.name)
async def test_every_command_wants_a_key_and_somebody_who_may(world: World, command: Any) -> None:
    path = command.path.format(**{command.argument: "x"})
    me = world.token("amelia")
    without = await world.http.request(command.method, f"/v1/me{path}", headers=me)
    assert (without.status_code, without.json()["code"]) == (400, "idempotency_key_required")
    theirs = f"/v1/players/bob{path}"
    assert (await world.http.request(command.method, theirs, headers=me)).status_code == 403
    there = await world.http.request(command.method, f"/v1/me{path}", headers=me | {"Idempotency-Key": "x"})
    assert there.status_code in (404, 409), there.text
    is_there = command.name in rooms.COMMANDS
    assert (there.json()["code"] == "feature_not_available") is not is_there


async def test_a_wheel_is_played_and_acknowledged(world: World) -> None:
    me = world.token("amelia")
    path = "/v1/me/minigames/wheel/plays"
    played = await world.http.post(path, headers=me | {"Idempotency-Key": "p1"}, json={"client_seed": "lucky"})
    assert played.status_code == 200, played.text
    play = played.json()["data"]["play"]
    once = await world.http.post(path, headers=me | {"Idempotency-Key": "p2"})
    assert once.status_code == 409
    shown = (await world.http.get("/v1/me/plays", headers=me)).json()["items"]
    assert [(one["id"], one["prize"]) for one in shown] == [(play, "ten-gems")]
    taken = await world.http.post(f"/v1/me/plays/{play}/acknowledgement", headers=me | {"Idempotency-Key": "a1"})
    assert taken.status_code == 200, taken.text
    assert (await world.http.get("/v1/me", headers=me)).json()["balances"]["gems"]["balance"] == 35


async def test_an_item_is_bought_once_and_given_back(world: World) -> None:
    me = world.token("amelia")
    path = "/v1/me/store/mug/purchases"
    told = [await world.http.post(path, headers=me | {"Idempotency-Key": key}) for key in ("b1", "b1", "b2")]
    assert [answer.status_code for answer in told] == [200, 200, 409], [answer.text for answer in told]
    assert told[0].content == told[1].content
    purchase = told[0].json()["data"]["purchase"]
    (shown,) = (await world.http.get("/v1/me/purchases", headers=me)).json()["items"]
    assert (shown["id"], shown["item"]) == (purchase, "mug")
    over = await world.http.post(f"/v1/grants/{purchase}", json={"status": "failed"}, headers={"Idempotency-Key": "g1"})
    assert (over.status_code, over.json()["code"]) == (409, "grant_is_over"), over.text
    back = await world.http.post(f"/v1/me/purchases/{purchase}/refund", headers=me | {"Idempotency-Key": "r1"})
    assert (back.status_code, back.json()["data"]["status"]) == (200, "refunded"), back.text
    assert (await world.http.get("/v1/me", headers=me)).json()["balances"]["gems"]["balance"] == 25


async def test_a_player_registers_and_withdraws_and_the_run_is_cancelled(world: World) -> None:
    me = world.token("amelia")
    path = "/v1/me/tournaments/race/registration"
    joined = await world.http.post(path, headers=me | {"Idempotency-Key": "r1"})
    assert (joined.status_code, joined.json()["data"]["status"]) == (200, "registered"), joined.text
    run = joined.json()["data"]["run"]
    mine = (await world.http.get("/v1/me/tournaments", headers=me)).json()["items"]
    assert next(one for one in mine if one["run"] == run)["me"]["registered"]
    shown = (await world.http.get(f"/v1/tournaments/race/runs/{run}")).json()
    assert (shown["id"], shown["entrants"]) == ("race", 1)
    assert (await world.http.get("/v1/tournaments/none/runs/x")).status_code == 404
    cancelled = await world.http.post(
        f"/v1/tournaments/race/runs/{run}/cancellation", headers={"Idempotency-Key": "c1"}
    )
    assert (cancelled.status_code, cancelled.json()["data"]["status"]) == (200, "cancelled"), cancelled.text
    refused = await world.http.post(f"/v1/tournaments/race/runs/{run}/prizes", headers={"Idempotency-Key": "c2"})
    assert (refused.status_code, refused.json()["code"]) == (409, "not_awaiting_approval")


async def test_a_run_that_the_schedule_cannot_make_is_not_there(world: World) -> None:
    path = "/v1/tournaments/race/runs/nope"
    told = [
        await world.http.post(f"{path}/{what}", headers={"Idempotency-Key": what})
        for what in ("cancellation", "prizes")
    ]
    told.append(await world.http.get(path))
    assert [(answer.status_code, answer.json()["code"]) for answer in told] == [(404, "run_not_found")] * 3


@pytest.mark.parametrize("part", [read.part for read in READS])
async def test_each_part_is_listed_for_the_player_and_for_keys(world: World, part: str) -> None:
    mine = await world.http.get(f"/v1/me/{part}", headers=world.token("amelia"))
    theirs = await world.http.get(f"/v1/players/amelia/{part}")
    assert (mine.status_code, mine.json()) == (200, theirs.json())
    assert (await world.http.get(f"/v1/players/nobody/{part}")).status_code == 404
