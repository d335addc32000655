"""Reports, channels and metrics: what the tower decided of all players, and how the providers do."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis

from api.reports import today_of
from store.keys import HOSTS, claims, tally
from tests.api.world import World, world_of
from tests.conftest import Server

pytestmark = pytest.mark.redis

MAIL = {"kind": "smtp", "host": "mail.example", "from": "Lucky <news@example.com>"}


@pytest.fixture
async def idle(server: Server, redis: Redis) -> AsyncIterator[World]:
    async with world_of(server, redis, hosts=False) as made:
        yield made


async def count(redis: Redis, partition: int, day: str, field: str, times: int) -> None:
    await redis.hset(tally(partition, day), field, times)


async def report(world: World, **params: str) -> Any:
    answer = await world.http.get("/v1/reports/messages", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_decisions_of_all_partitions_add_up(idle: World) -> None:
    await count(idle.redis, 0, "2026-11-20", "held|quiet_hours|sms|promo|spring", 3)
    await count(idle.redis, 1, "2026-11-21", "held|quiet_hours|sms|promo|spring", 4)
    await count(idle.redis, 2, "2026-11-21", "cleared||email|promo|spring", 10)
    await count(idle.redis, 3, "2026-11-21", "refused|excluded|||a|b", 1)  # a template's id may hold anything
    await count(idle.redis, 3, "2026-11-22", "refused|excluded||promo|spring", 100)
    found = await report(idle, **{"from": "2026-11-20", "to": "2026-11-21"})
    assert [(item["outcome"], item["reason"], item["count"]) for item in found["items"]] == [
        ("cleared", None, 10),
        ("held", "quiet_hours", 7),
        ("refused", "excluded", 1),
    ]
    assert found["items"][1]["why"] == "It is quiet time for this channel where the player is."
    assert found["total"] == 18
    days = await report(idle, **{"from": "2026-11-20", "to": "2026-11-22", "by": "day,channel", "outcome": "held"})
    assert [(item["day"], item["channel"], item["count"]) for item in days["items"]] == [
        ("2026-11-21", "sms", 4),
        ("2026-11-20", "sms", 3),
    ]
    one = await report(idle, **{"from": "2026-11-20", "to": "2026-11-21", "template": "spring", "by": "template"})
    assert one["total"] == 17


@pytest.mark.parametrize(
    "params",
    [
        pytest.param({"by": "weather"}, id="by what is not counted"),
        pytest.param({"by": ","}, id="by nothing"),
        pytest.param({"from": "2026-11-22", "to": "2026-11-21"}, id="the wrong way round"),
        pytest.param({"from": "2026-01-01", "to": "2026-11-21"}, id="too many days"),
        pytest.param({"from": "yesterday"}, id="no day"),
    ],
)
async def test_what_cannot_be_reported_is_refused(idle: World, params: dict[str, str]) -> None:
    answer = await idle.http.get("/v1/reports/messages", params=params)
    assert answer.status_code == 422


async def beat(world: World, name: str, *, at: int, channels: dict[str, Any]) -> None:
    said = {"name": name, "lane": "channels", "at": at, "channels": channels}
    await world.redis.hset(HOSTS, name, msgspec.json.encode(said))


def of_mail(breaker: str, sent: int, *, is_open: bool = True, error: str = "") -> dict[str, Any]:
    return {
        "email": {
            "waiting": {"urgent": 0, "bulk": 1},
            "in_flight": 2,
            "open": is_open,
            "reason": "" if is_open else "provider_down",
            "until": 0 if is_open else 1_764_000_000_000,
            "landings": {"sent": sent},
            "connectors": {"mail": {"kind": "smtp", "breaker": breaker, "sent": sent, "error": error}},
        }
    }


async def test_channels_tell_what_the_living_couriers_say(idle: World) -> None:
    await idle.publish({"connectors": {"mail": MAIL}})
    await idle.context.programme.refresh()
    (_, mail) = (await idle.http.get("/v1/channels")).json()["items"]
    assert (mail["channel"], mail["state"], mail["connectors"][0]["state"]) == ("email", "unknown", "unknown")
    seconds, _ = await idle.redis.time()
    await beat(idle, "c1", at=seconds * 1000, channels=of_mail("closed", 40))
    shut = of_mail("open", 2, is_open=False, error="no route")
    await beat(idle, "c2", at=seconds * 1000, channels=shut)
    await beat(idle, "c0", at=(seconds - 60) * 1000, channels=of_mail("half_open", 1_000))  # long gone
    found = (await idle.http.get("/v1/channels")).json()
    assert found["couriers"] == 2
    (in_app, mail) = found["items"]
    assert (in_app["channel"], in_app["state"]) == ("in_app", "open")
    assert (mail["state"], mail["reason"], mail["in_flight"], mail["landings"]) == (
        "closed", "provider_down", 4, {"sent": 42},
    )  # fmt: skip
    (connector,) = mail["connectors"]
    assert (connector["state"], connector["counts"]["sent"], connector["error"]) == ("open", 42, "no route")


async def test_metrics_tell_decisions_lines_sends_and_breakers(idle: World) -> None:
    day = today_of(idle.context.clock.now_ms()).isoformat()
    await count(idle.redis, 0, day, "held|quiet_hours|sms|promo|spring", 3)
    await count(idle.redis, 1, day, "held|quiet_hours|push|promo|spring", 4)
    await idle.redis.hset(claims(1), "req_1_0", "x")
    seconds, _ = await idle.redis.time()
    await beat(idle, "c1", at=seconds * 1000, channels=of_mail("half_open", 40))
    text = (await idle.http.get("/metrics")).text
    assert 'playtower_decisions_total{outcome="held",reason="quiet_hours"} 7.0' in text
    assert "playtower_dispatch_in_flight 1.0" in text
    assert 'playtower_sends_total{channel="email",outcome="sent"} 40.0' in text
    assert 'playtower_breaker_open{channel="email",connector="mail"} 0.5' in text


async def test_reports_need_their_scope(idle: World) -> None:
    weak = await idle.key("players:read")
    for path in ("/v1/reports/messages", "/v1/channels"):
        assert (await idle.http.get(path, headers=weak)).status_code == 403
