"""What each kind of node does, how it is left, and what is written down of it."""

from typing import Any

import pytest

from crm.journeys.nodes import share_of
from domain.effects import TraitsChanged
from domain.entries import TimerFired
from tests.crm.journeys.traveller import (
    DAY,
    HOUR,
    MINUTE,
    NOON,
    SECOND,
    Traveller,
    delay,
    field,
    journey,
    message,
    programme,
    wait,
)

END = {"id": "end", "kind": "exit"}


def travelling(*nodes: dict[str, Any], timezone: str = "", now: int = NOON, **more: Any) -> Traveller:
    """Ada, just signed up for a journey of these nodes."""
    ada = Traveller(programme(journeys={"j": journey(*nodes, **more)}), now, timezone=timezone)
    ada.does(
        "signed_up", plan="gold", starts="2026-03-05T18:00:00+01:00", local="2026-03-05T18:00", epoch=1_772_730_000
    )
    return ada


def test_a_message_asks_the_tower_and_names_its_pass() -> None:
    ada = travelling(
        message("hi", channels=["push", "in_app"], tone="warm", conflict_group="g", priority=7, expires="2h",
                variables={"plan": {"from": "event.properties.plan"}, "n": 3, "none": {"from": "data.nothing"}}),
        steps=[{"id": "paid", "event": "deposit_completed"}], name="Hello",
    )  # fmt: skip
    (request,) = ada.requests
    assert (request.id, request.template, request.purpose) == ("journeys/j/1/1", "hi", "service")
    assert (request.channels, request.priority, request.conflict_group) == (("push", "in_app"), 7, "g")
    assert (request.expires_at, request.cause) == (NOON + 2 * HOUR, "e0")
    told = request.content
    assert (told["tone"], told["plan"], told["n"]) == ("warm", "gold", 3)
    assert "none" not in told
    assert told["event"]["id"] == "e0"
    assert told["event"]["properties"]["plan"] == "gold"
    assert told["journey"]["steps"] == {"paid": False}
    assert told["journey"]["name"] == "Hello"


@pytest.mark.parametrize(
    ("node", "timezone", "until"),
    [
        pytest.param({"for": "1d 2h"}, "", NOON + 26 * HOUR, id="a time"),
        pytest.param({"until_time": "10:00"}, "", NOON + 22 * HOUR, id="ten o'clock is tomorrow"),
        pytest.param({"until_time": "12:00"}, "", NOON + DAY, id="noon at noon is tomorrow"),
        pytest.param({"until_time": "12:01"}, "", NOON + MINUTE, id="in a minute"),
        pytest.param({"until_time": "10:00"}, "Asia/Tokyo", NOON + 13 * HOUR, id="ten o'clock where the player is"),
        pytest.param({"for": "2d", "until_time": "12:00"}, "", NOON + 2 * DAY, id="noon in two days, at noon"),
        pytest.param({"for": "2d", "until_time": "11:00"}, "", NOON + 3 * DAY - HOUR, id="at eleven after two days"),
        pytest.param({"until": "2026-03-05T18:00"}, "Europe/Kyiv", NOON + 3 * DAY + 4 * HOUR, id="a local moment"),
        pytest.param({"until": "2026-03-05T18:00+00:00"}, "Europe/Kyiv", NOON + 3 * DAY + 6 * HOUR, id="a moment"),
        pytest.param({"until": "data.starts"}, "", NOON + 3 * DAY + 5 * HOUR, id="a moment that the event brought"),
        pytest.param({"until": "data.local"}, "Europe/Kyiv", NOON + 3 * DAY + 4 * HOUR, id="a local one it brought"),
        pytest.param({"until": "data.epoch"}, "", NOON + 3 * DAY + 5 * HOUR, id="seconds since 1970"),
    ],
)
def test_a_delay_ends_at_its_moment(node: dict[str, Any], timezone: str, until: int) -> None:
    ada = travelling({"id": "d", "kind": "delay", "next": "end", **node}, END, timezone=timezone)
    (timer,) = ada.timers
    assert timer.due == until
    ada.waits(until - NOON - 1)
    assert ada.at() == "d"
    ada.waits(1)
    assert ada.steps() == [("d", "delayed", "time")]


