"""When a player pays again, and how much: the published figures, a simulation of the story, and whatever comes."""

from math import expm1, isfinite, log1p

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import structs

from domain.calendar import DAY_MS
from domain.features import Features
from ml.features import NAMES, Signal, update, vector
from ml.lifetime import (
    LTV_DAYS,
    NAMES_TOLD,
    WAIT_MAX_DAYS,
    Buyer,
    Lifetime,
    buyer_of,
    expected_days,
    mean_value,
    median_wait,
    p_alive,
    problem,
    told,
    value,
)
from tests.ml.test_features import HISTORIES, LAWS, MONDAY, after, timed

CDNOW = Lifetime(0.243, 4.414, 0.793, 2.426, 6.25, 3.74, 15.44)  # of the papers, in weeks
DAILY = structs.replace(CDNOW, alpha=4.414 * 7)
POSITIVE = st.floats(0.05, 20)
MODELS = st.builds(Lifetime, POSITIVE, st.floats(1, 1e4), POSITIVE, POSITIVE, POSITIVE, st.floats(1.01, 20), POSITIVE)


def test_the_published_expectation_of_a_known_customer() -> None:
    """Customer 0001 of CDNOW (Fader, Hardie and Lee, "Implementing the BG/NBD model in Excel", 2005)."""
    alive = p_alive(CDNOW, 2, 30.43, 38.86)
    assert expected_days(CDNOW, 2, 38.86, 39.0, alive) == pytest.approx(1.226, abs=0.0005)


@pytest.mark.parametrize(
    ("weeks", "expected"), [(0.1429, 0.0078), (1.0, 0.0532), (3.0, 0.1506), (31.8571, 1.0405), (78.0, 1.8576)]
)
def test_the_published_expectation_of_a_new_customer(weeks: float, expected: float) -> None:
    """The same sheet, with its parameters in full."""
    model = structs.replace(CDNOW, r=0.242594, alpha=4.413532, a=0.792920, b=2.425895)
    assert expected_days(model, 0, 0.0, weeks, 1.0) == pytest.approx(expected, abs=0.0005)


@pytest.mark.parametrize(
    ("repeats", "mean", "expected"), [(2, 22.35, 24.65), (1, 11.77, 18.91), (7, 73.74, 71.46), (0, 0.0, 35.17)]
)
def test_the_published_mean_values(repeats: int, mean: float, expected: float) -> None:
    """The gamma-gamma model on CDNOW (Fader and Hardie 2013), p = 6.25, q = 3.74, v = 15.44."""
    assert mean_value(CDNOW, repeats, mean) == pytest.approx(expected, abs=0.05)


@pytest.mark.parametrize(("a", "b"), [(1.0, 3.0), (0.4, 0.6), (0.3, 0.2), (1.5, 2.0)])
def test_expectations_are_those_of_the_story(a: float, b: float) -> None:
    """Live 80,000 lives by the model's rules, also where its formula divides by nothing: a = 1, a + b = 1."""
    model = structs.replace(CDNOW, r=1.2, alpha=20.0, a=a, b=b)
    rng = np.random.default_rng(5)
    lives, age, ahead = 80_000, 40.0, 90.0
    rate, leave = rng.gamma(model.r, 1 / model.alpha, lives), rng.beta(a, b, lives)
    clock, alive = np.zeros(lives), np.ones(lives, bool)
    x, t_x, later, wait = np.zeros(lives), np.zeros(lives), np.zeros(lives), np.full(lives, np.inf)
    while alive.any():
        clock = np.where(alive, clock + rng.exponential(1 / rate), clock)
        alive &= clock <= age + ahead
        early, late = alive & (clock <= age), alive & (clock > age)
        x, t_x, later = x + early, np.where(early, clock, t_x), later + late
        wait = np.where(late, np.minimum(wait, clock - age), wait)
        alive &= rng.random(lives) >= leave
    chance = np.array([p_alive(model, *one, age) for one in zip(x, t_x, strict=True)])
    for times in range(3):
        of = x == times
        expected = np.mean([expected_days(model, times, age, ahead, p) for p in chance[of]])
        assert later[of].mean() == pytest.approx(expected, rel=0.05), f"{times} repeat days"
    waits = [median_wait(model, times, age, p) for times, p in zip(x, chance, strict=True)]
    told_ = np.array([-1.0 if each is None or each > ahead else each for each in waits])
    assert (told_ > 0).sum() > 2_000
    assert (wait <= told_)[told_ > 0].mean() == pytest.approx(0.5, abs=0.025)


