"""Who begins a journey, how often, and what callers are told."""

from typing import Any

import pytest

from crm.journeys.entering import ACTIVE_MAX, DATA_BYTES_MAX, kept_data
from crm.schedule import opened
from domain.effects import Answered, JourneyEntered
from domain.entries import Event
from tests.crm.journeys.traveller import DAY, HOUR, Traveller, delay, field, journey, message, programme, wait

HI = message("hi")
API = {"api": True}
VIP = field("player.traits.vip", "eq", True)


def traveller(*nodes: dict[str, Any], **more: Any) -> Traveller:
    return Traveller(programme(journeys={"j": journey(*(nodes or (HI,)), **more)}))


def answer(effects: list[Any]) -> str:
    return next(effect.code for effect in effects if isinstance(effect, Answered))


@pytest.mark.parametrize(
    ("entry", "event", "begins"),
    [
        pytest.param({"event": "signed_up"}, {"name": "signed_up"}, 1, id="its event"),
        pytest.param({"event": "signed_up"}, {"name": "bet_placed"}, 0, id="another event"),
        pytest.param(
            {"event": "bet_placed", "where": field("event.properties.amount", "gte", 100)},
            {"name": "bet_placed", "amount": 99}, 0, id="not where",
        ),
        pytest.param(
            {"event": "bet_placed", "where": field("event.properties.amount", "gte", 100)},
            {"name": "bet_placed", "amount": 100}, 1, id="where",
        ),
        pytest.param({"event": "signed_up", "audience": VIP}, {"name": "signed_up"}, 0, id="not for her"),
    ],
)  # fmt: skip
def test_an_event_begins_a_journey(entry: dict[str, Any], event: dict[str, Any], begins: int) -> None:
    ada = traveller(entry=entry)
    ada.does(**event)
    assert len(ada.entries()) == len(ada.told()) == begins


def test_the_event_that_begins_is_not_what_the_first_wait_waits_for() -> None:
    ada = traveller(
        wait("w", "signed_up", next="hi"), HI, steps=[{"id": "again", "event": "signed_up"}],
    )  # fmt: skip
    ada.does("signed_up")
    assert (ada.at(), ada.steps()) == ("w", [])
    ada.does("signed_up")
    assert ada.steps() == [("w", "milestone", "event"), ("w", "waited", "event"), ("hi", "sent", "")]


def test_a_player_walks_a_journey_once_at_a_time() -> None:
    ada = traveller(delay("d", "1d"))
    ada.does("signed_up")
    ada.does("signed_up")
    assert len(ada.entries()) == 1


@pytest.mark.parametrize(
    ("rules", "entered"),
    [
        pytest.param({}, 3, id="as often as it happens"),
        pytest.param({"entry": {"event": "signed_up", "once": True}}, 1, id="once in a life"),
        pytest.param({"reentry": {"allowed": False}}, 1, id="not again"),
        pytest.param({"reentry": {"max": 2}}, 2, id="twice"),
        pytest.param({"reentry": {"after": "2h"}}, 2, id="two hours after the last end"),
    ],
)
def test_beginning_again_is_by_rule(rules: dict[str, Any], entered: int) -> None:
    ada = traveller(**rules)
    for _ in range(3):  # at 0 h, 1 h, 2 h
        ada.does("signed_up")
        ada.waits(HOUR)
    assert [e.number for e in ada.entries()] == list(range(1, entered + 1))
    assert len({request.id for request in ada.requests}) == entered


@pytest.mark.parametrize(
    ("more", "code"),
    [
        pytest.param({"entry": API}, "ok", id="open"),
        pytest.param({}, "not_open_to_callers", id="not open"),
        pytest.param({"entry": API | {"audience": VIP}}, "not_in_audience", id="not for her"),
        pytest.param({"entry": API, "exit": {"goal": {"when": field("player.traits.vip", "exists", False)}}},
                     "goal_already_met", id="no need"),
        pytest.param({"entry": API, "exit": {"when": field("player.traits.vip", "exists", False)}},
                     "exit_already_met", id="over before it began"),
    ],
)  # fmt: skip
def test_a_caller_is_told_why_not(more: dict[str, Any], code: str) -> None:
    ada = traveller(delay("d", "1d"), **more)
    assert answer(ada.asks("enter_journey", journey="j", data={"a": 1})) == code
    assert bool(ada.entries()) == (code == "ok")
    assert answer(ada.asks("enter_journey", journey="nowhere")) == "journey_not_found"


