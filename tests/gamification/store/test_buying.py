"""Buying by example: who may, what it costs, what is left, and where the money goes."""

from typing import Any

import pytest

from domain.effects import Answered, Posting
from domain.entries import Event
from domain.game_effects import PurchaseChanged, Redeemed, RewardRefused
from domain.player import Balance
from gamification.programme import InvalidProgramme
from gamification.rooms import ROOMS
from gamification.rules import Rules
from gamification.store.stock import keeper_for, left_of
from tests.gamification.playing import DAY, HOUR, MONDAY, NOON, points, programme
from tests.gamification.town import Town

STOCK = "keeper:stock:rewards/gems"


def item(**more: Any) -> dict[str, Any]:
    """Return 10 gems for 50 points."""
    return {
        "type": "currency",
        "gives": [points(10, "gems")],
        "price": {"currency": "points", "amount": 50},
        **more,
    }


def shop(version: int = 1, timezone: str = "UTC", **items: dict[str, Any]) -> Rules:
    return programme(
        version,
        timezone,
        rewards=items,
        currencies={"gems": {}},
        segments={"vips": {"where": {"field": "player.traits.vip", "op": "eq", "value": True}}},
        achievements={"gift": {"event": "gifted", "stages": [{"at": 1, "rewards": [{"kind": "item", "item": "gems"}]}]}}
        if "gems" in items
        else {},
    )


def rich(rules: Rules, *players: str, now: int = NOON) -> Town:
    """Return a town whose players have 1,000 points each."""
    town = Town(rules, now)
    for player in players or ("ada",):
        town.asks(player, "adjust", currency="points", amount=1_000)
    return town


def buy(town: Town, player: str = "ada", what: str = "gems") -> Answered:
    """Buy and wait for the answer."""
    town.asks(player, "buy", item=what)
    town.settle()
    answered: Answered = town.happened(player, Answered)[-1]
    return answered


def accounts(town: Town) -> dict[str, int]:
    """Return the other side of the ledger, all players together."""
    sums: dict[str, int] = {}
    for effects in town.effects.values():
        for effect in effects:
            if isinstance(effect, Posting):
                name = f"{effect.account}:{effect.currency}"
                sums[name] = sums.get(name, 0) - effect.amount
            elif isinstance(effect, Redeemed):
                for account, moved in ((effect.source, -effect.amount), (effect.account, effect.amount)):
                    sums[f"{account}:{effect.currency}"] = sums.get(f"{account}:{effect.currency}", 0) + moved
    return {name: amount for name, amount in sums.items() if amount}


def left(town: Town, what: str = "gems") -> int | None:
    """Return how many are left, as the stock's keeper has it."""
    keeper = town.states.get(keeper_for(what))
    return left_of(town.rules.rooms["store"].items[what], keeper.kept if keeper else {})


def test_without_stock_it_is_bought_in_one_turn() -> None:
    town = rich(shop(gems=item()))
    effects = town.asks("ada", "buy", item="gems")
    answered = effects[-1]
    assert isinstance(answered, Answered)
    assert (answered.code, answered.data["status"]) == ("ok", "granted")
    assert (town.balance("ada"), town.balance("ada", "gems")) == (950, 10)
    assert accounts(town) == {"adjusted:points": -1_000, "redeemed:points": 50, "bought:gems": -10}


def test_with_stock_the_price_is_held_until_the_stock_has_answered() -> None:
    town = rich(shop(gems=item(stock=1)))
    town.asks("ada", "buy", item="gems")
    assert town.balance("ada") == 950
    assert accounts(town)["held:points"] == 50
    town.settle()
    assert accounts(town) == {"adjusted:points": -1_000, "redeemed:points": 50, "bought:gems": -10}
    assert left(town) == 0
    assert town.states[STOCK].kept == {"taken": 1, "reserved": 0}


def test_when_it_is_sold_out_the_price_is_back_and_nothing_counts() -> None:
    town = rich(shop(gems=item(stock=1, limit={"max": 1})), "ada", "bob")
    assert buy(town, "ada").code == "ok"
    assert buy(town, "bob").code == "sold_out"
    assert (town.balance("bob"), town.balance("bob", "gems")) == (1_000, 0)
    assert town.states["bob"].wallet["points"].lifetime == 1_000, "what comes back was earned before"
    assert town.states["bob"].shop.bought["gems"].ever == 0
    assert "held:points" not in accounts(town)


