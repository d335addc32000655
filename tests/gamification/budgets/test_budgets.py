"""Budgets by example: what fits is given, what does not waits, is replaced or refused; never more than the amount."""

from typing import Any

import pytest

from domain.effects import Posting
from domain.game_effects import BudgetAlert, RewardRefused, RewardWaiting
from domain.player import changed_parts
from domain.step import Grant
from gamification.budgets.keeper import WAITING_MAX, read
from gamification.programme import InvalidProgramme
from gamification.rules import Rules
from tests.gamification.playing import DAY, HOUR, MINUTE, MONDAY, points, programme
from tests.gamification.town import Town

WELCOME = "keeper:budget:welcome"


def season(amount: int = 100, version: int = 1, reward: int = 40, **budget: Any) -> Rules:
    """Return a programme: the first bet gives points from the budget ``welcome``."""
    return programme(
        version,
        timezone="Europe/Lisbon",
        achievements={
            "first": {
                "event": "bet_placed",
                "stages": [{"at": at, "rewards": [points(reward)]} for at in range(1, 6)],
                "budget": "welcome",
            }
        },
        currencies={"gems": {}},
        templates={"sorry": {}},
        budgets={"welcome": {"amount": amount, **budget}},
    )


def bets(town: Town, *players: str) -> None:
    for player in players:
        town.does(player, "bet_placed")
    town.settle()


def test_what_fits_is_given_and_the_next_is_refused() -> None:
    town = Town(season(100))
    bets(town, "ada", "bob", "cleo")
    assert [town.balance(player) for player in ("ada", "bob", "cleo")] == [40, 40, 0]
    (refused,) = town.happened("cleo", RewardRefused)
    assert (refused.rule, refused.reason, refused.budget) == ("achievements/first", "budget_spent", "welcome")
    assert refused.rewards == (("currency", "points", 40),)
    kept = read(town.states[WELCOME].kept)
    assert (kept.reserved, kept.confirmed, kept.left) == (0, 80, 20)


def test_a_reward_is_posted_on_the_answer_and_by_its_own_rule() -> None:
    town = Town(season())
    town.does("ada", "bet_placed")
    assert town.balance("ada") == 0, "nothing is posted before the budget has answered"
    town.settle()
    assert [p.rule for p in town.happened("ada", Posting)] == ["achievements/first"]


def test_in_the_queue_the_reward_waits_for_the_next_period_of_the_programmes_zone() -> None:
    town = Town(season(40, per="day", when_spent={"do": "queue"}), now=MONDAY + 23 * HOUR)
    bets(town, "ada", "bob")
    assert town.balance("bob") == 0
    assert town.happened("bob", RewardWaiting) == [
        RewardWaiting("achievements/first", "welcome", (("currency", "points", 40),))
    ]
    town.later(MONDAY + DAY - 1)
    assert town.balance("bob") == 0
    town.later(MONDAY + DAY)  # midnight in Lisbon in March
    assert town.balance("bob") == 40


def test_a_smaller_reward_does_not_overtake_one_that_waits() -> None:
    town = Town(season(100, when_spent={"do": "queue"}))
    bets(town, "ada", "bob", "cleo")  # 20 are left, cleo needs 40
    rules = season(100, version=2, reward=10, when_spent={"do": "queue"})
    town.rules = rules
    bets(town, "dan")
    assert [town.balance("cleo"), town.balance("dan")] == [0, 0]
    assert len(read(town.states[WELCOME].kept).waiting) == 2


def test_a_raised_amount_serves_those_who_wait_within_a_minute() -> None:
    town = Town(season(40, when_spent={"do": "queue"}))
    bets(town, "ada", "bob", "cleo")
    town.rules = season(90, version=2, when_spent={"do": "queue"})
    town.later(town.now + MINUTE)
    assert [town.balance(player) for player in ("ada", "bob", "cleo")] == [40, 40, 0]


def test_a_lowered_amount_gives_no_more_and_takes_nothing_back() -> None:
    town = Town(season(100))
    bets(town, "ada", "bob")
    town.rules = season(50, version=2)
    bets(town, "cleo")
    kept = read(town.states[WELCOME].kept)
    assert (kept.confirmed, kept.left) == (80, 0)
    assert town.balance("cleo") == 0


