"""Which facts an entry changes, each told only when it is news, and taken in by the tower as it is told."""

from typing import Any

import pytest

from crm.facts import facts_of, tells
from crm.facts.rules import FactRules
from crm.tower.airspace import Airspace, airspace_from_parts, changed_parts, with_fact
from domain.entries import Command, Entry, Event, MergeAsked, TimerFired


def event(name: str = "page", **changes: Any) -> Event:
    return Event("ann", "e1", name, 1000, **changes)


def bar(since: int, until: int | None = None) -> dict[str, Any]:
    return {"since": since, "until": until, "ends_by_itself": until is not None}


def excluded(reason: str, since: int, until: int | None = None) -> dict[str, Any]:
    """Return both facts that tell of one exclusion: the old one tells the strictest."""
    return {
        "exclusions": {reason: bar(since, until)},
        "excluded": {"reason": reason, "since": since, "until": until},
    }


TOLD_BY_THE_PLATFORM = {"at": 7, "confidence": 1.0, "language": "", "model": 0, "by": "platform"}


@pytest.mark.parametrize(
    ("entry", "told", "expected"),
    [
        pytest.param(event("bet_placed"), {}, {}, id="most events change nothing"),
        pytest.param(TimerFired("ann", "x", "y", 1), {}, {}, id="a timer changes nothing"),
        pytest.param(
            event("player_excluded", properties={"reason": "self"}), {}, excluded("self", 1000), id="an exclusion"
        ),
        pytest.param(
            Command("ann", "cmd:1", "exclude", {"reason": "self", "until": 5000}),
            {},
            excluded("self", 7, 5000),
            id="an exclusion by command has the turn's time",
        ),
        pytest.param(
            Command("ann", "c", "readmit"),
            excluded("self", 1),
            {"exclusions": {}, "excluded": None},
            id="readmit",
        ),
        pytest.param(Command("ann", "c", "claim"), {}, {}, id="other commands change nothing"),
        pytest.param(
            event("player_excluded", properties={"until": "2026-01-01T00:00:00+00:00"}),
            {"excluded": {"reason": "a", "since": 1, "until": 5}},
            excluded("excluded", 1000, 1_767_225_600_000),
            id="of what is over nothing stands",
        ),
        pytest.param(event("player_readmitted"), {}, {}, id="readmitted who was not excluded"),
        pytest.param(
            event("consent_changed", properties={"channel": "sms", "granted": False}),
            {"consent": {"email": True}},
            {"consent": {"email": True, "sms": False}},
            id="consent is told whole",
        ),
        pytest.param(
            event(traits={"consent": {"sms": "yes", "owl": True, "promo": True}}),
            {},
            {"consent": {"promo": True}},
            id="malformed consent is not taken",
        ),
        pytest.param(
            event("support_case_opened", properties={"case_id": "c2"}),
            {"support_case": {"open": True, "since": 1, "cases": ["c1"]}},
            {"support_case": {"open": True, "since": 1, "cases": ["c1", "c2"]}},
            id="a second case",
        ),
        pytest.param(
            event("support_case_opened", properties={"case_id": "c1", "sentiment": -0.7}),
            {},
            {
                "support_case": {"open": True, "since": 1000, "cases": ["c1"], "mood": "negative", "mood_at": 1000},
                "tone": TOLD_BY_THE_PLATFORM | {"mood": "negative", "polarity": -0.7},
            },
            id="a case in a bad mood",
        ),
        pytest.param(
            event("support_case_solved", properties={"case_id": "c1"}),
            {"support_case": {"open": True, "since": 1, "cases": ["c1", "c2"], "mood": "negative", "mood_at": 3}},
            {"support_case": {"open": True, "since": 1, "cases": ["c2"], "mood": "negative", "mood_at": 3}},
            id="one of two solved is still open",
        ),
        pytest.param(
            event("support_case_solved"),
            {"support_case": {"open": True, "since": 1, "cases": ["c1", "c2"]}},
            {"support_case": {"open": False, "since": 0, "cases": []}},
            id="solved without saying which solves all",
        ),
        pytest.param(event("support_case_solved"), {}, {}, id="solved what was never opened"),
        pytest.param(event("round_started"), {}, {"round_in_play": {"open": True, "since": 1000}}, id="a round"),
        pytest.param(event("round_started"), {"round_in_play": {"open": True, "since": 9}}, {}, id="still a round"),
        pytest.param(
            event(traits={"timezone": "Europe/Kyiv"}, context={"timezone": "Asia/Tokyo", "locale": "uk-UA"}),
            {"locale": "uk-UA"},
            {"timezone": "Europe/Kyiv"},
            id="what the player states goes before what the device says",
        ),
        pytest.param(event(traits={"timezone": "Mars/Base", "locale": "<b>"}), {}, {}, id="no such zone or locale"),
        pytest.param(event(traits={"timezone": ["x"], "consent": 3}, context={"timezone": "../.."}), {}, {}, id="junk"),
        pytest.param(MergeAsked("anon:a", "ann", "m1"), {}, {"merged_into": "ann"}, id="an id that ends"),
        pytest.param(MergeAsked("ann", "anon:a", "m1"), {}, {}, id="an id that lives on"),
    ],
)
def test_which_facts_an_entry_changes(entry: Any, told: dict[str, Any], expected: dict[str, Any]) -> None:
    facts = facts_of(entry, told, at=7)
    assert {fact.name: fact.value for fact in facts} == expected
    assert facts_of(entry, told | expected, at=7) == [], "told twice"
    airspace = Airspace("ann")
    for fact in facts:
        airspace = with_fact(airspace, fact)
    assert airspace_from_parts("ann", 0, changed_parts(Airspace("ann"), airspace)) == airspace


HOME = {"timezone": "UTC", "locale": "en"}


@pytest.mark.parametrize(
    ("entry", "told", "expected"),
    [
        pytest.param(event("bet_placed", properties={"amount": 5}), {"timezone": "UTC"}, False, id="nearly all"),
        pytest.param(event(context=HOME), HOME, False, id="the same place"),
        pytest.param(event(context={"timezone": "Asia/Tokyo"}), {"timezone": "UTC"}, True, id="another place"),
        pytest.param(event("deposit_completed"), {"goals": {"bet_placed": {}}}, False, id="not this goal"),
        pytest.param(event("bet_placed"), {"goals": {"bet_placed": {}}}, True, id="perhaps a goal"),
        pytest.param(event("message_opened", type="message"), {}, True, id="a receipt"),
        pytest.param(event(traits={"name": "Ann"}), {}, True, id="traits"),
    ],
)  # fmt: skip
def test_which_entries_are_looked_at_at_all(entry: Entry, told: dict[str, Any], expected: bool) -> None:
    assert bool(tells(FactRules(), entry, told)) is expected
