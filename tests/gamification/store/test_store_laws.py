"""Laws of the store: stock is kept exactly, money is neither made nor lost, whatever comes first."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.effects import Answered
from gamification.store.stock import read
from tests.gamification.playing import points, programme
from tests.gamification.store.test_buying import STOCK, accounts
from tests.gamification.town import Town

PLAYERS = "abcd"
ACTS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["buy", "gift", "refund", "confirm", "fail"]), st.sampled_from(PLAYERS)),
        st.integers(1, 6),
    ),
    max_size=50,
)


@given(
    stock=st.integers(0, 6),
    limit=st.integers(1, 4),
    kind=st.sampled_from(["currency", "bonus"]),
    acts=ACTS,
    seed=st.integers(0, 2**32),
)
def test_stock_and_money_are_kept(
    stock: int, limit: int, kind: str, acts: list[tuple[str, str] | int], seed: int
) -> None:
    item = {
        "type": kind,
        "gives": [points(10, "gems")],
        "price": {"amount": 50},
        "stock": stock,
        "limit": {"max": limit},
    }
    gift = [{"kind": "item", "item": "gems"}]
    rules = programme(
        rewards={"gems": item},
        currencies={"gems": {}},
        achievements={"gift": {"event": "gifted", "stages": [{"at": at, "rewards": gift} for at in range(1, 9)]}},
    )
    town, rng = Town(rules), Random(seed)
    for player in PLAYERS:
        town.asks(player, "adjust", currency="points", amount=200)
    for act in acts:
        if isinstance(act, int):
            for _ in range(act):
                town.deliver(rng)
        else:
            _does(town, rng, *act)
        kept = read(town.states[STOCK].kept) if STOCK in town.states else read({})
        assert 0 <= kept.reserved <= kept.taken <= stock
        for player in PLAYERS:
            assert town.states[player].shop.bought.get("gems") is None or (
                0 <= town.states[player].shop.bought["gems"].ever <= limit
            )
    while town.deliver(rng):
        continue
    _is_settled(town)


def _does(town: Town, rng: Random, what: str, player: str) -> None:
    purchases = [p.id for p in town.states[player].shop.purchases]
    some = rng.choice(purchases) if purchases else ""
    if what == "buy":
        town.asks(player, "buy", item="gems")
    elif what == "gift":
        town.does(player, "gifted")
    elif what == "refund":
        town.asks(player, "refund", purchase=some, by_operator=True)
    else:
        status = "granted" if what == "confirm" else "failed"
        town.asks(player, "confirm_grant", purchase=some, status=status)


def _is_settled(town: Town) -> None:
    """Nothing is on its way: each purchase has its stock, its price and what it gives, or none of them."""
    purchases = [p for player in PLAYERS for p in town.states[player].shop.purchases]
    assert not [p for p in purchases if p.status == "asked"]
    kept = read(town.states[STOCK].kept) if STOCK in town.states else read({})
    assert kept.taken == sum(p.amount for p in purchases if p.status in ("granting", "granted"))
    assert kept.reserved == sum(p.amount for p in purchases if p.status == "granting")
    books = accounts(town)
    assert books.get("held:points", 0) == sum(p.price for p in purchases if p.status == "granting")
    assert books.get("redeemed:points", 0) == sum(p.price for p in purchases if p.status == "granted")
    for currency in ("points", "gems"):
        players = sum(town.balance(player, currency) for player in PLAYERS)
        assert players + sum(n for name, n in books.items() if name.endswith(f":{currency}")) == 0
    gems = sum(town.balance(player, "gems") for player in PLAYERS)
    given = sum(10 for p in purchases if p.status == "granted")
    assert gems == given, "each granted purchase gave its gems, and what was refunded took them back"


@pytest.mark.slow
def test_10_000_buyers_of_1_000_pieces() -> None:
    item = {"type": "currency", "gives": [points(1, "gems")], "price": {"amount": 5}, "stock": 1_000}
    rules = programme(rewards={"gems": item}, currencies={"gems": {}})
    town = Town(rules, stores=False)
    for number in range(10_000):
        town.asks(f"p{number}", "adjust", currency="points", amount=5)
        town.asks(f"p{number}", "buy", item="gems")
    town.settle()
    codes = [effect.code for effects in town.effects.values() for effect in effects if isinstance(effect, Answered)]
    assert codes.count("sold_out") == 9_000
    assert accounts(town)["redeemed:points"] == 5_000
    assert town.states[STOCK].kept == {"taken": 1_000, "reserved": 0}
