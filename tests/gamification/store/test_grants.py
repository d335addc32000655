"""What the platform grants: it waits for the answer, fails back with the price, and is told once."""

from typing import Any

import pytest

from domain.effects import Answered
from domain.game_effects import PurchaseChanged, RewardRefused
from domain.shop import Purchase
from gamification.rules import Rules
from gamification.store import records
from tests.gamification.playing import HOUR, points, programme
from tests.gamification.store.test_buying import accounts, buy, rich
from tests.gamification.town import Town


def shop(**more: Any) -> Rules:
    """Return a programme with a mug for 50 points, which the platform sends."""
    mug = {"type": "thing", "price": {"amount": 50}, "stock": 2, "confirm_within": "48h", **more}
    return programme(
        rewards={"mug": mug},
        currencies={"gems": {}},
        achievements={"gift": {"event": "gifted", "stages": [{"at": 1, "rewards": [{"kind": "item", "item": "mug"}]}]}},
    )


def the(town: Town, player: str = "ada") -> Purchase:
    return town.states[player].shop.purchases[-1]


def says(town: Town, purchase: str, status: str, player: str = "ada", **more: Any) -> Answered:
    answered = town.asks(player, "confirm_grant", purchase=purchase, status=status, **more)[-1]
    town.settle()
    assert isinstance(answered, Answered)
    return answered


def test_a_thing_waits_for_the_platform_and_the_price_is_held() -> None:
    town = rich(shop(gives=[points(3, "gems")]))
    answered = buy(town, what="mug")
    assert (answered.code, answered.data["status"]) == ("ok", "granting")
    assert accounts(town)["held:points"] == 50
    assert town.balance("ada", "gems") == 0
    assert says(town, the(town).id, "granted").code == "ok"
    assert accounts(town)["redeemed:points"] == 50
    assert town.balance("ada", "gems") == 3
    assert says(town, the(town).id, "granted").code == "ok", "told twice it is the same"
    assert town.balance("ada", "gems") == 3
    assert says(town, the(town).id, "failed").code == "grant_is_over"


def test_a_failed_grant_gives_price_and_stock_back_and_says_why() -> None:
    town = rich(shop(limit={"max": 1}))
    buy(town, what="mug")
    says(town, the(town).id, "failed", reason="no address")
    assert (the(town).status, the(town).reason, town.balance("ada")) == ("failed", "no address", 1_000)
    assert town.states["keeper:stock:rewards/mug"].kept == {"taken": 0, "reserved": 0}
    assert town.happened("ada", PurchaseChanged)[-1].reason == "no address"
    assert buy(town, what="mug").code == "ok", "it counts against no limit"


def test_a_grant_that_nobody_confirms_fails_in_time() -> None:
    town = rich(shop())
    buy(town, what="mug")
    began = town.now
    town.later(began + 48 * HOUR - 1)
    assert the(town).status == "granting"
    town.later(began + 48 * HOUR)
    assert (the(town).status, the(town).reason, town.balance("ada")) == ("failed", "not_confirmed", 1_000)


def test_a_confirmed_grant_has_no_timer_left() -> None:
    town = rich(shop())
    buy(town, what="mug")
    says(town, the(town).id, "granted")
    assert not town.timers


def test_a_failed_gift_is_told_by_its_rule() -> None:
    town = rich(shop())
    town.does("ada", "gifted")
    town.settle()
    says(town, the(town).id, "failed", reason="blocked")
    (refused,) = town.happened("ada", RewardRefused)
    assert (refused.rule, refused.reason) == ("achievements/gift", "blocked")


@pytest.mark.parametrize("purchase", ["", "pur_x_y", "p1"])
def test_a_purchase_that_is_not_there_is_not_found(purchase: str) -> None:
    assert says(rich(shop()), purchase, "granted").code == "purchase_not_found"


@pytest.mark.parametrize("player", ["ada", "anon:7f", "josé@example.com", "a_b_c", "пані"])
def test_the_id_of_a_purchase_says_whose_it_is(player: str) -> None:
    town = rich(shop(), player)
    buy(town, player, "mug")
    assert records.player_of(the(town, player).id) == player


@pytest.mark.parametrize("bad", ["", "pur", "pur_", "pur_x", "req_YWRh_1", "pur_!!_1", "pur_/w_1"])
def test_an_id_that_is_none_names_nobody(bad: str) -> None:
    assert records.player_of(bad) == ""


def test_a_merge_takes_purchases_along_and_nothing_is_paid_twice() -> None:
    town = rich(shop(limit={"max": 1}), "anon:a", "ada")
    buy(town, "anon:a", "mug")
    purchase = the(town, "anon:a").id
    town.merges("anon:a", "ada")
    town.settle()
    assert town.states["anon:a"].shop.purchases == ()
    assert the(town).id == purchase
    assert buy(town, "ada", "mug").code == "limit_reached", "both are one person"
    says(town, purchase, "failed", reason="returned")
    assert town.balance("ada") == 2_000
    assert not [t for t in town.timers if t.player == "anon:a"]
    assert sum(n for name, n in accounts(town).items() if name.startswith("held")) == 0


def test_an_answer_of_the_stock_that_comes_after_a_merge_finds_its_purchase() -> None:
    town = rich(shop(), "anon:a", "ada")
    town.asks("anon:a", "buy", item="mug")
    town.merges("anon:a", "ada")
    town.settle()
    assert the(town).status == "granting"
    assert town.states["keeper:stock:rewards/mug"].kept == {"taken": 1, "reserved": 1}
    assert not town.states["ada"].asks.open