@pytest.mark.parametrize(
    ("node", "reason"),
    [
        pytest.param({"until": "2026-03-01T18:00"}, "past", id="a moment that is over"),
        pytest.param({"until": "data.nothing"}, "no_date", id="a moment that the event did not bring"),
        pytest.param({"until": "data.plan"}, "no_date", id="no moment at all"),
    ],
)
def test_a_delay_without_a_future_is_none(node: dict[str, Any], reason: str) -> None:
    ada = travelling({"id": "d", "kind": "delay", "next": "end", **node}, END)
    assert (ada.steps(), ada.at()) == ([("d", "delayed", reason)], "COMPLETED")


def test_ten_oclock_in_the_hour_that_spring_skips_is_half_past_three() -> None:
    ada = travelling(
        {"id": "d", "kind": "delay", "until_time": "02:30", "next": "end"}, END,
        timezone="Europe/Berlin", now=1_774_738_800_000,  # 2026-03-29T00:00 in Berlin, whose clock goes from 2 to 3
    )  # fmt: skip
    (timer,) = ada.timers
    assert timer.due == 1_774_738_800_000 + 150 * MINUTE


def test_a_wait_is_left_by_its_event_or_its_timeout() -> None:
    nodes = (wait("w", "deposit_completed", "1d", on_event="yes", on_timeout="no"), message("yes"), message("no"))
    paid, late = travelling(*nodes), travelling(*nodes)
    paid.waits(DAY - 1)
    paid.does("bet_placed")
    assert paid.at() == "w"
    paid.does("deposit_completed")
    late.waits(DAY)
    assert (paid.told(), late.told()) == (["yes"], ["no"])
    assert (paid.steps()[0], late.steps()[0]) == (("w", "waited", "event"), ("w", "waited", "timeout"))


def test_an_event_after_the_timeout_that_nobody_noticed_yet_counts() -> None:
    ada = travelling(
        wait("w", "deposit_completed", "1d", on_event="yes", on_timeout="no"), message("yes"), message("no")
    )
    ada.now += DAY + SECOND  # the timer is on its way
    ada.does("deposit_completed")
    assert ada.told() == ["yes"]


def test_a_wait_for_a_condition_looks_at_every_turn_and_at_once() -> None:
    vip = {"id": "w", "kind": "wait", "for": {"when": field("player.traits.vip", "eq", True)}, "next": "hi"}
    ada = travelling(vip, message("hi"))
    ada.does("bet_placed")
    assert ada.told() == []
    ada.has(vip=True)
    ada.does("bet_placed")
    assert (ada.told(), ada.steps()[0]) == (["hi"], ("w", "waited", "condition"))
    at_once = Traveller(ada.rules)
    at_once.has(vip=True)
    at_once.does("signed_up")
    assert at_once.told() == ["hi"]


def test_a_wait_for_a_time_of_day_needs_no_event() -> None:
    evening = {"id": "w", "kind": "wait", "for": {"when": field("now.hour", "gte", 18)}, "next": "hi"}
    ada = travelling(evening, message("hi"))
    ada.waits(6 * HOUR - 1)
    assert ada.told() == []
    ada.waits(1)
    assert ada.told() == ["hi"]


@pytest.mark.parametrize(
    ("condition", "moment"),
    [
        pytest.param(field("journey.elapsed_s", "gte", 3600), HOUR, id="an hour in the journey"),
        pytest.param(field("journey.node_elapsed_s", "gt", 59), MINUTE, id="a minute at the node"),
        pytest.param({"all": [field("journey.pace", "lt", 0.5)]}, 5 * DAY + 1, id="too slow"),
        pytest.param(field("player.since.last_seen", "gte", 7200), 2 * HOUR, id="two hours silent"),
    ],
)
def test_an_exit_that_time_brings_needs_no_event(condition: dict[str, Any], moment: int) -> None:
    rules = programme(journeys={"j": journey(
        wait("w", "never"), exit={"when": condition},
        steps=[{"id": "in", "event": "walked_in"}, {"id": "out", "event": "walked_out"}],
        pace={"steps": 2, "over": "5d"},
    )})  # fmt: skip
    ada = Traveller(rules)
    ada.does("signed_up")
    if condition.get("all"):  # half of the norm's steps done at once: on pace until half of its time is gone, ...
        ada.does("walked_in")
    if condition.get("field") == "player.since.last_seen":
        ada.was_seen(NOON)
        ada.does("bet_placed")
    ada.waits(moment - 1)
    assert ada.at() == "w"
    ada.waits(1)
    assert ada.endings() == [("exit", "condition", "w")]


