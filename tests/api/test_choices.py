"""What was learnt about choices, as it is shown: by choice, by player, and of a slot of a page."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis

from actors.beliefs import Learner
from actors.clock import SystemClock
from actors.programme import ProgrammeVersions
from api.views import live_programme
from ml.choices.beliefs import ONE, ArmSums
from playtower.audit import audit
from store.beliefs import BeliefsStore
from tests.api.test_persons import _settled
from tests.api.world import PROGRAMME, T0, World, world_of
from tests.conftest import Server

pytestmark = pytest.mark.redis

TEXT = {"channel": "in_app", "title": {"en": "t"}, "body": {"en": "b"}}
VIP = {"field": "player.traits.vip", "op": "eq", "value": True}
OFFER: dict[str, Any] = {
    "arms": {"points": {"promotional": True}, "words": {}, "gift": {"where": VIP}},
    "outcome": {"event": "deposit_completed", "within": "4s"},
    "value": {"from": "event.properties.amount", "most": 100},
    "holdout": {"share": 0.2, "arm": "words"},
}
BANNER: dict[str, Any] = {
    "arms": {"spring": {}, "jackpot": {"promotional": True}},
    "outcome": {"event": "placement_clicked", "within": "1h"},
}
DOCUMENTS: dict[str, dict[str, dict[str, Any]]] = {
    **PROGRAMME,
    "templates": {**PROGRAMME["templates"], "spring": TEXT, "jackpot": TEXT, "plain": TEXT},
    "choices": {"offer": OFFER, "banner": BANNER, "idle": BANNER},
    "journeys": {
        "back": {
            "entry": {"event": "came_back"},
            "nodes": [
                {"id": "pick", "kind": "choose", "choice": "offer", "arms": dict.fromkeys(OFFER["arms"], "stay")},
                {"id": "stay", "kind": "delay", "for": "1d"},
            ],
            "reentry": {"allowed": True},
        }
    },
    "placements": {
        "lobby": {
            "choose": "banner",
            "candidates": [{"template": "spring", "purpose": "promo"}, {"template": "jackpot", "purpose": "promo"}],
            "fallback": {"template": "plain"},
        }
    },
}


@pytest.fixture
async def world(server: Server, redis: Redis) -> AsyncIterator[World]:
    async with world_of(server, redis) as made:
        await made.publish(DOCUMENTS)
        await made.context.programme.refresh()
        yield made


async def asked(world: World, path: str, **options: Any) -> Any:
    answer = await world.http.get(path, **options)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def told(world: World, player: str, what: str, exposure: str) -> None:
    answer = await world.http.post(f"/v1/players/{player}/placements/lobby/{what}", json={"exposure": exposure})
    assert answer.status_code == 202, answer.text


async def settle(world: World, player: str) -> None:
    """Wait until all that was told of the player was folded: events of one player are taken in order."""
    await world.happen(player, "looked", f"settled-{player}-{world.context.clock.now_ms()}")


async def counted(world: World, outcomes: int) -> Any:
    """Wait until time is over for so many: successes count when misses do; the report."""
    return await world.until(
        "/v1/choices/offer", lambda told: told["outcomes"] + told["holdout"]["outcomes"] == outcomes
    )


async def learns(world: World) -> int | None:
    """Add up and publish what is new, as the coordinator does; the number, None if nothing was."""
    context = world.context
    stored = BeliefsStore(context.redis, context.intake)
    return await Learner(stored, ProgrammeVersions(context.programmes), SystemClock(), every_s=60).round()


async def test_a_choice_of_a_journey_is_reported_once_its_outcomes_are_known(world: World) -> None:
    await world.happen("p-0", "came_back", "m-0")
    (open_,) = (await asked(world, "/v1/players/p-0/choices"))["open"]
    assert (open_["choice"], open_["asks"], open_["request_id"]) == ("offer", "node", None)
    assert open_["arm"] in ("points", "words"), "the third is for VIPs"
    for n in range(1, 12):
        await world.happen(f"p-{n}", "came_back", f"m-{n}")
        if n % 2:
            await world.happen(f"p-{n}", "deposit_completed", f"d-{n}", properties={"amount": 50})

    shown = await counted(world, 12)
    ended = [
        item
        for n in range(12)
        for item in (await asked(world, f"/v1/players/p-{n}/choices"))["items"]
        if item["what"] == "ended"
    ]
    assert Counter((item["outcome"], item["reward"]) for item in ended) == {("rewarded", 0.5): 6, ("missed", 0.0): 6}
    by = Counter(item["by"] for item in ended)
    assert shown["outcomes"] == by["policy"] + by["floor"]
    assert shown["holdout"]["outcomes"] == by["holdout"]
    assert (shown["holdout"]["share"], shown["holdout"]["arm"]) == (0.2, "words")
    assert shown["outcome"] == {"event": "deposit_completed", "within_s": 4, "most": 100}
    assert {arm["arm"]: arm["promotional"] for arm in shown["arms"]} == {"points": True, "words": False, "gift": False}
    drawn = [item["reward"] for item in ended if item["by"] != "holdout"]
    assert shown["policy"]["value"] == pytest.approx(sum(drawn) / len(drawn), abs=1e-4)
    assert (shown["void"], shown["earlier"], shown["enough"], shown["beliefs"]) == (0, 0, False, 0)
    assert shown["asked_by"] == ["journeys/back/pick"]
    assert "not proven" in shown["in_words"][0] or "cannot be told" in shown["in_words"][0]

    assert await learns(world) == 1
    assert await learns(world) is None, "nothing new"
    now = await asked(world, "/v1/choices/offer")
    assert (now["beliefs"], now["believed"]) == (1, now["outcomes"])
    assert (await audit(world.redis)).violations == []


async def test_a_change_of_the_outcome_counts_anew_and_says_what_was_before(world: World) -> None:
    await world.happen("amelia", "came_back", "m-1")
    await world.happen("amelia", "deposit_completed", "d-1", properties={"amount": 50})
    await counted(world, 1)
    await world.publish({"choices": {"offer": OFFER | {"outcome": {"event": "bet_placed", "within": "1h"}}}})
    now = await asked(world, "/v1/choices/offer")
    held = now["holdout"]["outcomes"]
    assert (now["outcomes"], held, now["earlier"]) == (0, 0, 1)


async def test_all_choices_are_listed_with_where_they_are_asked(world: World) -> None:
    items = (await asked(world, "/v1/choices"))["items"]
    assert [(item["id"], item["asked_by"], item["outcomes"], item["best_arm"]) for item in items] == [
        ("banner", ["placements/lobby"], 0, None),
        ("idle", [], 0, None),
        ("offer", ["journeys/back/pick"], 0, None),
    ]
    assert items[0]["in_words"] == ["Nothing is known yet: no choice's time is over."]


async def test_what_is_not_there_and_who_may_not_look(world: World) -> None:
    missing = await world.http.get("/v1/choices/none")
    assert (missing.status_code, missing.json()["code"]) == (404, "choice_not_found")
    assert (await world.http.get("/v1/players/nobody/choices")).status_code == 404
    reports, players = await world.key("reports:read"), await world.key("players:read")
    assert (await world.http.get("/v1/choices", headers=reports)).status_code == 200
    assert (await world.http.get("/v1/choices", headers=players)).status_code == 403
    assert (await world.http.get("/v1/choices/offer", headers=world.token("amelia"))).status_code == 403
    await world.happen("amelia", "came_back", "m-1")
    assert (await world.http.get("/v1/players/amelia/choices", headers=players)).status_code == 200
    assert (await world.http.get("/v1/players/amelia/choices", headers=reports)).status_code == 403
    history = (await world.http.get("/v1/me/history", headers=world.token("amelia"))).json()["items"]
    assert not [effect for record in history for effect in record["effects"] if effect["kind"] == "chose"]


async def test_a_slot_shows_the_same_all_day_and_opens_one_choice_however_often_it_is_seen(world: World) -> None:
    pages = [await asked(world, "/v1/players/amelia/placements/lobby") for _ in range(5)]
    assert len({page["template"] for page in pages}) == 1
    for page in pages[:3]:
        await told(world, "amelia", "shown", page["exposure"])
        await told(world, "amelia", "shown", page["exposure"])
    await settle(world, "amelia")
    (open_,) = (await asked(world, "/v1/players/amelia/choices"))["open"]
    assert (open_["choice"], open_["arm"], open_["by"], open_["asks"]) == (
        "banner", pages[0]["template"], open_["by"], "placement",
    )  # fmt: skip
    assert open_["propensity"] == pytest.approx(0.5, abs=0.01)

    await told(world, "amelia", "clicked", pages[4]["exposure"])  # of an exposure that never told it was seen
    await told(world, "amelia", "clicked", pages[0]["exposure"])
    await told(world, "amelia", "shown", pages[3]["exposure"])
    await settle(world, "amelia")
    seen = await asked(world, "/v1/players/amelia/choices")
    assert [item["what"] for item in seen["items"]] == ["ended", "chose"]
    assert (seen["items"][0]["outcome"], seen["items"][0]["reward"], seen["open"]) == ("rewarded", 1.0, [])
    assert (await asked(world, "/v1/choices/banner"))["outcomes"] == 0, "it counts when its hour is over"
    assert (await audit(world.redis)).violations == []


async def test_a_page_that_only_asked_opens_nothing(world: World) -> None:
    await asked(world, "/v1/players/amelia/placements/lobby")
    await settle(world, "amelia")
    assert (await asked(world, "/v1/players/amelia/choices"))["items"] == []


async def test_what_may_not_be_shown_any_more_is_drawn_anew_without_it(world: World) -> None:
    slot = DOCUMENTS["placements"]["lobby"] | {"capping": {"per_day": 1}}
    await world.publish({"placements": {"lobby": slot}})
    first = await asked(world, "/v1/players/amelia/placements/lobby?expose=1")
    second = await asked(world, "/v1/players/amelia/placements/lobby?expose=1")
    assert {first["template"], second["template"]} == {"spring", "jackpot"}
    assert (await asked(world, "/v1/players/amelia/placements/lobby"))["template"] == "plain"
    await settle(world, "amelia")
    open_ = (await asked(world, "/v1/players/amelia/choices"))["open"]
    assert [(one["arm"], one["by"]) for one in open_] == [
        (first["template"], open_[0]["by"]),
        (second["template"], "only"),
    ]
    assert open_[0]["by"] in ("policy", "floor")


async def test_a_guardrail_keeps_an_arm_from_a_slot(world: World) -> None:
    only_vips = BANNER | {"arms": {"spring": {}, "jackpot": {"where": VIP}}}
    await world.publish({"choices": {"banner": only_vips}})
    pages = [await asked(world, f"/v1/players/p-{n}/placements/lobby") for n in range(6)]
    assert {page["template"] for page in pages} == {"spring"}
    assert pages[0]["passed_over"] == [{"template": "jackpot", "reason": "where"}]


async def test_what_was_learnt_moves_what_slots_draw_but_for_the_floor(world: World) -> None:
    rule = (await live_programme(world.context)).crm.choices.choices["banner"]
    clicked = {"spring": 400, "jackpot": 50}
    known = {arm: ArmSums(500, n * ONE, n * ONE) for arm, n in clicked.items()}
    published = await BeliefsStore(world.redis, world.context.intake).publish({rule.plan.key: known}, at=T0)
    assert (await asked(world, "/v1/choices/banner"))["beliefs"] == published
    pages = [await asked(world, f"/v1/players/q-{n}/placements/lobby") for n in range(60)]
    assert Counter(page["template"] for page in pages)["spring"] > 50
    await told(world, "q-0", "shown", pages[0]["exposure"])
    await settle(world, "q-0")
    (open_,) = (await asked(world, "/v1/players/q-0/choices"))["open"]
    assert open_["propensity"] == (0.975 if open_["arm"] == "spring" else 0.025)


async def test_prometheus_reads_what_came_of_each_arm(world: World) -> None:
    await world.publish({"choices": {"banner": BANNER | {"outcome": {"event": "placement_clicked", "within": "4s"}}}})
    await world.context.programme.refresh()
    page = await asked(world, "/v1/players/amelia/placements/lobby?expose=1")
    await told(world, "amelia", "clicked", page["exposure"])
    reward = f'playtower_choice_reward_total{{arm="{page["template"]}",choice="banner"}} 1.0'
    async with asyncio.timeout(20):
        while reward not in (lines := (await world.http.get("/metrics")).text.splitlines()):
            await settle(world, "amelia")
    learnt = f'playtower_choice_outcomes_total{{arm="{page["template"]}",choice="banner",how="learnt"}} 1.0'
    assert learnt in lines
    assert 'playtower_choice_outcomes_total{arm="gift",choice="offer",how="void"} 0.0' in lines


async def test_nobody_opens_a_choice_by_sending_the_event_of_an_exposure(world: World) -> None:
    forged = {"id": "banner", "arm": "spring", "key": "lobby:1:0", "propensity": 10, "by": "policy", "x": []}
    await world.happen("amelia", "placement_shown", "m-1", properties={"slot": "lobby", "choice": forged})
    assert (await asked(world, "/v1/players/amelia/choices"))["items"] == []
    event = {
        "userId": "amelia",
        "event": "placement_shown",
        "messageId": "plc:1:shown",
        "properties": {"choice": forged},
    }
    answer = await world.http.post("/v1/track", json=event)
    assert answer.status_code == 400, "the engine's own ids are refused"


async def test_a_draw_is_on_record_with_what_made_it(world: World) -> None:
    await world.happen("amelia", "came_back", "m-1")
    (item,) = (await asked(world, "/v1/players/amelia/choices"))["items"]
    assert (item["cause"], item["beliefs"], item["context"]) == ("m-1", 0, {})
    assert set(item["eligible"]) == {"points", "words"}


async def test_what_a_choice_looks_at_is_told_by_name_as_long_as_the_names_are_known(world: World) -> None:
    looking = {"choices": {"offer": OFFER | {"context": ["days_all", "recency"]}}}
    await world.publish({"models": {"churn": {}}, **looking})
    await world.happen("amelia", "came_back", "m-1")
    (item,) = (await asked(world, "/v1/players/amelia/choices"))["items"]
    assert item["context"] == {"days_all": pytest.approx(0.693, abs=0.001), "recency": pytest.approx(0, abs=0.01)}
    assert (await asked(world, "/v1/choices/offer"))["context"] == ["days_all", "recency"]
    await world.publish({"choices": {"offer": OFFER}})
    (item,) = (await asked(world, "/v1/players/amelia/choices"))["items"]
    assert item["context"] is None, "the choice looks at nothing now"


async def test_a_page_that_still_knows_the_guest_shows_and_counts_what_was_drawn_for_the_person(world: World) -> None:
    await world.happen("anon:phone", "looked", "m-1")
    await world.happen("amelia", "identified", "m-2", anonymous="anon:phone")
    await _settled(world.redis)
    mine = await asked(world, "/v1/players/amelia/placements/lobby")
    page = await asked(world, "/v1/players/anon:phone/placements/lobby")
    assert page["template"] == mine["template"]
    await told(world, "anon:phone", "shown", page["exposure"])
    await told(world, "anon:phone", "clicked", page["exposure"])
    await _settled(world.redis)
    items = (await asked(world, "/v1/players/amelia/choices"))["items"]
    assert [(item["what"], item["arm"]) for item in items] == [("ended", mine["template"]), ("chose", mine["template"])]
    assert (await audit(world.redis)).violations == []
