"""Journeys that begin with a pattern: something unlike the player was seen. They care, and offer nothing."""

from typing import Any

import pytest

from crm.journeys.programme import compile_journeys
from crm.turn import take_turn
from domain.effects import JourneyEnded, JourneyEntered, JourneyStepped, PatternChanged
from domain.entries import Event, LogEntry
from domain.player import Snapshot
from tests.crm.journeys.traveller import NOON, TEXT, delay, field, journey, message, programme

CARE: dict[str, Any] = {"pattern": "session_length.lasting"}
WATCHED: dict[str, Any] = {"models": {"churn": {}}}
SEEN = PatternChanged("session_length", "lasting", {"usual": 20.0, "now": 75.0})


def errors_of(documents: dict[str, Any] | None = None, **journeys: Any) -> list[str]:
    errors: list[str] = []
    written = {"templates": {"hi": TEXT}, "journeys": journeys, **(WATCHED if documents is None else documents)}
    compile_journeys(1, written, errors, older={})
    return errors


@pytest.mark.parametrize("purpose", ["transactional", "service", "legal"])
def test_a_journey_for_care_is_begun_by_a_pattern(purpose: str) -> None:
    assert errors_of(care=journey(message("hi", purpose=purpose), entry=CARE)) == []


@pytest.mark.parametrize("purpose", ["promo", "retention", "reward"])
def test_it_may_offer_nothing(purpose: str) -> None:
    (error,) = errors_of(care=journey(message("hi", purpose=purpose), entry=CARE))
    assert error.startswith("journeys/care: nodes.0.purpose: expected transactional, service, legal and no rewards")
    assert purpose in error


def test_nor_give_anything() -> None:
    reward = {"id": "gift", "kind": "reward", "amount": 5}
    (error,) = errors_of(care=journey(reward, entry=CARE))
    assert error.startswith("journeys/care: nodes.0.kind: ")


def test_nor_begin_a_journey_that_does_however_far_down() -> None:
    (error,) = errors_of(
        care=journey({"id": "a", "kind": "journey", "journey": "middle"}, entry=CARE),
        middle=journey({"id": "b", "kind": "journey", "journey": "sale"}),
        sale=journey(message("hi", purpose="promo")),
    )
    assert error == (
        "journeys/care: nodes.0.journey: expected journeys for care after a pattern, "
        "got the purpose 'promo' in journeys/sale"
    )


@pytest.mark.parametrize(
    "more",
    [
        {"interrupts": [{"id": "i", "pattern": "stake.single", "to": "hi"}]},
        {"exit": {"goal": {"pattern": "stake.single"}}},
        {"steps": [{"id": "s", "pattern": "stake.single"}]},
    ],
)
def test_other_journeys_do_not_hear_of_patterns(more: dict[str, Any]) -> None:
    nodes = (delay("d", "1d", "hi"), message("hi", purpose="promo"))
    (error,) = errors_of(sale=journey(*nodes, **more))
    assert "expected patterns only in a journey that begins with one, got stake.single" in error
    waiting = {"id": "w", "kind": "wait", "for": {"pattern": ["stake.single"]}, "next": "hi"}
    (error,) = errors_of(sale=journey(waiting, message("hi")))
    assert error.startswith("journeys/sale: nodes.0.for.pattern: ")


@pytest.mark.parametrize(
    ("entry", "error"),
    [
        ({"pattern": "session_length.shorter"}, "entry.pattern.0: Input should be"),
        ({"pattern": []}, "entry.pattern: Value should have at least 1 item"),
        (
            {"pattern": "stake.single", "event": "bet_placed"},
            "entry: expected one of event, pattern, segment, schedule",
        ),
    ],
)
def test_a_mistake_names_its_place(entry: dict[str, Any], error: str) -> None:
    (found,) = errors_of(care=journey(message("hi"), entry=entry))
    assert found.startswith(f"journeys/care: {error}")


@pytest.mark.parametrize(
    "documents",
    [{}, {"models": {"churn": {"enabled": False}}}, {"models": {"churn": {"patterns": {"enabled": False}}}}],
)
def test_a_pattern_that_nobody_looks_for_begins_nothing_and_the_writer_is_told(documents: dict[str, Any]) -> None:
    (error,) = errors_of(documents, care=journey(message("hi"), entry=CARE))
    assert error.startswith("journeys/care: entry.pattern: expected ")


class Ida:
    """One player who is seen to do what is unlike her."""

    def __init__(self, **journeys: Any) -> None:
        self.rules = programme(journeys=journeys, **WATCHED)
        self.state = Snapshot("ida")
        self.count = 0

    def plays(self, *seen: PatternChanged) -> list[Any]:
        self.count += 1
        event = Event("ida", f"e{self.count}", "bet_placed", NOON + self.count, {})
        entry = LogEntry(f"{self.count}-0", NOON + self.count, event)
        step = take_turn(self.rules, World(), self.state, self.state, entry, seen=seen)
        self.state = step.state
        self.asked = [request.template for request in step.requests]
        return list(step.effects)


class World:
    """No metrics."""

    def metric(self, *_: Any) -> None:
        return None

    def metric_changes(self, *_: Any) -> int:
        return 0


def test_the_pattern_begins_it_and_the_evidence_comes_along() -> None:
    long = {"when": field("journey.data.now", "gte", 60), "next": "call"}
    ida = Ida(
        care=journey(
            {"id": "how", "kind": "branch", "paths": [long], "default": "rest"},
            message("call"),
            message("rest"),
            entry={"pattern": ["session_length.lasting", "stake.lasting"]},
        )
    )
    assert ida.plays() == []
    assert ida.plays(PatternChanged("hours", "lasting")) == []
    effects = ida.plays(SEEN)
    assert effects[0] == JourneyEntered("care", 1, 1, "pattern")
    assert ida.asked == ["call"]
    ida.plays(PatternChanged("stake", "lasting", {"now": 5.0}))
    assert ida.asked == ["rest"]


def test_a_second_pattern_interrupts_and_says_why() -> None:
    ida = Ida(
        care=journey(
            delay("d", "1d", "mild"),
            message("mild"),
            message("person"),
            entry=CARE,
            interrupts=[{"id": "worse", "pattern": ["stake.lasting", "session_length.limit"], "to": "person"}],
        )
    )
    ida.plays(SEEN)
    assert ida.plays() == []
    effects = ida.plays(PatternChanged("stake", "lasting"))
    assert effects[0] == JourneyStepped("care", 1, "d", "interrupted", "pattern", "person", "worse")
    assert isinstance(effects[-1], JourneyEnded)
    assert ida.asked == ["person"]


def test_where_is_asked_of_the_event_that_showed_it() -> None:
    big = journey(message("hi"), entry=CARE | {"where": field("event.properties.amount", "gte", 5)})
    ida = Ida(care=big)
    assert ida.plays(SEEN) == []