@pytest.mark.parametrize(
    ("config", "code"),
    [
        ({"price": None}, "not_for_sale"),
        ({"audience": {"segment": "vips"}}, "not_in_audience"),
        ({"active": {"from": "2026-03-03T00:00:00Z"}}, "item_not_active"),
        ({"active": {"until": "2026-03-02T12:00:00Z"}}, "item_not_active"),
        ({"price": {"amount": 1_001}}, "insufficient_balance"),
        ({"stock": 0}, "sold_out"),
    ],
)
def test_a_refusal_has_a_stable_code_and_costs_nothing(config: dict[str, Any], code: str) -> None:
    town = rich(shop(gems=item(**config)))
    assert buy(town).code == code
    assert town.balance("ada") == 1_000


def test_what_is_not_there_is_not_found() -> None:
    assert buy(rich(shop())).code == "item_not_found"


@pytest.mark.parametrize(
    ("per", "again_at"),
    [
        pytest.param("day", MONDAY + DAY + 5 * HOUR, id="midnight in New York"),
        pytest.param("week", MONDAY + 7 * DAY + 4 * HOUR, id="Monday there; the clocks have changed"),
        pytest.param("month", 1_775_016_000_000, id="the first of April there"),
    ],
)
def test_a_limit_begins_again_with_the_players_own_period(per: str, again_at: int) -> None:
    town = rich(shop(gems=item(limit={"max": 1, "per": per})))
    town.does("ada", "seen")
    state = town.states["ada"]
    profile = type(state.profile)(timezone="America/New_York")
    town.replaces("ada", profile=profile)
    assert buy(town).code == "ok"
    town.now = again_at - 1
    assert buy(town).code == "limit_reached"
    town.now = again_at
    assert buy(town).code == "ok"


@pytest.mark.parametrize("per", ["day", "week", "month"])
def test_another_zone_gives_no_second_period(per: str) -> None:
    town = rich(shop(gems=item(limit={"max": 2, "per": per})), now=1_775_001_600_000 - 4 * HOUR)  # before 1 April
    codes = []
    for count, zone in enumerate(("Pacific/Kiritimati", "Etc/GMT+12", "Pacific/Kiritimati", "Etc/GMT+12")):
        town.take(Event("ada", f"z{count}", "seen", town.now, context={"timezone": zone}))
        codes.append(buy(town).code)
    assert codes == ["ok", "ok", "limit_reached", "limit_reached"]


def test_ever_is_ever_and_a_refund_makes_room() -> None:
    town = rich(shop(gems=item(limit={"max": 1}, refundable_within="24h", stock=5)))
    first = buy(town)
    town.now += 400 * DAY
    assert buy(town).code == "limit_reached"
    town.asks("ada", "refund", purchase=first.data["purchase"], by_operator=True)
    town.settle()
    assert buy(town).code == "ok"


def test_two_asks_on_their_way_do_not_pass_the_limit() -> None:
    town = rich(shop(gems=item(stock=5, limit={"max": 1})))
    town.asks("ada", "buy", item="gems")
    assert town.asks("ada", "buy", item="gems")[-1] == Answered("limit_reached")


def test_of_several_discounts_the_best_that_applies_counts() -> None:
    discounts = [
        {"percent": 20},
        {"percent": 50, "audience": {"segment": "vips"}},
        {"percent": 90, "active": {"from": "2027-01-01T00:00:00Z"}},
    ]
    town = rich(shop(gems=item(price={"amount": 99}, discount=discounts)), "ada", "bob")
    town.does("bob", "seen")
    town.replaces("bob", profile=type(town.states["bob"].profile)(traits={"vip": True}))
    assert buy(town, "ada").data["price"] == 80, "79.2, rounded up"
    assert buy(town, "bob").data["price"] == 50


def test_an_item_for_nothing_is_bought_without_a_posting_of_its_price() -> None:
    town = rich(shop(gems=item(discount={"percent": 100})))
    assert buy(town).data["price"] == 0
    assert town.balance("ada") == 1_000


