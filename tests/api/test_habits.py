"""What is usual for a player and what is now, what was unlike them, and an honest "cannot tell"."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis

from tests.api.world import PROGRAMME, World, world_of
from tests.conftest import Server

pytestmark = pytest.mark.redis

SIGNALS = {"bet": {"event": "bet_placed", "amount": "properties.amount"}}


@pytest.fixture
async def world(server: Server, redis: Redis) -> AsyncIterator[World]:
    async with world_of(server, redis) as made:
        yield made


async def habits(world: World, player: str = "amelia", **headers: Any) -> Any:
    answer = await world.http.get(f"/v1/players/{player}/habits", **headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_players_habits_are_shown_with_the_session_under_way(world: World) -> None:
    await world.publish({**PROGRAMME, "models": {"churn": {"signals": SIGNALS}}})
    await world.context.programme.refresh()
    for number in range(4):
        await world.happen("amelia", "bet_placed", f"m-{number}", properties={"amount": 100})
    told = await habits(world)
    assert (told["player_id"], told["watched"]) == ("amelia", True)
    assert told["session"]["events"] == 4
    assert told["session"]["minutes"] == pytest.approx(0.75, abs=0.5)
    assert told["session"]["intent"]["label"] == "ready"
    assert told["session"]["intent"]["reasons"] == ["is playing"]
    length, stake = told["courses"]
    assert (length["pattern"], length["verdict"], length["reason"]) == (
        "session_length", "cannot_tell", "too_few_sessions",
    )  # fmt: skip
    assert (stake["pattern"], stake["now"]) == ("stake", None), "four bets are too few to judge"


async def test_what_was_unlike_a_player_is_listed_in_words(world: World) -> None:
    patterns = {"session_limit": "1h", "markers": ["session_length.limit"]}
    sessions = {"session": {"event": "session_ended", "amount": "properties.seconds"}}
    await world.publish({**PROGRAMME, "models": {"churn": {"signals": sessions, "patterns": patterns}}})
    await world.happen("amelia", "session_ended", "m-1", properties={"seconds": 1_200})
    await world.happen("amelia", "session_ended", "m-2", properties={"seconds": 1_200})
    answer = await world.http.get("/v1/players/amelia/patterns")
    assert answer.json() == {"items": [], "next": None}
    await world.happen("beth", "session_ended", "m-3", properties={"seconds": 7_200})
    (seen,) = (await world.http.get("/v1/players/beth/patterns")).json()["items"]
    assert seen.pop("at").startswith("20")
    assert seen == {
        "pattern": "session_length",
        "by": "limit",
        "evidence": {"limit": 60.0, "now": 120.8},
        "in_words": "This session has lasted 2 h 1 min; the limit is 1 h.",
        "marker": True,
        "cause": "m-3",
        "player_id": "beth",
    }
    excluded = (await world.http.get("/v1/players/beth/exclusion")).json()
    assert "harm" in str(excluded), excluded


async def test_nobody_is_watched_without_the_document(world: World) -> None:
    await world.publish()
    await world.happen("amelia", "bet_placed", "m-1", properties={"amount": 100})
    assert await habits(world) == {"player_id": "amelia", "watched": False, "session": None, "courses": []}


async def test_habits_are_the_operators_to_read(world: World) -> None:
    await world.publish()
    await world.happen("amelia", "bet_placed", "m-1", properties={"amount": 100})
    assert (await world.http.get("/v1/players/nobody/habits")).status_code == 404
    for what in ("habits", "patterns"):
        answer = await world.http.get(f"/v1/players/amelia/{what}", headers=world.token("amelia"))
        assert answer.status_code == 403