def test_a_caller_may_not_enter_twice_and_may_end_it() -> None:
    ada = traveller(delay("d", "1d"), entry=API | {"once": True})
    assert answer(ada.asks("exit_journey", journey="j")) == "not_in_journey"
    assert answer(ada.asks("enter_journey", journey="j", data=[1])) == "data_not_an_object"
    ada.asks("enter_journey", journey="j", data={"order": "o1"})
    assert ada.snapshot.journeys["j"].active.data == {"order": "o1"}  # type: ignore[union-attr]
    assert answer(ada.asks("enter_journey", journey="j")) == "already_in_journey"
    assert answer(ada.asks("exit_journey", journey="j")) == "ok"
    assert ada.endings() == [("exit", "command", "d")]
    assert answer(ada.asks("enter_journey", journey="j")) == "once_only"
    assert answer(ada.asks("exit_journey", journey="nowhere")) == "journey_not_found"


SEGMENTS = {"vips": {"where": VIP}}


def with_segment(**entry: Any) -> Traveller:
    rules = programme(segments=SEGMENTS, journeys={"j": journey(delay("d", "1d"), entry={"segment": "vips", **entry})})
    return Traveller(rules)


def judged(ada: Traveller, *, vip: bool) -> None:
    """Let her become a VIP, or no longer be one, in a turn of its own."""
    before = ada.snapshot
    ada.has(vip=vip)
    ada.take(Event("ada", f"e{len(ada.log)}", "profile_changed", ada.now, {}, {"vip": vip}), before)


@pytest.mark.parametrize(("on", "begins"), [("entered", [1, 1, 2]), ("left", [0, 1, 1])])
def test_a_segment_begins_a_journey_when_it_is_entered_or_left(on: str, begins: list[int]) -> None:
    ada = with_segment(on=on)
    ada.does("warm_up")
    for vip, count in zip((True, False, True), begins, strict=True):
        judged(ada, vip=vip)
        ada.waits(2 * DAY)
        assert len(ada.entries()) == count


@pytest.mark.parametrize(("include", "begins"), [(False, 0), (True, 1)])
def test_those_in_a_segment_that_is_new_begin_only_when_asked_for(include: bool, begins: int) -> None:
    ada = with_segment(include_existing=include)
    ada.has(vip=True)
    ada.was_seen(ada.now - DAY)
    ada.does("bet_placed")  # the first touch under the programme: all segments are judged, as published
    assert ada.entered_segments() == ["vips"]
    assert len(ada.entries()) == begins


def test_a_visit_begins_a_scheduled_journey_of_those_still_in_the_segment() -> None:
    entry = {"schedule": {"every": "day", "time": "12:00"}, "segment": "vips"}
    rules = programme(segments=SEGMENTS, journeys={"j": journey(HI, entry=entry), "k": journey(HI)})
    ada = Traveller(rules)
    ada.does("bet_placed")
    ada.is_visited("j", local="2026-03-02T12:00:00")
    ada.is_visited("k")
    assert ada.told() == []
    judged(ada, vip=True)
    ada.is_visited("j", local="2026-03-02T12:00:00")
    assert [(e.by, e.number) for e in ada.entries()] == [("schedule", 1)]
    assert ada.told() == ["hi"]


def test_a_visit_before_the_players_own_time_waits_for_it() -> None:
    entry = {"schedule": {"at": "2026-03-02T20:00", "zone": "player"}}
    ada = Traveller(programme(journeys={"j": journey(HI, entry=entry)}), timezone="Europe/Kyiv")
    ada.is_visited("j", local="2026-03-02T20:00:00", late="skip")  # 14:00 for her
    assert (ada.told(), ada.at()) == ([], "hi")
    ada.waits(6 * HOUR)
    assert (ada.told(), ada.at()) == (["hi"], "COMPLETED")
    late = Traveller(ada.rules, ada.now + 8 * HOUR)
    late.is_visited("j", local="2026-03-02T20:00:00", late="skip")
    assert not late.entries(), "her eight o'clock was hours ago"


def test_a_player_is_in_so_many_journeys_at_a_time() -> None:
    names = [f"j{n:02}" for n in range(ACTIVE_MAX + 2)]
    ada = Traveller(programme(journeys={name: journey(delay("d", "1d")) for name in names}))
    effects = ada.does("signed_up")
    assert sum(isinstance(effect, JourneyEntered) for effect in effects) == ACTIVE_MAX
    assert ada.steps(names[-1]) == [("d", "refused", "too_many_journeys")]


