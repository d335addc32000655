"""The draw: propensities are what happens, no arm is ever out of reach, the same generator draws the same."""

from collections import Counter
from math import sqrt
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from ml.choices.beliefs import ONE, ArmSums, Belief, learnt
from ml.choices.draw import Draw, draw, policy, whole
from ml.choices.plan import ChoicePlan
from ml.choices.posterior import SPREAD, best_shares, fitted, own_way
from tests.ml.choices.rows import LOOKING, PLAN, a_shop, counts_of, ended


def seen(**arms: tuple[int, int]) -> Belief:
    """Return what is believed after so many outcomes of each arm, so many of them rewarded."""
    return {arm: ArmSums(n, won * ONE, won * ONE) for arm, (n, won) in arms.items()}


SOME = seen(spins=(40, 6), cashback=(40, 9), nothing=(40, 2))
NORMALS = np.random.default_rng(5).standard_normal((4_000, 12))
SHOP = learnt(counts_of(LOOKING, a_shop(4, 600)), 1, [LOOKING.key]).of(LOOKING)


@pytest.mark.parametrize(
    ("plan", "belief", "x", "own"),
    [
        pytest.param(PLAN, {}, (), {}, id="nothing known"),
        pytest.param(PLAN, SOME, (), {}, id="some"),
        pytest.param(LOOKING, SHOP, (3.0, -4.0), {}, id="looks at the player"),
        pytest.param(structs.replace(PLAN, personal=True), SOME, (), {"nothing": (6, 5 * ONE)}, id="personal"),
    ],
)
def test_propensities_are_calibrated(
    plan: ChoicePlan, belief: Belief, x: tuple[float, ...], own: dict[str, tuple[int, int]]
) -> None:
    """Of 2,000 draws each arm is drawn as often as its propensity says, within four standard errors."""
    plan = structs.replace(plan, explore=0.1)
    rng, n = Random(11), 2_000
    draws = [draw(plan, belief, x, own, plan.arms, rng) for _ in range(n)]
    told = {one.arm: one.propensity / ONE for one in draws}
    assert sum(told.values()) == pytest.approx(1, abs=1e-5) or len(told) < len(plan.arms)
    for arm, times in Counter(one.arm for one in draws).items():
        p = told[arm]
        assert abs(times / n - p) < 4 * sqrt(p * (1 - p) / n), (arm, times, p)
    assert sum(one.by == "floor" for one in draws) / n == pytest.approx(0.1, abs=0.027)


@given(
    outcomes=st.lists(st.tuples(st.integers(0, 10**6), st.floats(0, 1)), min_size=12, max_size=12),
    explore=st.floats(0.01, 1),
    eligible=st.sets(st.integers(0, 11), min_size=2),
    seed=st.integers(0, 99),
)
def test_no_eligible_arm_is_out_of_reach_and_no_other_is_in_it(
    outcomes: list[tuple[int, float]], explore: float, eligible: set[int], seed: int
) -> None:
    arms = tuple(f"arm-{at}" for at in range(12))
    plan = ChoicePlan("twelve", arms, explore=explore)
    belief = seen(**{arm: (n, int(n * share)) for arm, (n, share) in zip(arms, outcomes, strict=True)})
    may = tuple(arm for at, arm in enumerate(arms) if at in eligible)
    drawn = draw(plan, belief, (), {}, may, Random(seed))
    assert drawn.arm in may
    assert explore / len(may) * ONE - 1 <= drawn.propensity <= ONE
    assert drawn == draw(plan, belief, (), {}, may, Random(seed))


def test_the_same_belief_of_another_plan_is_another_matter() -> None:
    turned = structs.replace(PLAN, arms=PLAN.arms[::-1])
    told = policy(PLAN, SOME, (), {}, PLAN.arms)
    assert policy(turned, SOME, (), {}, turned.arms) == pytest.approx(told[::-1])
    assert policy(PLAN, dict(SOME) | seen(spins=(40, 20)), (), {}, PLAN.arms)[0] > 2 * told[0]


def test_one_eligible_arm_is_taken_and_nothing_is_drawn() -> None:
    rng = Random(3)
    assert draw(PLAN, SOME, (), {}, ("nothing",), rng) == Draw("nothing", ONE, "only")
    assert rng.getstate() == Random(3).getstate()


def test_nothing_known_draws_all_alike() -> None:
    assert policy(PLAN, {}, (), {}, PLAN.arms) == pytest.approx([1 / 3] * 3)


