"""Who is in which segment: what changes it, when, for which reason, and what is written."""

from typing import Any

import pytest
from msgspec import structs

from crm.segments import TIMER, shown
from domain.effects import SegmentEntered, SegmentLeft
from domain.entries import Merged, TimerFired, Visited
from domain.player import Profile, Segments, Snapshot, with_parts
from domain.step import GroupOp
from tests.crm.segments.people import DAY, HOUR, NOON, SECOND, Person, at, programme

DEPOSITS = {"event": "deposit_completed"}
SINCE_DEPOSIT = {"event": "deposit_completed", "aggregate": "since"}
BETS = {"event": "bet_placed"}
WEEK_S = 7 * 86_400


def field(name: str, op: str, *value: Any) -> dict[str, Any]:
    return {"field": name, "op": op} | ({"value": value[0]} if value else {})


def metric(name: str, op: str, value: Any) -> dict[str, Any]:
    return {"metric": name, "op": op, "value": value}


REGULARS = metric("bets", "gte", 3)
SILENT = metric("since-deposit", "gte", WEEK_S)


def test_the_event_that_makes_a_member_enters_the_segment_in_its_own_turn() -> None:
    ada = Person(programme(metrics={"bets": BETS}, segments={"regulars": REGULARS}))
    assert ada.does("bet_placed") == ada.does("bet_placed") == []
    assert ada.does("bet_placed") == [SegmentEntered("regulars", "event")]
    assert ada.last.groups == (GroupOp("segments/regulars"),)
    assert ada.snapshot.segments.member == {"regulars": ada.now}
    assert ada.does("bet_placed") == []


def test_a_player_who_no_longer_qualifies_leaves_and_the_group_forgets() -> None:
    ada = Person(programme(segments={"locals": field("player.traits.country", "eq", "PT")}))
    assert ada.does("identify", traits={"country": "PT"}) == [SegmentEntered("locals", "event")]
    assert ada.does("identify", traits={"country": "UA"}) == [SegmentLeft("locals", "event")]
    assert ada.groups == set()


@pytest.mark.parametrize(
    ("tree", "steps"),
    [
        pytest.param(field("player.balance.points", "gte", 10), ["bet_placed", "bet_placed"], id="a balance"),
        pytest.param(field("player.level", "eq", "silver"), ["bet_placed", "bet_placed"], id="a level"),
        pytest.param(field("player.traits.address.city", "eq", "Lisbon"), ["moved"], id="a trait inside a trait"),
        pytest.param(field("player.since.first_seen", "lt", 60), ["bet_placed"], id="the first time ever"),
        pytest.param(field("now.hour", "eq", 14), ["travelled"], id="another time zone"),
    ],
)
def test_a_segment_follows(tree: dict[str, Any], steps: list[str]) -> None:
    live = programme(
        earn_rules={"bet": {"event": "bet_placed", "amount": 5}},
        levels={"main": {"levels": [{"id": "bronze", "at": 0}, {"id": "silver", "at": 10}]}},
        segments={"it": tree},
    )
    ada = Person(live, snapshot=Snapshot("ada", profile=Profile(first_seen_at=0)))
    traits = {"moved": {"address": {"city": "Lisbon"}}, "travelled": {"timezone": "Europe/Kyiv"}}
    for step in steps[:-1]:
        assert ada.does(step, traits=traits.get(step)) == []
    assert ada.does(steps[-1], traits=traits.get(steps[-1])) == [SegmentEntered("it", "event")]


def test_segments_that_name_others_follow_them_in_the_same_turn() -> None:
    live = programme(
        metrics={"bets": BETS},
        segments={
            "z-regulars": REGULARS,
            "a-regular-locals": {"all": [{"segment": "z-regulars"}, field("player.traits.country", "eq", "PT")]},
            "b-others": {"not": {"segment": "a-regular-locals"}},
        },
    )
    ada = Person(live)
    ada.does("bet_placed", traits={"country": "PT"})
    assert ada.segments == {"b-others"}
    ada.does("bet_placed")
    assert ada.does("bet_placed") == [
        SegmentEntered("z-regulars"),
        SegmentEntered("a-regular-locals"),
        SegmentLeft("b-others"),
    ]


def test_a_week_without_a_deposit_is_a_week_to_the_millisecond() -> None:
    live = programme(metrics={"since-deposit": SINCE_DEPOSIT}, segments={"no-deposit-7d": SILENT})
    ada = Person(live, now=NOON + 123)
    ada.does("deposit_completed")
    assert ada.waits(7 * DAY - 1) == []
    assert ada.waits(1) == [(NOON + 123 + 7 * DAY, SegmentEntered("no-deposit-7d", "time"))]
    assert ada.does("deposit_completed") == [SegmentLeft("no-deposit-7d", "event")]


