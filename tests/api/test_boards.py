"""The table of a run over HTTP: who is where, what others see of a player, pages, neighbours, cohorts."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from redis.asyncio import Redis

from api.boards import present_run, pseudonym
from domain.step import BoardScore, Freeze
from gamification.tournaments.rules import TournamentRule
from store.boards import Boards
from tests.api.world import PROGRAMME, SEED, World, world_of
from tests.conftest import Server
from tests.gamification.playing import programme

RACE: dict[str, Any] = {
    "schedule": {"every": "week"},
    "events": [{"event": "bet_placed", "score": {"sum": "properties.amount"}}],
    "public": {"name_trait": "nickname"},
    "prizes": [{"from": 1, "rewards": [{"kind": "currency", "currency": "points", "amount": 5}]}],
}
TABLES = RACE | {"cohorts": {"size": 2, "tiers": ["low", "high"]}}
SEASON: Any = PROGRAMME | {"tournaments": {"race": RACE, "tables": TABLES}}
SCORES = {"amelia": 300, "bea": 500, "cleo": 500, "dora": 100}


@pytest.fixture
async def world(server: Server, redis: Redis) -> AsyncIterator[World]:
    async with world_of(server, redis) as made:
        await made.publish(SEASON)
        await made.happen("bea", "identified", "b-0", traits={"nickname": "  Queen   Bea "})
        for player, amount in SCORES.items():
            await made.happen(player, "bet_placed", f"{player}-1", properties={"amount": amount})
        await made.until("/v1/tournaments/race/board", lambda answer: answer["entrants"] == 4)
        yield made


async def read(world: World, path: str, player: str = "") -> dict[str, Any]:
    answer = await world.http.get(path, headers=world.token(player) if player else None)
    assert answer.status_code == 200, answer.text
    read: dict[str, Any] = answer.json()
    return read


async def _seated(world: World, player: str) -> dict[str, Any]:
    """Read the player's own table, once the keeper's answer has given one."""
    async with asyncio.timeout(10):
        while (board := await read(world, "/v1/me/tournaments/tables/board", player))["rank"] is None:
            pass
    return board


async def test_a_server_key_sees_who_is_where(world: World) -> None:
    board = await read(world, "/v1/tournaments/race/board")
    assert [(row["rank"], row["player"], row["score"]) for row in board["items"]] == [
        (1, "bea", 500.0),
        (2, "cleo", 500.0),
        (3, "amelia", 300.0),
        (4, "dora", 100.0),
    ]
    assert board["board"] == f"race@{board['run']}"
    assert (board["frozen"], board["late"], board["rank"], board["next"]) == (False, 0, None, None)


async def test_a_player_sees_names_and_no_ids(world: World) -> None:
    board = await read(world, "/v1/me/tournaments/race/board", "amelia")
    assert board["rank"] == 3
    assert [row["name"] for row in board["items"]] == [
        "Queen Bea",
        *(pseudonym(p, SEED) for p in ("cleo", "amelia", "dora")),
    ]
    assert [row["me"] for row in board["items"]] == [False, False, True, False]
    assert all(set(row) == {"rank", "name", "score", "reached_at", "me"} for row in board["items"])
    assert "late" not in board


async def test_a_player_sees_those_around(world: World) -> None:
    board = await read(world, "/v1/me/tournaments/race/board?around=me&limit=3", "amelia")
    assert [row["rank"] for row in board["items"]] == [2, 3, 4]
    assert [row["me"] for row in board["items"]] == [False, True, False]
    around = await read(world, "/v1/tournaments/race/board?around=bea&limit=3")
    assert ([row["player"] for row in around["items"]], around["rank"]) == (["bea", "cleo"], 1)


async def test_who_has_no_score_has_no_rank(world: World) -> None:
    await world.happen("emil", "identified", "e-0")
    board = await read(world, "/v1/me/tournaments/race/board?around=me", "emil")
    assert (board["rank"], board["items"], board["entrants"]) == (None, [], 4)


async def test_pages_go_on_behind_a_rank(world: World) -> None:
    first = await read(world, "/v1/tournaments/race/board?limit=3")
    second = await read(world, f"/v1/tournaments/race/board?limit=3&cursor={first['next']}")
    assert [row["rank"] for row in (*first["items"], *second["items"])] == [1, 2, 3, 4]
    assert second["next"] is None


async def test_a_run_that_was_is_asked_for_by_its_name(world: World) -> None:
    boards = Boards(world.redis)
    await boards.score([BoardScore("race@2026-W01", "amelia", 1, 7.0, 1)])
    await boards.freeze([Freeze("race@2026-W01", "keeper:tournament:race@2026-W01", 1)])
    board = await read(world, "/v1/tournaments/race/board?run=2026-W01")
    assert ([row["player"] for row in board["items"]], board["frozen"]) == (["amelia"], True)


async def test_in_cohorts_a_player_sees_the_own_table(world: World) -> None:
    tables: dict[str, set[str]] = {}
    for player in SCORES:
        board = await _seated(world, player)
        tables.setdefault(board["board"], set()).add(player)
        assert board["rank"] in (1, 2)
    assert sorted(map(len, tables.values())) == [2, 2]
    cohort = min(tables).rpartition("/c")[2]
    board = await read(world, f"/v1/tournaments/tables/board?cohort={cohort}")
    assert {row["player"] for row in board["items"]} == tables[min(tables)]


@pytest.mark.parametrize(
    ("path", "player", "status", "code"),
    [
        ("/v1/tournaments/nothing/board", "", 404, "tournament_not_found"),
        ("/v1/tournaments/tables/board", "", 400, "cohort_needed"),
        ("/v1/tournaments/race/board?around=nobody", "", 404, "player_not_found"),
        ("/v1/tournaments/race/board?around=me", "", 400, "bad_player"),
        ("/v1/tournaments/race/board", "amelia", 403, "forbidden"),
        ("/v1/me/tournaments/race/board", "", 403, "forbidden"),
        ("/v1/tournaments/race/board?run=nope-1", "", 404, "run_not_found"),
        ("/v1/me/tournaments/race/board?run=2026-11-23", "amelia", 404, "run_not_found"),
        ("/v1/tournaments/race/board?run=..%2Fother", "", 422, None),
        ("/v1/tournaments/race/board?cursor=x", "", 422, None),
        ("/v1/me/tournaments/race/board?around=bea", "amelia", 422, None),
    ],
)
async def test_what_is_refused(world: World, path: str, player: str, status: int, code: str | None) -> None:
    answer = await world.http.get(path, headers=world.token(player) if player else None)
    assert answer.status_code in (status, 400 if status == 422 else status), answer.text
    assert code is None or answer.json()["code"] == code


@pytest.mark.parametrize(
    ("schedule", "at", "run"),
    [
        ({"every": "day"}, "2026-11-22T12:00:00+00:00", "2026-11-22"),
        ({"every": "month"}, "2026-11-22T12:00:00+00:00", "2026-11"),
        ({"from": "2026-03-02T00:00:00Z", "until": "2026-03-09T00:00:00Z"}, "2026-03-04T00:00:00+00:00", "2026-03-02"),
        ({"from": "2026-03-02T00:00:00Z", "until": "2026-03-09T00:00:00Z"}, "2026-01-01T00:00:00+00:00", "2026-03-02"),
        ({"from": "2026-03-02T00:00:00Z", "until": "2026-03-09T00:00:00Z"}, "2027-01-01T00:00:00+00:00", "2026-03-02"),
    ],
)
def test_the_present_run_is_the_one_that_is_on_else_the_only_one(schedule: Any, at: str, run: str) -> None:
    rules = programme(tournaments={"race": RACE | {"schedule": schedule}})
    rule: TournamentRule = rules.rooms["tournaments"].rules["race"]
    now = int(datetime.fromisoformat(at).astimezone(UTC).timestamp() * 1_000)
    assert present_run(rule, now) == run


def test_a_pseudonym_is_the_players_and_the_stores() -> None:
    assert pseudonym("amelia", "a") == pseudonym("amelia", "a") != pseudonym("amelia", "b") != pseudonym("bea", "b")
    assert pseudonym("amelia", "a").startswith("Player ")