def test_what_is_known_draws_the_better_more_often_and_in_the_end_nearly_always() -> None:
    few = policy(PLAN, seen(spins=(20, 2), cashback=(20, 4), nothing=(20, 1)), (), {}, PLAN.arms)
    many = policy(PLAN, seen(spins=(2_000, 200), cashback=(2_000, 400), nothing=(2_000, 100)), (), {}, PLAN.arms)
    assert few[2] < few[0] < few[1] < 0.95
    assert many[1] > 0.999


def test_an_arm_that_is_new_is_tried_beside_one_that_is_known() -> None:
    known = seen(spins=(500, 50), cashback=(500, 60))
    assert policy(PLAN, known, (), {}, PLAN.arms)[2] > 0.2


def test_who_the_player_is_decides_where_the_choice_looks_at_players() -> None:
    lately, lost = policy(LOOKING, SHOP, (4.0, 4.0), {}, PLAN.arms), policy(LOOKING, SHOP, (0.0, -6.0), {}, PLAN.arms)
    assert lately[0] > 0.8
    assert lost[1] > 0.8


def test_a_players_own_outcomes_count_only_where_the_choice_is_personal() -> None:
    own = {"nothing": (12, 11 * ONE), "cashback": (12, 0)}
    assert policy(PLAN, SOME, (), own, PLAN.arms) == pytest.approx(policy(PLAN, SOME, (), {}, PLAN.arms))
    assert policy(structs.replace(PLAN, personal=True), SOME, (), own, PLAN.arms)[2] > 0.95


def test_a_players_own_outcomes_are_drawn_towards_everybodys() -> None:
    """Of 120 outcomes 17 were rewarded: 24 of the player's own count as much as everybody's."""
    fit = fitted(PLAN, SOME)
    mean, sd = fit.at(())
    weight = fit.noise / (SPREAD * fit.overall) ** 2
    assert weight == pytest.approx(23.7, abs=0.5)
    mine, surer = own_way(mean, sd, fit, [(0, 0), (24, 24 * ONE), (24, 0)])
    assert mine == pytest.approx([mean[0], (weight * mean[1] + 24) / (weight + 24), weight * mean[2] / (weight + 24)])
    assert surer[0] == sd[0]
    assert surer[1] == pytest.approx(sd[1] / 2, rel=0.02)
    often = fitted(PLAN, seen(spins=(40, 38), cashback=(40, 39), nothing=(40, 40)))
    assert own_way(mean, sd, often, [(10, 0)] * 3)[0] == pytest.approx(mean / 2)  # never fewer than ten


@given(
    means=st.lists(st.floats(0, 1), min_size=2, max_size=12),
    sds=st.lists(st.floats(1e-4, 0.5), min_size=12, max_size=12),
)
def test_the_probability_to_be_the_best_is_what_many_draws_say(means: list[float], sds: list[float]) -> None:
    mean, sd = np.array(means), np.array(sds[: len(means)])
    shares = best_shares(mean, sd)
    drawn = (mean + sd * NORMALS[:, : len(mean)]).argmax(axis=1)
    assert shares.sum() == pytest.approx(1)
    assert shares == pytest.approx(np.bincount(drawn, minlength=len(mean)) / len(NORMALS), abs=0.04)


def test_of_two_arms_it_is_exact() -> None:
    share = best_shares(np.array([0.3, 0.1]), np.array([0.3, 0.4]))[0]
    assert share == pytest.approx(0.6554217, abs=1e-3)  # the normal's distribution at 0.2 / 0.5


@given(numbers=st.lists(st.floats(1e-6, 1), min_size=2, max_size=12))
def test_shares_as_whole_numbers_lose_nothing(numbers: list[float]) -> None:
    shares = np.array(numbers) / sum(numbers)
    told = whole(shares)
    assert sum(told) == ONE
    assert min(told) >= 0
    assert np.array(told) / ONE == pytest.approx(shares, abs=2e-5)


def test_a_longer_context_than_the_sums_is_filled_with_nothing() -> None:
    rows = [ended("spins", 1, x=(0.0, 0.0)), ended("cashback", 0, x=(0.0, 0.0))]
    belief = learnt(counts_of(LOOKING, rows), 1, [LOOKING.key]).of(LOOKING)
    assert belief["spins"].x == ()
    assert policy(LOOKING, belief, (9.0, 9.0), {}, PLAN.arms).sum() == pytest.approx(1)