@LAWS
@given(
    model=MODELS,
    x=st.integers(0, 2_000),
    t_x=st.integers(0, 5_000),
    idle=st.integers(0, 5_000),
    mean=st.floats(0, 1e12),
)
@example(DAILY, 0, 0, 0, 0.0)
@example(structs.replace(DAILY, a=1.0, b=1e-3, r=1e-3, alpha=1e-3), 0, 0, 0, 1.0)
@example(structs.replace(DAILY, r=1e3, alpha=1e9), 2_000, 0, 5_000, 1e12)
def test_whatever_comes_is_a_number_within_reason(model: Lifetime, x: int, t_x: int, idle: int, mean: float) -> None:
    buyer = Buyer(x, t_x if x else 0, (t_x if x else 0) + idle, mean)
    alive = p_alive(model, buyer.x, buyer.t_x, buyer.age)
    assert 0 <= alive <= 1
    days = [expected_days(model, x, buyer.age, ahead, alive) for ahead in (1, 30, LTV_DAYS)]
    assert all(map(isfinite, days))
    assert days == sorted(days)
    assert days[-1] <= LTV_DAYS * (model.r + x) / model.alpha + 1e-6, "never more than without leaving"
    assert 0 <= value(model, buyer, LTV_DAYS, alive) < float("inf")
    wait = median_wait(model, x, buyer.age, alive)
    assert wait is None or wait > 0


@LAWS
@given(history=HISTORIES, idle=st.integers(0, 400 * DAY_MS))
def test_payments_are_read_back_from_the_features_as_they_were(history: list[object], idle: int) -> None:
    state = after(timed(history))  # type: ignore[arg-type]
    at = state.last_at + idle
    buyer = buyer_of(vector(state, at))
    if not state.buys.days:
        assert buyer is None
        assert told(DAILY, vector(state, at)) == {}
        return
    assert buyer is not None
    first, last = state.buys.first_at // DAY_MS, state.buys.last_at // DAY_MS
    assert (buyer.x, buyer.t_x) == (state.buys.days - 1, last - first)
    assert buyer.age == max(last, (at - 1) // DAY_MS) - first
    assert buyer.mean == pytest.approx(state.buys.spent / state.buys.days)
    assert set(told(DAILY, vector(state, at))) <= set(NAMES_TOLD)


def paying(*days: int, amount: float = 20.0) -> Features:
    state = Features()
    for day in days:
        state = update(state, Signal("deposit", amount), MONDAY + day * DAY_MS)
    return state


def test_a_day_counts_once_it_has_begun() -> None:
    """At midnight the day that is over is the last one, as in the published histories, which end with a day."""
    known = paying(0)
    ages = [buyer_of(vector(known, MONDAY + DAY_MS + ms)) for ms in (-1, 0, 1)]
    assert [one.age for one in ages if one] == [0, 0, 1]


def test_who_pays_often_is_told_an_early_date_and_who_has_stopped_none() -> None:
    weekly = paying(*range(0, 70, 7))
    soon = told(DAILY, vector(weekly, weekly.last_at))
    later = told(DAILY, vector(weekly, weekly.last_at + 20 * DAY_MS))
    gone = told(DAILY, vector(weekly, weekly.last_at + 120 * DAY_MS))
    assert 3 < soon["next_purchase_days"] < 12
    assert soon["ltv_90d"] > later["ltv_90d"] > gone["ltv_90d"]
    assert "next_purchase_days" not in gone, "it is likelier that they never pay again"
    assert "next_purchase_days" not in told(DAILY, vector(paying(0), MONDAY)), "half of those pay after years, or never"


def test_who_pays_more_is_worth_more_and_not_in_proportion() -> None:
    small, large = (told(DAILY, vector(paying(0, 9, amount=x), MONDAY + 9 * DAY_MS))["ltv_90d"] for x in (10, 1_000))
    assert 2 * small < large < 100 * small


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"q": 1.0}, "q of the lifetime must be over 1"),
        ({"r": 0.0}, "r of the lifetime"),
        ({"alpha": 1e10}, "alpha"),
        ({"b": 1e-17}, "b of the lifetime"),
        ({"alpha": 1e-20}, "alpha"),
    ],
)
def test_parameters_that_make_no_sense_are_named(changed: dict[str, float], said: str) -> None:
    assert problem(DAILY) == ""
    assert said in problem(structs.replace(DAILY, **changed))


def test_a_date_is_told_of_a_year_at_most() -> None:
    row = [0.0] * len(NAMES)
    row[NAMES.index("buy_days")] = log1p(1)
    assert round(expm1(row[NAMES.index("buy_days")])) == 1
    slow = structs.replace(DAILY, r=1.0, alpha=WAIT_MAX_DAYS + 1)
    assert "next_purchase_days" not in told(slow, row)
    assert told(structs.replace(slow, alpha=WAIT_MAX_DAYS - 1), row)["next_purchase_days"] == pytest.approx(364.0)
