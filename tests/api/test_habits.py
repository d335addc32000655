"""``GET /v1/players/{id}/habits``: the usual and the present, and an honest "cannot tell"."""

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


async def test_nobody_is_watched_without_the_document(world: World) -> None:
    await world.publish()
    await world.happen("amelia", "bet_placed", "m-1", properties={"amount": 100})
    assert await habits(world) == {"player_id": "amelia", "watched": False, "session": None, "courses": []}


async def test_habits_are_the_operators_to_read(world: World) -> None:
    await world.publish()
    await world.happen("amelia", "bet_placed", "m-1", properties={"amount": 100})
    assert (await world.http.get("/v1/players/nobody/habits")).status_code == 404
    answer = await world.http.get("/v1/players/amelia/habits", headers=world.token("amelia"))
    assert answer.status_code == 403
