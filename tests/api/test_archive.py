"""What the store has let go of is still told, from the archive: the same answers, marked as archived."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from actors.archivist import Archivist
from domain.ids import partition_of
from playtower.audit import audit
from store.archive.files import listed
from store.keys import PLAYERS, TOWER, buckets, dedupe
from tests.api.test_players import pages
from tests.api.world import PARTITIONS, World, world_of
from tests.conftest import Server

pytestmark = pytest.mark.redis
DAY = 86_400_000


@pytest.fixture
async def world(server: Server, redis: Redis, tmp_path: Path) -> AsyncIterator[World]:
    async with world_of(server, redis) as made:
        made.context.settings = made.context.settings.model_copy(update={"archive_dir": str(tmp_path)})
        await made.publish()
        yield made


async def played(world: World) -> None:
    """Amelia says who she is, places bets and is sent a message."""
    await world.happen("amelia", "identify", "i-1", type="identify", traits={"first_name": "Amelia"})
    for n in range(3):
        await world.happen("amelia", "bet_placed", f"m-{n}")
    asked = {"player_id": "amelia", "template": "hello", "purpose": "service", "channels": ["in_app"]}
    answer = await world.http.post("/v1/messages", json=asked, headers={"Idempotency-Key": "hello"})
    assert answer.status_code == 202, answer.text
    await world.until("/v1/players/amelia/decisions", lambda answer: answer["items"])


async def let_go(world: World, root: Path, days: int = 3) -> Archivist:
    """Archive everything; after some days the store lets go of it."""
    archivist = Archivist(world.redis, root, name="test", partitions=PARTITIONS, retention_ms=DAY)
    try:
        await archivist.round(everything=True)
        await archivist.upkeep(await archivist.source.now_ms() + days * DAY)
    finally:
        archivist.close()
    return archivist


def archived(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [item | {"archived": True} for item in items]


async def test_a_players_past_is_told_when_the_store_has_let_go_of_it(world: World, tmp_path: Path) -> None:
    await played(world)
    lists = [f"/v1/players/amelia/{name}" for name in ("history", "ledger", "decisions")]
    before = [await pages(world, path, limit=2) for path in lists]
    await let_go(world, tmp_path)
    p = partition_of("amelia", PARTITIONS)
    assert await world.redis.xlen(PLAYERS.history(p, "amelia")) == 0
    assert await world.redis.xlen(TOWER.history(p, "amelia")) == 0
    assert await world.redis.xlen(PLAYERS.log(p)) == 0
    assert [await pages(world, path, limit=2) for path in lists] == [archived(items) for items in before]
    await world.happen("amelia", "bet_placed", "m-9")
    (newest, *older) = await pages(world, lists[0], limit=2)
    assert newest["id"] == "m-9"
    assert older == archived(before[0])
    await let_go(world, tmp_path, days=0)  # the archive has the newest too, and the store has not let go of it
    assert await pages(world, lists[0], limit=2) == [newest, *older]


async def test_an_event_is_traced_with_its_decisions_when_nothing_of_it_is_left_in_the_store(
    world: World, tmp_path: Path
) -> None:
    await played(world)
    before = {event: (await world.http.get(f"/v1/events/{event}")).json()["items"] for event in ("m-1", "cmd:hello")}
    assert before["cmd:hello"][0]["decisions"]
    await let_go(world, tmp_path)
    for event, items in before.items():
        assert (await world.http.get(f"/v1/events/{event}")).json()["items"] == archived(items)
    p = partition_of("amelia", PARTITIONS)
    for bucket in await world.redis.smembers(buckets(p)):
        await world.redis.delete(dedupe(p, bucket.decode()))
    for event, items in before.items():
        assert (await world.http.get(f"/v1/events/{event}")).json()["items"] == archived(items)
    assert (await world.http.get("/v1/events/nobody-sent-this")).status_code == 404


async def test_what_became_of_a_message_is_told_after_the_store_has_let_go_of_its_decision(
    world: World, tmp_path: Path
) -> None:
    await played(world)
    ((decision,), _) = [await pages(world, f"/v1/players/amelia/{name}") for name in ("decisions", "inbox")]
    before = (await world.http.get(f"/v1/messages/{decision['request_id']}")).json()
    await let_go(world, tmp_path)
    assert (await world.http.get(f"/v1/messages/{decision['request_id']}")).json() == before
    assert before["status"] == "cleared"


async def test_the_audit_begins_in_the_archive_and_says_when_that_has_a_gap(world: World, tmp_path: Path) -> None:
    await played(world)
    await let_go(world, tmp_path)
    await world.happen("amelia", "bet_placed", "m-9")
    report = await audit(world.redis, archive=tmp_path)
    assert report.ok, report.violations
    assert report.decisions == 1
    assert report.entries >= 5 + PARTITIONS
    assert {v.check for v in (await audit(world.redis)).violations} == {"trimmed log without archive"}
    for file in listed(tmp_path, "log"):
        if not file.tower and file.partition == partition_of("amelia", PARTITIONS):
            (tmp_path / file.path).unlink()
    gaps = (await audit(world.redis, archive=tmp_path)).violations
    assert [v.check for v in gaps] == ["trimmed log without archive"]
    assert "the archive ends at 0-0" in gaps[0].detail


async def test_the_archivist_waits_until_there_is_enough_or_it_is_old_enough(world: World, tmp_path: Path) -> None:
    await played(world)
    patient = Archivist(world.redis, tmp_path, name="patient", partitions=PARTITIONS, wait_ms=3_600_000)
    assert await patient.round() == 0
    patient.close()
    eager = Archivist(world.redis, tmp_path, name="eager", partitions=PARTITIONS, wait_ms=0)
    assert await eager.round() > 5
    eager.close()


async def test_one_archivist_at_a_time_holds_the_lease(world: World, tmp_path: Path) -> None:
    one, two = (Archivist(world.redis, tmp_path, name=n, partitions=PARTITIONS).source for n in ("one", "two"))
    assert await one.hold("one", 60_000)
    assert not await two.hold("two", 60_000)
    assert await one.hold("one", 1)