def test_large_properties_are_left_out_the_largest_first_and_named() -> None:
    data = {"small": 1, "large": "x" * 1_500, "larger": "y" * 1_600, "nested": {"a": [1, 2]}}
    kept, dropped = kept_data(data)
    assert (sorted(kept), dropped) == (["large", "nested", "small"], ("larger",))
    assert kept_data({"n": "z" * DATA_BYTES_MAX}) == ({}, ("n",))
    ada = traveller()
    ada.does("signed_up", **data)
    assert ada.entries()[0].dropped == ("larger",)


# --- journeys within journeys ---


def nested(**child: Any) -> Traveller:
    parent = journey(
        {"id": "call", "kind": "journey", "journey": "k", "wait": child.pop("wait", True), "next": "after"},
        message("after"), exit={"goal": {"event": "deposit_completed"}},
    )  # fmt: skip
    inner = journey(message("inner", "w"), wait("w", "read", next=None), entry=API, **child)
    return Traveller(programme(journeys={"j": parent, "k": inner}))


def test_a_journey_waits_for_the_journey_that_it_begins() -> None:
    ada = nested()
    ada.does("signed_up", plan="gold")
    assert (ada.at("j"), ada.at("k"), ada.told()) == ("call", "w", ["inner"])
    assert ada.snapshot.journeys["k"].active.data == {"plan": "gold"}  # type: ignore[union-attr]
    ada.does("read")
    assert (ada.at("j"), ada.at("k"), ada.told()) == ("COMPLETED", "COMPLETED", ["inner", "after"])
    assert ada.steps("j")[1] == ("call", "waited", "journey_ended")


def test_or_goes_on_beside_it() -> None:
    ada = nested(wait=False)
    ada.does("signed_up")
    assert (ada.at("j"), ada.at("k"), ada.told()) == ("COMPLETED", "w", ["after", "inner"])


def test_a_goal_ends_what_the_journey_waits_for_as_well() -> None:
    ada = nested()
    ada.does("signed_up")
    ada.does("deposit_completed")
    assert (ada.at("j"), ada.endings("k")) == ("GOAL", [("exit", "left_behind", "w")])
    assert ada.told() == ["inner"]


def test_an_event_that_ends_the_inner_and_is_the_goal_of_the_outer_sends_nothing_more() -> None:
    rules = programme(journeys={
        "z": journey({"id": "call", "kind": "journey", "journey": "a", "wait": True, "next": "after"},
                     message("after"), exit={"goal": {"event": "deposit_completed"}}),
        "a": journey(wait("w", "never"), entry=API, exit={"goal": {"event": "deposit_completed"}}),
    })  # fmt: skip
    ada = Traveller(rules)
    ada.does("signed_up")
    ada.does("deposit_completed")
    assert (ada.at("a"), ada.at("z"), ada.told()) == ("GOAL", "GOAL", [])


def test_a_journey_that_cannot_be_begun_is_not_waited_for() -> None:
    ada = nested(reentry={"allowed": False})
    ada.does("signed_up")
    ada.does("read")
    ada.does("signed_up")
    assert (ada.told(), ada.at("j")) == (["inner", "after", "after"], "COMPLETED")
    assert ("call", "refused", "journey_refused") in ada.steps("j")


def test_a_journey_that_begins_another_again_and_again_rests_between() -> None:
    rules = programme(journeys={
        "j": journey({"id": "call", "kind": "journey", "journey": "k", "wait": True, "next": "call"}),
        "k": journey({"id": "end", "kind": "exit"}, entry=API),
    })  # fmt: skip
    ada = Traveller(rules)
    ada.does("signed_up")
    assert (len(ada.entries("k")), ada.steps("j")[-1]) == (1, ("call", "paused", "same_node_again"))
    ada.waits(10 * HOUR)
    assert len(ada.entries("k")) == 1 + 10 * 60


def test_a_new_journey_invites_those_who_are_in_its_segment_already() -> None:
    inviting = journey(HI, entry={"segment": "vips", "include_existing": True})
    before, same = programme(1, segments=SEGMENTS), programme(3, segments=SEGMENTS, journeys={"j": inviting})
    after = programme(2, segments=SEGMENTS, journeys={"j": inviting, "k": journey(HI, entry={"segment": "vips"})})
    (walk,) = opened(before, after, 0).walks
    assert (walk.kind, walk.ref, walk.group) == ("journey", "j", "segments/vips")
    assert not opened(after, same, 0).walks
    (review,) = opened(programme(1), after, 0).walks
    assert review.kind == "review", "of a new segment, the review brings them in"
    ada = Traveller(before)
    ada.has(vip=True)
    ada.does("bet_placed")
    ada.rules = after
    ada.is_visited("j")
    ada.is_visited("k")
    assert ([e.by for e in ada.entries("j")], ada.entries("k")) == (["segment"], [])
