"""Drafts, ETags, publishing and rolling back, over HTTP and a real store."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from tests.api.world import PARTITIONS, PROGRAMME, World, world_of
from tests.conftest import Server

pytestmark = pytest.mark.redis

GEMS = {"name": {"en": "Gems"}}


@pytest.fixture
async def world(server: Server, redis: Redis) -> AsyncIterator[World]:
    async with world_of(server, redis) as made:
        yield made


@pytest.fixture
async def idle(server: Server, redis: Redis) -> AsyncIterator[World]:
    """A gateway without hosts: nothing takes turns."""
    async with world_of(server, redis, hosts=False) as made:
        yield made


async def test_a_document_is_written_to_the_draft_and_read_again(idle: World) -> None:
    made = await idle.http.put("/v1/config/currencies/gems", json=GEMS)
    assert made.status_code == 201
    again = await idle.http.put("/v1/config/currencies/gems", json=GEMS)
    assert again.status_code == 200
    assert again.headers["etag"] == made.headers["etag"]
    read = await idle.http.get("/v1/config/currencies/gems")
    assert read.json() == {"kind": "currencies", "id": "gems", "etag": made.json()["etag"], "document": GEMS}
    fresh = await idle.http.get("/v1/config/currencies/gems", headers={"If-None-Match": made.headers["etag"]})
    assert fresh.status_code == 304
    assert (await idle.http.delete("/v1/config/currencies/gems")).status_code == 204
    assert (await idle.http.get("/v1/config/currencies/gems")).status_code == 404
    assert (await idle.http.delete("/v1/config/currencies/gems")).status_code == 404


async def test_yaml_is_taken_as_it_is_written_in_files(idle: World) -> None:
    text = "quiet_hours: {from: 21:00, until: 08:00, channels: [sms]}\ncaps: [{purpose: promo, max: 2, per: 1d}]\n"
    answer = await idle.http.put(
        "/v1/config/policies/default", content=text, headers={"Content-Type": "application/yaml"}
    )
    assert answer.status_code == 201, answer.text
    assert answer.json()["document"]["quiet_hours"] == {"from": "21:00", "until": "08:00", "channels": ["sms"]}
    bad = await idle.http.put(
        "/v1/config/currencies/a", content="a: &x [1]\nb: *x", headers={"Content-Type": "application/yaml"}
    )
    assert (bad.status_code, bad.json()["code"]) == (400, "malformed")


async def test_a_writer_that_saw_an_older_document_gets_412(idle: World) -> None:
    first = (await idle.http.put("/v1/config/currencies/gems", json={})).headers["etag"]
    await idle.http.put("/v1/config/currencies/gems", json=GEMS)
    late = await idle.http.put("/v1/config/currencies/gems", json={}, headers={"If-Match": first})
    assert (late.status_code, late.json()["code"]) == (412, "etag_mismatch")
    there = await idle.http.put("/v1/config/currencies/gems", json={}, headers={"If-None-Match": "*"})
    assert there.status_code == 412
    gone = await idle.http.delete("/v1/config/currencies/gems", headers={"If-Match": first})
    assert gone.status_code == 412
    absent = await idle.http.put("/v1/config/currencies/coins", json={}, headers={"If-Match": "*"})
    assert absent.status_code == 412


@pytest.mark.parametrize(
    ("path", "document", "status", "code"),
    [
        pytest.param("nonsense/daily", {}, 404, "kind_unknown", id="no such kind"),
        pytest.param("currencies/a%20b", {}, 422, "id_invalid", id="an id is a file name"),
        pytest.param("currencies/gems", [1], 422, "invalid", id="not an object"),
        pytest.param("currencies/gems", {"colour": "red"}, 422, "invalid", id="unknown key"),
        pytest.param("policies/other", {}, 422, "invalid", id="only one policy"),
        pytest.param("events/bet_placed", {"properties": {"amount": {"type": "cash"}}}, 422, "invalid", id="event"),
    ],
)
async def test_a_bad_document_is_refused(idle: World, path: str, document: object, status: int, code: str) -> None:
    answer = await idle.http.put(f"/v1/config/{path}", json=document)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


async def test_a_bad_condition_is_refused_with_the_path_of_its_node(idle: World) -> None:
    where = {"all": [{"any": [{"field": "event.properties.amount", "op": "above", "value": 1}]}]}
    mission = {"tasks": [{"id": "bets", "event": "bet_placed", "count": 1, "where": where}]}
    answer = await idle.http.put("/v1/config/missions/bad", json=mission)
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert (error["document"], error["path"]) == ("missions/bad", "tasks[0].where.all[0].any[0].op")


async def test_a_publish_runs_in_every_partition_when_it_answers(world: World) -> None:
    version = await world.publish()
    assert version == 1
    programme = (await world.http.get("/v1/programme", params={"content": "true"})).json()
    assert (programme["version"], programme["passed"], programme["of"]) == (1, PARTITIONS, PARTITIONS)
    assert programme["documents"] == PROGRAMME
    assert programme["draft_differs"] is False

    unchanged = await world.http.post("/v1/programme/publish")
    assert (unchanged.status_code, unchanged.json()["version"], unchanged.json()["published"]) == (200, 1, False)


async def test_without_hosts_a_publish_is_accepted_and_says_who_has_not_passed(idle: World) -> None:
    await idle.http.put("/v1/config/currencies/gems", json=GEMS)
    answer = await idle.http.post("/v1/programme/publish", headers={"Prefer": "wait=0.05"})
    assert answer.status_code == 202
    assert answer.json() == {"version": 1, "published": True, "passed": 0, "of": PARTITIONS}


async def test_a_publish_refused_names_every_error_and_stores_nothing(idle: World) -> None:
    task = {"id": "bets", "event": "bet_placed", "count": 1}
    await idle.http.put("/v1/config/missions/one", json={"tasks": [task], "unlock_after": ["nobody"]})
    await idle.http.put("/v1/config/levels/main", json={"currency": "rubies", "levels": [{"id": "a", "at": 0}]})
    await idle.http.put("/v1/config/missions/two", json={"tasks": [task], "message": {"template": "nothing"}})
    diff = (await idle.http.get("/v1/programme/diff")).json()
    answer = await idle.http.post("/v1/programme/publish")
    assert answer.status_code == 422
    errors = answer.json()["errors"]
    assert {error["document"] for error in errors} == {"missions/one", "missions/two", "levels/main"}
    assert diff["errors"] == errors
    assert (await idle.http.get("/v1/programme")).json()["version"] == 0
    assert (await idle.http.get("/v1/programme/versions")).json()["items"] == []


async def test_the_diff_is_what_a_publish_would_change(world: World) -> None:
    await world.publish()
    await world.http.put("/v1/config/currencies/gems", json={"allow_negative": True})
    await world.http.put("/v1/config/currencies/coins", json={})
    await world.http.delete("/v1/config/missions/marathon")
    diff = (await world.http.get("/v1/programme/diff")).json()
    assert (diff["added"], diff["removed"]) == (["currencies/coins"], ["missions/marathon"])
    (changed,) = diff["changed"]
    assert (changed["document"], changed["before"], changed["after"]) == (
        "currencies/gems",
        GEMS,
        {"allow_negative": True},
    )
    assert (await world.http.delete("/v1/programme/draft")).status_code == 204
    assert (await world.http.get("/v1/programme")).json()["draft_differs"] is False


async def test_a_direct_write_is_live_at_once_and_leaves_other_drafts_alone(world: World) -> None:
    await world.publish()
    await world.http.put("/v1/config/currencies/coins", json={})
    answer = await world.http.put("/v1/config/currencies/rubies?direct=true", json={})
    assert (answer.status_code, answer.json()["version"], answer.json()["passed"]) == (201, 2, PARTITIONS)
    live = (await world.http.get("/v1/programme", params={"content": "true"})).json()
    assert live["documents"]["currencies"] == {"gems": GEMS, "rubies": {}}
    assert live["draft_differs"] is True
    gone = await world.http.delete("/v1/config/currencies/rubies?direct=true")
    assert gone.status_code == 204
    assert (await world.http.get("/v1/programme")).json()["version"] == 3


async def test_a_roll_back_is_a_new_version_with_the_old_content(world: World) -> None:
    await world.publish()
    await world.http.put("/v1/config/currencies/coins", json={})
    await world.http.post("/v1/programme/publish")
    key = {"Idempotency-Key": "back-1"}
    back = await world.http.post("/v1/programme/rollback", json={"version": 1}, headers=key)
    again = await world.http.post("/v1/programme/rollback", json={"version": 1}, headers=key)
    assert back.json()["version"] == again.json()["version"] == 3
    live = (await world.http.get("/v1/programme", params={"content": "true"})).json()
    assert (live["version"], live["content_of"], live["documents"]) == (3, 1, PROGRAMME)
    assert live["draft_differs"] is False
    assert (await world.http.post("/v1/programme/rollback", json={"version": 9})).status_code == 404
    versions = (await world.http.get("/v1/programme/versions", params={"limit": 2})).json()
    assert [item["version"] for item in versions["items"]] == [3, 2]
    rest = (await world.http.get("/v1/programme/versions", params={"cursor": versions["next"]})).json()
    assert [item["version"] for item in rest["items"]] == [1]
    assert rest["next"] is None


async def test_a_list_has_pages(idle: World) -> None:
    for name in ("a", "b", "c"):
        await idle.http.put(f"/v1/config/currencies/{name}", json={})
    first = (await idle.http.get("/v1/config/currencies", params={"limit": 2})).json()
    second = (await idle.http.get("/v1/config/currencies", params={"limit": 2, "cursor": first["next"]})).json()
    assert [item["id"] for item in first["items"] + second["items"]] == ["a", "b", "c"]
    assert second["next"] is None


async def test_a_key_without_the_scope_may_not_write(idle: World) -> None:
    headers = await idle.key("config:read")
    assert (await idle.http.get("/v1/config/currencies", headers=headers)).status_code == 200
    refused = await idle.http.put("/v1/config/currencies/gems", json={}, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")


async def test_a_kind_of_several_documents_has_a_schema_for_each(idle: World) -> None:
    items = (await idle.http.get("/v1/programme/kinds")).json()["items"]
    models = {item.get("id"): item["schema"]["title"] for item in items if item["kind"] == "models"}
    assert models == {"churn": "ModelsConfig", "tone": "ToneConfig"}
    assert [item for item in items if item["kind"] == "policies" and "id" in item] == []
    reader = {"kind": "chat_model", "model": "small-1"}
    assert (await idle.http.put("/v1/config/connectors/reader", json=reader)).status_code == 201
    assert (await idle.http.put("/v1/config/models/tone", json={"endpoint": "reader"})).status_code == 201
    wrong = await idle.http.put("/v1/config/models/tone", json={"endpoint": "reader", "horizon": "7d"})
    assert (wrong.status_code, wrong.json()["errors"][0]["path"]) == (422, "horizon")
