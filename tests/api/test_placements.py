"""What a slot shows, through the gateway: gates, languages, exposures."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis

from domain.ids import partition_of
from domain.links import Link, sign
from store.keys import mute
from tests.api.test_message_links import logged
from tests.api.world import PARTITIONS, PROGRAMME, TOKEN_SECRET, World, world_of
from tests.conftest import Server

pytestmark = pytest.mark.redis

TEMPLATES = {
    **PROGRAMME["templates"],
    "vip": {
        "channel": "in_app",
        "title": {"en": "VIP {{ player.traits.first_name }}", "uk": "VIP {{ player.traits.first_name }}!"},
        "body": {"en": "..."},
        "action": {"label": {"en": "Play"}, "url": "/vip"},
    },
    "plain": {"channel": "in_app", "title": {"en": "Welcome"}, "body": {"en": "..."}},
}
SLOT: dict[str, Any] = {
    "candidates": [
        {"template": "vip", "purpose": "promo", "priority": 10, "where": {"segment": "vips"}},
        {"template": "hello", "purpose": "retention", "where": {"metric": "bets", "op": "gte", "value": 2}},
    ],
    "fallback": {"template": "plain", "purpose": "service"},
    "capping": {"per_day": 2},
}
DOCUMENTS = {
    **PROGRAMME,
    "templates": TEMPLATES,
    "metrics": {"bets": {"event": "bet_placed", "aggregate": "count", "window": "7d"}},
    "segments": {"vips": {"where": {"field": "player.traits.vip", "op": "eq", "value": True}}},
    "placements": {
        "banner": SLOT,
        "offers": {
            "candidates": [{"template": "vip", "purpose": "promo"}],
            "fallback": {"template": "plain", "purpose": "promo"},
        },
    },
}


OFFER = {"template": "vip", "purpose": "promo"}
OF_AN_EVENT = {"field": "event.name", "op": "eq", "value": "x"}
EARLY, LATE = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"


@pytest.fixture
async def world(server: Server, redis: Redis) -> AsyncIterator[World]:
    async with world_of(server, redis) as made:
        await made.publish(DOCUMENTS)
        await made.context.programme.refresh()
        yield made


async def shown(world: World, slot: str = "banner", player: str = "amelia", query: str = "") -> Any:
    answer = await world.http.get(f"/v1/players/{player}/placements/{slot}{query}")
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return answer.json()


async def test_the_best_that_may_be_shown_is_shown_in_the_players_words(world: World) -> None:
    assert (await shown(world))["template"] == "plain", "nobody knows them yet"
    for n in range(2):
        await world.happen("amelia", "bet_placed", f"b-{n}")
    assert (await shown(world))["template"] == "hello", "a metric's condition"
    traits = {"vip": True, "first_name": "Amelia", "locale": "uk-UA"}
    await world.happen("amelia", "identified", "m-1", traits=traits)
    found = await shown(world)
    assert (found["template"], found["purpose"], found["fallback"]) == ("vip", "promo", False)
    assert found["content"]["title"] == "VIP Amelia!"
    assert found["content"]["action"] == {"label": "Play", "url": "/vip"}


async def test_who_is_excluded_sees_only_a_fallback_that_advertises_nothing(world: World) -> None:
    await world.happen("amelia", "identified", "m-1", traits={"vip": True})
    assert (await shown(world))["template"] == "vip"
    assert (await world.http.post("/v1/players/amelia/exclusion", json={"reason": "harm"})).status_code == 200
    found = await shown(world)
    assert (found["template"], found["fallback"]) == ("plain", True)
    nothing = await shown(world, "offers")
    assert nothing["content"] is nothing["template"] is None
    assert "exposure" not in nothing
    assert {passed["reason"] for passed in nothing["passed_over"]} == {"excluded"}


@pytest.mark.parametrize("key", ["in_app", "promo"])
async def test_a_consent_withdrawn_a_moment_ago_counts_at_once(world: World, key: str) -> None:
    """By the mark of the store: no turn has noted it."""
    assert (await shown(world, "offers"))["template"] == "vip"
    await world.redis.hset(mute(partition_of("amelia", PARTITIONS)), "amelia", key)
    found = await shown(world, "offers")
    assert found["template"] is None
    assert {passed["reason"] for passed in found["passed_over"]} == {"consent_withdrawn"}


async def test_an_exposure_counts_once_and_caps_the_day(world: World) -> None:
    me = world.token("amelia")
    await world.happen("amelia", "identified", "m-1", traits={"vip": True})
    exposure = (await world.http.get("/v1/me/placements/banner", headers=me)).json()["exposure"]
    told = [
        await world.http.post("/v1/me/placements/banner/shown", json={"exposure": exposure}, headers=me)
        for _ in range(3)
    ]
    assert {answer.status_code for answer in told} == {202}
    assert [answer.json()["duplicate"] for answer in told] == [False, True, True]
    clicked = await world.http.post("/v1/me/placements/banner/clicked", json={"exposure": exposure}, headers=me)
    assert clicked.status_code == 202
    events = [event for event in await logged(world.redis) if event.name.startswith("placement_")]
    assert [event.name for event in events] == ["placement_shown", "placement_clicked"]
    assert events[0].properties["slot"] == "banner"
    assert events[0].properties["exposure_id"] == events[1].properties["exposure_id"]
    assert (await shown(world))["template"] == "vip"
    await shown(world, query="?expose=1")  # the second of two a day
    capped = await shown(world)
    assert capped["template"] == "plain"
    assert {"template": "vip", "reason": "cap_reached"} in capped["passed_over"]
    assert (await shown(world, "offers"))["template"] == "vip", "another slot counts for itself"


async def test_an_exposure_belongs_to_one_player_slot_and_day(world: World) -> None:
    exposure = (await shown(world))["exposure"]
    path = "/v1/players/{}/placements/{}/shown"
    other = await world.http.post(path.format("basil", "banner"), json={"exposure": exposure})
    assert (other.status_code, other.json()["code"]) == (403, "other_player")
    elsewhere = await world.http.post(path.format("amelia", "offers"), json={"exposure": exposure})
    assert (elsewhere.status_code, elsewhere.json()["code"]) == (400, "bad_exposure")
    click = sign(TOKEN_SECRET, Link("click", "amelia", target="banner"))
    wrong = await world.http.post(path.format("amelia", "banner"), json={"exposure": click})
    assert (wrong.status_code, wrong.json()["code"]) == (400, "bad_exposure")
    old = sign(TOKEN_SECRET, Link("exposure", "amelia", "x", target="banner", issued_at=1))
    expired = await world.http.post(path.format("amelia", "banner"), json={"exposure": old})
    assert (expired.status_code, expired.json()["code"]) == (400, "exposure_expired")
    assert [event for event in await logged(world.redis) if event.name.startswith("placement_")] == []


async def test_a_player_does_not_see_why_others_were_passed_over(world: World) -> None:
    mine = await world.http.get("/v1/me/placements/banner", headers=world.token("amelia"))
    assert "passed_over" not in mine.json()
    assert (await world.http.get("/v1/me/placements/none", headers=world.token("amelia"))).status_code == 404


@pytest.mark.parametrize(
    ("document", "path"),
    [
        pytest.param({"candidates": [{"template": "vip"}]}, "candidates", id="no purpose"),
        pytest.param({"capping": {"per_day": 0}}, "capping", id="a cap of none"),
        pytest.param({"candidates": [OFFER | {"where": OF_AN_EVENT}]}, "where", id="an event"),
        pytest.param({"candidates": [OFFER | {"from": LATE, "until": EARLY}]}, "from", id="the wrong way round"),
    ],
)
async def test_a_bad_document_is_refused_with_the_path(world: World, document: dict[str, Any], path: str) -> None:
    answer = await world.http.put("/v1/config/placements/bad", json=document)
    assert answer.status_code == 422
    assert path in answer.text


async def test_a_template_that_is_not_there_is_refused_when_it_is_published(world: World) -> None:
    document = {"fallback": {"template": "nobody"}}
    assert (await world.http.put("/v1/config/placements/bad", json=document)).status_code == 201
    answer = await world.http.post("/v1/programme/publish")
    assert answer.status_code == 422
    assert "expected the id of a template, got 'nobody'" in answer.text


async def test_exposures_of_one_player_at_once_all_count(world: World) -> None:
    await asyncio.gather(*(shown(world, query="?expose=1") for _ in range(5)))
    events = [event for event in await logged(world.redis) if event.name == "placement_shown"]
    assert len({event.id for event in events}) == len(events) == 5
