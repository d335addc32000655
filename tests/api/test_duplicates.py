"""Probable duplicates, listed for a person to decide."""

import pytest
from redis.asyncio import Redis

from domain.effects import DuplicateProposed, HistoryRecord, encode_record
from store.keys import duplicates
from tests.api.conftest import PARTITIONS, Api
from tests.api.world import world_of
from tests.conftest import Server

pytestmark = pytest.mark.redis


async def proposed(api: Api, count: int) -> None:
    """Put proposals into the partitions in turn, some of them in the same millisecond."""
    for n in range(count):
        effect = DuplicateProposed(f"player-{n}", f"other-{n}", 0.5 + n / 100, ("same_email",))
        record = HistoryRecord(f"m-{n}", "duplicate_proposed", 1_764_000_000_000 + n, (effect,))
        place = f"{1_764_000_000_000 + n // 3}-{0 if n % 3 < PARTITIONS else 1}"
        await api.context.redis.xadd(duplicates(n % PARTITIONS), {"d": encode_record(record)}, id=place)


async def test_proposals_of_all_partitions_are_paged_newest_first(api: Api) -> None:
    await proposed(api, 11)
    for limit in (1, 2, 5, 50):
        items, cursor = [], ""
        for _ in range(12):  # pages that go round would never end
            answer = (await api.get(f"/v1/duplicates?limit={limit}{cursor}")).json()
            items += answer["items"]
            if answer["next"] is None:
                break
            cursor = f"&cursor={answer['next']}"
        assert len(items) == 11
        assert len({item["id"] for item in items}) == 11
        assert [int(item["cause"][2:]) // 3 for item in items] == [n // 3 for n in reversed(range(11))]
    newest = next(item for item in items if item["cause"] == "m-10")
    assert (newest["players"], newest["score"], newest["reasons"]) == (["player-10", "other-10"], 0.6, ["same_email"])


async def test_a_dismissed_proposal_is_off_the_list(api: Api) -> None:
    await proposed(api, 3)
    (first, *_rest) = (await api.get("/v1/duplicates")).json()["items"]
    answer = await api.post(f"/v1/duplicates/{first['id']}/dismiss")
    assert answer.json() == {"ok": True, "id": first["id"]}
    assert first["id"] not in [item["id"] for item in (await api.get("/v1/duplicates")).json()["items"]]
    again = await api.post(f"/v1/duplicates/{first['id']}/dismiss")
    assert (again.status_code, again.json()["code"]) == (404, "duplicate_not_found")
    assert (await api.post("/v1/duplicates/nonsense/dismiss")).status_code == 404
    assert (await api.post("/v1/duplicates/99-1-0/dismiss")).status_code == 404


async def test_an_unknown_cursor_is_refused(api: Api) -> None:
    for cursor in ("nonsense", "99-1-0", "1-2", "1-99999999999999999999-0"):
        answer = await api.get(f"/v1/duplicates?cursor={cursor}")
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_cursor")


async def test_two_players_of_one_address_are_proposed_after_their_turns(server: Server, redis: Redis) -> None:
    async with world_of(server, redis) as world:
        await world.publish()
        for player in ("amelia", "millie"):
            traits = {"email": "amelia@example.com", "first_name": "Amelia"}
            await world.happen(player, "identified", f"i-{player}", type="identify", traits=traits)
        (found,) = (await world.until("/v1/duplicates", lambda page: page["items"]))["items"]
        assert sorted(found["players"]) == ["amelia", "millie"]
        assert 0.5 <= found["score"] <= 1
        assert "email" in " ".join(found["reasons"])
