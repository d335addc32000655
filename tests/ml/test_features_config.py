"""``models/churn``: what is written, what is refused, and what an event then means."""

from typing import Any

import pytest
from pydantic import ValidationError

from domain.entries import Event
from ml.config import ModelPlan, ModelsConfig, compile_models
from ml.features import Signal

WRITTEN: dict[str, Any] = {
    "horizon": "14d",
    "session_gap": "30m",
    "signals": {
        "bet": {"event": "bet_placed", "amount": "properties.amount", "game": "properties.game.id"},
        "win": {"event": "bet_won", "amount": "properties.payout"},
        "deposit": {"event": "deposit_completed", "amount": "properties.amount"},
        "session": {"event": "session_ended", "amount": "properties.seconds"},
    },
    "ignore": ["payout_confirmed"],
    "minor_units": 100,
}


def plan(**changes: Any) -> ModelPlan:
    compiled = compile_models(ModelsConfig.model_validate({**WRITTEN, **changes}))
    assert compiled is not None
    return compiled


def event(name: str, type: str = "track", **properties: Any) -> Event:
    return Event("ada", "m1", name, 1_772_452_800_000, properties, type=type)


def message(outcome: str) -> Event:
    return event(f"message_{outcome}", "message", message_id="req-1")


@pytest.mark.parametrize(
    ("happened", "signal"),
    [
        pytest.param(event("bet_placed", amount=250), Signal("bet", 2.5), id="money is told in minor units"),
        pytest.param(event("bet_placed", amount=250, game={"id": "crash"}), Signal("bet", 2.5, "crash"), id="a game"),
        pytest.param(event("bet_placed", amount=250, game={"id": 7}), Signal("bet", 2.5), id="a game is a name"),
        pytest.param(event("bet_placed", game="crash"), Signal("bet"), id="no amount, and no path into a text"),
        pytest.param(event("bet_placed", amount="250"), Signal("bet"), id="a text is no amount"),
        pytest.param(event("bet_placed", amount=True), Signal("bet"), id="true is no amount"),
        pytest.param(event("bet_placed", amount=10**400), Signal("bet"), id="more than a number can be"),
        pytest.param(event("bet_won", payout=1250.5), Signal("win", 12.505), id="fractions of a cent"),
        pytest.param(event("session_ended", seconds=600), Signal("session", 600.0), id="seconds are seconds"),
        pytest.param(event("lobby_opened"), Signal("other"), id="anything else shows presence"),
        pytest.param(event("", type="page"), Signal("other"), id="a page too"),
        pytest.param(event("payout_confirmed"), None, id="unless it is said not to"),
        pytest.param(event("", type="identify"), None, id="a server may tell who is who, in bulk"),
        pytest.param(event("bet_placed", type="alias"), None, id="a name is no bet without its type"),
        pytest.param(message("sent"), Signal("received", game="req-1"), id="a message that went out"),
        pytest.param(message("opened"), Signal("responded", game="req-1"), id="it was opened"),
        pytest.param(message("clicked"), Signal("responded", game="req-1"), id="or clicked"),
        pytest.param(message("delivered"), None, id="that it came is no second message"),
        pytest.param(event("message_opened", message_id="req-1"), Signal("other"), id="what a client says of one"),
    ],
)
def test_an_event_means(happened: Event, signal: Signal | None) -> None:
    assert plan().signal(happened) == signal


@pytest.mark.parametrize(("horizon", "days"), [("7d", 7), ("2w", 14), (28 * 86_400, 28)])
def test_the_horizon_is_one_that_the_net_has_a_head_for(horizon: object, days: int) -> None:
    assert plan(horizon=horizon).horizon_days == days


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"horizon": "10d"}, "expected 7d, 14d or 28d"),
        ({"horizon": "soon"}, "expected seconds or a duration"),
        ({"session_gap": 59}, "greater than or equal to 60"),
        ({"session_gap": "2d"}, "less than or equal to 86400"),
        ({"minor_units": 0}, "greater than or equal to 1"),
        ({"minor_units": 100.5}, "valid integer"),
        (
            {"signals": {"bet": {"event": "x"}, "win": {"event": "x"}}},
            "expected distinct events, got 'x' for bet and win",
        ),
        ({"signals": {"bet": {"event": "x", "amount": "amount"}}}, "expected properties.<name> or context.<name>"),
        ({"signals": {"jackpot": {"event": "x"}}}, "Extra inputs are not permitted"),
        ({"ignore": ["bet_placed"]}, "'bet_placed' is a bet"),
        ({"colour": "red"}, "Extra inputs are not permitted"),
    ],
)
def test_what_makes_no_sense_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        ModelsConfig.model_validate({**WRITTEN, **changes})


def test_the_stored_form_reads_back_as_the_same() -> None:
    config = ModelsConfig.model_validate(WRITTEN)
    assert ModelsConfig.model_validate(config.model_dump(mode="json", exclude_unset=True)) == config


def test_an_empty_document_counts_presence_alone() -> None:
    compiled = compile_models(ModelsConfig.model_validate({}))
    assert compiled is not None
    assert (compiled.rules, compiled.ignored, compiled.horizon_days) == ({}, frozenset(), 14)
    assert compiled.signal(event("bet_placed", amount=5)) == Signal("other")


def test_models_that_are_switched_off_are_no_plan() -> None:
    assert compile_models(ModelsConfig(enabled=False)) is None