def test_each_deposit_puts_it_off_and_writes_nothing_for_that() -> None:
    live = programme(metrics={"since-deposit": SINCE_DEPOSIT}, segments={"no-deposit-7d": SILENT})
    ada = Person(live)
    ada.does("deposit_completed")
    for _ in range(10):
        before = ada.snapshot.segments
        ada.does("deposit_completed", after=HOUR)
        assert ada.last.timers == ()
        assert ada.last.state.segments is before or ada.last.state.segments == before
    last = ada.now
    assert ada.waits(30 * DAY) == [(last + 7 * DAY, SegmentEntered("no-deposit-7d", "time"))]
    assert ada.fired == 2  # the first one found nothing, and armed the second


def test_a_window_moves_on_the_edge_of_its_bucket() -> None:
    live = programme(
        metrics={"deposits-7d": {**DEPOSITS, "window": "7d"}}, segments={"depositors": metric("deposits-7d", "gte", 1)}
    )
    ada = Person(live)
    ada.does("deposit_completed")
    assert ada.waits(30 * DAY) == [(at("2026-03-09T00:00:00+00:00"), SegmentLeft("depositors", "time"))]


@pytest.mark.parametrize(
    ("born", "since", "until"),
    [
        pytest.param("1990-03-29", "2026-03-29T00:00:00+00:00", "2026-03-30T00:00:00+01:00", id="23 hours"),
        pytest.param("1990-10-25", "2026-10-25T00:00:00+01:00", "2026-10-26T00:00:00+00:00", id="25 hours"),
        pytest.param("2000-02-29", "2027-02-28T00:00:00+00:00", "2027-03-01T00:00:00+00:00", id="29 February"),
    ],
)
def test_a_birthday_is_from_local_midnight_to_local_midnight(born: str, since: str, until: str) -> None:
    ada = Person(programme(segments={"birthday": field("player.traits.born", "anniversary")}, timezone="Europe/Kyiv"))
    ada.does("identify", traits={"born": born, "timezone": "Europe/Lisbon"})
    assert ada.waits(366 * DAY)[:2] == [
        (at(since), SegmentEntered("birthday", "time")),
        (at(until), SegmentLeft("birthday", "time")),
    ]


def test_who_moves_to_another_zone_has_the_birthday_there() -> None:
    ada = Person(programme(segments={"birthday": field("player.traits.born", "anniversary")}))
    ada.does("identify", traits={"born": "1990-03-03", "timezone": "Europe/Lisbon"})
    ada.does("identify", traits={"timezone": "Asia/Tokyo"})
    assert ada.waits(DAY)[0] == (at("2026-03-03T00:00:00+09:00"), SegmentEntered("birthday", "time"))


def test_silence_is_broken_by_any_event() -> None:
    live = programme(segments={"lapsed": field("player.since.last_seen", "gte", 30 * 86_400)})
    ada = Person(live)
    ada.does("bet_placed")
    ada.does("bet_placed", after=20 * DAY)
    assert ada.waits(30 * DAY) == [(NOON + 50 * DAY, SegmentEntered("lapsed", "time"))]
    assert ada.does("page_viewed", after=5 * DAY) == [SegmentLeft("lapsed", "event")]


def test_a_common_event_of_a_player_in_time_based_segments_writes_nothing() -> None:
    live = programme(
        metrics={"since-deposit": SINCE_DEPOSIT, "bets": {**BETS, "window": "1h"}},
        segments={
            "lapsed": field("player.since.last_seen", "gte", 30 * 86_400),
            "silent": SILENT,
            "hot": metric("bets", "gte", 1000),
            "weekend": field("now.weekday", "in", [6, 7]),
        },
    )
    ada = Person(live)
    ada.does("deposit_completed")
    for _ in range(20):
        state = ada.snapshot.segments
        assert ada.does("bet_placed", after=SECOND) == []
        assert (ada.last.timers, ada.last.groups) == ((), ())
        assert ada.snapshot.segments == state


def test_who_cannot_become_a_member_by_waiting_has_no_timer() -> None:
    live = programme(
        metrics={"deposits": DEPOSITS},
        segments={"newcomers": {"all": [metric("deposits", "gte", 1), field("player.since.first_seen", "gte", 3600)]}},
    )
    ada = Person(live)
    ada.does("bet_placed")
    assert ada.timers == {}
    ada.does("deposit_completed")
    assert [timer.due for timer in ada.timers] == [NOON + HOUR]


def test_there_is_one_timer_a_player_and_a_relic_of_another_changes_nothing() -> None:
    live = programme(
        metrics={"since-deposit": SINCE_DEPOSIT, "since-bet": {"event": "bet_placed", "aggregate": "since"}},
        segments={"no-deposit": SILENT, "no-bet": metric("since-bet", "gte", 3600)},
    )
    ada = Person(live)
    ada.does("deposit_completed")
    ada.does("bet_placed", after=HOUR)
    (timer,) = ada.timers
    assert (timer.kind, timer.ref, timer.due) == (TIMER, "", NOON + 2 * HOUR)
    state = ada.snapshot.segments
    assert ada.take(TimerFired("ada", TIMER, "", NOON + 7 * DAY)) == []
    assert (ada.last.timers, ada.snapshot.segments) == ((), state)


