"""Points for events, adjustments, and the laws of the ledger."""

from copy import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from domain.effects import Answered, Posting
from domain.entries import Event, LogEntry
from domain.player import PART_TYPES, Snapshot
from domain.step import Draws
from gamification.turn import take_turn
from tests.gamification.playing import DAY, HOUR, NOON, Player, mission, points, postings, programme

PER_TEN = {"event": "bet_placed", "amount": 5, "per": {"field": "properties.amount", "unit": 1000}}


@pytest.mark.parametrize(
    ("amount", "earned"),
    [
        pytest.param(999, 0, id="less than a unit"),
        pytest.param(1000, 5, id="a unit"),
        pytest.param(2999, 10, id="the rest is not carried"),
        pytest.param(1000.9, 5, id="floats are floored"),
        pytest.param(-5000, 0, id="negative"),
        pytest.param("5000", 0, id="a string"),
        pytest.param(True, 0, id="true"),
        pytest.param(None, 0, id="missing"),
        pytest.param(2**60, 0, id="absurd"),
        pytest.param(float("inf"), 0, id="infinite"),
        pytest.param([5000], 0, id="a list"),
    ],
)
def test_points_are_earned_per_whole_unit(amount: Any, earned: int) -> None:
    player = Player(programme(earn_rules={"bet-points": PER_TEN}))
    player.does("bet_placed", amount=amount)
    assert player.balance() == earned


def test_a_posting_names_its_rule_version_and_account() -> None:
    player = Player(programme(7, earn_rules={"bet-points": PER_TEN}))
    [posting] = postings(player.does("bet_placed", amount=1000))
    assert posting == Posting("points", 5, 5, "earn-rules/bet-points", 7, "issued")


def test_a_day_earns_no_more_than_its_cap() -> None:
    player = Player(programme(earn_rules={"bet-points": {**PER_TEN, "max_per_day": 12}}))
    earned = [sum(p.amount for p in postings(player.does("bet_placed", amount=2000))) for _ in range(3)]
    assert earned == [10, 2, 0]
    player.does("bet_placed", NOON + 12 * HOUR, amount=1000)
    assert player.balance() == 17


def test_the_capped_day_is_the_players_local_day_of_the_events_own_time() -> None:
    player = Player(
        programme(timezone="Asia/Tokyo", earn_rules={"daily": {"event": "visit", "amount": 1, "max_per_day": 1}})
    )
    player.does("visit", NOON)  # 21:00 in Tokyo
    player.does("visit", NOON + 2 * HOUR)
    assert player.balance() == 1
    player.does("visit", NOON + 4 * HOUR, at=NOON + 2 * HOUR)  # arrives tomorrow, occurred today
    assert player.balance() == 1
    player.does("visit", NOON + 4 * HOUR)
    assert player.balance() == 2


def test_a_late_event_is_charged_to_the_newest_day() -> None:
    player = Player(programme(earn_rules={"daily": {"event": "visit", "amount": 1, "max_per_day": 1}}))
    player.does("visit", NOON + DAY)
    player.does("visit", at=NOON)
    assert player.balance() == 1


def test_a_condition_limits_what_earns() -> None:
    where = {"field": "event.properties.game", "op": "eq", "value": "slots"}
    player = Player(programme(earn_rules={"slots": {"event": "bet_placed", "amount": 3, "where": where}}))
    player.does("bet_placed", game="poker")
    player.does("bet_placed", game="slots")
    assert player.balance() == 3


def answered(effects: list[Any]) -> Answered:
    [answer] = [effect for effect in effects if isinstance(effect, Answered)]
    return answer


ONE_BET = {"bet": {"event": "bet_placed", "amount": 30}}


def test_an_adjustment_answers_the_new_balance_and_posts_the_other_side() -> None:
    player = Player(programme(earn_rules=ONE_BET))
    player.does("bet_placed")
    effects = player.asks("adjust", currency="points", amount=-10, reason="broken game")
    assert postings(effects) == [Posting("points", -10, 20, "adjustment", 1, "adjusted", "broken game")]
    assert answered(effects) == Answered("ok", data={"currency": "points", "amount": -10, "balance": 20})
    assert player.snapshot.wallet["points"].lifetime == 30