def test_a_refund_gives_back_the_price_takes_what_was_given_and_fills_the_stock() -> None:
    town = rich(shop(gems=item(stock=1, refundable_within="24h")))
    bought = buy(town)
    town.now += DAY - 1
    town.asks("ada", "refund", purchase=bought.data["purchase"])
    town.settle()
    assert (town.balance("ada"), town.balance("ada", "gems"), left(town)) == (1_000, 0, 1)
    assert accounts(town) == {"adjusted:points": -1_000}
    assert town.states["ada"].wallet["points"].lifetime == 1_000
    again = town.asks("ada", "refund", purchase=bought.data["purchase"])
    assert isinstance(again[-1], Answered)
    assert again[-1].code == "ok"
    assert town.balance("ada") == 1_000, "the same refund again changes nothing"


def test_a_refund_comes_too_late_or_after_the_gift_was_spent() -> None:
    town = rich(shop(gems=item(refundable_within="24h"), other=item(price={"currency": "gems", "amount": 5})))
    bought = buy(town)
    buy(town, what="other")
    town.asks("ada", "adjust", currency="gems", amount=-14)
    assert town.asks("ada", "refund", purchase=bought.data["purchase"])[-1].code == "already_spent"  # type: ignore[union-attr]
    town.now += DAY
    assert town.asks("ada", "refund", purchase=bought.data["purchase"])[-1].code == "refund_too_late"  # type: ignore[union-attr]
    done = town.asks("ada", "refund", purchase=bought.data["purchase"], by_operator=True)[-1]
    assert isinstance(done, Answered)
    assert done.code == "ok"
    assert town.balance("ada", "gems") == 0, "what is there is taken, and no more"


def test_what_is_bought_is_not_earned_so_buying_and_giving_back_raises_no_level() -> None:
    town = rich(shop(gems=item(refundable_within="24h")))
    for _ in range(3):
        town.asks("ada", "refund", purchase=buy(town).data["purchase"])
    buy(town)
    assert town.states["ada"].wallet["gems"] == Balance(10, 0)
    assert accounts(town) == {"adjusted:points": -1_000, "redeemed:points": 50, "bought:gems": -10}


@pytest.mark.parametrize("gems", [{"max_per_day": 5}, {"pending": "48h"}])
def test_what_is_bought_is_neither_limited_nor_held_back(gems: dict[str, Any]) -> None:
    pouch = item(refundable_within="24h")
    town = rich(programme(rewards={"gems": pouch}, currencies={"gems": gems}))
    town.asks("ada", "adjust", currency="gems", amount=100)
    first = buy(town)
    assert town.balance("ada", "gems") == 110
    town.asks("ada", "refund", purchase=first.data["purchase"])
    assert town.balance("ada", "gems") == 100


def test_a_refund_takes_what_was_given_whatever_the_item_gives_now() -> None:
    town = rich(shop(gems=item(refundable_within="24h")))
    first = buy(town)
    town.rules = shop(2, gems=item(refundable_within="24h", gives=[points(1, "gems")]))
    town.asks("ada", "refund", purchase=first.data["purchase"])
    assert (town.balance("ada"), town.balance("ada", "gems")) == (1_000, 0)


def test_a_refund_fills_no_stock_that_it_took_nothing_from() -> None:
    town = rich(shop(gems=item(refundable_within="24h")))
    first = buy(town)
    town.rules = shop(2, gems=item(refundable_within="24h", stock=1))
    town.asks("ada", "refund", purchase=first.data["purchase"])
    town.settle()
    assert (town.balance("ada"), left(town)) == (1_000, 1)


def test_an_item_that_was_a_reward_is_not_refunded_and_makes_no_room() -> None:
    town = rich(shop(gems=item(limit={"max": 1}, refundable_within="24h")))
    assert buy(town).code == "ok"
    town.does("ada", "gifted")
    gift = town.states["ada"].shop.purchases[-1].id
    for by_operator in (False, True):
        refused = town.asks("ada", "refund", purchase=gift, by_operator=by_operator)
        assert refused == [Answered("purchase_not_found")]
    assert buy(town).code == "limit_reached"


