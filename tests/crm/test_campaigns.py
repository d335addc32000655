"""A campaign is a journey: what it compiles to, and what its players meet."""

from typing import Any

import pytest
from msgspec import structs

from crm.campaigns import CampaignConfig, as_journey, as_journeys
from crm.journeys.config import JourneyConfig
from crm.programme import CrmRules, InvalidCrm, compile_crm
from domain.entries import Visited
from domain.player import with_parts
from tests.crm.journeys.traveller import DAY, HOUR, NOON, SECOND, Traveller

TEMPLATE = {"channel": "in_app", "title": {"en": "t"}, "body": {"en": "b"}}
MESSAGE = {"template": "news", "purpose": "promo"}
SEGMENTS = {"readers": {"where": {"field": "player.traits.reads", "op": "eq", "value": True}}}
READS = {"field": "player.traits.reads", "op": "eq", "value": True}
OWN_TEN = {"schedule": {"at": "2026-03-02T15:00", "zone": "player"}}


def campaign(**more: Any) -> dict[str, Any]:
    document = {"name": "News", "everyone": True, "send": {"now": "api"}, "message": MESSAGE, **more}
    if more.keys() & {"segment", "audience"}:
        del document["everyone"]
    return document


def rules(document: dict[str, Any], **kinds: Any) -> CrmRules:
    return compile_crm(
        1, {"templates": {"news": TEMPLATE}, "segments": SEGMENTS, "campaigns": {"news": document}, **kinds}
    )


def visit(traveller: Traveller, run: str, **args: Any) -> None:
    traveller.take(Visited("ada", f"campaigns/news@{run}", "journey", "campaigns/news", args))


def has(traveller: Traveller, **traits: Any) -> None:
    """Change the profile, and have the segments judged on it."""
    traveller.has(**traits)
    unjudged = structs.replace(traveller.snapshot.segments, version=-1)
    traveller.snapshot = with_parts(traveller.snapshot, segments=unjudged)
    traveller.take(Visited("ada", "review:1", "review"))


def test_a_one_off_is_a_message_for_whom_a_caller_s_walk_meets() -> None:
    ada = Traveller(rules(campaign(message={**MESSAGE, "variables": {"code": {"from": "data.code"}}})))
    ada.does("signed_up")
    assert ada.told() == [], "publishing sends nothing"
    visit(ada, "a", code="SPRING")
    visit(ada, "b", code="SUMMER")
    assert [request.content["code"] for request in ada.requests] == ["SPRING", "SUMMER"]
    assert ada.entries("campaigns/news")[0].by == "api"


def test_once_means_once_however_often_it_is_sent() -> None:
    ada = Traveller(rules(campaign(once=True)))
    visit(ada, "a")
    visit(ada, "b")
    assert ada.told() == ["news"]


@pytest.mark.parametrize("whom", [{"segment": "readers"}, {"audience": READS}], ids=["segment", "audience"])
def test_only_the_audience_is_told(whom: dict[str, Any]) -> None:
    ada = Traveller(rules(campaign(**whom)))
    visit(ada, "a")
    assert ada.told() == []
    has(ada, reads=True)
    visit(ada, "b")
    assert ada.told() == ["news"]


def test_a_triggered_message_waits_its_delay_and_is_called_off() -> None:
    send = {"event": "cart_updated", "delay": "30s", "unless": {"event": "order_completed"}}
    ada = Traveller(rules(campaign(send=send)))
    ada.does("cart_updated")
    ada.waits(29 * SECOND)
    ada.does("cart_updated")  # without `restart` the first one counts
    ada.waits(SECOND)
    assert ada.told() == ["news"]
    ada.does("cart_updated")
    ada.waits(SECOND)
    ada.does("order_completed")
    assert ada.at("campaigns/news") == "EXIT"
    ada.waits(DAY)
    assert ada.told() == ["news"]


def test_who_left_the_segment_during_the_delay_is_passed_over() -> None:
    ada = Traveller(rules(campaign(segment="readers", send={"event": "read", "delay": "1h"})))
    has(ada, reads=True)
    ada.does("read")
    assert ada.at("campaigns/news") == "delay"
    has(ada, reads=False)
    ada.waits(HOUR)
    assert ada.told() == []
    assert ("message", "skipped") in {(node, outcome) for node, outcome, _ in ada.steps("campaigns/news")}


