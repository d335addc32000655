"""Budgets as the API shows them, by what their keepers keep."""

from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis

from domain.ids import keeper_id, partition_of
from gamification.budgets.keeper import Kept, at_moment, kept_as
from gamification.programme import compile_rules
from store.keys import PLAYERS
from tests.api.conftest import PARTITIONS, Api

pytestmark = pytest.mark.redis

BUDGETS: dict[str, dict[str, Any]] = {
    "programme": {"amount": 5_000, "currency": "count"},
    "welcome": {"amount": 1_000, "per": "day", "when_spent": {"do": "queue"}},
}


async def kept(api: Api, redis: Redis, budget: str, **values: Any) -> None:
    """Have a budget's keeper keep something, as a commit would write it."""
    rule = compile_rules(1, {"budgets": BUDGETS}).rooms["budgets"].all[budget]
    period = at_moment(Kept(), rule, api.context.clock.now_ms()).period
    data = kept_as(Kept(period=period, per=rule.per or "", amount=rule.amount, **values))
    actor = keeper_id("budget", budget)
    state = PLAYERS.state(partition_of(actor, PARTITIONS), actor)
    await redis.hset(state, mapping={"v": 1, "kept": msgspec.msgpack.encode(data)})


async def test_a_budget_says_what_is_spent_reserved_and_left_and_who_waits(api: Api) -> None:
    await api.publish({"budgets": BUDGETS})
    await kept(api, api.context.redis, "welcome", reserved=40, confirmed=900, waiting=[["1-0#0@ada", 80]])
    one = (await api.get("/v1/budgets/welcome")).json()
    assert (one["spent"], one["reserved"], one["left"], one["waiting"]) == (900, 40, 60, 1)
    assert (one["amount"], one["per"], one["when_spent"]) == (1_000, "day", "queue")
    assert one["period"]["from"] < one["period"]["until"]


async def test_a_budget_that_nobody_has_asked_is_whole(api: Api) -> None:
    await api.publish({"budgets": BUDGETS})
    answer = (await api.get("/v1/budgets")).json()
    assert [(item["id"], item["left"], item["period"] is None) for item in answer["items"]] == [
        ("programme", 5_000, True),
        ("welcome", 1_000, False),
    ]
    first = (await api.get("/v1/budgets?limit=1")).json()
    assert (len(first["items"]), first["next"]) == (1, "programme")


async def test_yesterdays_budget_is_whole_today(api: Api) -> None:
    await api.publish({"budgets": BUDGETS})
    await kept(api, api.context.redis, "welcome", confirmed=900)
    actor = keeper_id("budget", "welcome")
    state = PLAYERS.state(partition_of(actor, PARTITIONS), actor)
    old = msgspec.msgpack.decode(await api.context.redis.hget(state, "kept"))
    await api.context.redis.hset(state, "kept", msgspec.msgpack.encode(old | {"period": old["period"] - 1}))
    assert (await api.get("/v1/budgets/welcome")).json()["left"] == 1_000


async def test_what_is_no_budget_is_not_found(api: Api) -> None:
    await api.publish({"budgets": BUDGETS})
    answer = await api.get("/v1/budgets/nobody")
    assert (answer.status_code, answer.json()["code"]) == (404, "budget_not_found")


async def test_the_metrics_tell_of_each_budget(api: Api) -> None:
    await api.publish({"budgets": BUDGETS})
    await kept(api, api.context.redis, "welcome", reserved=40, confirmed=900, waiting=[["1-0#0@ada", 80]])
    lines = (await api.client.get("/metrics")).text.splitlines()
    assert 'playtower_budget_left{budget="welcome"} 60.0' in lines
    assert 'playtower_budget_waiting{budget="welcome"} 1.0' in lines