def test_an_item_as_a_reward_is_free_and_asks_the_stock() -> None:
    town = rich(shop(gems=item(stock=1, limit={"max": 1})), "ada", "bob")
    town.does("ada", "gifted")
    town.does("bob", "gifted")
    town.settle()
    assert (town.balance("ada"), town.balance("ada", "gems")) == (1_000, 10)
    assert town.balance("bob", "gems") == 0
    (refused,) = town.happened("bob", RewardRefused)
    assert (refused.rule, refused.reason) == ("achievements/gift", "sold_out")
    assert [p.status for p in town.states["bob"].shop.purchases] == ["failed"]
    assert town.states["ada"].shop.bought == {}, "a gift counts against no limit"


def test_a_changed_stock_counts_what_is_taken() -> None:
    town = rich(shop(gems=item(stock=2)))
    buy(town)
    buy(town)
    town.rules = shop(2, gems=item(stock=3))
    assert left(town) == 1
    assert buy(town).code == "ok"
    town.rules = shop(3, gems=item(stock=1))
    assert (left(town), buy(town).code) == (0, "sold_out")
    town.rules = shop(4, gems=item(stock=4))
    assert buy(town).code == "ok"


def test_an_item_that_is_deleted_while_it_is_asked_is_not_bought() -> None:
    town = rich(shop(gems=item(stock=1)))
    town.asks("ada", "buy", item="gems")
    kept = town.lines
    town.rules = shop(2)
    assert kept
    town.settle()
    assert town.happened("ada", Answered)[-1].code == "item_not_found"
    assert town.balance("ada") == 1_000


def test_the_last_hundred_purchases_are_kept() -> None:
    town = rich(shop(gems=item(price={"amount": 1})))
    for _ in range(130):
        town.asks("ada", "buy", item="gems")
    assert len(town.states["ada"].shop.purchases) == 100
    assert town.states["ada"].shop.bought["gems"].ever == 130
    assert len({purchase.id for purchase in town.states["ada"].shop.purchases}) == 100


def test_the_history_tells_what_became_of_a_purchase() -> None:
    town = rich(shop(gems=item(stock=1)))
    buy(town)
    assert [change.status for change in town.happened("ada", PurchaseChanged)] == ["asked", "granted"]


def test_the_view_says_what_can_be_bought_and_why_not() -> None:
    rules = shop(
        gems=item(limit={"max": 1, "per": "day"}, discount={"percent": 20}),
        gift=item(price=None),
        secret=item(audience={"segment": "vips"}),
        dear=item(price={"amount": 5_000}),
    )
    town = rich(rules)
    buy(town)
    (room,) = [room for room in ROOMS if room.name == "store"]
    assert room.view is not None
    seen = room.view(rules, town.states["ada"], town.now)
    by_id = {found["id"]: found for found in seen["store"]}
    assert by_id.keys() == {"gems", "dear"}
    assert by_id["gems"]["price"] == {"currency": "points", "amount": 40, "before": 50}
    assert by_id["gems"]["limit"] == {"max": 1, "per": "day", "left": 0}
    assert (by_id["gems"]["can_buy"], by_id["gems"]["reason"]) == (False, "limit_reached")
    assert by_id["dear"]["reason"] == "insufficient_balance"
    assert [(p["item"], p["status"]) for p in seen["purchases"]] == [("gems", "granted")]


@pytest.mark.parametrize(
    ("config", "error"),
    [
        ({"type": "spins"}, "expected gives with a reward of the kind spins"),
        ({"gives": [{"kind": "item", "item": "gems"}, points(1)]}, "an item gives no other"),
        ({"type": "bonus", "refundable_within": "1h"}, "expected refundable_within only where"),
        ({"price": {"currency": "silver", "amount": 1}}, "price.currency: expected one of gems points, got 'silver'"),
        ({"gives": [points(1, "silver")]}, "gives"),
        ({"grant": {"connector": "platform"}}, "expected no grant with type currency"),
        ({"audience": {"segment": "whales"}}, "audience: expected a configured segment"),
        ({"type": "bonus", "grant": {"connector": "platform"}}, "expected a connector of the kind webhook"),
    ],
)
def test_what_is_wrong_is_said(config: dict[str, Any], error: str) -> None:
    with pytest.raises(InvalidProgramme, match=error):
        shop(gems=item(**config))
