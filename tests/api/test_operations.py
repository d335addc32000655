"""What the page and Prometheus are told of segments and journeys."""

from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis

from actors.member import Heartbeat
from api.tallies import KEPT_MS
from domain.decisions import Decision, encode_decision
from domain.ids import partition_of
from store.keys import HOSTS, TOWER, group, outbox, walk_cursors
from tests.api.conftest import PARTITIONS, Api

pytestmark = pytest.mark.redis

JOURNEY: dict[str, Any] = {"nodes": [{"id": "hi", "kind": "message"}, {"id": "w", "kind": "delay"}]}
PROGRAMME: dict[str, dict[str, dict[str, Any]]] = {
    "segments": {"club": {"name": {"en": "The club"}}, "at-risk": {}},
    "journeys": {"welcome": JOURNEY},
}


async def put(redis: Redis, name: str, players: list[str]) -> None:
    for player in players:
        await redis.zadd(group(partition_of(player, PARTITIONS), name), {player: 0})


async def seeded(api: Api) -> None:
    """Publish twice, the second time without the node ``old``; players are in a segment and at nodes."""
    old = {"nodes": [*JOURNEY["nodes"], {"id": "old", "kind": "wait"}, {"id": "gone", "kind": "wait"}]}
    await api.publish({**PROGRAMME, "journeys": {"welcome": old, "ended": JOURNEY}})
    await api.publish(PROGRAMME)
    redis = api.context.redis
    await put(redis, "segments/club", ["amelia", "zoe", "kit"])
    await put(redis, "journeys/welcome/w", ["amelia", "zoe"])
    await put(redis, "journeys/welcome/old", ["kit"])
    await redis.hset(walk_cursors(1), "review:2", "")
    await redis.xadd(outbox(2), {"d": 0, "e": b""})
    counts = {"segment_entered": 7, "segment_left": 2, "journey_entered": 3, "journey_ended:goal": 1, "journey_step": 9}
    steps = [
        (1_764_000_000_000, "amelia", "journey_entered", "welcome//"),
        (1_764_000_001_000, "zoe", "journey_step", "welcome/w/delayed"),
        (1_764_000_002_000, "kit", "journey_ended", "welcome/old/goal"),
    ]
    beat = Heartbeat("h1", "players", 1, "node", "i", counts=counts, steps=steps)
    await redis.hset(HOSTS, "h1", msgspec.json.encode(beat))


async def test_the_live_page_shows_who_is_where(api: Api) -> None:
    await seeded(api)
    live = (await api.get("/v1/live")).json()
    assert live["segments"] == [
        {"id": "at-risk", "name": {}, "players": 0},
        {"id": "club", "name": {"en": "The club"}, "players": 3},
    ]
    assert live["journeys"] == [
        {
            "id": "welcome",
            "name": "",
            "players": 3,
            "nodes": [
                {"id": "hi", "kind": "message", "players": 0},
                {"id": "w", "kind": "delay", "players": 2},
                {"id": "old", "kind": None, "players": 1},
            ],
        }
    ]
    assert [(step["player"], step["node"], step["outcome"], step["ended"]) for step in live["steps"]] == [
        ("kit", "old", "goal", True),
        ("zoe", "w", "delayed", False),
        ("amelia", None, "entered", False),
    ]
    assert live["walks"] == 1


async def test_prometheus_reads_players_changes_walks_and_relays(api: Api) -> None:
    await seeded(api)
    lines = (await api.client.get("/metrics")).text.splitlines()
    for line in (
        'playtower_segment_players{segment="club"} 3.0',
        'playtower_journey_players{journey="welcome",node="w"} 2.0',
        'playtower_journey_players{journey="welcome",node="old"} 1.0',
        "playtower_walks 1.0",
        "playtower_relays 1.0",
        'playtower_segment_changes_total{host="h1",what="entered"} 7.0',
        'playtower_journey_steps_total{host="h1",outcome="goal",what="ended"} 1.0',
        'playtower_journey_steps_total{host="h1",outcome="",what="step"} 9.0',
    ):
        assert line in lines, line


class Clock:
    """Stands still."""

    def __init__(self, now: int) -> None:
        self.now = now

    def now_ms(self) -> int:
        return self.now


async def test_counts_are_kept_for_a_few_seconds(api: Api) -> None:
    """A page that asks once a second must not have every group counted each time."""
    await seeded(api)
    clock = Clock(api.context.clock.now_ms())
    api.context.clock = clock
    assert (await api.get("/v1/status")).json()["segments"] == {"at-risk": 0, "club": 3}
    await put(api.context.redis, "segments/club", ["late"])
    clock.now += KEPT_MS - 1
    assert (await api.get("/v1/status")).json()["segments"]["club"] == 3
    assert (await api.get("/v1/segments/club")).json()["players"] == 4  # asked for by name: counted at once
    clock.now += 1
    assert (await api.get("/v1/status")).json()["segments"]["club"] == 4


async def test_the_page_reads_the_towers_last_decisions_with_their_reasons(api: Api) -> None:
    redis, at = api.context.redis, 1_764_000_003_000
    decision = Decision("req_1_0", "spring", "promo", "held", at, 7, reasons=("quiet_hours",), until=at + 60_000)
    older = Decision("req_1_1", "spring", "promo", "held", at - 1, 7, reasons=("cap_reached",))
    for made in (older, decision):
        await redis.xadd(TOWER.history(partition_of("amelia", PARTITIONS), "amelia"), {"d": encode_decision(made)})
    recent = [(at, "amelia", "held", "spring"), (at - 9, "zoe", "cleared", "news"), (at, "kit", "mission", "ten-bets")]
    beat = Heartbeat("t1", "tower", 1, "n", "i", at=api.context.clock.now_ms(), recent=recent)
    await redis.hset(HOSTS, "t1", msgspec.json.encode(beat))
    first, second = (await api.get("/v1/live")).json()["decisions"]
    assert (first["player"], first["outcome"], first["template"]) == ("amelia", "held", "spring")
    assert first["reasons"] == ["quiet_hours"]
    assert first["why"] == ["It is quiet time for this channel where the player is."]
    assert (second["player"], second["outcome"], second["template"]) == ("zoe", "cleared", "news")
    assert "reasons" not in second, "its record is gone, so nothing is made up"


async def test_with_couriers_it_is_ready_once_they_own_every_partition(api: Api) -> None:
    assert api.context.settings.couriers == 0, "without any, nobody is waited for"
    assert "couriers" not in (await api.get("/readyz")).json()["waiting_for"]
    api.context.settings = api.context.settings.model_copy(update={"couriers": 1})
    assert "couriers" in (await api.get("/readyz")).json()["waiting_for"]
    beat = Heartbeat("courier-0", "channels", 1, "node", "first", partitions=list(range(PARTITIONS)))
    beat.at = api.context.clock.now_ms()
    await api.context.redis.hset(HOSTS, "courier-0", msgspec.json.encode(beat))
    assert "couriers" not in (await api.get("/readyz")).json()["waiting_for"]
