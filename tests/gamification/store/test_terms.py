"""What was paid comes back with the terms it had, and what was bought goes back before anything older."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from domain.player import Balance, Purse
from domain.shop import Purchase
from gamification.rules import Rules
from gamification.terms import GRACE_DAYS, TERMS_MAX, restored, shown, taken
from gamification.view import player_view
from tests.gamification.playing import DAY, HOUR, MONDAY, NOON, points, programme
from tests.gamification.store.test_buying import accounts, buy, item
from tests.gamification.town import Town

Lots = tuple[tuple[int, int], ...]
GRACE = (GRACE_DAYS + 1) * DAY  # to the end of the local day, when it begins at midnight


def market(version: int = 1, **gems: Any) -> Rules:
    """Return a market where gems, which expire, buy a mug (granted outside) and points, and points buy gems."""
    mug = {"type": "thing", "price": {"currency": "gems", "amount": 10}}
    return programme(
        version,
        currencies={"gems": {"expires": "10d"} | gems},
        rewards={
            "mug": mug | {"confirm_within": "20d"},
            "chest": {**mug, "type": "currency", "gives": [points(5)], "refundable_within": "300d"},
            "gems": item(refundable_within="30d"),
        },
        tournaments={
            "race": {
                "schedule": {"every": "month"},
                "events": [{"event": "bet_placed", "score": {"count": True}}],
                "registration": "buy_in",
                "buy_in": {"currency": "gems", "amount": 10},
                "prizes": [],
                "players": {"min": 2},
            }
        },
    )


def with_gems(*amounts: int, **gems: Any) -> Town:
    """Return a town where ada was given so many gems, a day apart; now is the day of the last."""
    town = Town(market(**gems))
    town.asks("ada", "adjust", currency="points", amount=1_000)
    for number, amount in enumerate(amounts):
        town.later(NOON + number * DAY)
        gives(town, amount)
    return town


def gives(town: Town, amount: int) -> None:
    town.asks("ada", "adjust", currency="gems", amount=amount)


def lots(town: Town) -> Lots:
    purse = town.states["ada"].wallet["gems"].purse
    return purse.lots if purse is not None else ()


def last(town: Town) -> Purchase:
    return town.states["ada"].shop.purchases[-1]


def fails(town: Town) -> None:
    town.asks("ada", "confirm_grant", purchase=last(town).id, status="failed")


def refunds(town: Town, **more: Any) -> None:
    town.asks("ada", "refund", purchase=last(town).id, **more)


def adds_up(town: Town) -> None:
    assert town.balance("ada", "gems") + sum(n for name, n in accounts(town).items() if name.endswith(":gems")) == 0


FIRST, SECOND = MONDAY + 11 * DAY, MONDAY + 12 * DAY


def test_a_purchase_that_fails_gives_back_the_lots_it_took() -> None:
    town = with_gems(6, 8)
    assert buy(town, what="mug").code == "ok"
    assert lots(town) == ((SECOND, 4),)
    assert last(town).paid == ((FIRST, 6), (SECOND, 4))
    town.later(NOON + 5 * DAY)
    fails(town)
    assert lots(town) == ((FIRST, 6), (SECOND, 8)), "neither younger nor all of one lot"
    assert last(town).paid == ()
    adds_up(town)


def test_a_refund_of_a_lot_that_is_gone_has_its_term_and_not_a_full_one() -> None:
    town = with_gems(10)
    buy(town, what="chest")
    town.later(NOON + 9 * DAY)
    refunds(town)
    assert lots(town) == ((FIRST, 10),)
    adds_up(town)


def test_what_has_expired_meanwhile_is_back_for_the_grace_and_no_longer() -> None:
    town = with_gems(10)
    buy(town, what="chest")
    town.later(NOON + 15 * DAY)
    refunds(town)
    until = MONDAY + 15 * DAY + GRACE
    assert [(shown(at), left) for at, left in lots(town)] == [(until, 10)]
    balances: Any = player_view(town.rules, town.states["ada"], town.now)["balances"]
    assert balances["gems"]["expires"] == {"amount": 10, "at": until}
    town.later(until + 1)
    assert town.balance("ada", "gems") == 0
    assert accounts(town)["expired:gems"] == 10
    adds_up(town)


def test_a_grace_is_given_once() -> None:
    town = with_gems(10)
    for _ in range(2):
        buy(town, what="chest")
        town.later(town.now + 15 * DAY)
        refunds(town)
    assert (town.balance("ada", "gems"), lots(town)) == (0, ())
    assert accounts(town)["expired:gems"] == 10, "it is in the ledger that it was back, and over"
    adds_up(town)


def test_a_grace_is_no_longer_than_a_full_term() -> None:
    town = with_gems(10, expires="2d")
    buy(town, what="chest")
    town.later(NOON + 15 * DAY)
    refunds(town)
    assert [shown(at) for at, _ in lots(town)] == [MONDAY + 18 * DAY]


def test_what_never_expired_comes_back_so() -> None:
    town = Town(market(expires=None))
    gives(town, 7)
    town.rules = market(2)
    gives(town, 5)
    buy(town, what="mug")
    assert last(town).paid == ((FIRST, 5), (0, 5))
    fails(town)
    assert (town.balance("ada", "gems"), lots(town)) == (12, ((FIRST, 5),))


def test_what_comes_back_after_the_currency_expires_no_more_does_not_either() -> None:
    town = with_gems(10)
    buy(town, what="mug")
    town.rules = market(2, expires=None)
    fails(town)
    assert (town.balance("ada", "gems"), lots(town)) == (10, ())


def test_a_purchase_from_before_terms_were_kept_comes_back_as_it_did_then() -> None:
    town = with_gems(6, 8)
    buy(town, what="mug")
    shop = town.states["ada"].shop
    town.replaces("ada", shop=replace(shop, purchases=(replace(last(town), paid=()),)))
    fails(town)
    assert lots(town) == ((SECOND, 14),)


def test_of_a_debt_that_it_fills_what_expires_first_is_gone_first() -> None:
    town = with_gems(6, 8, allow_negative=True)
    buy(town, what="mug")
    gives(town, -11)
    assert town.balance("ada", "gems") == -7
    fails(town)
    assert (town.balance("ada", "gems"), lots(town)) == (3, ((SECOND, 3),))
    adds_up(town)


def test_who_pays_with_a_debt_gets_a_full_term_for_what_paid_it_later() -> None:
    town = with_gems(4, allow_negative=True)
    buy(town, what="mug")
    assert last(town).paid == ((FIRST, 4),)
    town.later(NOON + DAY)
    gives(town, 6)
    fails(town)
    assert (town.balance("ada", "gems"), lots(town)) == (10, ((FIRST, 4), (SECOND, 6)))


def test_a_buy_in_comes_back_with_its_terms() -> None:
    town = with_gems(6, 8)
    town.asks("ada", "register", tournament="race")
    town.settle()
    assert lots(town) == ((SECOND, 4),)
    run = next(key for key in town.states["ada"].runs)
    town.asks("ada", "withdraw", tournament="race", run=run.partition("@")[2])
    town.settle()
    assert lots(town) == ((FIRST, 6), (SECOND, 8))
    adds_up(town)


def test_a_play_without_a_prize_comes_back_with_its_terms() -> None:
    town = with_gems(6, 8)
    mugs = [{"id": "mug", "weight": 1, "stock": 1, "rewards": [points(1)]}]
    wheel = {"type": "wheel", "buy_in": {"currency": "gems", "amount": 10}, "prizes": mugs, "attempts": {"max": 9}}
    town.rules = programme(2, currencies={"gems": {"expires": "10d"}}, minigames={"wheel": wheel})
    town.asks("bob", "adjust", currency="gems", amount=10)
    town.asks("bob", "play", minigame="wheel")
    town.settle()
    town.asks("ada", "play", minigame="wheel")
    assert lots(town) == ((SECOND, 4),)
    town.settle()
    assert lots(town) == ((FIRST, 6), (SECOND, 8))


def test_of_what_was_bought_the_refund_takes_the_lot_that_it_made() -> None:
    town = with_gems(6)
    town.later(NOON + 3 * DAY)
    buy(town)
    assert lots(town) == ((FIRST, 6), (MONDAY + 14 * DAY, 10))
    refunds(town)
    assert lots(town) == ((FIRST, 6),)
    adds_up(town)


def test_where_that_lot_was_spent_the_refund_takes_what_expires_first() -> None:
    town = with_gems(6)
    town.later(NOON + DAY)
    buy(town)
    town.later(NOON + 2 * DAY)
    gives(town, 5)
    gives(town, -8)
    assert lots(town) == ((SECOND, 8), (MONDAY + 13 * DAY, 5))
    refunds(town)
    assert lots(town) == ((MONDAY + 13 * DAY, 3),)
    adds_up(town)


def test_a_merge_takes_the_terms_along() -> None:
    town = with_gems(6, 8)
    buy(town, what="mug")
    town.asks("bob", "adjust", currency="points", amount=1)
    town.merges("ada", "bob")
    town.settle()
    (purchase,) = town.states["bob"].shop.purchases
    town.asks("bob", "confirm_grant", purchase=purchase.id, status="failed")
    purse = town.states["bob"].wallet["gems"].purse
    assert purse is not None
    assert purse.lots == ((FIRST, 6), (SECOND, 8))


ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("give"), st.integers(1, 30)),
        st.tuples(st.just("spend"), st.integers(1, 30)),
        st.tuples(st.sampled_from(["mug", "chest", "gems", "fail", "refund"]), st.just(0)),
        st.tuples(st.just("wait"), st.sampled_from([1, 11, 24, 5 * 24, 12 * 24])),
    ),
    max_size=30,
)


@given(acts=ACTS, debts=st.booleans())
def test_nothing_lives_longer_than_its_term_and_one_grace(acts: list[tuple[str, int]], debts: bool) -> None:
    town = with_gems(10, allow_negative=debts)
    given_at = town.now
    for act, amount in [*acts, ("wait", 0)]:
        match act:
            case "give" | "spend":
                gives(town, amount if act == "give" else -amount)
            case "fail" | "refund":
                for purchase in town.states["ada"].shop.purchases:
                    name = "confirm_grant" if act == "fail" else "refund"
                    town.asks("ada", name, purchase=purchase.id, status="failed", by_operator=True)
            case "wait":
                town.later(town.now + amount * HOUR)
            case _:
                buy(town, what=act)
        if act in ("give", "gems"):
            given_at = town.now
        held = town.states["ada"].wallet["gems"]
        assert sum(left for _, left in lots(town)) == max(0, held.balance), "what was never without a term has one"
        assert all(at > town.now and left > 0 for at, left in lots(town))
        adds_up(town)
        debt_free = not debts  # what paid a debt is not known: it may come back with a full term
        assert not (debt_free and lots(town)) or lots(town)[-1][0] <= max(given_at + 11 * DAY, town.now + GRACE) + 1
    if not debts:
        for _ in range(4):  # buying and refunding for ever
            buy(town, what="chest")
            town.later(town.now + 12 * DAY)
            for purchase in town.states["ada"].shop.purchases:
                if purchase.item == "chest":
                    town.asks("ada", "refund", purchase=purchase.id, by_operator=True)
        town.later(town.now + 12 * DAY)
        assert town.balance("ada", "gems") == 0


@given(
    sums=st.lists(st.integers(1, 50), max_size=60),
    free=st.integers(0, 40),
    price=st.integers(1, 4_000),
)
def test_what_is_taken_is_what_is_given_back(sums: list[int], free: int, price: int) -> None:
    rows = tuple((NOON + number * DAY, amount) for number, amount in enumerate(sums))
    held = Balance(sum(sums) + free, 0, Purse(rows))
    terms = taken(held, price)
    assert len(terms) <= TERMS_MAX + 1
    assert sum(part for _, part in terms) == min(price, held.balance)
    back = restored(terms, price, MONDAY, NOON, NOON + 99 * DAY)
    debt = max(0, price - held.balance)
    term = sum(part for at, part in back if at != NOON + 99 * DAY)
    assert term == min(price, sum(sums))
    assert sum(part for at, part in back if at == NOON + 99 * DAY) == debt
    worth = [NOON + number * DAY for number, amount in enumerate(sums) for _ in range(amount)][:price]
    now = [at for at, part in back if at != NOON + 99 * DAY for _ in range(part)]
    assert all(after >= before for before, after in zip(worth, now, strict=True)), "nothing comes back with less"
    if len(sums) <= TERMS_MAX:
        assert worth == now


@pytest.mark.parametrize("amount", [1, 5, 9])
def test_of_less_than_was_taken_what_expires_last_comes_back(amount: int) -> None:
    back = restored(((FIRST, 6), (SECOND, 4)), amount, NOON, NOON, NOON)
    assert sum(part for _, part in back) == amount
    assert back[-1] == (SECOND, min(amount, 4))