def test_a_branch_takes_the_first_way_that_holds_else_the_default() -> None:
    paths = [
        {"when": field("event.properties.plan", "eq", "silver"), "next": "a"},
        {"when": field("journey.data.plan", "eq", "gold"), "next": "b"},
        {"when": field("event.name", "eq", "signed_up"), "next": "c"},
    ]
    branch = {"id": "x", "kind": "branch", "paths": paths, "default": "d"}
    ends = [message(name) for name in "abcd"]
    assert travelling(branch, *ends).told() == ["b"]
    other = Traveller(programme(journeys={"j": journey(delay("s", "1h", "x"), branch, *ends)}))
    other.does("signed_up", plan="iron")
    other.waits(HOUR)
    assert (other.told(), other.steps()[-2]) == (["d"], ("x", "branched", "default"))


def test_a_split_is_stable_fair_and_blind_to_the_order_of_its_paths() -> None:
    paths = [{"id": "a", "share": 0.2, "next": "a"}, {"id": "b", "share": 0.3, "next": "b"}, {"id": "c", "share": 0.5}]
    chosen: dict[str, str] = {}
    for order in (paths, list(reversed(paths))):
        rules = programme(journeys={"j": journey({"id": "s", "kind": "split", "paths": order, "salt": "x", "next": "c"},
                                                 message("a"), message("b"), message("c"))})  # fmt: skip
        for n in range(1_500):
            one = Traveller(rules, player=f"player-{n}")
            one.does("signed_up")
            assert chosen.setdefault(one.snapshot.player, one.told()[0]) == one.told()[0]
    shares = {name: list(chosen.values()).count(name) / 1_500 for name in "abc"}
    assert shares == pytest.approx({"a": 0.2, "b": 0.3, "c": 0.5}, abs=0.04)
    assert share_of("x", "j", "s", "ada") != share_of("y", "j", "s", "ada")


def test_a_reward_is_asked_of_the_ledger_and_its_condition_seen_in_the_same_turn() -> None:
    ada = travelling(
        {"id": "gift", "kind": "reward", "currency": "points", "amount": 50, "next": "rest"}, delay("rest", "1d"),
        exit={"when": field("player.balance.points", "gte", 50)},
    )  # fmt: skip
    assert [(g.currency, g.amount, g.rule) for g in ada.grants] == [("points", 50, "journeys/j/gift")]
    assert [(g.budget, g.key) for g in ada.grants] == [("", "journeys/j/gift.1.1")]
    assert ada.endings() == [("exit", "condition", "rest")]


def test_a_profile_change_sets_copies_and_removes() -> None:
    ada = Traveller(programme(journeys={"j": journey(
        {"id": "p", "kind": "profile", "next": "rest", "set": {
            "tier": "new", "plan": {"from": "event.properties.plan"}, "old": None, "gone": {"from": "data.nothing"},
            "timezone": "Europe/Kyiv"}},
        delay("rest", "1d"), exit={"when": field("player.traits.tier", "eq", "newer")},
    )}))  # fmt: skip
    ada.has(old=1, gone=2)
    ada.does("signed_up", plan="gold")
    assert ada.snapshot.profile.traits == {"gone": 2, "tier": "new", "plan": "gold", "timezone": "Europe/Kyiv"}
    assert ada.snapshot.profile.timezone == "Europe/Kyiv"
    (changed,) = [e for e in ada.effects if isinstance(e, TraitsChanged)]
    assert changed.traits == {"tier": "new", "plan": "gold", "old": None, "timezone": "Europe/Kyiv"}
    assert ada.steps()[0] == ("p", "changed", "value_missing")


def test_a_webhook_goes_to_the_tower_which_refuses_what_is_not_connected() -> None:
    hook = {"id": "call", "kind": "webhook", "payload": {"plan": {"from": "data.plan"}, "n": 1}}
    (request,) = travelling(hook).requests
    assert (request.channels, request.purpose, request.template) == (("webhook",), "service", "")
    assert request.content["payload"] == {"plan": "gold", "n": 1}


def test_a_step_may_be_tried_too_often_or_taken_too_slowly_but_help_comes_once() -> None:
    ada = travelling(
        wait("w", "done", dwell={"for": "2h", "to": "nudge"}, struggle={"event": "failed", "count": 2, "to": "help"}),
        message("nudge", "w"),
        message("help", "w"),
    )
    ada.waits(2 * HOUR)
    assert (ada.told(), ada.at()) == (["nudge"], "w")
    ada.waits(DAY)
    ada.does("failed")
    ada.does("failed")
    ada.does("failed")
    ada.does("failed")
    assert (ada.told(), ada.at()) == (["nudge", "help"], "w")
    assert [step for step in ada.steps() if step[1] == "helped"] == [
        ("w", "helped", "dwell"),
        ("w", "helped", "struggle"),
    ]


