"""Where a choice is asked: a node, a message's template or channel, the time of a delay, a campaign."""

from typing import Any

from msgspec import structs

from actors.programme import compile_programme
from domain.effects import Chose
from domain.entries import Event
from tests.crm.choices.chooser import DAY, HOUR, NOON, TEMPLATES, TEXT, WINBACK, Chooser, by_message, documents

HOURS = {
    "arms": {"09:00": {}, "18:00": {}},
    "outcome": {"event": "message_clicked", "within": "1d"},
}
AT_ITS_TIME = {
    "entry": {"event": "went_quiet"},
    "exit": {"goal": {"event": "came_back"}},
    "nodes": [
        {"id": "when", "kind": "delay", "choose": "winback", "next": "gift"},
        {"id": "gift", "kind": "reward", "amount": 5},
    ],
}
MAIL: dict[str, Any] = {
    "connectors": {"mail": {"kind": "smtp", "host": "mail.example.com", "from": "news@example.com"}},
    "templates": {"offer": {"channel": "email", **TEXT}},
}


# A node


def test_the_arm_is_the_way() -> None:
    town = Chooser()
    ways = {}
    for n in range(30):
        effects = town.does(f"p{n}", "went_quiet")
        ((node, _, reason, arm),) = [step for step in town.stepped(effects) if step[1] == "chosen"]
        assert (node, reason in ("policy", "floor")) == ("best", True)
        ways[arm] = town.points(f"p{n}")
    assert ways == {"cashback": 5, "free-spins": 7, "nothing": 0}


def test_who_may_get_no_arm_goes_on_and_it_is_said_why() -> None:
    nobody = {"where": {"field": "player.traits.vip", "op": "eq", "value": True}}
    journey = {
        "entry": {"event": "went_quiet"},
        "nodes": [
            {"id": "best", "kind": "choose", "choice": "winback", "arms": {"a": None, "b": None}, "next": "gift"},
            {"id": "gift", "kind": "reward", "amount": 3},
        ],
    }
    town = Chooser({"arms": {"a": nobody, "b": nobody}}, journey)
    effects = town.does("ann", "went_quiet")
    assert town.stepped(effects)[0] == ("best", "skipped", "no_eligible_arm", "winback")
    assert (town.points("ann"), town.open()) == (3, ())


def test_a_walk_of_an_older_version_whose_choice_is_gone_goes_on() -> None:
    journey = {"entry": {"event": "went_quiet"}, "nodes": [
        {"id": "rest", "kind": "delay", "for": "1h", "next": "best"},
        {"id": "best", "kind": "choose", "choice": "winback", "arms": dict.fromkeys(WINBACK["arms"])},
    ]}  # fmt: skip
    town = Chooser(journey=journey)
    town.does("ann", "went_quiet")
    old = town.told.programme

    town.told = structs.replace(town.told, programme=compile_programme(2, {}, older={1: old}))
    assert town.stepped(town.waits(2 * HOUR))[-1][1:] == ("skipped", "choice_removed", "winback")


# A message


def test_a_message_s_template_is_drawn_and_counts_from_when_it_went_out() -> None:
    town = Chooser(journey=by_message())
    chose = town.goes_quiet()
    request = town.request()
    assert (request.template, request.tells, chose.asks) == (chose.arm, True, "template")
    assert town.open()[0].at == 0
    assert town.deposits() == [], "it came before the message did"
    town.now += HOUR
    town.lands("sent")
    assert (town.open()[0].at, town.open()[0].due) == (town.now, town.now + 3 * DAY)
    town.now += 3 * DAY - 1
    assert [ended.outcome for ended in town.deposits()] == ["rewarded"]


