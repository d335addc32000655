"""Rollbacks over a whole engine: cases are listed and closed by a person, and an audit folds it all again."""

from typing import Any

import pytest
from redis.asyncio import Redis

from playtower.audit import audit
from tests.api.world import World, world_of
from tests.conftest import Server

pytestmark = pytest.mark.redis

POINTS = {"kind": "currency", "currency": "points", "amount": 50}
PROGRAMME: dict[str, dict[str, dict[str, Any]]] = {
    "settings": {
        "main": {
            "rollback": {"events": ["bet_placed"], "by": ["properties.round_id"], "points": "floor", "entries": 16}
        }
    },
    "earn-rules": {"bet": {"event": "bet_placed", "amount": 10}},
    "missions": {"two": {"tasks": [{"id": "bets", "event": "bet_placed", "count": 2}], "rewards": [POINTS]}},
}


async def _played(world: World) -> None:
    """Play 40 rounds, spend all, and have one of the last taken back; another player's rollback names nothing."""
    await world.publish(PROGRAMME)
    for n in range(40):
        await world.happen("ada", "bet_placed", f"m{n}", properties={"round_id": f"r{n}"})
    spent = {"currency": "points", "amount": -450, "reason": "spent"}
    await world.http.post("/v1/players/ada/adjustments", json=spent, headers={"Idempotency-Key": "spend"})
    rollback = {"status": "rollback", "round_id": "r38"}
    await world.happen("ada", "bet_placed", "back", properties=rollback)
    await world.happen("bob", "bet_placed", "lost", properties={"status": "rollback"})


async def test_cases_are_listed_and_closed_and_an_audit_finds_nothing(server: Server, redis: Redis) -> None:
    async with world_of(server, redis) as world:
        await _played(world)
        listed = (await world.http.get("/v1/cases")).json()
        about = {case["player_id"]: case["about"] for case in listed["items"]}
        assert about == {"ada": "written_off", "bob": "rollback_without_id"}
        assert listed["over"] == 0
        assert (await world.http.get("/v1/players/ada")).json()["balances"]["points"]["balance"] == 0
        case = next(case["id"] for case in listed["items"] if case["player_id"] == "ada")
        path, said = f"/v1/cases/{case}/resolution", {"resolution": "let_go", "note": "small"}
        answer = await world.http.post(path, json=said, headers={"Idempotency-Key": "close"})
        assert (answer.status_code, answer.json()["data"]) == (200, {"case": case})
        left = (await world.http.get("/v1/cases")).json()["items"]
        assert [case["player_id"] for case in left] == ["bob"]
        same = await world.http.post(path, json=said, headers={"Idempotency-Key": "close"})
        assert (same.status_code, same.json()) == (200, answer.json())
        assert same.headers["idempotency-replayed"] == "true"
        assert "playtower_cases 1.0" in (await world.http.get("/metrics")).text.splitlines()
        gone = await world.http.post(path, json=said, headers={"Idempotency-Key": "again"})
        assert gone.json()["code"] == "case_not_found"
    report = await audit(redis)
    assert report.violations == []
    assert report.postings > 40


async def test_a_case_that_is_not_yet_closed_stays_in_the_list_and_its_key_finds_the_answer(
    server: Server, redis: Redis
) -> None:
    async with world_of(server, redis) as world:
        await world.publish(PROGRAMME)
        await world.happen("bob", "bet_placed", "lost", properties={"status": "rollback"})
        (case,) = (await world.http.get("/v1/cases")).json()["items"]
    async with world_of(server, redis, hosts=False) as idle:
        headers = {"Idempotency-Key": "close", "Prefer": "wait=0"}
        path = f"/v1/cases/{case['id']}/resolution"
        answer = await idle.http.post(path, json={"resolution": "let_go"}, headers=headers)
        assert answer.status_code == 202
        assert [one["id"] for one in (await idle.http.get("/v1/cases")).json()["items"]] == [case["id"]]
        mine = {"Authorization": idle.http.headers["Authorization"], "Idempotency-Key": "close"}
    async with world_of(server, redis) as world:
        await world.until("/v1/cases", lambda answer: not answer["items"])
        for _ in range(2):
            again = await world.http.post(path, json={"resolution": "let_go"}, headers=mine)
            assert (again.status_code, again.json()["data"]) == (200, {"case": case["id"]}), again.text
            assert again.headers["idempotency-replayed"] == "true"
        other = {**mine, "Idempotency-Key": "another"}
        gone = await world.http.post(path, json={"resolution": "let_go"}, headers=other)
        assert (gone.status_code, gone.json()["code"]) == (404, "case_not_found")


async def test_cases_are_paged(server: Server, redis: Redis) -> None:
    async with world_of(server, redis) as world:
        await world.publish(PROGRAMME)
        for n in range(5):
            await world.happen(f"p{n}", "bet_placed", f"m{n}", properties={"status": "rollback"})
        seen, cursor = [], ""
        for _ in range(12):  # pages that go round would never end
            page = (await world.http.get(f"/v1/cases?limit=2{cursor}")).json()
            seen += [case["player_id"] for case in page["items"]]
            if page["next"] is None:
                break
            cursor = f"&cursor={page['next']}"
        assert sorted(seen) == [f"p{n}" for n in range(5)]
