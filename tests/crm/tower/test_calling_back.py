"""What was cleared and waits in a line, when the player moves or something begins to go on with them."""

from typing import Any

import pytest

from domain.entries import Withdrawn

from .airport import HOUR, Airport, at, case, rules

QUIET = {"from": "21:00", "until": "08:00", "channels": ["email"]}
SUPPORT = {"when": "support_case_open", "purposes": ["promo"], "for_s": "1d"}
ROUND = {"when": "round_in_play", "purposes": ["promo"], "for_s": "1h", "channels": ["email"]}
LOSS = {"when": "fresh_loss", "purposes": ["promo"], "for_s": "1d", "then": "refuse"}
UPSET = {"when": "negative_mood", "purposes": ["promo"], "for_s": "1d", "then": "escalate"}
BY_MAIL = {"channels": ("email",)}
OPEN_ROUND = {"open": True, "since": 1}


def flying(*, purpose: str = "promo", channel: str = "email", **policy: Any) -> Airport:
    tower = Airport(rules(**policy))
    assert tower.ask(channels=(channel,), purpose=purpose) == "cleared"
    return tower


def test_who_moves_to_where_it_is_night_is_not_written_to_there() -> None:
    tower = flying(quiet_hours=QUIET)
    assert tower.dispatches[0].send_until == at("21:00")
    tower.now += HOUR
    tower.tell("timezone", "Asia/Tokyo")
    assert tower.voids == [("r1", "rejudge")]
    assert "r1" in tower.airspace.flying, "it may have gone"
    tower.land(outcome="returned", detail="rejudge")
    assert (tower.outcome(), tower.last().reasons) == ("held", ("quiet_hours",))
    tower.wait_until(at("23:00"))  # 08:00 in Tokyo
    assert tower.outcome() == "cleared"
    assert tower.dispatches[-1].send_until == at("12:00", "2026-03-11")


def test_who_moves_to_where_night_comes_sooner_has_less_time() -> None:
    tower = flying(quiet_hours=QUIET)
    tower.tell("timezone", "Asia/Dubai")  # 16:00
    tower.land(outcome="returned", detail="rejudge")
    assert tower.voids == [("r1", "rejudge")]
    assert tower.dispatches[-1].send_until == at("17:00")


@pytest.mark.parametrize(
    ("zone", "changes", "policy"),
    [
        pytest.param("Europe/London", {}, {"quiet_hours": QUIET}, id="the same wall clock"),
        pytest.param("America/New_York", {}, {"quiet_hours": QUIET}, id="night comes later"),
        pytest.param("Asia/Tokyo", {"channel": "sms"}, {"quiet_hours": QUIET}, id="not quiet by this channel"),
        pytest.param("Asia/Tokyo", {"purpose": "transactional"}, {"quiet_hours": QUIET}, id="never quiet"),
        pytest.param("Asia/Tokyo", {}, {}, id="no quiet hours"),
    ],
)
def test_a_move_that_changes_nothing(zone: str, changes: Any, policy: Any) -> None:
    tower = flying(**changes, **policy)
    tower.tell("timezone", zone)
    assert tower.voids == []


@pytest.mark.parametrize(
    ("fact", "value", "outcome", "reason"),
    [
        ("support_case", case(is_open=True), "held", "support_case_open"),
        ("round_in_play", OPEN_ROUND, "held", "round_in_play"),
        ("context:fresh_loss", {"open": True, "since": 1, "until": 0}, "refused", "fresh_loss"),
        ("support_case", case(is_open=True) | {"mood": "negative"}, "held", "support_case_open"),
    ],
)
def test_what_begins_to_go_on_takes_back_what_it_holds(fact: str, value: Any, outcome: str, reason: str) -> None:
    tower = flying(holds=[SUPPORT, ROUND, LOSS])
    tower.tell(fact, value)
    assert tower.voids == [("r1", "rejudge")]
    tower.tell("support_case", case(is_open=True, since=2))
    assert len(tower.voids) == 1, "once is enough"
    tower.tell("support_case", case(is_open=fact == "support_case", since=2))
    tower.land(outcome="returned", detail="rejudge")
    assert (tower.outcome(), tower.last().reasons[0]) == (outcome, reason)


def test_a_bad_mood_takes_back_what_a_person_must_see_but_not_what_one_has_seen() -> None:
    upset = case(is_open=True) | {"mood": "negative"}
    tower = flying(holds=[UPSET])
    tower.tell("support_case", upset)
    tower.land(outcome="returned", detail="rejudge")
    assert tower.outcome() == "escalated"


@pytest.mark.parametrize(
    ("fact", "value", "changes"),
    [
        ("support_case", case(is_open=False), {}),
        ("support_case", case(is_open=True), {"purpose": "service"}),
        ("round_in_play", OPEN_ROUND, {"channel": "sms"}),
        ("context:fresh_loss", None, {}),
        ("locale", "uk", {}),
    ],
)
def test_what_does_not_hold_it_leaves_it_alone(fact: str, value: Any, changes: Any) -> None:
    tower = flying(holds=[SUPPORT, ROUND, LOSS], **changes)
    tower.tell(fact, value)
    assert tower.voids == []


def test_one_that_nobody_wants_any_more_ends_though_it_was_to_be_judged_again() -> None:
    tower = flying(holds=[SUPPORT])
    tower.tell("support_case", case(is_open=True))
    tower.take(Withdrawn("ann", "goal_met", ("r1",)))
    assert tower.voids == [("r1", "rejudge"), ("r1", "goal_met")]
    tower.tell("round_in_play", OPEN_ROUND)
    tower.land(outcome="returned", detail="rejudge")
    assert (tower.outcome(), tower.last().reasons) == ("refused", ("goal_met",))


def test_one_that_was_withdrawn_is_not_called_back_for_less() -> None:
    tower = flying(holds=[SUPPORT])
    tower.take(Withdrawn("ann", "goal_met", ("r1",)))
    tower.tell("support_case", case(is_open=True))
    assert tower.voids == [("r1", "goal_met")]
