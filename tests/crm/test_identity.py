"""Which ids are one person: links, merges in chains and out of order, what the old id does afterwards."""

from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from actors.programme import compile_programme
from crm.facts import joined_facts
from crm.identity import concerns, links
from domain import granting
from domain.effects import (
    Answered,
    Forwarded,
    IdentityLinked,
    JourneyEnded,
    ProfileMerged,
    SegmentEntered,
    SegmentLeft,
)
from domain.entries import (
    Command,
    Event,
    KeyClaimed,
    MergeAsked,
    Merged,
    MergeRefused,
    TimerFired,
    Visited,
    encode_entry,
)
from domain.ids import is_anonymous, survivor
from domain.player import Enrolment, Identity, JourneyRecord, Snapshot, all_parts
from tests.crm.town import MINUTE, NOON, Town, documents

GUEST, ADA, BOB = "anon:g", "ada", "bob"


def _met() -> Town:
    """Ada played as a guest, then logged in on the same device."""
    town = Town()
    for _ in range(3):
        town.does(GUEST)
    town.does(ADA, anonymous=GUEST)
    town.settle()
    return town


def test_a_login_after_anonymous_play_makes_one_profile() -> None:
    town = _met()
    assert (town.points(GUEST), town.points(ADA)) == (0, 20)
    assert town.of(GUEST).identity.merged_into == ADA
    assert town.of(ADA).identity.sources == (GUEST,)
    assert town.of(ADA).identity.links == {GUEST: "merged"}
    assert town.of(ADA).missions["ten"].actual == {"bets": 4}
    assert town.accounts["merged:points"] == 0


def test_the_steps_show_in_the_history_of_both() -> None:
    town = _met()
    assert [e for e in town.effects[ADA] if isinstance(e, IdentityLinked | ProfileMerged)] == [
        IdentityLinked(GUEST),
        ProfileMerged(source=GUEST),
    ]
    assert ProfileMerged(into=ADA) in town.effects[GUEST]


def test_the_timers_of_the_old_id_are_cleared_and_those_of_the_person_set() -> None:
    town = Town()
    town.does(GUEST)
    town.now += MINUTE
    town.does(ADA, anonymous=GUEST)
    town.settle()
    assert town.armed(GUEST) == []
    assert [timer.due for timer in town.armed(ADA)] == [NOON + 60 * MINUTE], "from the guest's beginning"


def test_a_known_pair_is_not_asked_again() -> None:
    town = _met()
    town.does(ADA, anonymous=GUEST)
    assert town.on_the_way == []


def test_an_id_never_seen_becomes_an_alias() -> None:
    town = Town()
    town.does(ADA, anonymous=GUEST)
    town.settle()
    assert town.of(GUEST).identity.merged_into == ADA
    assert town.of(ADA).identity.sources == (GUEST,)
    town.does(GUEST)
    town.settle()
    assert town.points(ADA) == 10


def test_the_old_id_keeps_working() -> None:
    town = _met()
    assert town.does(GUEST, reply_to="gw") == [Forwarded(ADA)]
    (sent,) = town.on_the_way
    assert isinstance(sent, Event)
    assert (sent.player, sent.forwarded, sent.reply_to) == (ADA, GUEST, "")
    town.settle()
    assert town.points(ADA) == 25


def test_two_users_on_one_device_stay_two() -> None:
    town = _met()
    town.does(BOB, anonymous=GUEST)
    town.settle()
    assert town.of(BOB).identity.links == {GUEST: "elsewhere"}
    assert town.points(BOB) == 5
    town.does(GUEST)
    town.settle()
    assert town.points(ADA) == 25, "what the device does anonymously belongs to the first"


def test_a_chain_of_visits_ends_at_the_user() -> None:
    town = Town()
    for guest in ("anon:c", "anon:b", "anon:a"):
        town.does(guest)
    town.does("anon:c", "aliased", properties={"previous_id": "b"})
    town.settle()
    assert town.lives_on_as("anon:c") == "anon:b", "the smaller lives on, whoever was named first"
    town.does("anon:a", "aliased", properties={"previous_id": "b"})
    town.settle()
    town.does(ADA, anonymous="anon:c")
    town.settle()
    assert {town.lives_on_as(guest) for guest in ("anon:a", "anon:b", "anon:c")} == {ADA}
    assert town.points(ADA) == 20
    assert set(town.of(ADA).identity.sources) == {"anon:a", "anon:b", "anon:c"}
    assert town.of(ADA).identity.links["anon:c"] == "merged"