def test_a_message_that_never_goes_out_says_nothing() -> None:
    for outcome, reason in (("refused", "not_sent"), ("merged", "merged_message")):
        town = Chooser(journey=by_message())
        town.goes_quiet()
        (ended,) = town.ended(town.lands(outcome))
        assert (ended.outcome, ended.reason) == ("void", reason)
    town = Chooser(journey=by_message(expires="1h"))
    town.goes_quiet()
    assert town.ended(town.waits(HOUR + DAY - 1)) == []
    (ended,) = town.ended(town.waits(1))
    assert (ended.outcome, ended.reason) == ("void", "not_sent")


def test_a_courier_s_receipts_tell_as_well() -> None:
    town = Chooser(journey=by_message())
    town.goes_quiet()
    assert town.ended(town.receipt("failed")) == [], "another channel may be tried"
    assert town.ended(town.receipt("sent")) == []
    assert town.open()[0].at == NOON
    assert [ended.outcome for ended in town.deposits()] == ["rewarded"]
    town.goes_quiet()
    assert [ended.reason for ended in town.ended(town.receipt("stopped"))] == ["not_sent"]


def test_a_receipt_of_another_message_changes_nothing() -> None:
    town = Chooser(journey=by_message())
    town.goes_quiet()
    other = {"message_id": "req_0_other", "channel": "email"}
    town.take(Event("ann", "msg:other", "message_sent", town.now, other, type="message"))
    assert town.open()[0].at == 0


def test_a_click_on_another_message_is_no_outcome_of_this_one() -> None:
    town = Chooser({"outcome": {"event": "message_clicked", "within": "1d"}}, by_message())
    town.goes_quiet()
    town.receipt("sent")
    other = {"message_id": "req_0_other", "channel": "email"}
    assert town.ended(town.take(Event("ann", "x", "message_clicked", town.now, other, type="message"))) == []
    assert [ended.outcome for ended in town.ended(town.receipt("clicked"))] == ["rewarded"]


def test_a_message_may_count_from_the_draw() -> None:
    town = Chooser({"counts_from": "chosen"}, by_message())
    town.goes_quiet()
    assert not town.request().tells
    assert [ended.outcome for ended in town.deposits()] == ["rewarded"]


def test_who_is_barred_gets_what_is_not_promotional() -> None:
    town = Chooser(journey=by_message())
    town.does("ann", "self_excluded")
    town.goes_quiet()
    assert town.request().template == "nothing"


def channels(**more: Any) -> Chooser:
    choice = {"arms": {"email": {}, "sms": {}, "in_app": {}}}
    node = {"id": "say", "kind": "message", "template": "offer", "purpose": "promo", "choose": {"channel": "winback"}}
    return Chooser(choice, {"entry": {"event": "went_quiet"}, "nodes": [node | more]}, **MAIL)


def test_the_drawn_channel_goes_first_of_those_that_reach_the_player() -> None:
    town = channels(channels=["sms", "email", "in_app"])
    town.does("ann", "identified", traits={"email": "ann@example.com"}, type="identify")
    chose = town.goes_quiet()
    assert chose.eligible == ("email", "in_app")
    rest = [channel for channel in ("sms", "email", "in_app") if channel != chose.arm]
    assert town.request().channels == (chose.arm, *rest)


def test_without_channels_the_other_arms_stay_behind() -> None:
    town = channels()
    chose = town.goes_quiet()
    assert (chose.arm, chose.by) == ("in_app", "only")
    assert town.request().channels == ("in_app", "email", "sms")


def test_a_message_that_went_another_way_says_nothing_of_the_drawn_one() -> None:
    town = channels()
    town.goes_quiet()
    (ended,) = town.ended(town.receipt("sent", channel="email"))
    assert (ended.outcome, ended.reason) == ("void", "another_channel")


