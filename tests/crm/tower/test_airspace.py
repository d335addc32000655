"""Stored parts of an airspace, and what facts become in it."""

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
    with_fact,
)
from domain.entries import Fact

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
        "r3": Waiting(request("r3"), 5, ("quiet_hours",), 0, ("sms",), True, True, ("r9",), ("provider_down",), 7),
    },
    flying={"r2": Flying(request("r2"), "sms", 1, 4, ("email",), True, ("r8",), "goal_met", 9)},
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