def test_a_struggle_with_conditions_counts_only_what_they_hold_for() -> None:
    hard = {"event": "bet_settled", "where": field("event.properties.result", "eq", "loss"), "count": 2, "to": "help"}
    ada = travelling(wait("w", "done", struggle=hard), message("help"))
    for result in ("loss", "win", "win"):
        ada.does("bet_settled", result=result)
    assert ada.told() == []
    ada.does("bet_settled", result="loss")
    assert ada.told() == ["help"]


def test_an_interrupt_ends_a_delay_and_may_do_so_again() -> None:
    again = {"id": "again", "event": "asked", "to": "answer", "once": False}
    once = {"id": "once", "event": "called", "to": "answer"}
    ada = travelling(delay("rest", "30d"), message("answer", "rest"), interrupts=[again, once])
    for event in ("asked", "asked", "called", "called"):
        ada.does(event)
    assert ada.told() == ["answer"] * 3


def test_skipping_is_judged_while_the_player_waits() -> None:
    ada = travelling(
        delay("rest", "30d", "hi", skip_when=field("player.traits.vip", "eq", True)), message("hi"),
    )  # fmt: skip
    ada.has(vip=True)
    ada.does("bet_placed")
    assert ada.steps() == [("rest", "skipped", "condition"), ("hi", "sent", "")]


def test_messages_beyond_the_limit_are_passed_over() -> None:
    ada = travelling(message("a", "b"), message("b", "c"), message("c"), limits={"max_messages": 2})
    assert ada.told() == ["a", "b"]
    assert ada.steps()[-1] == ("c", "skipped", "message_limit")


def test_a_walk_that_takes_too_long_is_expired_wherever_it_is() -> None:
    ada = travelling(wait("w", "never"), limits={"max_duration": "3d"})
    ada.waits(3 * DAY - 1)
    assert ada.at() == "w"
    ada.waits(1)
    assert ada.endings() == [("expired", "max_duration", "w")]


def test_an_exit_node_says_how_it_is_counted() -> None:
    ada = travelling({"id": "out", "kind": "exit", "outcome": "goal", "reason": "came_back"})
    assert ada.endings() == [("goal", "came_back", "out")]


def test_one_event_moves_a_walk_by_one_wait_only() -> None:
    ada = travelling(wait("one", "next", next="two"), wait("two", "next", next="end"), END)
    ada.does("next")
    assert ada.at() == "two"
    ada.does("next")
    assert ada.at() == "COMPLETED"


def test_a_circle_whose_wait_is_over_at_once_goes_round_once_a_minute() -> None:
    always = {"id": "w", "kind": "wait", "for": {"when": field("player.traits.vip", "exists", False)}, "next": "hi"}
    ada = travelling(always, message("hi", "w"))
    assert (ada.told(), ada.at(), ada.steps()[-1]) == (["hi"], "w", ("w", "paused", "same_node_again"))
    ada.waits(10 * MINUTE)
    assert ada.told() == ["hi"] * 11


def test_more_nodes_than_a_turn_may_pass_are_passed_in_the_next() -> None:
    nodes = [message(f"m{n}", f"m{n + 1}" if n < 79 else None) for n in range(80)]
    ada = travelling(*nodes)
    assert (len(ada.told()), ada.at(), ada.steps()[-1]) == (50, "m50", ("m50", "paused", "too_many_nodes"))
    ada.waits(0)
    assert (len(ada.told()), ada.at()) == (80, "COMPLETED"), "nothing is lost"


def test_no_event_ends_a_pause_before_its_time() -> None:
    always = {"id": "w", "kind": "wait", "for": {"when": field("player.traits.vip", "exists", False)}, "next": "hi"}
    ada = travelling(always, message("hi", "w"))
    ada.waits(30 * SECOND)
    ada.does("bet_placed")
    assert ada.told() == ["hi"]


def test_a_timer_of_an_older_generation_is_not_heard() -> None:
    ada = travelling(delay("rest", "2d", "hi", dwell={"for": "1d", "to": "hi"}), message("hi"))
    before, (timer,) = ada.snapshot, ada.timers
    for ref, generation in (("j#1", timer.generation - 1), ("j#2", timer.generation), ("nowhere#1", 1)):
        ada.take(TimerFired("ada", "journey", ref, timer.due, generation))
        assert ada.snapshot == before