@pytest.mark.parametrize(
    ("args", "code"),
    [
        pytest.param({"currency": "points", "amount": -31}, "insufficient_balance", id="more than there is"),
        pytest.param({"currency": "points", "amount": -30}, "ok", id="all there is"),
        pytest.param({"currency": "debts", "amount": -31}, "ok", id="a currency that may be negative"),
        pytest.param({"currency": "pesos", "amount": 1}, "unknown_currency", id="no such currency"),
        pytest.param({"currency": "points", "amount": 0}, "amount_out_of_range", id="nothing"),
        pytest.param({"currency": "points", "amount": 2**53 + 1}, "amount_out_of_range", id="too much"),
        pytest.param({"currency": "points", "amount": 2**53}, "amount_out_of_range", id="too much with what is there"),
        pytest.param({"currency": "points", "amount": 1.5}, "invalid_arguments", id="half a point"),
        pytest.param({"currency": "points", "amount": True}, "invalid_arguments", id="true"),
        pytest.param({"amount": 1}, "invalid_arguments", id="of what"),
        pytest.param({"currency": "points", "amount": 1, "reason": 7}, "invalid_arguments", id="a reason of 7"),
    ],
)
def test_adjustments_are_answered(args: dict[str, Any], code: str) -> None:
    player = Player(programme(earn_rules=ONE_BET, currencies={"debts": {"allow_negative": True}}))
    player.does("bet_placed")
    before = player.snapshot
    effects = player.asks("adjust", **args)
    assert answered(effects).code == code
    if code != "ok":
        assert player.snapshot == before
        assert postings(effects) == []


def test_a_reward_that_would_pass_the_bound_is_not_given() -> None:
    player = Player(programme(earn_rules=ONE_BET))
    player.asks("adjust", currency="points", amount=2**53 - 29)
    player.does("bet_placed")
    assert player.balance() == 2**53 - 29


def test_commands_and_timers_of_others_change_nothing() -> None:
    player = Player(programme(earn_rules=ONE_BET))
    before = player.snapshot
    assert player.asks("exclude") == []
    assert player.snapshot is before


def test_traits_zone_and_times_come_from_events() -> None:
    player = Player(programme())
    player.take(
        Event("ada", "i1", "identify", NOON, traits={"name": "Ada", "timezone": "Europe/Lisbon", "vip": True}), NOON
    )
    player.take(Event("ada", "i2", "identify", NOON, traits={"vip": None}, context={"timezone": "Mars/Base"}), NOON + 1)
    profile = player.snapshot.profile
    assert profile.traits == {"name": "Ada", "timezone": "Europe/Lisbon"}
    assert (profile.timezone, profile.first_seen_at, profile.last_seen_at) == ("Europe/Lisbon", NOON, NOON + 1)


ACTIONS = st.one_of(
    st.tuples(st.just("bet"), st.integers(-5, 5_000)),
    st.tuples(st.just("adjust"), st.integers(-40, 40)),
)


@given(actions=st.lists(ACTIONS, max_size=25))
def test_currency_is_conserved(actions: list[tuple[str, int]]) -> None:
    rules = programme(
        earn_rules={
            "bets": {**PER_TEN, "max_per_day": 60},
            "gems": {"event": "bet_placed", "amount": 1, "currency": "gems"},
        },
        missions={"m": mission(3, recurrence="on_completion", rewards=[points(7), points(2, "gems")])},
        achievements={"a": {"event": "bet_placed", "stages": [{"at": 2, "rewards": [points(11)]}]}},
        levels={"main": {"levels": [{"id": "low", "at": 0}, {"id": "high", "at": 30, "rewards": [points(9)]}]}},
        currencies={"gems": {}},
    )
    player = Player(rules)
    lifetime = 0
    for kind, amount in actions:
        if kind == "bet":
            player.does("bet_placed", amount=amount)
        else:
            player.asks("adjust", currency="points", amount=amount)
        held = player.snapshot.wallet.get("points")
        assert held is None or (held.balance >= 0 and held.lifetime >= lifetime), "negative, or lifetime fell"
        lifetime = held.lifetime if held else 0
    accounts: dict[str, int] = {}
    running: dict[str, int] = {}
    for posting in postings(player.effects):
        accounts[posting.account] = accounts.get(posting.account, 0) - posting.amount
        running[posting.currency] = running.get(posting.currency, 0) + posting.amount
        assert posting.balance_after == running[posting.currency]
    assert running == {currency: held.balance for currency, held in player.snapshot.wallet.items()}
    assert sum(accounts.values()) + sum(running.values()) == 0
    assert accounts.keys() <= {"issued", "adjusted"}


def test_a_turn_of_the_game_keeps_all_that_is_not_the_games() -> None:
    """Each part that a snapshot has, also one that was added later: dropped here, it would be lost in silence."""
    others = set(PART_TYPES) - {"profile", "wallet", "metrics", "missions", "progress"}
    held = structs.replace(Snapshot("ada"), **{name: copy(getattr(Snapshot("ada"), name)) for name in others})
    event = Event("ada", "e-1", "bet_placed", NOON, {"amount": 1000})
    step = take_turn(
        programme(earn_rules={"bet-points": PER_TEN}), held, LogEntry("1-0", NOON, event), Draws("s", 0, "1")
    )
    assert step.effects
    assert [name for name in others if getattr(step.state, name) is not getattr(held, name)] == []
