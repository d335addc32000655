"""What a seed draws, and that it cannot be told otherwise afterwards."""

import hmac
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from domain.game_effects import Drawn
from domain.step import NO_DRAWS, Draws
from gamification.fairness.maths import commitment_of, drawn, number_below, outcome_at, tickets_drawn, without
from gamification.fairness.proof import draw_id, place_of, problems, revealed, seed_of

SEED = bytes(range(32))
ODDS = (("jackpot", 1), ("ten", 99), ("five", 400), ("nothing", 9_500))
CHI2_3 = 16.266  # of 3 degrees of freedom, passed by chance once in a thousand


@pytest.mark.slow
def test_the_declared_odds_are_those_of_a_million_draws() -> None:
    """Pearson's test, alpha 0.001; the seed is fixed, so it passes or fails for ever."""
    total, times = sum(weight for _, weight in ODDS), 1_000_000
    seed = seed_of(Draws("a fixed store", 0, ""), "minigames", "wheel", "ada", 0)
    counts = dict.fromkeys(dict(ODDS), 0)
    for nonce in range(times):
        counts[drawn(ODDS, seed, "playtower", nonce)] += 1
    expected = {name: times * weight / total for name, weight in ODDS}
    assert sum((counts[name] - e) ** 2 / e for name, e in expected.items()) < CHI2_3


@pytest.mark.slow
def test_every_ticket_is_as_likely_at_every_place() -> None:
    """Of 5 tickets 3 win: 200,000 draws, each place of each ticket (chi-square, 4 degrees of freedom, alpha 0.001)."""
    times = 200_000
    counts = [[0] * 5 for _ in range(3)]
    for n in range(times):
        for place, ticket in enumerate(tickets_drawn(5, SEED, f"list {n}", 3)):
            counts[place][ticket - 1] += 1
    for row in counts:
        assert sum((count - times / 5) ** 2 / (times / 5) for count in row) < 18.467


def test_ten_lines_of_python_give_the_same() -> None:
    """As docs/gamification/fairness.md writes them."""
    value = int(hmac.new(SEED, b"my-lucky-7:4:0", sha256).hexdigest(), 16)
    assert number_below(10_000, SEED, "my-lucky-7", 4) == value * 10_000 // 2**256
    assert commitment_of(SEED) == sha256(SEED).hexdigest()


@pytest.mark.parametrize(
    ("number", "outcome"), [(0, "jackpot"), (1, "ten"), (99, "ten"), (100, "five"), (9_999, "nothing")]
)
def test_the_weights_lie_end_to_end(number: int, outcome: str) -> None:
    assert outcome_at(ODDS, number) == outcome


def test_a_number_beyond_the_weights_is_nobodys() -> None:
    with pytest.raises(ValueError, match="not below"):
        outcome_at(ODDS, 10_000)


@given(n=st.integers(1, 2**60), seed=st.binary(min_size=32, max_size=32), nonce=st.integers(0, 2**40))
def test_a_number_is_below_its_bound(n: int, seed: bytes, nonce: int) -> None:
    assert 0 <= number_below(n, seed, "clover", nonce) < n


@given(total=st.integers(0, 60), count=st.integers(0, 80), seed=st.binary(min_size=32, max_size=32))
def test_no_ticket_wins_twice_and_all_may_win(total: int, count: int, seed: bytes) -> None:
    tickets = tickets_drawn(total, seed, "list", count)
    assert len(set(tickets)) == len(tickets) == min(total, count)
    assert set(tickets) <= set(range(1, total + 1))


def test_a_seed_is_known_by_its_names_alone_and_tells_nothing_of_another() -> None:
    names = ("minigames", "wheel", "ada", "0")
    seed = Draws("store", 0, "1-0").secret(*names)
    assert seed == Draws("store", 7, "9-0").secret(*names)
    others = [
        Draws("other", 0, "1-0").secret(*names),
        Draws("store", 0, "1-0").secret("minigames", "wheel", "ada", "1"),
    ]
    assert len({seed, *others}) == 3
    assert len(seed) == 32
    with pytest.raises(AssertionError):
        NO_DRAWS.secret(*names)


@pytest.mark.parametrize("actor", ["ada", "anon:a@b", "keeper:tickets:x@7/3"])
def test_an_id_tells_where_the_record_is(actor: str) -> None:
    assert place_of(draw_id("17-2", 3, actor)) == ("17-2", 3, actor)


@pytest.mark.parametrize("draw", ["", "ada", "17-2@ada", ".1@ada", "17-2.x@ada", "17-2.1@"])
def test_what_is_no_id_is_none(draw: str) -> None:
    assert place_of(draw) is None


def test_a_record_that_was_changed_does_not_hold() -> None:
    draws = Draws("store", 0, "1-0")
    seed = seed_of(draws, "minigames", "wheel", "ada", 0)
    table = (("gems", 1), ("none", 1))
    first = drawn(table, seed, "c", 0)
    (second,) = (name for name, _ in without(table, [first]))
    record = Drawn("1", "minigames", "wheel", "ada", 0, commitment_of(seed), "c", 0, second, table, (first,))
    assert problems(record, seed) == []
    for changed in (
        structs.replace(record, commitment="00"),
        structs.replace(record, result=first),
        structs.replace(record, out=()),
        structs.replace(record, table=()),
    ):
        assert problems(changed, seed)
    assert problems(record, SEED)
    assert revealed(draws, "minigames", "wheel", "ada", 0).seed == seed.hex()
