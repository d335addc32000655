"""Segments as the API shows them: counts and members from the groups, progress from the walks."""

from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis

from domain.ids import partition_of
from domain.player import Segments
from store.keys import PLAYERS, group, players, walks
from store.ports import Walk, encode_walk
from tests.api.conftest import PARTITIONS, Api

pytestmark = pytest.mark.redis

SEGMENTS: dict[str, dict[str, Any]] = {
    "at-risk": {"where": {"field": "player.traits.churn", "op": "gte", "value": 0.7}, "description": "May leave"},
    "club": {"where": {"field": "player.traits.vip", "op": "eq", "value": True}, "visible": True},
}
T0 = 1_764_000_000_000


async def enrolled(redis: Redis, segment: str, ids: list[str]) -> None:
    """Put players into a segment as a commit would: the group and the part of the snapshot."""
    part = msgspec.msgpack.encode(Segments({segment: T0}))
    for player in ids:
        p = partition_of(player, PARTITIONS)
        await redis.zadd(group(p, f"segments/{segment}"), {player: 0})
        await redis.hset(PLAYERS.state(p, player), mapping={"v": 1, "segments": part})


async def listed(api: Api, path: str, limit: int) -> list[Any]:
    items: list[Any] = []
    cursor = ""
    for _ in range(50):  # pages that go round would never end
        answer = (await api.get(f"{path}?limit={limit}{cursor}")).json()
        assert len(answer["items"]) <= limit
        items += answer["items"]
        if answer["next"] is None:
            return items
        cursor = f"&cursor={answer['next']}"
    raise AssertionError("the pages do not end")


async def test_the_list_counts_the_players_of_all_partitions(api: Api) -> None:
    await api.publish({"segments": SEGMENTS})
    await enrolled(api.context.redis, "club", [f"member-{n}" for n in range(9)])
    answer = (await api.get("/v1/segments")).json()
    assert [(item["id"], item["players"], item["visible"]) for item in answer["items"]] == [
        ("at-risk", 0, False),
        ("club", 9, True),
    ]
    assert (answer["next"], answer["review"]) == (None, None)
    first = (await api.get("/v1/segments?limit=1")).json()
    assert (first["items"][0]["description"], first["next"]) == ("May leave", "at-risk")
    one = (await api.get("/v1/segments/club")).json()
    assert (one["players"], one["where"]) == (9, SEGMENTS["club"]["where"])


async def test_members_are_listed_once_each_over_pages_and_partitions(api: Api) -> None:
    await api.publish({"segments": SEGMENTS})
    ids = [f"member-{n}" for n in range(23)] + ["odd:one", "ім'я"]
    await enrolled(api.context.redis, "club", ids)
    for limit in (1, 7, 200):
        items = await listed(api, "/v1/segments/club/members", limit)
        assert sorted(item["id"] for item in items) == sorted(ids)
    assert {item["since"] for item in items} == {"2025-11-24T16:00:00.000Z"}
    assert await listed(api, "/v1/segments/at-risk/members", 5) == []


@pytest.mark.parametrize("cursor", ["nonsense", "9:amelia", "-1:a", "x:amelia"])
async def test_a_cursor_of_somebody_else_is_refused(api: Api, cursor: str) -> None:
    await api.publish({"segments": SEGMENTS})
    answer = await api.get(f"/v1/segments/club/members?cursor={cursor}")
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_cursor")


async def test_an_unknown_segment_is_not_found(api: Api) -> None:
    for path in ("/v1/segments/nobody", "/v1/segments/nobody/members"):
        answer = await api.get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "segment_not_found")


async def test_segments_need_the_scope_to_read_players(api: Api) -> None:
    token = await api.token("amelia")
    for path in ("/v1/segments", "/v1/segments/club", "/v1/segments/club/members", "/v1/duplicates"):
        assert (await api.get(path, key=api.ingest)).status_code == 403
        assert (await api.get(path, key=token)).status_code == 403


async def test_the_newest_review_shows_how_far_it_is(api: Api) -> None:
    for _ in range(10):
        await api.publish({"segments": SEGMENTS})
    redis = api.context.redis
    for p in range(PARTITIONS):
        await redis.zadd(players(p), {f"p{p}-{n}": 0 for n in range(10)})
        old = Walk("review:8", "review", asked_at=T0, visited=10, ended_at=T0 + 1, outcome="completed")
        await redis.hset(walks(p), "review:8", encode_walk(old))
        await redis.hset(walks(p), "sale", encode_walk(Walk("sale", "journey", asked_at=T0)))
    review = (await api.get("/v1/segments")).json()["review"]
    assert (review["walk"], review["status"], review["share"]) == ("review:8", "completed", 1.0)

    new = Walk("review:10", "review", asked_at=T0 + 5_000, visited=10, ended_at=T0 + 6_000, outcome="completed")
    await redis.hset(walks(0), "review:10", encode_walk(new))
    new = Walk("review:10", "review", asked_at=T0 + 5_000, visited=4)
    await redis.hset(walks(1), "review:10", encode_walk(new))
    review = (await api.get("/v1/segments/club")).json()["review"]
    assert (review["walk"], review["status"], review["ended_at"]) == ("review:10", "under_way", None)
    assert (review["visited"], review["players"], review["share"]) == (14, 40, 0.35)
    assert (review["partitions"], review["partitions_done"]) == (PARTITIONS, 1)