def test_an_alias_after_the_login_brings_the_other_visit_too() -> None:
    town = _met()
    town.does("anon:z", "aliased", properties={"previous_id": "g"})
    town.does("anon:z")
    town.settle()
    assert town.lives_on_as("anon:z") == ADA
    assert town.points(ADA) == 25


def test_a_profile_that_arrives_at_an_id_which_has_ended_goes_on_to_its_owner() -> None:
    town = Town()
    town.does("anon:b")
    town.does("anon:a", "aliased", properties={"previous_id": "b"})
    (asked,) = town.on_the_way
    town.on_the_way.clear()
    town.take(asked)  # b hands over to a ...
    (handed,) = town.on_the_way
    town.on_the_way.clear()
    town.does(ADA, anonymous="anon:a")
    town.settle()  # ... but a has become Ada before it arrives
    town.take(handed)
    town.settle()
    assert town.points(ADA) == 10
    assert set(town.of(ADA).identity.sources) == {"anon:a", "anon:b"}


def test_an_alias_of_two_users_is_proposed_to_a_person_once() -> None:
    town = Town()
    town.does(BOB)
    for _ in range(2):
        town.does(ADA, "aliased", properties={"previous_id": BOB})
        town.settle()
    assert len(town.proposed) == 1
    assert town.points(BOB) == 5
    assert town.of(BOB).identity.merged_into == ""
    town.does(ADA, "aliased", properties={"previous_id": "nobody"})
    town.settle()
    assert len(town.proposed) == 1, "of an id that nobody has used there is nothing to propose"


def test_a_guest_cannot_put_itself_into_a_users_profile() -> None:
    town = Town()
    town.does(BOB)
    town.does(GUEST, "aliased", properties={"previous_id": BOB})
    assert [asked for asked in town.asked() if asked[0] == BOB] == []


@pytest.mark.parametrize("previous", [None, 7, "", "x" * 5_000, "key:email:ab", ["a"], "g"])
def test_a_previous_id_that_is_none_changes_nothing(previous: Any) -> None:
    town = Town()
    town.does(GUEST, "aliased", properties={"previous_id": previous})
    assert town.on_the_way == []
    assert town.of(GUEST).identity == Identity()


def test_links_are_bounded_and_the_bound_shows_once() -> None:
    town = Town()
    for n in range(links.LINKS_MAX + 5):
        town.does(ADA, anonymous=f"anon:{n}")
    assert len(town.asked()) == links.LINKS_MAX
    refused = [e for e in town.effects[ADA] if isinstance(e, IdentityLinked) and e.refused]
    assert refused == [IdentityLinked(f"anon:{links.LINKS_MAX}", "too_many_links")]
    town.take(MergeAsked(ADA, "anon:late", "m"))
    assert MergeRefused("anon:late", ADA, "", "m") in town.on_the_way


def test_the_last_devices_are_kept() -> None:
    town = Town()
    for n in range(30):
        town.does(ADA, context={"device": {"id": f"d{n}"}})
    assert town.of(ADA).identity.devices == tuple(f"d{n}" for n in range(10, 30))


def test_commands_to_the_old_id_tell_where_to_ask() -> None:
    town = _met()
    (answered,) = town.take(Command(GUEST, "cmd:1", "adjust", {"currency": "points", "amount": 5}, "gw"))
    assert isinstance(answered, Answered)
    assert (answered.code, answered.data) == ("moved", {"to": ADA})
    assert town.points(ADA) == 20


def test_what_became_of_a_grant_goes_on_to_the_owner_and_over_http_tells_where_to_ask() -> None:
    town = _met()
    told = granting.told(GUEST, "pur_1", "granted", "")
    assert town.take(told) == [Forwarded(ADA)]
    assert structs.replace(told, player=ADA, forwarded=GUEST) in town.on_the_way
    (answered,) = town.take(structs.replace(told, reply_to="gw"))
    assert isinstance(answered, Answered)
    assert answered.code == "moved"


