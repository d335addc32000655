"""Models by API: kept, published while players play, and back again; scores as they are shown."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis

from actors.models import shipped
from domain.entries import ModelPublished, read_entry
from playtower.audit import audit
from store.keys import PLAYERS
from store.models import ModelInfo, Models, Publication
from tests.api.world import PARTITIONS, World, world_of
from tests.conftest import Server
from tests.ml.made import artefact

PROGRAMME: dict[str, dict[str, dict[str, Any]]] = {
    "models": {"churn": {"signals": {"deposit": {"event": "deposit_completed", "amount": "properties.amount"}}}},
    "segments": {"at-risk": {"where": {"field": "player.scores.churn", "op": "gte", "value": 0.6}}},
}
CALM, ALARMED = artefact(), artefact(bias=2.0)  # sigmoid(-2) is 0.1192, sigmoid(2) is 0.8808


@pytest.fixture
async def world(server: Server, redis: Redis) -> AsyncIterator[World]:
    async with world_of(server, redis) as made:
        yield made


async def kept(world: World, data: bytes, **params: Any) -> dict[str, Any]:
    answer = await world.http.post("/v1/models", content=data, params=params)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def asked(world: World, what: str, **options: Any) -> dict[str, Any]:
    answer = await world.http.post(f"/v1/models/{what}", **options)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def churn(world: World, player: str) -> tuple[float, int]:
    score = (await world.http.get(f"/v1/players/{player}")).json()["scores"]["churn"]
    return score["value"], score["model"]


async def test_status_says_that_the_model_in_force_cannot_be_used(world: World) -> None:
    """As after an upgrade to a release with other features: it scores nobody, and an operator must see why."""
    await world.publish(PROGRAMME)
    models = Models(world.redis, world.context.intake)
    version = await models.put(b'{"made": "for another release"}', "old", ModelInfo(0))
    await models.publish(version, "old")
    status = (await world.http.get("/v1/status")).json()
    assert (status["model"]["version"], status["model"]["usable"]) == (version, False)


async def test_a_kept_model_scores_once_it_is_published_and_the_one_before_after_a_roll_back(world: World) -> None:
    first = await kept(world, CALM, note="calm", publish=True)
    await world.publish(PROGRAMME)
    assert (first["version"], first["live"], first["publication"]["passed"]) == (1, True, PARTITIONS)
    await world.happen("amelia", "bet_placed", "m-1")
    assert await churn(world, "amelia") == (0.1192, 1)

    second = await kept(world, ALARMED)
    assert (second["version"], second["live"]) == (2, False)
    await world.happen("amelia", "deposit_completed", "m-2", properties={"amount": 500})
    assert await churn(world, "amelia") == (0.1192, 1), "kept is not published"
    assert await asked(world, "2/publish") | {"at": ""} == {
        "version": 2, "number": 2, "at": "", "by": second["by"], "note": "", "passed": PARTITIONS, "of": PARTITIONS,
    }  # fmt: skip
    await world.happen("amelia", "deposit_completed", "m-3", properties={"amount": 500})
    assert await churn(world, "amelia") == (0.8808, 2)
    assert (await world.http.get("/v1/players/amelia")).json()["segments"] == ["at-risk"]

    status = (await world.http.get("/v1/status")).json()
    assert status["model"] == {"version": 2, "publication": 2, "usable": True, "passed": PARTITIONS, "of": PARTITIONS}

    assert (await asked(world, "rollback"))["version"] == 1
    await world.happen("amelia", "deposit_completed", "m-4", properties={"amount": 500})
    assert await churn(world, "amelia") == (0.1192, 1)
    told = (await world.http.get("/v1/models/publications")).json()["items"]
    assert [(one["number"], one["version"], one["live"]) for one in told] == [
        (3, 1, True),
        (2, 2, False),
        (1, 1, False),
    ]
    assert (await audit(world.redis)).violations == []


async def test_what_an_event_did_to_the_score_is_in_the_answer_that_waits(world: World) -> None:
    await kept(world, ALARMED, publish=True)
    await world.publish(PROGRAMME)
    event = {"userId": "amelia", "event": "bet_placed", "messageId": "m-1"}
    answer = await world.http.post("/v1/track", json=event, headers={"Prefer": "wait=5"})
    told = answer.json()
    assert told["applied"]
    assert [effect["kind"] for effect in told["effects"]] == ["scored", "segment_entered"]
    scored = told["effects"][0]
    assert (scored["model"], scored["value"], scored["version"]) == ("churn", 0.8808, 1)
    listed = (await world.http.get("/v1/players/amelia/scores")).json()["items"]
    assert [item["id"] for item in listed][-1] == "churn"
    assert listed[-1]["value"] == 0.8808
    assert listed[-1].keys() == {"id", "value", "confidence", "drivers", "model", "at"}


async def test_players_do_not_see_what_is_thought_of_them(world: World) -> None:
    await kept(world, ALARMED, publish=True)
    await world.publish(PROGRAMME)
    await world.happen("amelia", "bet_placed", "m-1")
    token = world.token("amelia")
    assert (await world.http.get("/v1/me", headers=token)).json()["scores"] == {}
    assert (await world.http.get("/v1/me/scores", headers=token)).json()["items"] == []
    history = (await world.http.get("/v1/me/history", headers=token)).json()["items"]
    assert not [effect for record in history for effect in record["effects"] if effect["kind"] == "scored"]


async def test_the_package_s_model_scores_until_another_is_published(world: World) -> None:
    await world.publish(PROGRAMME)
    live = (await world.http.get("/v1/models/live")).json()
    assert (live["version"], live["number"]) == (0, 0)
    await world.happen("amelia", "bet_placed", "m-1")
    value, version = await churn(world, "amelia")
    assert (0 < value < 1, version) == (True, 0)
    (item,) = (await world.http.get("/v1/models")).json()["items"]
    assert (item["version"], item["live"], item["model"]["checksum"]) == (0, True, shipped().artefact.checksum)
    await kept(world, CALM, publish=True)
    await world.happen("amelia", "deposit_completed", "m-2")
    assert (await churn(world, "amelia"))[1] == 1
    assert (await asked(world, "rollback"))["version"] == 0


async def test_players_who_stay_silent_are_scored_by_what_was_published_too(world: World) -> None:
    await kept(world, CALM, publish=True)
    await world.publish(PROGRAMME)
    players = ("amelia", "bruno", "chloe")
    for player in players:
        await world.happen(player, "bet_placed", f"{player}-1")
    await kept(world, ALARMED, publish=True)
    for player in players:
        state = await world.until(f"/v1/players/{player}", lambda told: told["scores"]["churn"]["model"] == 2)
        assert state["scores"]["churn"]["value"] == pytest.approx(0.8808, abs=0.01)
        assert state["segments"] == ["at-risk"]
        (visit, _) = (await world.http.get(f"/v1/players/{player}/history")).json()["items"]
        assert (visit["id"], visit["name"]) == ("rescore:2", "rescore")
        assert [effect["kind"] for effect in visit["effects"]] == ["scored", "segment_entered"]
    assert (await audit(world.redis)).violations == []


async def test_a_model_published_while_events_flow_loses_and_doubles_nothing(world: World) -> None:
    await kept(world, CALM, publish=True)
    await world.publish(PROGRAMME | {"earn-rules": {"bets": {"event": "bet_placed", "amount": 1}}})
    await kept(world, ALARMED)

    async def play(player: str) -> None:
        for n in range(30):
            await world.happen(player, "deposit_completed" if n % 3 else "bet_placed", f"{player}-{n}")

    players = [f"player-{n}" for n in range(8)]
    playing = asyncio.gather(*map(play, players))
    for n in range(4):
        await asked(world, f"{n % 2 + 1}/publish")
    await playing
    for player in players:
        state = (await world.http.get(f"/v1/players/{player}")).json()
        assert state["balances"]["points"]["balance"] == 10
    report = await audit(world.redis)
    assert report.violations == []
    for partition in range(PARTITIONS):
        entries = [read_entry(fields[b"e"]) for _, fields in await world.redis.xrange(PLAYERS.log(partition))]
        assert [e.number for e in entries if isinstance(e, ModelPublished)] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        pytest.param(b"{}", "this is no model", id="another document"),
        pytest.param(b"\x00\x01", "this is no model", id="bytes"),
        pytest.param(CALM[:-20], "this is no model", id="cut"),
        pytest.param(CALM.replace(b'"slope":1.0', b'"slope":2.0'), "checksum", id="changed"),
        pytest.param(CALM.replace(b'"recency"', b'"recent"'), "checksum", id="features renamed"),
    ],
)
async def test_what_is_no_model_is_refused_and_not_kept(world: World, data: bytes, words: str) -> None:
    answer = await world.http.post("/v1/models", content=data)
    assert answer.status_code == 422
    assert words in answer.json()["detail"]
    assert await Models(world.redis).versions() == []


async def test_a_version_that_is_not_there_cannot_be_published(world: World) -> None:
    for path in ("7/publish", "-1/publish"):
        answer = await world.http.post(f"/v1/models/{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "version_not_found")
    assert (await world.http.get("/v1/models/7")).status_code == 404
    assert (await world.http.get("/v1/models/7/artefact")).status_code == 404


async def test_there_is_no_way_back_from_the_first(world: World) -> None:
    answer = await world.http.post("/v1/models/rollback")
    assert (answer.status_code, answer.json()["code"]) == (409, "nothing_before")


async def test_the_same_key_keeps_and_publishes_once(world: World) -> None:
    headers = {"Idempotency-Key": "once"}
    for _ in range(2):
        answer = await world.http.post("/v1/models", content=CALM, params={"publish": "true"}, headers=headers)
        assert (answer.json()["version"], answer.json()["publication"]["number"]) == (1, 1)


async def test_an_artefact_comes_back_byte_for_byte(world: World) -> None:
    await kept(world, CALM)
    assert (await world.http.get("/v1/models/1/artefact")).content == CALM


async def test_only_who_may_publish_may_keep_or_publish_a_model(world: World) -> None:
    reader = await world.key("programme:read")
    assert (await world.http.get("/v1/models/live", headers=reader)).status_code == 200
    for path in ("", "/1/publish", "/rollback"):
        assert (await world.http.post(f"/v1/models{path}", content=CALM, headers=reader)).status_code == 403


async def test_a_publication_that_was_cut_short_is_told_when_the_engine_starts(world: World) -> None:
    models = Models(world.redis, world.context.intake)
    await kept(world, CALM)
    cut = Models(world.redis)  # it stores the publication, and has no way into the logs
    with pytest.raises(AssertionError):
        await cut.publish(1, "cut")
    assert (await models.live()).number == 0
    assert await models.resume() == [1]
    assert await models.live() == Publication(1, number=1)
    assert (await models.wait_passed(1, 10)).all
    assert await models.resume() == []
