"""Drift of features and scores: none of the same players, told of others."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.watch.drift import ROWS_MIN, WARNS, Bins, Reference, Shift, problem, reference_of, shifts

RNG = np.random.default_rng(7)


def columns(rows: int, *, bets: float = 0.0, move: float = 0.0) -> dict[str, list[float]]:
    """Return made-up players: a normal feature, whole days, and bets that nobody has unless said."""
    return {
        "recency": (RNG.normal(size=rows) + move).tolist(),
        "days_7": RNG.integers(0, 8, rows).astype(float).tolist(),
        "bets_28": (RNG.random(rows) < bets).astype(float).tolist(),
    }


def by_name(found: list[Shift]) -> dict[str, Shift]:
    return {shift.name: shift for shift in found}


@pytest.mark.parametrize("seed", range(20))
def test_of_the_same_players_nothing_is_told(seed: int) -> None:
    rng = np.random.default_rng(seed)
    then = reference_of(0, {"recency": rng.normal(size=400)})
    (found,) = shifts(then, {"recency": rng.normal(size=250)})
    assert not found.warns
    assert found.psi < 0.15


def test_the_index_is_that_of_the_shares() -> None:
    then = Reference(0, 10**9, {"x": Bins([0.0, 1.0], [0.5, 0.3, 0.2])})
    live = [0.0] * 400 + [0.5] * 300 + [2.0] * 300
    (found,) = shifts(then, {"x": live})
    by_hand = (0.4 - 0.5) * math.log(0.4 / 0.5) + 0 + (0.3 - 0.2) * math.log(0.3 / 0.2)
    assert found.psi == pytest.approx(by_hand - 2 / 1_000, abs=1e-4)


def test_what_moved_is_told_and_the_rest_is_not() -> None:
    then = reference_of(0, columns(2_000))
    found = by_name(shifts(then, columns(1_000, move=1.0)))
    assert found["recency"].warns
    assert found["recency"].now > found["recency"].was + 0.7
    assert not found["days_7"].warns
    assert shifts(then, columns(1_000, move=1.0))[0].name == "recency"


def test_what_never_varied_is_told_when_it_does() -> None:
    then = reference_of(0, columns(2_000))
    assert not by_name(shifts(then, columns(1_000)))["bets_28"].warns
    assert by_name(shifts(then, columns(1_000, bets=0.3)))["bets_28"].warns


@pytest.mark.parametrize(
    "values",
    [
        pytest.param([0.0] * 150 + [1.0] * 60 + [2.0] * 40 + [3.0] * 30 + [9.0] * 20, id="zeros repeat"),
        pytest.param([0.0] * 10 + [1.0] * 90 + [5.0] * 110 + [6.0] * 90, id="the middle repeats"),
        pytest.param([0.0] * 150 + [4.0] * 150, id="two halves"),
        pytest.param([3.0] * 300, id="all the same"),
        pytest.param([float(n) for n in range(300)], id="none repeats"),
    ],
)
def test_of_the_same_values_the_median_was_what_it_is(values: list[float]) -> None:
    (found,) = shifts(reference_of(0, {"x": values}), {"x": values})
    assert found.was == found.now == sorted(values)[149]


def test_of_few_players_nothing_is_told() -> None:
    assert shifts(reference_of(0, columns(ROWS_MIN - 1)), columns(1_000, move=3)) == []
    assert shifts(reference_of(0, columns(1_000)), columns(ROWS_MIN - 1, move=3)) == []
    assert shifts(reference_of(0, columns(1_000)), {}) == []


@settings(deadline=None)
@given(
    then=st.lists(st.sampled_from([0.0, 0.5, 1.0, 7.25]) | st.floats(-1e9, 1e9), min_size=ROWS_MIN, max_size=ROWS_MIN),
    live=st.lists(st.sampled_from([0.0, 0.5, 1.0, 7.25]) | st.floats(-1e9, 1e9), min_size=ROWS_MIN, max_size=ROWS_MIN),
)
def test_the_index_is_finite_and_of_the_reference_itself_zero(then: list[float], live: list[float]) -> None:
    reference = reference_of(0, {"x": then})
    assert problem(reference) == ""
    assert sum(reference.columns["x"].shares) == pytest.approx(1)
    assert shifts(reference, {"x": then})[0].psi == 0
    assert 0 <= shifts(reference, {"x": live})[0].psi < 100
    assert WARNS == 0.2


@pytest.mark.parametrize(
    "bins",
    [
        pytest.param(Bins([0.0], [1.0]), id="a share is missing"),
        pytest.param(Bins([1.0, 0.0], [0.2, 0.2, 0.6]), id="edges fall"),
        pytest.param(Bins([math.inf], [0.5, 0.5]), id="an edge is infinite"),
        pytest.param(Bins([0.0], [0.5, 1.5]), id="a share over one"),
    ],
)
def test_a_reference_that_cannot_be_compared_with_says_why(bins: Bins) -> None:
    assert problem(Reference(0, 500, {"x": bins})).startswith("what is known of x has")