def test_a_substitute_is_given_instead_and_is_not_budgeted() -> None:
    instead = {"do": "substitute", "rewards": [points(3, "gems")], "message": {"template": "sorry"}}
    town = Town(season(40, when_spent=instead))
    bets(town, "ada", "bob")
    assert (town.balance("bob"), town.balance("bob", "gems")) == (0, 3)
    (refused,) = town.happened("bob", RewardRefused)
    assert refused.instead == (("currency", "gems", 3),)
    (request,) = town.requests
    assert request.template == "sorry"
    assert request.content["reward"]["reason"] == "budget_spent"
    assert request.content["reward"]["instead"] == [{"currency": "gems", "amount": 3}]


def test_alerts_come_once_each_and_again_in_the_next_period() -> None:
    town = Town(season(100, reward=50, per="week", alert_at=50))
    bets(town, "ada", "bob", "cleo", "dan")
    alerts = town.happened(WELCOME, BudgetAlert)
    assert [(alert.percent, alert.spent) for alert in alerts] == [(50, 50), (100, 100)]
    town.later(town.now + 7 * DAY)
    bets(town, "eve")
    assert [alert.percent for alert in town.happened(WELCOME, BudgetAlert)] == [50, 100, 50]


def test_a_count_budget_counts_rewards_whatever_they_are() -> None:
    town = Town(season(2, currency="count"))
    bets(town, "ada", "bob", "cleo")
    assert [town.balance(player) for player in ("ada", "bob", "cleo")] == [40, 40, 0]


def test_the_programmes_budget_counts_what_the_documents_own_lets_through() -> None:
    rules = programme(
        achievements={
            "own": {"event": "bet_placed", "stages": [{"at": 1, "rewards": [points(40)]}], "budget": "welcome"},
            "none": {"event": "login", "stages": [{"at": 1, "rewards": [points(40)]}]},
            "gems": {"event": "login", "stages": [{"at": 1, "rewards": [points(5, "gems")]}]},
        },
        currencies={"gems": {}},
        budgets={"welcome": {"amount": 1_000}, "programme": {"amount": 100}},
    )
    town = Town(rules)
    bets(town, "ada")
    town.does("bob", "login")
    assert town.balance("bob", "gems") == 5, "another currency is asked of nobody"
    town.settle()
    bets(town, "cleo")
    assert [town.balance(player) for player in ("ada", "bob", "cleo")] == [40, 40, 0]
    welcome = read(town.states[WELCOME].kept)
    assert (welcome.reserved, welcome.confirmed) == (0, 40), "what the second refused, the first has back"
    assert town.happened("cleo", RewardRefused)[0].budget == "programme"


def test_one_reward_that_can_never_fit_does_not_block_the_line() -> None:
    town = Town(season(30, when_spent={"do": "queue"}))
    bets(town, "ada")
    assert town.happened("ada", RewardRefused)[0].reason == "budget_spent"
    town.rules = season(40, version=2, when_spent={"do": "queue"})
    bets(town, "bob", "cleo")
    town.rules = season(30, version=3, when_spent={"do": "queue"})
    town.later(town.now + MINUTE)
    assert town.happened("cleo", RewardRefused)[0].reason == "budget_spent"


def test_a_deleted_budget_gives_to_those_who_waited() -> None:
    town = Town(season(40, when_spent={"do": "queue"}))
    bets(town, "ada", "bob")
    town.rules = programme(2, achievements={"first": {"event": "x", "stages": [{"at": 1}]}})
    town.later(town.now + MINUTE)
    assert town.balance("bob") == 40
    assert read(town.states[WELCOME].kept).waiting == []


def test_a_budget_that_is_deleted_and_comes_back_counts_what_was_confirmed_meanwhile() -> None:
    town = Town(season(100))
    town.does("ada", "bet_placed")
    while not town.asked("confirm"):
        assert town.deliver()
    rules, town.rules = town.rules, programme(2, achievements={"first": {"event": "x", "stages": [{"at": 1}]}})
    town.settle()
    town.rules = rules
    bets(town, "bob")
    kept = read(town.states[WELCOME].kept)
    assert (kept.reserved, kept.confirmed) == (0, 80)