@pytest.mark.parametrize("actor", ["keeper:x", "keeper:budget:welcome", "key:email:0"])
def test_an_alias_of_what_is_no_player_asks_nobody(actor: str) -> None:
    town = Town()
    town.does(ADA, "aliased", properties={"previous_id": actor})
    assert town.asked() == []


def test_an_exclusion_by_the_old_id_stops_the_person() -> None:
    town = _met()
    town.take(Command(GUEST, "cmd:1", "exclude", {"reason": "self_exclusion", "since": NOON, "until": None}))
    town.settle()
    assert town.of(ADA).air["excluded"]["reason"] == "self_exclusion"
    assert town.stops == {ADA: {"self_exclusion"}, GUEST: {"merged"}}


def test_a_readmission_by_the_old_id_lifts_the_persons_stop() -> None:
    town = _met()
    town.take(Command(GUEST, "cmd:1", "exclude", {"reason": "self_exclusion", "since": NOON, "until": None}))
    town.settle()
    town.take(Command(GUEST, "cmd:2", "readmit", {}))
    town.settle()
    assert town.of(ADA).air["excluded"] is None
    assert town.stops[ADA] == set()


def test_an_exclusion_of_the_guest_goes_with_the_profile() -> None:
    town = Town()
    town.take(Command(GUEST, "cmd:1", "exclude", {"reason": "self_exclusion", "since": NOON, "until": None}))
    assert town.stops == {GUEST: {"self_exclusion"}}
    town.does(ADA, anonymous=GUEST)
    town.settle()
    assert town.stops[ADA] == {"self_exclusion"}


def test_timers_and_visits_of_the_old_id_end_quietly() -> None:
    town = _met()
    state = town.of(GUEST)
    assert town.take(TimerFired(GUEST, "mission_expires", "ten", NOON, 0)) == []
    assert town.take(Visited(GUEST, "w", "review")) == []
    assert town.of(GUEST) == state
    assert town.on_the_way == []


def test_the_tower_hears_that_the_old_id_ended() -> None:
    town = _met()
    assert [(f.player, f.value) for f in town.facts if f.name == "merged_into"] == [(GUEST, ADA)]


def test_a_merge_that_is_delivered_again_changes_nothing() -> None:
    town = Town()
    town.does(GUEST, traits={"consent": {"email": False}})
    town.does(ADA, anonymous=GUEST)
    (asked,) = town.on_the_way
    town.on_the_way.clear()
    town.take(asked)
    (handed,) = town.on_the_way
    town.settle()
    town.does(ADA, traits={"consent": {"email": True}})  # given again since
    before = dict(town.states)
    town.take(asked)
    town.take(handed)
    town.settle()
    assert {p: structs.replace(s, version=0) for p, s in town.states.items()} == {
        p: structs.replace(s, version=0) for p, s in before.items()
    }


SEGMENTS = {"players": {"where": {"metric": "bets", "op": "gte", "value": 2}}}
WATCHED = documents(metrics={"bets": {"event": "bet_placed", "aggregate": "count"}}, segments=SEGMENTS)


def test_segments_are_left_by_the_old_id_and_judged_anew_for_the_person() -> None:
    town = Town(compile_programme(1, WATCHED))
    town.does(GUEST)
    town.does(GUEST)
    assert town.groups["segments/players"] == {GUEST}
    town.does(ADA, anonymous=GUEST)
    town.settle()
    assert town.groups["segments/players"] == {ADA}
    assert SegmentLeft("players", "merged") in town.effects[GUEST]
    assert SegmentEntered("players", "merged") in town.effects[ADA]


def _walk(number: int, node: str, **more: Any) -> Enrolment:
    return Enrolment(number, 1, node, NOON, NOON, due=NOON + MINUTE, armed=NOON + MINUTE, generation=4, **more)


