"""The draw of an arm: Thompson sampling with a floor, and the probability with which it was drawn.

Thompson sampling takes an arm with the probability that it is the best (Thompson 1933; Chapelle and Li 2011). That
probability is worked out first and the arm is drawn with it, so what is written down as propensity is exact.
"""

from collections.abc import Sequence
from random import Random

import numpy as np
from msgspec import Struct

from ml.choices.beliefs import ONE, Belief, By
from ml.choices.plan import ChoicePlan
from ml.choices.posterior import Floats, Own, best_shares, fitted, own_way


class Draw(Struct, frozen=True):
    """An arm, how it came to it, and its propensity, of ``ONE``."""

    arm: str
    propensity: int
    by: By


def draw(plan: ChoicePlan, belief: Belief, x: Sequence[float], own: Own, eligible: Sequence[str], rng: Random) -> Draw:
    """Draw one of the eligible arms.

    Args:
        belief: ``Beliefs.of(plan)``.
        x: Numbers of ``plan.context``, as ``fixed`` keeps them or not: both draw the same but for the last digits.
        own: The player's own outcomes by arm; looked at only when the plan is ``personal``.
        eligible: One or more of ``plan.arms``; of one, it is taken.
        rng: Drawn from twice, or not at all if one arm is eligible.
    """
    if len(eligible) == 1:
        return Draw(eligible[0], ONE, "only")
    shares = whole(policy(plan, belief, x, own, eligible))
    explore = round(plan.explore * ONE)
    by: By = "floor" if rng.randrange(ONE) < explore else "policy"
    at = _place(rng.randrange(ONE), shares) if by == "policy" else rng.randrange(len(eligible))
    return Draw(eligible[at], round((explore / len(eligible)) + (ONE - explore) / ONE * shares[at]), by)


def policy(plan: ChoicePlan, belief: Belief, x: Sequence[float], own: Own, eligible: Sequence[str]) -> Floats:
    """Return the probability of each eligible arm to be the best for this player, without the floor."""
    fit = fitted(plan, belief)
    mean, sd = fit.at(x)
    places = [plan.arms.index(arm) for arm in eligible]
    mean, sd = mean[places], sd[places]
    if plan.personal and own:
        mean, sd = own_way(mean, sd, fit, [own.get(arm, (0, 0)) for arm in eligible])
    return best_shares(mean, sd)


def whole(shares: Floats) -> list[int]:
    """Return shares as whole numbers that add up to ``ONE``; the largest takes what rounding leaves."""
    numbers: list[int] = np.floor(shares * ONE).astype(int).tolist()
    numbers[int(np.argmax(shares))] += ONE - sum(numbers)
    return numbers


def _place(number: int, shares: Sequence[int]) -> int:
    for at, share in enumerate(shares):
        number -= share
        if number < 0:
            return at
    raise AssertionError(f"shares add up to {sum(shares)}, {ONE} was expected")