def test_template_and_channel_may_both_be_drawn() -> None:
    node = {"id": "say", "kind": "message", "purpose": "promo", "choose": {"template": "winback", "channel": "where"}}
    where = WINBACK | {"arms": {"email": {}, "in_app": {}}}
    more = {"connectors": MAIL["connectors"], "choices": {"winback": WINBACK, "where": where}}
    town = Chooser(journey={"entry": {"event": "went_quiet"}, "nodes": [node]}, **more)
    effects = town.does("ann", "went_quiet")
    assert [effect.choice for effect in effects if isinstance(effect, Chose)] == ["winback", "where"]
    town.lands("sent", "in_app")
    assert sorted(ended.choice for ended in town.deposits()) == ["where", "winback"]


def test_a_campaign_asks_as_a_message_does() -> None:
    campaign = {
        "name": "Back", "everyone": True, "send": {"event": "went_quiet"},
        "message": {"purpose": "promo", "choose": {"template": "winback"}},
    }  # fmt: skip
    town = Chooser(campaigns={"back": campaign}, journeys={})
    assert town.goes_quiet().key == "journeys/campaigns/back/1/1"
    assert town.request().template in TEMPLATES


# The time of a delay


def test_a_delay_ends_at_the_time_that_was_drawn_in_the_player_s_zone() -> None:
    town = Chooser(HOURS, AT_ITS_TIME)
    town.does("ann", "identified", context={"timezone": "Asia/Tokyo"}, type="identify")  # it is 21:00 there
    chose = town.goes_quiet()
    due = NOON + {"09:00": 12, "18:00": 21}[chose.arm] * HOUR
    assert (chose.asks, town.open()[0].at, town.open()[0].due) == ("time", due, due + DAY)
    town.waits(due - NOON - 1)
    assert town.points("ann") == 0
    town.waits(1)
    assert town.points("ann") == 5


def test_outcomes_count_from_the_time_that_was_drawn() -> None:
    town = Chooser({**HOURS, "outcome": {"event": "deposit_completed", "within": "2h"}}, AT_ITS_TIME)
    town.goes_quiet()
    assert town.deposits() == []
    town.waits(town.open()[0].at - NOON)
    assert [ended.outcome for ended in town.deposits()] == ["rewarded"]


def test_who_is_taken_away_before_has_not_been_asked() -> None:
    town = Chooser(HOURS, AT_ITS_TIME)
    town.goes_quiet()
    (ended,) = town.ended(town.does("ann", "came_back"))
    assert (ended.outcome, ended.reason) == ("void", "left")
    assert (town.open(), town.armed("ann")) == ((), [])


def test_a_delay_may_wait_before_it_looks_at_the_clock() -> None:
    delay = {"id": "when", "kind": "delay", "for": "1d", "choose": "winback"}
    town = Chooser(HOURS, {"entry": {"event": "went_quiet"}, "nodes": [delay]})
    chose = town.goes_quiet()
    assert town.open()[0].at == NOON + DAY + {"09:00": 21, "18:00": 6}[chose.arm] * HOUR


def test_a_publication_leaves_the_time_that_was_drawn() -> None:
    town = Chooser(HOURS, AT_ITS_TIME)
    chose = town.goes_quiet()
    due = town.open()[0].at

    changed = {**AT_ITS_TIME, "migrate": {"map": {"when": "when"}}}
    changed["nodes"] = [AT_ITS_TIME["nodes"][0], {"id": "gift", "kind": "reward", "amount": 9}]
    older = {1: town.told.programme}
    town.told = structs.replace(town.told, programme=compile_programme(2, documents(HOURS, changed), older=older))
    town.waits(due - NOON - 1)
    town.does("ann", "page_seen")
    assert town.points("ann") == 0
    town.waits(1)
    assert town.points("ann") == 9
    assert [(one.key, one.at) for one in town.open()] == [(chose.key, due)]


def test_the_outcome_may_be_the_first_that_tells_that_a_message_went_out() -> None:
    town = Chooser({"outcome": {"event": "message_opened", "within": "1d"}}, by_message())
    town.goes_quiet()
    assert [ended.outcome for ended in town.ended(town.receipt("opened"))] == ["rewarded"]
    assert town.open()[0].due == town.now + DAY