def _resting(*nodes: str) -> dict[str, Any]:
    ways = zip(nodes, (*nodes[1:], None), strict=True)
    rests = [{"id": node, "kind": "delay", "for": "1d", "next": target} for node, target in ways]
    return {"entry": {"event": "never_happens"}, "nodes": rests}


def test_a_walk_goes_on_where_it_was_and_hers_goes_before_the_guests() -> None:
    town = Town(compile_programme(1, {"journeys": {"welcome": _resting("hi", "b"), "sale": _resting("wait")}}))
    town.does(GUEST)
    town.does(ADA)
    town.states[GUEST] = structs.replace(
        town.of(GUEST),
        journeys={
            "welcome": JourneyRecord(3, 9, 8, "goal", _walk(3, "hi")),
            "sale": JourneyRecord(1, 5, 0, "", _walk(1, "wait", parent="welcome#3")),
        },
    )
    town.states[ADA] = structs.replace(
        town.of(ADA), journeys={"welcome": JourneyRecord(2, 7, 6, "exit", _walk(2, "b"))}
    )
    town.does(ADA, anonymous=GUEST)
    town.settle()
    welcome, sale = (town.of(ADA).journeys[name] for name in ("welcome", "sale"))
    assert (welcome.entered, welcome.last_entered_at, welcome.last_ended_at, welcome.outcome) == (5, 9, 8, "goal")
    assert welcome.active == _walk(2, "b")
    assert sale.active == _walk(1, "wait", parent="welcome#5")
    assert JourneyEnded("welcome", 5, "merged", "hi") in town.effects[ADA]
    assert town.of(GUEST).journeys == {}
    assert town.groups["journeys/sale/wait"] == {ADA}
    assert [t.ref for t in town.armed(ADA) if t.kind == "journey"] == ["sale#1"]


@pytest.mark.parametrize(
    ("mine", "theirs", "joined"),
    [
        pytest.param(
            {"consent": {"email": True}}, {"consent": {"email": False}}, {"consent": {"email": False}}, id="no"
        ),
        pytest.param({"consent": {"sms": False}}, {"consent": {"sms": True}}, {}, id="still no"),
        pytest.param({}, {"consent": {"push": True}}, {"consent": {"push": True}}, id="given by one"),
        pytest.param({"timezone": "UTC"}, {"timezone": "Europe/Kyiv", "locale": "uk"}, {"locale": "uk"}, id="gaps"),
        pytest.param(
            {}, {"excluded": {"reason": "x", "since": 1, "until": NOON - 1}}, {}, id="a cool-off that is over"
        ),
        pytest.param(
            {"excluded": {"reason": "cool_off", "since": 1, "until": NOON + 9}},
            {"excluded": {"reason": "self", "since": 2, "until": None}},
            {"excluded": {"reason": "self", "since": 2, "until": None}},
            id="the longer exclusion",
        ),
        pytest.param(
            {"excluded": {"reason": "self", "since": 2, "until": None}},
            {"excluded": {"reason": "cool_off", "since": 1, "until": NOON + 9}},
            {"excluded": {"reason": "self", "since": 2, "until": None}},
            id="hers is the longer",
        ),
        pytest.param(
            {"support_case": {"open": True, "since": 5, "cases": ["a"]}},
            {"support_case": {"open": True, "since": 3, "cases": ["b"]}, "round_in_play": {"open": True, "since": 1}},
            {
                "support_case": {"open": True, "since": 3, "cases": ["b", "a"]},
                "round_in_play": {"open": True, "since": 1},
            },
            id="open if either is",
        ),
        pytest.param({}, {"support_case": {"open": False, "since": 0, "cases": []}}, {}, id="nothing open"),
    ],
)
def test_the_stricter_of_what_the_tower_knows_stands(mine: Any, theirs: Any, joined: Any) -> None:
    found = joined_facts(mine, theirs, NOON)
    assert {name: value for name, value in found.items() if name != "exclusions"} == joined


IDS = [GUEST, "anon:h", "anon:a", "anon:z", ADA, BOB]