def test_an_event_just_before_the_timer_finds_what_is_due() -> None:
    live = programme(metrics={"since-deposit": SINCE_DEPOSIT}, segments={"silent": SILENT})
    ada = Person(live)
    ada.does("deposit_completed")
    (timer,) = ada.timers
    ada.now += 7 * DAY + 5  # it is in the log behind the next event
    ada.timers.clear()
    assert ada.does("bet_placed") == [SegmentEntered("silent", "time")]
    assert ada.last.timers == ()
    assert ada.take(timer) == []
    assert ada.snapshot.segments == Segments({"silent": ada.now}, {}, 0, 1)


def test_a_timer_that_comes_too_soon_is_set_again() -> None:
    ada = Person(programme(metrics={"since-deposit": SINCE_DEPOSIT}, segments={"silent": SILENT}))
    ada.does("deposit_completed")
    (timer,) = ada.timers
    ada.timers.clear()
    ada.take(timer)
    assert list(ada.timers) == [timer]


def test_a_publication_judges_all_anew_on_the_next_turn() -> None:
    ada = Person(programme(metrics={"bets": BETS}, segments={"regulars": REGULARS, "old": REGULARS}))
    for _ in range(3):
        ada.does("bet_placed")
    ada.live = programme(2, metrics={"bets": BETS}, segments={"regulars": REGULARS, "new": metric("bets", "gte", 1)})
    assert ada.take(Visited("ada", "review:2", "review")) == [
        SegmentLeft("old", "removed"),
        SegmentEntered("new", "published"),
    ]
    assert ada.groups == {"segments/regulars", "segments/new"}
    assert ada.snapshot.segments.version == 2
    ada.live = programme(3, metrics={"bets": BETS}, segments={"regulars": metric("bets", "gte", 9)})
    assert ada.does("page_viewed") == [SegmentLeft("new", "removed"), SegmentLeft("regulars", "published")]


def test_the_last_segment_removed_leaves_nobody_in_it() -> None:
    ada = Person(programme(metrics={"since-deposit": SINCE_DEPOSIT}, segments={"s": SILENT, "t": {"not": SILENT}}))
    ada.does("deposit_completed")
    older = {1: ada.live}
    ada.live = programme(2)
    ada.live = type(ada.live)(2, ada.live.rules, structs.replace(ada.live.crm, watches_players=True), ada.live.metrics)
    assert older
    assert ada.does("page_viewed") == [SegmentLeft("t", "removed")]
    assert ada.snapshot.segments.due == {}
    assert ada.waits(30 * DAY) == []
    assert ada.timers == {}
    assert ada.snapshot.segments == Segments(version=2)


def test_a_merge_judges_all_and_says_so() -> None:
    live = programme(metrics={"bets": BETS}, segments={"regulars": REGULARS})
    ada = Person(live)
    ada.does("bet_placed")
    metrics = {"bets": structs.replace(ada.snapshot.metrics["bets"], buckets=((0, 5),))}
    ada.snapshot = with_parts(ada.snapshot, metrics=metrics)
    assert ada.take(Merged("ada", "anon:x", {}, "e9")) == [SegmentEntered("regulars", "merged")]


def test_what_is_judged_anew_because_journeys_chased_each_other_is_no_publication() -> None:
    ada = Person(programme(metrics={"bets": BETS}, segments={"regulars": REGULARS}))
    ada.does("bet_placed")
    ada.snapshot = with_parts(ada.snapshot, segments=structs.replace(ada.snapshot.segments, version=-1))
    ada.does("bet_placed")
    assert ada.does("bet_placed") == [SegmentEntered("regulars", "event")]
    assert ada.snapshot.segments.version == 1


def test_what_is_due_in_centuries_is_looked_at_earlier() -> None:
    ada = Person(programme(segments={"old": field("player.since.first_seen", "gte", 1e30)}))
    ada.does("bet_placed")
    assert [timer.due for timer in ada.timers] == [NOON + 400 * DAY]


def test_a_player_is_shown_the_segments_that_exist() -> None:
    live = programme(
        segments={
            "b": {"name": {"en": "Locals"}, "where": field("player.traits.country", "exists")},
            "a": field("player.traits.country", "eq", "PT"),
        }
    )
    member = {"gone": NOON - 2, "a": NOON, "b": NOON}
    assert shown(live.crm.segments, Snapshot("ada", segments=Segments(member))) == [
        {"id": "a", "name": {}, "since": NOON},
        {"id": "b", "name": {"en": "Locals"}, "since": NOON},
    ]
