"""Stored parts of an airspace, and which facts an event changes."""

from typing import Any

import pytest
from msgspec import structs

from crm.tower.airspace import (
    Airspace,
    Bar,
    Condition,
    Exclusion,
    Facts,
    Flying,
    Going,
    Send,
    Waiting,
    airspace_from_parts,
    changed_parts,
    facts_of,
    with_fact,
)
from domain.entries import Command, Event, Fact, TimerFired

from .airport import REACH, request

OLD = Airspace(
    "ann",
    3,
    Facts("Europe/Kyiv", "uk", Exclusion("cool_off", 5, 9), {"sms": False}, Condition(True, 7), Condition(True, 8)),
    (Send(1_700_000_000_000, "promo", "in_app"),),
    {"r1": Waiting(request(requested_at=1, expires_at=2), 5, ("cap_reached",), 4)},
    (1, 2**64 - 1),
)
FULL = structs.replace(
    OLD,
    facts=structs.replace(
        OLD.facts,
        mood="negative",
        exclusions={"harm": Bar(5), "cool_off": Bar(5, 9, True)},
        contexts={"fresh_loss": Going(7, 9)},
        reach=REACH,
        suppressed={"email": {"0e": "bounced"}},
        consent_pending=("email",),
    ),
    sends=(*OLD.sends, Send(1, "promo", "sms", "r2", "api", "spring", True, True)),
    waiting={
        **OLD.waiting,
        "r3": Waiting(request("r3"), 5, ("quiet_hours",), 0, ("sms",), True, True, ("r9",), ("provider_down",)),
    },
    flying={"r2": Flying(request("r2"), "sms", 1, 4, ("email",), True, ("r8",), "goal_met")},
)
STORED_BY_VERSION_1 = {
    "facts": "96ab4575726f70652f4b796976a2756b93a8636f6f6c5f6f6666050981a3736d73c292c30792c308",
    "sends": "9193cf0000018bcfe56800a570726f6d6fa6696e5f617070",
    "waiting": (
        "81a27231949ca772657175657374a3616e6ea27231aa667265652d7370696e73a570726f6d6f91a6696e5f6170700102"
        "82a57469746c65ae54656e2066726565207370696e73a4626f6479ad436f6d6520616e6420706c6179c0a0a00591ab63"
        "61705f7265616368656404"
    ),
    "seen": "9201cfffffffffffffffff",
}


def test_parts_are_stored_and_read_back() -> None:
    parts = changed_parts(Airspace("ann"), FULL)
    assert set(parts) == {"facts", "sends", "waiting", "seen", "flying"}
    assert airspace_from_parts("ann", 3, parts | {"of_a_later_version": b"\xc0"}) == FULL


def test_only_changed_parts_are_written() -> None:
    told = with_fact(FULL, Fact("ann", "locale", "en", 1))
    assert set(changed_parts(FULL, told)) == {"facts"}
    assert with_fact(told, Fact("ann", "locale", "en", 2)) is told
    assert with_fact(told, Fact("ann", "mood", "of a later version", 2)) is told


def test_parts_stored_by_version_1_are_read() -> None:
    parts = {name: bytes.fromhex(data) for name, data in STORED_BY_VERSION_1.items()}
    assert airspace_from_parts("ann", 3, parts) == OLD


@pytest.mark.parametrize(
    ("name", "value", "part", "expected"),
    [
        ("exclusions", {"harm": {"since": 1, "until": None, "ends_by_itself": False}}, "exclusions", {"harm": Bar(1)}),
        ("exclusions", {}, "exclusions", {}),
        ("context:fresh_loss", {"open": True, "since": 5, "until": 9}, "contexts", {"fresh_loss": Going(5, 9)}),
        ("context:fresh_loss", {"open": False, "since": 0, "until": 0}, "contexts", {}),
        ("support_case", {"open": True, "since": 5, "cases": [], "mood": "negative"}, "mood", "negative"),
        ("support_case", {"open": False, "since": 0, "cases": [], "mood": "negative"}, "mood", ""),
        ("reach", {"email": "0e"}, "reach", {"email": "0e"}),
        ("suppressed", {"email": {"0e": "bounced"}}, "suppressed", {"email": {"0e": "bounced"}}),
        ("consent_pending", ["email"], "consent_pending", ("email",)),
    ],
)
def test_what_a_fact_becomes(name: str, value: Any, part: str, expected: Any) -> None:
    told = with_fact(Airspace("ann"), Fact("ann", name, value, 1))
    assert getattr(told.facts, part) == expected
    assert with_fact(told, Fact("ann", name, value, 2)) is told


def event(name: str = "page", **changes: Any) -> Event:
    return Event("ann", "e1", name, 1000, **changes)


@pytest.mark.parametrize(
    ("entry", "told", "expected"),
    [
        pytest.param(event("bet_placed"), {}, {}, id="most events change nothing"),
        pytest.param(TimerFired("ann", "x", "y", 1), {}, {}, id="a timer changes nothing"),
        pytest.param(
            event("player_excluded", properties={"reason": "self"}),
            {},
            {"excluded": {"reason": "self", "since": 1000, "until": None}},
            id="an exclusion",
        ),
        pytest.param(
            Command("ann", "cmd:1", "exclude", {"reason": "self", "until": 5000}),
            {},
            {"excluded": {"reason": "self", "since": 7, "until": 5000}},
            id="an exclusion by command has the turn's time",
        ),
        pytest.param(Command("ann", "c", "readmit"), {"excluded": {"until": None}}, {"excluded": None}, id="readmit"),
        pytest.param(Command("ann", "c", "claim"), {}, {}, id="other commands change nothing"),
        pytest.param(
            event("player_excluded", properties={"until": "2026-01-01T00:00:00+00:00"}),
            {"excluded": {"reason": "self", "since": 1, "until": None}},
            {},
            id="a cool-off does not shorten a self-exclusion",
        ),
        pytest.param(
            event("player_excluded", properties={"until": "2026-01-01T00:00:00+00:00"}),
            {"excluded": {"reason": "a", "since": 1, "until": 5}},
            {"excluded": {"reason": "excluded", "since": 1000, "until": 1_767_225_600_000}},
            id="a longer one stands",
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
            event("support_case_solved", properties={"case_id": "c1"}),
            {"support_case": {"open": True, "since": 1, "cases": ["c1", "c2"]}},
            {"support_case": {"open": True, "since": 1, "cases": ["c2"]}},
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
