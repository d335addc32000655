"""A daily jackpot that everybody feeds, and one of one's own."""

from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.effects import Posting
from domain.entries import Contributed, Event, KeeperAsked, Merged
from domain.game_effects import Drawn, JackpotPaid, SeedRevealed
from domain.player import all_parts
from domain.step import Draws
from gamification.fairness.proof import problems, threshold_of
from gamification.fairness.proof import seed_of as seed
from gamification.jackpots.config import MICROS
from gamification.jackpots.keeper import shown_pot
from gamification.programme import InvalidProgramme
from tests.gamification.lottery import SEED, Lottery
from tests.gamification.playing import NOON, programme

KEEPER = "keeper:jackpot:daily"


def jackpot(**more: Any) -> dict[str, Any]:
    return {
        "event": "bet_placed",
        "contribute": {"fixed": 10},
        "seed": 100,
        "hit": {"must_hit_by": 500, "min": 200},
    } | more


def town(**more: Any) -> Lottery:
    return Lottery(programme(jackpots={"daily": jackpot(**more)}))


def bet(where: Lottery, player: str = "ada", times: int = 1, **properties: Any) -> None:
    for _ in range(times):
        where.does(player, "bet_placed", **properties)
        where.settle()


def shown(where: Lottery) -> dict[str, Any]:
    return shown_pot(where.states[KEEPER].kept)


def check(where: Lottery, actor: str) -> None:
    """Check every hit as anybody can who was shown its records."""
    drawn, seeds = where.happened(actor, Drawn), where.happened(actor, SeedRevealed)
    assert len(drawn) == len(seeds)
    for draw, revealed in zip(drawn, seeds, strict=True):
        assert not problems(draw, bytes.fromhex(revealed.seed))


def test_the_pot_is_hit_at_an_amount_that_nobody_knew_and_the_next_begins() -> None:
    where = town()
    threshold = threshold_of(seed(Draws(SEED, 0, ""), "jackpots", "daily", "", 0), 200, 500)
    bet(where)
    assert (shown(where)["amount"], shown(where)["pot"]) == (110, 0)
    assert str(threshold) not in str(where.states[KEEPER].kept), "it is not kept where it can be read"
    committed = shown(where)["commitment"]
    while not where.happened("ada", JackpotPaid):
        bet(where)
    (paid,) = where.happened("ada", JackpotPaid)
    assert threshold <= paid.amount < threshold + 10
    (posted,) = where.happened("ada", Posting)
    assert (posted.amount, posted.account, posted.rule) == (paid.amount, "jackpot", "jackpots/daily")
    assert where.happened(KEEPER, Drawn)[0].commitment == committed != shown(where)["commitment"]
    assert (shown(where)["pot"], shown(where)["amount"], shown(where)["paid"]) == (1, 100, paid.amount)
    check(where, KEEPER)


def test_a_share_is_of_whole_minor_units_and_nothing_is_rounded_away() -> None:
    where = town(contribute={"share": 0.015, "of": "properties.amount"})
    bet(where, times=3, amount=101)  # 1.515 each
    assert where.states[KEEPER].kept["micros"] == 100 * MICROS + 3 * 1_515_000
    assert shown(where)["amount"] == 104
    for amount in (-5, "many", None, float("nan")):
        bet(where, amount=amount)
    assert shown(where)["contributions"] == 3


def test_who_is_not_in_the_audience_adds_nothing() -> None:
    where = town(audience={"field": "player.traits.vip", "op": "eq", "value": True})
    bet(where)
    assert KEEPER not in where.states


def test_each_contribution_may_hit() -> None:
    where = town(hit={"chance": 0.25}, contribute={"fixed": 1})
    bet(where, times=60)
    won = where.happened("ada", JackpotPaid)
    assert len(won) > 3
    check(where, KEEPER)
    assert [w.pot for w in won] == list(range(len(won)))


def test_one_commit_may_hit_twice() -> None:
    where = town(hit={"chance": 1})
    where.take(Contributed(KEEPER, (("ada", MICROS, "m1"), ("bob", MICROS, "m2"))))
    where.settle()
    assert (where.balance("ada"), where.balance("bob")) == (101, 101)
    first, second = where.happened(KEEPER, Drawn)
    assert (first.id[-23:], first.number, second.number) == (".0@keeper:jackpot:daily", 0, 1)
    assert second.id.endswith(".1@keeper:jackpot:daily")
    check(where, KEEPER)


def test_a_pot_of_ones_own() -> None:
    where = town(scope="personal", hit={"must_hit_by": 130})
    bet(where, "ada", 2)
    bet(where, "bob", 1)
    while not where.happened("ada", JackpotPaid):
        bet(where, "ada")
    assert where.balance("ada") in (110, 120, 130)
    assert where.balance("bob") == 0
    assert KEEPER not in where.states
    check(where, "ada")


def test_personal_pots_of_one_person_become_one() -> None:
    where = town(scope="personal")
    bet(where, "anon:x", 3)
    bet(where, "ada", 2)
    where.take(Merged("ada", "anon:x", all_parts(where.states["anon:x"]), "m"))
    assert where.states["ada"].games.pots["daily"].micros == 150 * MICROS


