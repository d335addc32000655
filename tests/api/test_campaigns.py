"""Campaigns over HTTP with real turns: sent once a key, to whom it is for; runs seen and stopped; schedules shown."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis

from domain.calendar import as_datetime
from tests.api.world import PARTITIONS, World, world_of
from tests.conftest import Server

pytestmark = pytest.mark.redis

TEMPLATE = {
    "channel": "in_app",
    "title": {"en": "News, {{ player.traits.first_name }}"},
    "body": {"en": "Take {{ code }}."},
    "variables": ["code"],
}
NEWS: dict[str, Any] = {
    "name": "News of the week",
    "segment": "readers",
    "send": {"now": "api"},
    "message": {"template": "news", "purpose": "service", "variables": {"code": {"from": "data.code"}}},
}
DIGEST = {**NEWS, "send": {"schedule": {"at": "2099-01-04T10:00", "zone": "player"}}}  # a daily one has begun by noon
WELCOME = {**NEWS, "everyone": True, "segment": None, "send": {"event": "signed_up"}}
DOCUMENTS: dict[str, dict[str, dict[str, Any]]] = {
    "templates": {"news": TEMPLATE},
    "segments": {"readers": {"where": {"field": "player.traits.reads", "op": "eq", "value": True}}},
    "campaigns": {"news": NEWS, "digest": DIGEST, "welcome": {k: v for k, v in WELCOME.items() if v is not None}},
}


@pytest.fixture
async def world(server: Server, redis: Redis) -> AsyncIterator[World]:
    async with world_of(server, redis) as made:
        await made.publish(DOCUMENTS)
        yield made


async def readers(world: World, count: int, others: int = 0) -> list[str]:
    names = [f"player-{n}" for n in range(count + others)]
    for n, name in enumerate(names):
        traits = {"first_name": f"P{n}", "reads": n < count}
        await world.happen(name, "identify", "i-1", type="identify", traits=traits)
    return names[:count]


async def send(world: World, key: str, body: Any = None, campaign: str = "news") -> Any:
    headers = {"Idempotency-Key": key} if key else {}
    return await world.http.post(f"/v1/campaigns/{campaign}/send", json=body, headers=headers)


async def told(world: World, player: str) -> list[str]:
    items = (await world.http.get(f"/v1/players/{player}/inbox")).json()["items"]
    return [f"{item['title']} | {item['body']}" for item in items]


async def finished(world: World, run: dict[str, Any]) -> Any:
    path = f"/v1/campaigns/{run['campaign']}/runs/{run['id']}"
    return await world.until(path, lambda found: found["status"] in ("completed", "stopped"))


async def test_a_campaign_goes_once_to_each_member_of_its_segment(world: World) -> None:
    names = await readers(world, 20, others=10)
    answer = await send(world, "monday", {"data": {"code": "SPRING"}})
    assert answer.status_code == 202, answer.text
    run = answer.json()["run"]
    assert answer.headers["location"] == f"/v1/campaigns/news/runs/{run['id']}"
    done = await finished(world, run)
    assert (done["status"], done["visited"], done["partitions_done"]) == ("completed", 20, PARTITIONS)
    await world.until(f"/v1/campaigns/news/runs/{run['id']}", lambda found: found["entered"] == 20)
    for n, name in enumerate(names):
        await world.until(f"/v1/players/{name}/inbox", lambda found: found["items"])
        assert await told(world, name) == [f"News, P{n} | Take SPRING."]
    assert await told(world, "player-25") == []

    again = await send(world, "monday", {"data": {"code": "SPRING"}})
    assert (again.status_code, again.json()) == (202, answer.json())
    other = await send(world, "monday", {"data": {"code": "OTHER"}})
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_mismatch")

    second = (await send(world, "tuesday")).json()["run"]
    await finished(world, second)
    await world.until("/v1/players/player-0/inbox", lambda found: len(found["items"]) == 2)
    shown = (await world.http.get("/v1/campaigns/news")).json()
    assert [(one["id"], one["begun"], one["status"]) for one in shown["runs"]] == [
        (second["id"], "api", "completed"),
        (run["id"], "api", "completed"),
    ]
    assert shown["document"]["segment"] == "readers"


async def test_a_slow_run_is_stopped_for_good(world: World) -> None:
    await readers(world, 30)
    run = (await send(world, "slow", {"per_minute": 1})).json()["run"]
    stopped = await world.http.post(f"/v1/campaigns/news/runs/{run['id']}/stop")
    assert stopped.status_code == 202, stopped.text
    done = await finished(world, run)
    assert (done["status"], done["stopped_by"]) == ("stopped", run["by"])
    assert done["visited"] < 30
    assert (await world.http.post(f"/v1/campaigns/news/runs/{run['id']}/stop")).status_code == 202
    assert (await send(world, "slow", {"per_minute": 1})).json()["run"] == run
    assert (await finished(world, run))["status"] == "stopped"


async def test_players_wait_for_their_own_time_and_a_stop_lets_them_go(world: World) -> None:
    names = await readers(world, 6)
    local = as_datetime(world.context.clock.now_ms() + 3 * 3_600_000).strftime("%Y-%m-%dT%H:%M")
    xmas = {**NEWS, "send": {"schedule": {"at": local, "zone": "player"}}}
    await world.http.put("/v1/config/campaigns/xmas?direct=true", json=xmas)
    # in UTC+14 it has begun, so it begins at once: everybody here waits for three hours
    shown = await world.until("/v1/campaigns/xmas", lambda found: found["waiting"] == len(names))
    (run,) = shown["runs"]
    assert (run["id"], run["begun"], run["by"]) == (f"{local}:00", "schedule", None)
    assert await told(world, names[0]) == []
    stopped = await world.http.post(f"/v1/campaigns/xmas/runs/{run['id']}/stop")
    assert stopped.status_code == 202, stopped.text
    shown = await world.until("/v1/campaigns/xmas", lambda found: found["waiting"] == 0)
    assert [one["id"] for one in shown["runs"]] == [run["id"]]


async def test_publishing_sends_nothing_and_the_list_says_how_each_is_sent(world: World) -> None:
    await readers(world, 3)
    items = (await world.http.get("/v1/campaigns")).json()["items"]
    assert [(item["id"], item["send"], item["waiting"]) for item in items] == [
        ("digest", "schedule", 0),
        ("news", "api", 0),
        ("welcome", "event", 0),
    ]
    assert items[0]["next"]["local"].endswith("T10:00:00")
    assert items[1]["next"] is None
    assert await told(world, "player-0") == []
    await world.happen("player-0", "signed_up", "s-1")
    await world.until("/v1/players/player-0/inbox", lambda found: found["items"])


@pytest.mark.parametrize(
    ("campaign", "key", "body", "status", "code"),
    [
        ("news", "", None, 400, "idempotency_key_required"),
        ("nope", "k", None, 404, "campaign_not_found"),
        ("digest", "k", None, 409, "not_sent_by_api"),
        ("welcome", "k", None, 409, "not_sent_by_api"),
        ("news", "k", {"data": {"local": "x"}}, 422, "invalid"),
        ("news", "k", {"data": {"big": ["x"]}}, 422, "invalid"),
        ("news", "k", {"per_minute": 0}, 422, "invalid"),
        ("news", "k", {"data": {"a": 10**30}}, 422, "invalid"),
        ("news", "k", {"data": {"a": "x" * 1_200, "b": "x" * 900}}, 422, "invalid"),
    ],
)
async def test_what_a_sending_refuses(world: World, campaign: str, key: str, body: Any, status: int, code: str) -> None:
    answer = await send(world, key, body, campaign)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_a_draft_is_not_sent_and_says_so(world: World) -> None:
    await world.http.put("/v1/config/campaigns/soon", json=NEWS)
    answer = await send(world, "k", None, "soon")
    assert (answer.status_code, answer.json()["code"]) == (404, "campaign_not_found")
    assert "in the draft" in answer.json()["detail"]


async def test_runs_that_are_not_there_and_keys_that_may_not(world: World) -> None:
    assert (await world.http.get("/v1/campaigns/news/runs/run_0")).json()["code"] == "run_not_found"
    assert (await world.http.post("/v1/campaigns/news/runs/run_0/stop")).json()["code"] == "run_not_found"
    headers = await world.key("messages:read")
    assert (await world.http.get("/v1/campaigns", headers=headers)).status_code == 200
    answer = await world.http.post("/v1/campaigns/news/send", headers=headers | {"Idempotency-Key": "k"})
    assert (answer.status_code, answer.json()["scope"]) == (403, "messages:write")
