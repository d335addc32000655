"""A programme is refused as a whole, with every error, before any player sees it."""

from typing import Any

import pytest

from domain.durations import duration_s
from gamification.config import KINDS
from gamification.programme import InvalidProgramme, compile_rules
from tests.gamification.playing import mission, points

SHOP: dict[str, dict[str, dict[str, Any]]] = {
    "metrics": {"deposits_7d": {"event": "deposit_completed", "aggregate": "count", "window": "7d"}},
    "earn-rules": {
        "bet-points": {
            "event": "bet_placed",
            "where": None,
            "currency": "points",
            "amount": 5,
            "per": {"field": "properties.amount", "unit": 1000},
            "max_per_day": 500,
        }
    },
    "missions": {
        "ten-bets": {
            "name": {"en": "Ten bets"},
            "tasks": [{"id": "bets", "event": "bet_placed", "where": None, "count": 10}],
            "audience": None,
            "opt_in": False,
            "active": {"from": None, "until": None},
            "time_limit_s": None,
            "recurrence": "none",
            "unlock_after": [],
            "claim": "auto",
            "claim_within_s": None,
            "rewards": [{"kind": "currency", "currency": "points", "amount": 100}],
        }
    },
    "achievements": {
        "high-roller": {
            "name": {"en": "High roller"},
            "event": "bet_placed",
            "sum": "properties.amount",
            "stages": [{"at": 100000, "rewards": []}, {"at": 1000000, "rewards": []}],
        }
    },
    "levels": {
        "main": {
            "currency": "points",
            "levels": [
                {"id": "bronze", "at": 0},
                {"id": "silver", "at": 250, "rewards": [{"kind": "currency", "currency": "gems", "amount": 5}]},
            ],
        }
    },
    "currencies": {"gems": {"name": {"en": "Gems"}, "allow_negative": False}},
    "segments": {"at-risk": {"where": {"metric": "deposits_7d", "op": "eq", "value": 0}}},
    "templates": {"come-back": {"channel": "in_app"}},
}


def test_the_examples_of_the_contract_compile() -> None:
    rules = compile_rules(4, SHOP, timezone="Europe/Lisbon")
    assert (rules.version, rules.timezone) == (4, "Europe/Lisbon")
    assert [rule.id for rule in rules.by_event["bet_placed"].missions] == ["ten-bets"]
    assert rules.currencies == {"points": False, "gems": False}
    assert set(KINDS) == {"metrics", "earn-rules", "missions", "achievements", "levels", "currencies"}


def test_an_event_is_asked_only_of_rules_it_can_move() -> None:
    missions = {f"m{n}": mission(1, f"event_{n}") for n in range(30)}
    rules = compile_rules(1, {"missions": missions})
    assert [rule.id for rule in rules.by_event["event_7"].missions] == ["m7"]


def leaf(**node: Any) -> dict[str, Any]:
    return {"op": "gte", "value": 1, **node}


