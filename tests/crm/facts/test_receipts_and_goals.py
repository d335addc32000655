"""What became of messages, and messages that nobody wants any more."""

from typing import Any

import pytest

from crm.facts import on_asked
from crm.facts.goals import GOALS_MAX, OVER, problem_of
from crm.facts.receipts import receipt_of
from crm.facts.turn import Heard
from domain.dispatch import Dispatch
from domain.effects import MessageReceipt, MessageWithdrawn
from domain.entries import Event, MessageRequest, Receipt, Withdrawn
from domain.receipts import OUTCOMES, receipt_event

from .ears import DAY, HOUR, NOON, Ears


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_each_outcome_is_told_to_the_tower_and_the_history(outcome: str) -> None:
    sent = Dispatch("req_1", "ann", "sms", "promo", "hi", {}, 5, 6, 7, address="ab")
    event = receipt_event(sent, outcome, NOON, detail="why", connector="twilio")
    heard = Ears().take(event)
    (receipt,) = [entry for entry in heard.entries if isinstance(entry, Receipt)]
    assert receipt == Receipt("ann", "req_1", "sms", outcome, NOON, "why", "twilio", event.id)
    assert MessageReceipt("req_1", "sms", outcome, "why") in heard.effects


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(Event("ann", "e", "message_sent", NOON, {"message_id": "r"}), id="a client's event"),
        pytest.param(Event("ann", "e", "message_eaten", NOON, {"message_id": "r"}, type="message"), id="no outcome"),
        pytest.param(Event("ann", "e", "message_sent", NOON, {}, type="message"), id="no message"),
        pytest.param(Event("ann", "e", "message_sent", NOON, {"message_id": 7}, type="message"), id="junk"),
    ],
)
def test_what_is_no_receipt(event: Event) -> None:
    assert receipt_of("ann", event) is None
    assert not Ears().take(event).entries


def wants(ann: Ears, request: str, event: str = "deposit_completed", where: Any = None, life: int = DAY) -> None:
    """Ask for a message that has a goal."""
    goal = {"event": event} | ({"where": where} if where else {})
    heard = Heard("ann", ann.air, ann.now, "")
    asked = MessageRequest("ann", request, "hi", "promo", ("best",), ann.now, ann.now + life, goal=goal)
    on_asked(heard, [asked])
    ann.air = dict(heard.air)


def test_a_message_whose_goal_is_met_is_withdrawn_once() -> None:
    ann = Ears()
    wants(ann, "req_1")
    wants(ann, "req_2", "bet_placed")
    heard = ann.event("deposit_completed")
    assert heard.entries == [Withdrawn("ann", "goal_met", ("req_1",), cause="e0")]
    assert heard.effects == [MessageWithdrawn("goal_met", ("req_1",))]
    assert ann.air["goals"] == {"bet_placed": {"req_2": [None, NOON + DAY]}}
    assert not ann.event("deposit_completed").entries


def test_only_what_the_goal_says_meets_it() -> None:
    ann = Ears()
    wants(ann, "req_1", where={"field": "event.properties.amount", "op": "gte", "value": 100})
    assert not ann.event("deposit_completed", amount=99).entries
    assert ann.event("deposit_completed", amount=100).entries


def test_a_message_that_expired_needs_no_goal() -> None:
    ann = Ears()
    wants(ann, "req_1", life=HOUR)
    ann.now += HOUR
    assert not ann.event("deposit_completed").entries
    wants(ann, "req_2")
    assert set(ann.air["goals"]["deposit_completed"]) == {"req_2"}


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_a_message_that_has_landed_needs_no_goal(outcome: str) -> None:
    ann = Ears()
    wants(ann, "req_1")
    ann.message(outcome)
    assert ("goals" not in ann.air) is (outcome in OVER)
    assert "returned" not in OVER, "it is judged again"


def test_goals_are_bounded_and_those_that_expire_first_are_forgotten() -> None:
    ann = Ears()
    for n in range(GOALS_MAX + 3):
        wants(ann, f"req_{n}", life=HOUR + n)
    assert len(ann.air["goals"]["deposit_completed"]) == GOALS_MAX
    assert "req_2" not in ann.air["goals"]["deposit_completed"]
    assert f"req_{GOALS_MAX + 2}" in ann.air["goals"]["deposit_completed"]


def test_of_two_profiles_the_goals_of_both_are_watched() -> None:
    ann, guest = Ears(), Ears()
    wants(ann, "req_1")
    wants(guest, "req_2")
    wants(guest, "req_3", life=1)
    ann.now += HOUR
    ann.joins(guest)
    assert set(ann.air["goals"]["deposit_completed"]) == {"req_1", "req_2"}


@pytest.mark.parametrize(
    ("goal", "problem"),
    [
        pytest.param({"event": "deposit_completed"}, "", id="an event"),
        pytest.param({"event": "x", "where": {"field": "event.properties.a", "op": "eq", "value": 1}}, "", id="which"),
        pytest.param({}, "expected the name of an event", id="none"),
        pytest.param({"event": "x" * 300}, "expected the name of an event", id="too long"),
        pytest.param({"event": "x", "when": 1}, "expected an event and perhaps where", id="more"),
        pytest.param({"event": "x", "where": {"op": "eq"}}, "goal.where", id="a bad tree"),
        pytest.param("deposit", "expected an event and perhaps where", id="a text"),
    ],
)
def test_what_is_a_goal(goal: Any, problem: str) -> None:
    assert problem in problem_of(goal)
    assert bool(problem) is bool(problem_of(goal))