def test_each_player_is_told_at_their_own_time() -> None:
    live = rules(campaign(segment="readers", send=OWN_TEN))
    for zone, at in (("Asia/Tokyo", NOON - 6 * HOUR), ("America/New_York", NOON + 8 * HOUR)):
        ada = Traveller(live, NOON - 20 * HOUR, timezone=zone)
        has(ada, reads=True)
        visit(ada, "2026-03-02T15:00:00", local="2026-03-02T15:00:00", late="skip")
        assert ada.told() == []
        ada.waits(2 * DAY)
        assert [request.requested_at for request in ada.requests] == [at]


def test_a_player_whose_time_passed_an_hour_ago_is_left_out_unless_late_is_sent() -> None:
    for late, told in (("skip", []), ("send", ["news"])):
        ada = Traveller(
            rules(campaign(send={"schedule": {**OWN_TEN["schedule"], "late": late}})), timezone="Asia/Tokyo"
        )
        visit(ada, "2026-03-02T15:00:00", local="2026-03-02T15:00:00", late=late)
        assert ada.told() == told


def test_a_run_that_is_called_off_lets_its_own_players_go_and_no_others() -> None:
    ada = Traveller(rules(campaign(send={**OWN_TEN})), NOON - 20 * HOUR)
    visit(ada, "x", local="2026-03-02T15:00:00", late="skip")
    for run, at in (("y", "message"), ("x", "EXIT")):
        leave = Visited("ada", "stop", "leave", "campaigns/news", {"run": f"campaigns/news@{run}"})
        ada.take(leave)
        assert ada.at("campaigns/news") == at
    ada.waits(2 * DAY)
    assert ada.told() == []


@pytest.mark.parametrize(
    "document",
    [
        campaign(),
        campaign(segment="readers", send={"schedule": {"every": "day", "time": "10:00"}}, per_minute=60),
        campaign(segment="readers", send={"schedule": {"at": "2026-12-24T10:00", "zone": "player"}}),
        campaign(send={"event": "x", "delay": 30, "restart": True, "unless": [{"event": "y", "where": READS}]}),
        campaign(message={**MESSAGE, "tone": "friendly", "channels": ["push", "sms"], "expires": "2h", "priority": 5}),
    ],
)
def test_every_kind_of_campaign_is_a_valid_journey(document: dict[str, Any]) -> None:
    journey = as_journey(CampaignConfig.model_validate(document))
    assert JourneyConfig.model_validate(journey).entry is not None
    assert journey["nodes"][-1]["expires"] == (7200 if "expires" in document["message"] else 86_400)


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (campaign() | {"segment": "readers"}, "one of `segment`, `audience` and `everyone: true`"),
        ({k: v for k, v in campaign().items() if k != "everyone"}, "one of `segment`, `audience` and `everyone: true`"),
        (campaign(send={}), "send: expected one of `now: api`, `schedule` and `event`"),
        (campaign(send={"now": "api", "event": "x"}), "send: expected one of"),
        (campaign(send={"now": "api", "delay": 5}), "only beside `event`"),
        (campaign(send={"event": "x", "unless": {"event": "y"}}), "expected a `delay`"),
        (campaign(send={"event": "x", "restart": True}), "expected a `delay`"),
        (campaign(send={"now": "yes"}), "send.now: "),
        (campaign(audience={"field": "nope", "op": "eq", "value": 1}), "audience: "),
        (campaign(message={**MESSAGE, "template": "nope"}), "nope"),
        (campaign(segment="nope"), "nope"),
        (campaign(message={**MESSAGE, "variables": {"x": {"from": "nowhere"}}}), "expected event.properties"),
    ],
)
def test_what_an_operator_is_told(document: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidCrm) as raised:
        rules(document)
    assert said in str(raised.value)
    assert all(error.startswith("campaigns/news: ") for error in raised.value.errors)


def test_problems_are_gathered_and_good_ones_compiled() -> None:
    errors: list[str] = []
    journeys = as_journeys({"campaigns": {"good": campaign(), "bad": {}}}, errors)
    assert list(journeys) == ["campaigns/good"]
    assert len(errors) == 3  # name, send and message are missing
