"""What goes on with a player, from the event that begins it until the one, or the time, that ends it."""

from typing import Any

import pytest

from .ears import DAY, HOUR, MINUTE, NOON, Ears, rules

HOLDS: list[dict[str, Any]] = [
    {"when": name, "purposes": ["promo"], "for_s": 3600}
    for name in ("fresh_loss", "negative_mood", "session_just_begun", "deposit_failed", "complaint_open")
]
BUILT_IN = rules(holds=HOLDS)


@pytest.mark.parametrize(
    ("event", "properties", "context"),
    [
        pytest.param("bet_settled", {"net": -10_000}, "fresh_loss", id="a loss"),
        pytest.param("bet_settled", {"net": -9_999}, "", id="a small loss"),
        pytest.param("bet_settled", {"net": 50_000}, "", id="a win"),
        pytest.param("bet_settled", {"result": "loss", "amount": 10_000}, "fresh_loss", id="a loss said otherwise"),
        pytest.param("comment_left", {"sentiment": -0.4}, "negative_mood", id="a bad comment"),
        pytest.param("comment_left", {"mood": "angry"}, "negative_mood", id="in a word"),
        pytest.param("comment_left", {"mood": 0}, "", id="neither"),
        pytest.param("support_case_opened", {"mood": -1}, "negative_mood", id="a bad case"),
        pytest.param("session_started", {}, "session_just_begun", id="a session"),
        pytest.param("deposit_failed", {}, "deposit_failed", id="a deposit"),
        pytest.param("complaint_opened", {}, "complaint_open", id="a complaint"),
        pytest.param("bet_settled", {"net": "-10000"}, "", id="no number"),
    ],
)
def test_how_built_in_contexts_begin(event: str, properties: dict[str, Any], context: str) -> None:
    ann = Ears(BUILT_IN)
    ann.event(event, **properties)
    found = {name: value for name, value in ann.air.items() if name.startswith("context:")}
    assert set(found) == ({f"context:{context}"} if context else set())
    assert all(value["open"] and value["since"] == NOON for value in found.values())


@pytest.mark.parametrize(
    ("begins", "ends", "is_over"),
    [
        pytest.param(("deposit_failed", {}), ("deposit_completed", {}), True, id="the next deposit"),
        pytest.param(("complaint_opened", {}), ("complaint_closed", {}), True, id="a complaint that is settled"),
        pytest.param(("comment_left", {"mood": -1}), ("comment_left", {"mood": 1}), True, id="a good word"),
        pytest.param(("comment_left", {"mood": -1}), ("support_case_solved", {}), True, id="the case is solved"),
        pytest.param(("comment_left", {"mood": -1}), ("comment_left", {"mood": -2}), False, id="another bad one"),
        pytest.param(("bet_settled", {"net": -20_000}), ("bet_settled", {"net": 5}), False, id="a win is no end"),
    ],
)
def test_how_they_end(begins: tuple[str, Any], ends: tuple[str, Any], is_over: bool) -> None:
    ann = Ears(BUILT_IN)
    ann.event(begins[0], **begins[1])
    ann.now += MINUTE
    ann.event(ends[0], **ends[1])
    (found,) = [value for name, value in ann.air.items() if name.startswith("context:")]
    assert found["open"] is not is_over


def test_what_no_hold_names_is_not_told() -> None:
    ann = Ears(rules(holds=HOLDS[:1]))
    ann.event("session_started")
    assert not ann.air


def test_another_beginning_makes_it_last_longer() -> None:
    ann = Ears(BUILT_IN)
    ann.event("deposit_failed")
    ann.now += HOUR // 2
    ann.event("deposit_failed")
    assert ann.air["context:deposit_failed"] == {"open": True, "since": NOON, "until": NOON + HOUR // 2 + HOUR}
    ann.now += 2 * HOUR
    ann.event("deposit_failed")
    assert ann.air["context:deposit_failed"]["since"] == ann.now, "the first was over"


def test_events_that_come_late_neither_begin_nor_end_what_is_now() -> None:
    ann = Ears(BUILT_IN)
    ann.event("deposit_failed", at=NOON - HOUR)
    assert not ann.air
    ann.event("deposit_failed")
    ann.event("deposit_completed", at=NOON - 1)
    assert ann.air["context:deposit_failed"]["open"]


def test_a_policys_own_context_replaces_the_built_in_one() -> None:
    own = {"begins": {"event": "bet_settled", "where": {"field": "event.properties.net", "op": "lte", "value": -5}}}
    ann = Ears(rules(holds=HOLDS, contexts={"fresh_loss": {**own, "lasts_s": 60}, "winning": {**own, "lasts_s": 9}}))
    ann.event("bet_settled", net=-6)
    assert ann.air["context:fresh_loss"]["until"] == NOON + 60_000
    assert ann.air["context:winning"]["until"] == NOON + 9_000
    bob = Ears(ann.rules)
    bob.event("bet_settled", result="loss", amount=10_000)
    assert not bob.air


def test_of_two_profiles_what_goes_on_with_either_goes_on() -> None:
    ann, guest = Ears(BUILT_IN), Ears(BUILT_IN)
    guest.event("deposit_failed")
    guest.event("complaint_opened", at=NOON - 31 * DAY)
    guest.event("session_started")
    ann.now += MINUTE
    ann.event("deposit_failed")
    ann.now += 10 * MINUTE
    ann.joins(guest)
    assert ann.air["context:deposit_failed"] == {"open": True, "since": NOON, "until": NOON + MINUTE + HOUR}
    assert "context:session_just_begun" not in ann.air, "it is over"
