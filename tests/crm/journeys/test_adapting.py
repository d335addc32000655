"""Five messages over two weeks, for one who needs none of them, one who needs help, and one who needs all."""

from typing import Any

import pytest

from tests.crm.journeys.traveller import DAY, HOUR, MINUTE, Traveller, delay, field, journey, message, programme, wait

FAST = {"all": [field("journey.steps_done", "gte", 3), field("journey.pace", "gte", 5)]}

ONBOARDING: dict[str, Any] = journey(
    message("welcome", "verify"),
    wait(
        "verify",
        "identity_verified",
        "2d",
        next="tip-verify",
        skip_when={"step": "verified"},
        struggle={"event": "verification_failed", "count": 3, "within": "1d", "to": "help"},
    ),
    message("tip-verify", "deposit", skip_when={"step": "verified"}),
    delay("deposit", "3d", "tip-deposit", skip_when={"step": "deposited"}),
    message("tip-deposit", "play", skip_when={"step": "deposited"}),
    delay("play", "4d", "tip-play", skip_when={"step": "played"}),
    message("tip-play", "rest", skip_when={"step": "played"}),
    delay("rest", "5d", "farewell"),
    message("farewell"),
    message("help", "verify-with-help"),
    wait("verify-with-help", "identity_verified", "3d", next="deposit"),
    entry={"event": "signed_up", "once": True},
    exit={"goal": {"event": "level_reached", "where": field("event.properties.level", "eq", "silver")}},
    steps=[
        {"id": "verified", "event": "identity_verified"},
        {"id": "deposited", "event": "deposit_completed"},
        {"id": "played", "event": "bet_placed", "where": field("event.properties.amount", "gte", 100)},
    ],
    pace={"steps": 3, "over": "14d"},
    interrupts=[{"id": "fast", "when": FAST, "to": "farewell"}],
)


def newcomer() -> Traveller:
    ada = Traveller(programme(journeys={"j": ONBOARDING}))
    ada.does("signed_up")
    return ada


def test_who_does_nothing_is_told_everything_in_two_weeks() -> None:
    ada = newcomer()
    ada.waits(14 * DAY - 1)
    assert ada.told() == ["welcome", "tip-verify", "tip-deposit", "tip-play"]
    ada.waits(1)
    assert ada.told()[-1] == "farewell"
    assert ada.endings() == [("completed", "last_node", "farewell")]
    assert not ada.timers


def test_three_goals_in_twenty_minutes_move_the_player_ahead() -> None:
    ada = newcomer()
    for event in ("identity_verified", "deposit_completed"):
        ada.waits(10 * MINUTE)
        ada.does(event)
    assert ada.at() == "play", "what is done is not waited for"
    effects = ada.does("bet_placed", amount=500)
    assert [getattr(effect, "outcome", "") for effect in effects] == ["milestone", "interrupted", "sent", "completed"]
    ada.waits(30 * DAY)
    assert ada.told() == ["welcome", "farewell"], "messages 2 to 4 never leave"


def test_who_fails_a_step_three_times_gets_help_instead() -> None:
    ada = newcomer()
    for _ in range(2):
        ada.does("verification_failed")
        ada.waits(HOUR)
    assert ada.told() == ["welcome"]
    ada.does("verification_failed")
    assert (ada.told(), ada.at()) == (["welcome", "help"], "verify-with-help")
    assert ada.steps()[-2:] == [("verify", "helped", "struggle"), ("help", "sent", "")]
    ada.does("identity_verified")
    assert ada.at() == "deposit"
    ada.waits(20 * DAY)
    assert ada.told() == ["welcome", "help", "tip-deposit", "tip-play", "farewell"], "no tip for what was done"


def test_tries_longer_ago_than_within_are_forgotten() -> None:
    ada = newcomer()
    for _ in range(4):  # never three within a day
        ada.does("verification_failed")
        ada.waits(13 * HOUR - 1)
    assert "help" not in ada.told()


@pytest.mark.parametrize("event", ["identity_verified", "bet_placed"])
def test_a_step_done_ahead_of_its_node_passes_the_node_over(event: str) -> None:
    ada = newcomer()
    ada.does(event, amount=100)
    ada.waits(30 * DAY)
    spared = {"identity_verified": "tip-verify", "bet_placed": "tip-play"}[event]
    assert spared not in ada.told()
    skipped = next(node for node, outcome, _ in ada.steps() if outcome == "skipped")
    assert skipped in ("verify", "tip-verify", "play")


def test_a_goal_in_the_middle_of_a_delay_ends_the_journey_in_the_same_turn() -> None:
    long = journey(delay("month", "30d", "late"), message("late"), exit={"goal": {"event": "deposit_completed"}})
    ada = Traveller(programme(journeys={"j": long}))
    ada.does("signed_up")
    ada.waits(7 * DAY)
    effects = ada.does("deposit_completed")
    assert [(e.outcome, e.reason, e.node) for e in effects] == [("goal", "event", "month")]  # type: ignore[union-attr]
    assert (ada.timers, ada.groups, ada.at()) == (set(), set(), "GOAL")
    ada.waits(60 * DAY)
    assert ada.told() == []


@pytest.mark.parametrize(("op", "value"), [("gt", 0), ("lte", 0), ("eq", 0), ("gt", 5e-324), ("in", [0, 1])])
def test_a_pace_may_be_compared_with_nothing(op: str, value: Any) -> None:
    document = journey(
        delay("rest", "5d", "end"),
        message("end"),
        steps=[{"id": "played", "event": "bet_placed"}, {"id": "won", "event": "bet_won"}],
        pace={"steps": 2, "over": "14d"},
        exit={"when": {"all": [field("journey.pace", op, value), field("player.traits.gone", "eq", True)]}},
    )
    player = Traveller(programme(journeys={"j": document}))
    player.does("signed_up")
    player.does("bet_placed")
    player.waits(6 * DAY)
    assert player.told() == ["end"]


def test_a_walk_may_be_compared_with_a_time_that_never_comes() -> None:
    document = journey(
        delay("rest", "1d", "end"), message("end"), exit={"when": field("journey.elapsed_s", "gt", 1e300)}
    )
    player = Traveller(programme(journeys={"j": document}))
    player.does("signed_up")
    player.waits(2 * DAY)
    assert player.told() == ["end"]