def test_a_merge_while_the_jackpot_is_away_never_takes_a_pot_back_to_a_number_that_was_drawn() -> None:
    at_once = {"scope": "personal", "hit": {"must_hit_by": 110}}
    where = town(**at_once)
    bet(where, "ada", 3)
    bet(where, "bob", 1)
    where.rules = programme(2, jackpots={"daily": jackpot(scope="personal", hit={"must_hit_by": 500, "min": 500})})
    bet(where, "anon:x", 5)
    where.rules = programme(3)
    where.merges("anon:x", "ada")
    where.settle()
    pot = where.states["ada"].games.pots["daily"]
    assert (pot.number, pot.micros) == (3, 150 * MICROS)
    where.merges("bob", "cy")
    where.settle()
    assert where.states["cy"].games.pots["daily"].number == 1
    where.rules = programme(4, jackpots={"daily": jackpot(**at_once)})
    bet(where, "ada", 2)
    numbers = [shown.number for shown in where.happened("ada", SeedRevealed)]
    assert numbers == list(range(5))


@pytest.mark.parametrize(("mine", "theirs", "kept"), [(4, 3, (140, "points")), (3, 4, (140, "gems"))])
def test_pots_of_two_currencies_are_not_added(mine: int, theirs: int, kept: tuple[int, str]) -> None:
    where = town(scope="personal")
    bet(where, "ada", mine)
    gems = jackpot(scope="personal", currency="gems")
    where.rules = programme(2, currencies={"gems": {}}, jackpots={"daily": gems})
    bet(where, "anon:x", theirs)
    where.merges("anon:x", "ada")
    where.settle()
    pot = where.states["ada"].games.pots["daily"]
    assert (pot.micros // MICROS, pot.currency) == kept


def test_a_full_pot_that_loses_its_chance_is_hit_by_the_next_contribution() -> None:
    where = town(contribute={"fixed": 10**12}, seed=0, hit={"chance": 1e-9})
    bet(where)
    where.rules = programme(2, jackpots={"daily": jackpot(seed=0, hit={"must_hit_by": 100})})
    bet(where)
    assert where.happened("ada", JackpotPaid)[0].amount == 10**12
    check(where, KEEPER)


def test_a_jackpot_that_is_no_more_takes_nothing() -> None:
    where = town()
    bet(where)
    before = where.states[KEEPER]
    where.rules = programme(version=2)
    where.take(Contributed(KEEPER, (("ada", MICROS, "m1"),)))
    where.take(KeeperAsked(KEEPER, "ada", "1", "pay", {}))
    assert where.states[KEEPER] == before


def test_a_pot_keeps_its_bounds_and_currency_until_it_is_hit() -> None:
    where = town()
    bet(where)
    where.rules = programme(2, currencies={"gems": {}}, jackpots={"daily": jackpot(currency="gems", hit={"chance": 1})})
    bet(where)
    assert (shown(where)["pot"], shown(where)["currency"], shown(where)["must_hit_by"]) == (0, "points", 500)
    while not shown(where)["pot"]:
        bet(where)
    assert shown(where)["currency"] == "gems"


def test_a_pot_that_began_with_a_chance_takes_bounds_when_it_has_none_any_more() -> None:
    where = town(hit={"chance": 1e-9})
    bet(where, times=45)
    where.rules = programme(2, jackpots={"daily": jackpot(hit={"must_hit_by": 500})})
    while not where.happened("ada", JackpotPaid):
        bet(where)
    assert where.happened("ada", JackpotPaid)[0].amount == 560, "it stood above: the next contribution hits it"
    check(where, KEEPER)


@given(
    rng=st.integers(0, 2**32),
    micros=st.lists(st.integers(1, 400 * MICROS), min_size=1, max_size=60),
    chance=st.booleans(),
)
def test_seeds_and_contributions_are_what_was_paid_and_what_is_there(rng: int, micros: list[int], chance: bool) -> None:
    """Of any contributions in batches of any size; each winner is paid once, each hit checks."""
    where, dice = town(**({"hit": {"chance": 0.1}} if chance else {})), Random(rng)
    rows = [(f"p{dice.randrange(4)}", amount, f"m{i}") for i, amount in enumerate(micros)]
    while rows:
        size = dice.randint(1, 5)
        batch, rows = rows[:size], rows[size:]
        where.take(Contributed(KEEPER, tuple(batch)))
        if dice.random() < 0.5:
            where.deliver(dice)
    where.settle()
    kept, paid = where.states[KEEPER].kept, sum(where.balance(f"p{n}") for n in range(4))
    assert kept["paid"] == paid
    assert 100 * MICROS * (kept["number"] + 1) + sum(micros) == paid * MICROS + kept["micros"]
    assert kept["number"] == sum(len(where.happened(f"p{n}", JackpotPaid)) for n in range(4))
    check(where, KEEPER)


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ({"contribute": {"fixed": 1, "share": 0.1}}, "contribute"),
        ({"contribute": {"share": 0.0000001, "of": "properties.amount"}}, "millionths"),
        ({"hit": {"chance": 0.1, "must_hit_by": 5}}, "hit"),
        ({"hit": {"must_hit_by": 5, "min": 6}}, "hit"),
        ({"seed": 500}, "seed"),
        ({"currency": "gold"}, "currency"),
        ({"message": {"template": "none"}}, "message.template"),
    ],
)
def test_what_makes_no_jackpot_is_refused(more: dict[str, Any], path: str) -> None:
    with pytest.raises(InvalidProgramme) as refused:
        programme(jackpots={"daily": jackpot(**more)}, templates={})
    assert path in str(refused.value)


def test_an_absurd_amount_adds_the_most_that_there_is_and_the_pot_grows_no_further() -> None:
    where = town(contribute={"share": 1, "of": "properties.amount"}, hit={"must_hit_by": 10**12, "min": 10**12})
    where.take(Event("ada", "e", "bet_placed", NOON, {"amount": 2**53}))
    where.settle()
    assert where.balance("ada") == 10**12
