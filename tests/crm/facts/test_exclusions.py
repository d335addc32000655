"""Exclusions: several reasons at once, none of which is ended or shortened by another."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.facts.exclusions import NEVER_ENDING, RAISED_BY, REASONS_MAX, known, reason_of, strictest

from .ears import DAY, HOUR, NOON, Ears


def bar(since: int = NOON, until: int | None = None, *, ends: bool = False) -> dict[str, Any]:
    return {"since": since, "until": until, "ends_by_itself": ends}


SPELLED = {"reason": "Self-Exclusion", "until": NOON + 1}
OWN = {"reason": "audit | of\nJune", "until": NOON + 9}


@pytest.mark.parametrize(
    ("event", "properties", "reason", "expected", "stop"),
    [
        pytest.param("self_excluded", {}, "self_exclusion", bar(), "", id="self"),
        pytest.param("self_excluded", {"until": NOON + DAY}, "self_exclusion", bar(until=NOON + DAY), "", id="C3"),
        pytest.param("cool_off_started", {"until": NOON + 9}, "cool_off", bar(until=NOON + 9, ends=True), "+"),
        pytest.param("cool_off_started", {}, "cool_off", bar(), "", id="a cool-off without an end has none"),
        pytest.param("account_closed", {}, "closed", bar(), "", id="closed"),
        pytest.param("player_blocked", {}, "blocked", bar(), "", id="blocked"),
        pytest.param("harm_marker_raised", {}, "harm", bar(), "", id="harm"),
        pytest.param("age_verification_failed", {}, "under_age", bar(), "", id="under age"),
        pytest.param("player_excluded", SPELLED, "self_exclusion", bar(until=NOON + 1), "", id="in other words"),
        pytest.param("player_excluded", OWN, "audit of June", bar(until=NOON + 9, ends=True), "+", id="one's own"),
        pytest.param("player_excluded", {"reason": 7}, "excluded", bar(), "", id="no reason is one too"),
        pytest.param("player_excluded", {"until": "tomorrow"}, "excluded", bar(), "", id="an end that is none"),
    ],
)  # fmt: skip
def test_what_the_platform_says_excludes_until_its_end_or_for_good(
    event: str, properties: dict[str, Any], reason: str, expected: dict[str, Any], stop: str
) -> None:
    ann = Ears()
    ann.event(event, **properties)
    assert ann.air["exclusions"] == {reason: expected}
    assert ann.air["excluded"]["until"] == (expected["until"] if expected["ends_by_itself"] else None)
    assert ann.stops == {reason: str(expected["until"]) if stop else ""}


def test_two_reasons_stand_beside_each_other_and_end_apart() -> None:
    ann = Ears()
    ann.event("cool_off_started", until=NOON + DAY)
    ann.event("harm_marker_raised")
    assert ann.air["excluded"] == {"reason": "harm", "since": NOON, "until": None}
    ann.event("harm_marker_cleared")
    assert ann.air["excluded"] == {"reason": "cool_off", "since": NOON, "until": NOON + DAY}
    assert ann.stops == {"cool_off": str(NOON + DAY)}
    ann.event("player_readmitted")
    assert (ann.air["excluded"], ann.air["exclusions"], ann.stops) == (None, {}, {})


def test_a_readmission_of_one_reason_leaves_the_others() -> None:
    ann = Ears()
    ann.event("self_excluded")
    ann.event("player_blocked")
    ann.asks("readmit", reason="blocked")
    assert set(ann.air["exclusions"]) == set(ann.stops) == {"self_exclusion"}


def test_a_marker_of_harm_that_is_cleared_readmits_from_nothing_else() -> None:
    ann = Ears()
    ann.event("self_excluded")
    heard = ann.event("harm_marker_cleared")
    assert not heard.facts
    assert set(ann.stops) == {"self_exclusion"}


def test_a_shorter_one_never_shortens_a_longer_one_of_the_same_reason() -> None:
    ann = Ears()
    ann.event("cool_off_started", until=NOON + DAY)
    heard = ann.event("cool_off_started", until=NOON + HOUR)
    assert not heard.facts
    assert ann.stops == {"cool_off": str(NOON + DAY)}, "the store may have been told the shorter one"
    ann.event("cool_off_started", until=NOON + 2 * DAY)
    assert ann.air["excluded"]["until"] == NOON + 2 * DAY
    ann.event("cool_off_started")
    ann.event("cool_off_started", until=NOON + 3 * DAY)
    assert ann.air["excluded"]["until"] is None


def test_a_cool_off_that_is_over_is_forgotten_and_a_new_one_begins_anew() -> None:
    ann = Ears()
    ann.event("cool_off_started", until=NOON + HOUR)
    ann.now += DAY
    ann.event("cool_off_started", until=ann.now + 5)
    assert ann.air["exclusions"] == {"cool_off": bar(ann.now, ann.now + 5, ends=True)}


def test_a_readmission_that_comes_late_does_not_end_what_came_after_it() -> None:
    ann = Ears()
    ann.event("self_excluded")
    heard = ann.event("player_readmitted", at=NOON - 1)
    assert not heard.facts
    assert not heard.lifts


@pytest.mark.parametrize(
    ("raised", "lifted", "reason"),
    [
        ("self_excluded", "player_readmitted", "self_exclusion"),
        ("harm_marker_raised", "harm_marker_cleared", "harm"),
        ("cool_off_started", "player_readmitted", "cool_off"),
    ],
)
def test_a_readmission_from_between_two_beginnings_does_not_end_the_second(
    raised: str, lifted: str, reason: str
) -> None:
    for times in ((1, 3), (3, 1)):
        ann = Ears()
        for minute in times:
            ann.event(raised, at=NOON + minute)
        heard = ann.event(lifted, at=NOON + 2)
        assert (list(ann.air["exclusions"]), heard.lifts) == ([reason], [])
        assert set(ann.stops) == {reason}
        guest = Ears()
        guest.joins(ann)
        guest.event(lifted, at=NOON + 2)
        assert list(guest.air["exclusions"]) == [reason], "as one profile, too"
        ann.event(lifted, at=NOON + 3)
        assert (ann.air["exclusions"], ann.stops) == ({}, {})


@pytest.mark.parametrize(
    "until", [(NOON + DAY) // 1000, NOON - 1, -1, 10**17, 10**30, "2026-01-01T00:00:00+00:00", "1e9", 1.5]
)
def test_an_end_that_cannot_be_is_no_end(until: Any) -> None:
    ann = Ears()
    ann.event("cool_off_started", until=until)
    assert ann.air["exclusions"] == {"cool_off": bar()}
    assert ann.stops == {"cool_off": ""}


def test_a_call_that_comes_to_its_turn_when_it_is_over_excludes_nobody() -> None:
    ann = Ears()
    ann.asks("exclude", reason="cool_off", until=NOON - 1)
    assert not ann.air.get("exclusions")


def test_what_older_versions_told_is_known() -> None:
    ann = Ears()
    ann.air = {"excluded": {"reason": "self_exclusion", "since": 5, "until": None}}
    ann.event("cool_off_started", until=NOON + 5)
    assert set(ann.air["exclusions"]) == {"self_exclusion", "cool_off"}
    assert ann.air["excluded"]["reason"] == "self_exclusion"
    assert known({"excluded": {"reason": "x", "since": 1, "until": 9}}) == {"x": bar(1, 9, ends=True)}


def test_an_operators_own_reasons_are_bounded_and_one_more_still_excludes() -> None:
    ann = Ears()
    for n in range(REASONS_MAX + 5):
        ann.event("player_excluded", reason=f"case {n}", until=NOON + DAY)
    assert len(ann.air["exclusions"]) == REASONS_MAX + 1
    assert "excluded" in ann.air["exclusions"]


STEPS = st.lists(
    st.tuples(
        st.sampled_from([*RAISED_BY]),
        st.none() | st.integers(NOON - DAY, NOON + 9 * DAY),
        st.sampled_from(["", "audit", "register", "cool-off"]),
    ),
    max_size=8,
)


@given(STEPS, STEPS, st.integers(0, 12 * DAY))
def test_adding_a_reason_never_allows_more(before: Any, more: Any, later: int) -> None:
    ann = Ears()
    for name, until, reason in before:
        ann.event(name, until=until, reason=reason)
    was = _shut(ann, NOON + later)
    for name, until, reason in more:
        ann.event(name, until=until, reason=reason)
    assert not was or _shut(ann, NOON + later)
    assert set(ann.stops) >= set(ann.air.get("exclusions", {})), "the store is told every reason"
    for reason, held in ann.air.get("exclusions", {}).items():
        assert ann.stops[reason] == (str(held["until"]) if held["ends_by_itself"] else "")
        assert not (reason in NEVER_ENDING and held["ends_by_itself"])


@given(STEPS, STEPS, st.integers(0, 12 * DAY))
def test_of_two_profiles_the_stricter_stands(mine: Any, theirs: Any, later: int) -> None:
    ann, guest = Ears(), Ears()
    for who, steps in ((ann, mine), (guest, theirs)):
        for name, until, reason in steps:
            who.event(name, until=until, reason=reason)
    shut = _shut(ann, NOON + later) or _shut(guest, NOON + later)
    ann.joins(guest)
    assert _shut(ann, NOON + later) == shut
    assert set(guest.air.get("exclusions", {})) <= set(ann.stops)


def _shut(ann: Ears, at: int) -> bool:
    found = strictest(ann.air.get("exclusions") or {})
    is_shut = found is not None and (found["until"] is None or found["until"] > at)
    told = ann.air.get("excluded")
    assert is_shut == bool(told and (told["until"] is None or told["until"] > at))
    return is_shut


def test_reasons_are_kept_in_one_spelling() -> None:
    assert reason_of(" Self Exclusion ") == "self_exclusion"
    assert reason_of("UNDER-AGE") == "under_age"
    assert reason_of("By event") == "By event"
    assert reason_of(None) == reason_of("  ") == reason_of("|\n") == "excluded"
    assert len(reason_of("x" * 1000)) == 100