@given(st.integers(0, 2**32), st.integers(5, 40))
def test_whoever_meets_whom_and_whenever_it_arrives_nothing_is_lost_or_doubled(seed: int, steps: int) -> None:
    """Relays of one sender stay in order; otherwise anything may happen in between."""
    r, town, bets = Random(seed), Town(compile_programme(1, WATCHED)), 0
    for _ in range(steps):
        player, other = r.choice(IDS), r.choice(IDS)
        what = r.random()
        if what < 0.5:
            bets += 1
            town.does(player, anonymous=other if is_anonymous(other) and not is_anonymous(player) else "")
        elif what < 0.6:
            town.does(player, "aliased", properties={"previous_id": other.removeprefix("anon:")})
        elif town.on_the_way:
            town.take(town.on_the_way.pop(0))
    town.settle()
    assert sum(town.points(player) for player in town.states) == 5 * bets
    assert town.accounts["merged:points"] == 0
    counted = sum(m.buckets[0][1] for s in town.states.values() for m in s.metrics.values() if m.buckets)
    assert counted == bets
    for player, state in town.states.items():
        assert town.posted(player) == town.points(player)
        if state.identity.merged_into:
            assert town.points(player) == 0
            assert town.armed(player) == []
            assert player not in town.groups["segments/players"]
            owner = town.lives_on_as(player)
            assert player in town.of(owner).identity.sources
            assert survivor(player, state.identity.merged_into) == state.identity.merged_into
        else:
            bets_of = state.metrics.get("bets")
            assert (player in town.groups["segments/players"]) is bool(bets_of and bets_of.buckets[0][1] >= 2)


def test_most_events_concern_nobody() -> None:
    state = _met().of(ADA)
    assert not concerns(state, Event(ADA, "e", "bet_placed", NOON, {"amount": 5}, {}, {"locale": "pt"}))
    assert not concerns(state, Event(ADA, "e", "bet_placed", NOON, {}, {"city": "Porto"}, {}, anonymous=GUEST))


def test_a_profile_survives_its_way() -> None:
    town = _met()
    parts = all_parts(town.of(ADA))
    assert encode_entry(Merged("x", ADA, parts, "m"))
    assert town.of("x") == Snapshot("x")
    assert KeyClaimed("key:email:ab", ADA).evidence == {}


def test_a_refusal_names_the_id_that_was_asked_however_far_it_was_passed_on() -> None:
    town = Town()
    town.does("anon:c", "aliased", properties={"previous_id": "b"})
    town.settle()
    town.does(ADA, anonymous="anon:b")
    town.settle()
    town.does(BOB, anonymous="anon:c")
    town.settle()
    assert town.of(BOB).identity.links == {"anon:c": "elsewhere"}


def test_a_stop_that_the_store_has_under_the_guest_only_is_set_for_her_though_she_is_excluded() -> None:
    town = Town()
    town.does(ADA, "player_excluded", properties={"reason": "by event"})
    town.take(Command(GUEST, "cmd:1", "exclude", {"reason": "self_exclusion", "since": NOON, "until": None}))
    assert town.stops == {ADA: {"by event"}, GUEST: {"self_exclusion"}}
    town.does(ADA, anonymous=GUEST)
    town.settle()
    assert town.stops[ADA] == {"by event", "self_exclusion"}


def test_neither_an_id_that_ended_nor_an_address_is_in_a_segment() -> None:
    rare = {"where": {"metric": "bets", "op": "lt", "value": 100}}
    town = Town(compile_programme(1, WATCHED | {"segments": {"rare": rare}}))
    town.does(GUEST, traits={"email": "a@x.com"})
    town.does(ADA, anonymous=GUEST)
    town.settle()
    for key in [player for player in town.states if player.startswith("key:")]:
        town.take(Visited(key, "w", "review"))
    assert town.groups["segments/rare"] == {ADA}


def test_a_cool_off_of_the_guest_holds_for_her_and_ends_there() -> None:
    town = Town()
    town.does(GUEST, "player_excluded", properties={"reason": "cool_off", "until": NOON + 3_600_000})
    town.does(ADA, anonymous=GUEST)
    town.settle()
    assert town.of(ADA).air["excluded"]["until"] == NOON + 3_600_000
    assert town.stops[ADA] == {f"cool_off|{NOON + 3_600_000}"}