def test_the_line_is_bounded_and_beyond_it_the_reward_is_refused() -> None:
    town = Town(season(40, when_spent={"do": "queue"}))
    bets(town, "ada")
    kept = town.states[WELCOME].kept | {"waiting": [[f"{n}-0#0@p{n}", 40] for n in range(WAITING_MAX)]}
    town.replaces(WELCOME, kept=kept)
    bets(town, "bob")
    assert town.happened("bob", RewardRefused)[0].reason == "budget_spent"


def test_a_full_line_is_written_with_every_commit_so_it_is_at_most_128_kb() -> None:
    town = Town(season(40, when_spent={"do": "queue"}))
    bets(town, "ada")
    ids = [[f"1772438400000-{n}#abcdef012345.0@player-{n:010}", 40] for n in range(WAITING_MAX - 1)]
    town.replaces(WELCOME, kept=town.states[WELCOME].kept | {"waiting": ids})
    before = town.states[WELCOME]
    bets(town, "bob")
    written = sum(map(len, changed_parts(before, town.states[WELCOME]).values()))
    assert 1_000 * 50 < written <= 128 * 1_024
    assert len(read(town.states[WELCOME].kept).waiting) == WAITING_MAX


def test_a_line_that_was_longer_before_is_served_to_its_end_and_in_order() -> None:
    town = Town(season(40, when_spent={"do": "queue"}), stores=False)
    bets(town, "ada", "bob")
    (bob,) = read(town.states[WELCOME].kept).waiting
    longer = [*([f"{n}-0#0@old", 40] for n in range(WAITING_MAX + 700)), bob]
    town.replaces(WELCOME, kept=town.states[WELCOME].kept | {"waiting": longer})
    bets(town, "cleo")
    assert town.happened("cleo", RewardRefused)[0].reason == "budget_spent"
    town.rules = season(40 * (len(longer) + 1), 2, when_spent={"do": "queue"})
    town.later(town.now + 2 * MINUTE)
    kept = read(town.states[WELCOME].kept)
    assert (kept.waiting, kept.left, town.balance("bob")) == ([], 0, 40)
    assert [said.id for said in town.said if said.op == "reserve" and said.code == "ok"][1:] == [
        ask for ask, _ in longer
    ]


@pytest.mark.parametrize(
    ("budget", "error"),
    [
        ({"amount": 0}, "greater than 0"),
        ({"amount": 5, "currency": "silver"}, "currency: expected one of count points, got 'silver'"),
        ({"amount": 5, "when_spent": {"do": "substitute"}}, "expected rewards with do: substitute"),
        ({"amount": 5, "when_spent": {"rewards": [points(1)]}}, "expected rewards with do: substitute"),
        ({"amount": 5, "alert_at": 101}, "alert_at"),
    ],
)
def test_what_is_wrong_is_said(budget: dict[str, Any], error: str) -> None:
    with pytest.raises(InvalidProgramme, match=error):
        programme(budgets={"welcome": budget})


def test_a_budget_that_is_not_configured_is_refused() -> None:
    with pytest.raises(InvalidProgramme, match="achievements/a: budget: expected a document of the kind budgets"):
        programme(achievements={"a": {"event": "x", "stages": [{"at": 1}], "budget": "nobody"}})


def test_what_a_journey_gives_is_counted_by_the_budget_of_its_node() -> None:
    town = Town(season(40))
    for player in ("ada", "bob"):
        given = Grant("points", 40, "journeys/welcome/gift", "welcome", "journeys/welcome/gift.1.3")
        town.grants(player, given)
        assert town.balance(player) == 0
    town.settle()
    assert [town.balance("ada"), town.balance("bob")] == [40, 0]
    assert [posting.rule for posting in town.happened("ada", Posting)] == ["journeys/welcome/gift"]
    assert town.happened("bob", RewardRefused)[0].rule == "journeys/welcome/gift"


def test_two_gifts_of_one_turn_are_two_asks() -> None:
    town = Town(season(100))
    town.grants("ada", *[Grant("points", 40, "journeys/w/g", "welcome", f"journeys/w/g.1.{n}") for n in range(2)])
    town.settle()
    assert town.balance("ada") == 80