@pytest.mark.parametrize(
    ("kind", "document", "error"),
    [
        ("missions", mission(1, audience=leaf(metric="nope")), "audience: expected a configured metric, got 'nope'"),
        ("missions", mission(1, audience={"segment": "no"}), "audience: expected a configured segment, got 'no'"),
        ("missions", mission(1, unlock_after=["no"]), "unlock_after[0]: expected a mission, got 'no'"),
        ("missions", mission(1, unlock_after=["x"]), "unlock_after: expected no circle, got x -> x"),
        (
            "missions",
            mission(1, rewards=[points(5, "pesos")]),
            "rewards[0].currency: expected a currency (points), got 'pesos'",
        ),
        ("missions", mission(1, rewards=[points(0)]), "rewards[0].amount: Input should be greater than 0, got 0"),
        ("missions", mission(1, rewards=[points(2.0)]), "rewards[0].amount: Input should be a valid integer, got 2.0"),  # type: ignore[arg-type]
        (
            "missions",
            mission(1, recurrence="daily", time_limit_s="2d"),
            "expected time_limit_s within the daily cycle, got 172800",
        ),
        ("missions", mission(1, claim_within_s=60), "expected claim_within_s only with claim: manual"),
        ("missions", mission(1, colour="red"), "colour: Extra inputs are not permitted, got 'red'"),
        (
            "missions",
            mission(1, active={"from": "2026-03-02T12:00:00"}),
            "active.from: Input should have timezone info, got '2026-03-02T12:00:00'",
        ),
        (
            "missions",
            mission(1, active={"from": "2026-03-02T12:00Z", "until": "2026-03-02T12:00Z"}),
            "active: expected from before until",
        ),
        ("missions", {"tasks": [{"id": "t", "event": "e"}]}, "tasks[0]: expected either count, or sum and target"),
        (
            "missions",
            {"tasks": [{"id": "t", "event": "e", "count": 1}] * 2},
            "tasks: expected distinct ids, got 't' twice",
        ),
        (
            "missions",
            {"tasks": [{"id": "t", "event": "e", "count": 1, "where": {"all": [{"field": "x"}]}}]},
            "tasks[0].where.all[0].field: expected one of",
        ),
        (
            "missions",
            mission(1, time_limit_s="soon"),
            "time_limit_s: expected seconds or a duration such as '7d 12h 30m', got 'soon'",
        ),
        ("metrics", {"event": "e", "aggregate": "sum"}, "expected a field to take the sum of"),
        ("metrics", {"event": "e", "field": "properties.x"}, "expected no field with aggregate count"),
        (
            "metrics",
            {"event": "e", "aggregate": "sum", "field": "amount"},
            "field: expected properties.<name> or context.<name>, got 'amount'",
        ),
        ("metrics", {"event": "e", "where": leaf(metric="x")}, "where: expected no metric in a metric's condition"),
        (
            "metrics",
            {"event": "e", "aggregate": "since", "field": "properties.x"},
            "expected no field with aggregate since",
        ),
        ("metrics", {"event": "e", "aggregate": "since", "window": "7d"}, "expected no window with aggregate since"),
        (
            "metrics",
            {"event": "e", "where": {"field": "journey.pace", "op": "lt", "value": 1}},
            "where.field: expected no journey.* here (the game's rules know no journey)",
        ),
        ("metrics", {"event": "e", "window": "367d"}, "window: Input should be less than or equal to 31622400"),
        (
            "levels",
            {"levels": [{"id": "a", "at": 5}, {"id": "b", "at": 5}]},
            "levels: expected rising values of at, got [5, 5]",
        ),
        (
            "levels",
            {"currency": "gems", "levels": [{"id": "a", "at": 5}]},
            "currency: expected a currency (points), got 'gems'",
        ),
        ("achievements", {"event": "e", "stages": []}, "stages: "),
        (
            "achievements",
            {"event": "e", "stages": [{"at": 1}], "message": {"template": "no"}},
            "message.template: expected a template, got 'no'",
        ),
        ("segments", {"where": {"segment": "x"}}, "where: expected no circle, got x -> x"),
        ("segments", {"where": {"op": "eq"}}, "where: expected one of all, any, not, field, metric, segment"),
    ],
)
def test_a_bad_document_is_named_with_what_was_expected(kind: str, document: dict[str, Any], error: str) -> None:
    with pytest.raises(InvalidProgramme) as refused:
        compile_rules(1, {kind: {"x": document}, "templates": {}})
    assert refused.value.errors[0].startswith(f"{kind}/x: {error}")


def test_all_errors_are_reported_at_once() -> None:
    with pytest.raises(InvalidProgramme) as refused:
        compile_rules(1, {"missions": {"a": {}, "b|c": mission()}, "levels": {"l": {}}}, timezone="Mars/Base")
    assert [line.split(":")[0] for line in refused.value.errors] == [
        "programme",
        "missions/a",
        "missions/b|c",
        "levels/l",
    ]


def test_a_longer_circle_is_shown_with_its_way() -> None:
    chain = {
        "a": mission(1, unlock_after=["b"]),
        "b": mission(1, unlock_after=["c"]),
        "c": mission(1, unlock_after=["a"]),
    }
    with pytest.raises(InvalidProgramme, match="a -> b -> c -> a"):
        compile_rules(1, {"missions": chain})


@pytest.mark.parametrize(
    ("written", "seconds"),
    [(90, 90), ("7d 12h 30m", 649_800), ("45s", 45), ("2w", 1_209_600)],
)
def test_durations_are_seconds_or_units(written: object, seconds: int) -> None:
    assert duration_s(written) == seconds


@pytest.mark.parametrize("written", [0, -1, 1.5, True, "", "7", "12h 7d", "1h 1h", "0s", "7 d", None])
def test_other_durations_are_refused(written: object) -> None:
    with pytest.raises(ValueError, match="expected seconds or a duration"):
        duration_s(written)


@pytest.mark.parametrize("written", [10**18, "5215w", "36500d 1s"])
def test_more_than_a_hundred_years_is_refused(written: object) -> None:
    assert duration_s("36500d") == 36_500 * 86_400
    with pytest.raises(ValueError, match="expected at most 100 years"):
        duration_s(written)
