"""What a choice was worth, from the sums alone: each arm, the draws as they were, the best single arm, the holdout.

Rewards are 0 to 1. Three ways to value an arm:

- ``mean``: of those who got it. Where the draw looks at the player, these are not like the others;
- ``everybody``: had everybody got it, each outcome weighed by 1 / propensity over the sum of these weights (SNIPW:
  Swaminathan and Joachims 2015);
- ``modelled``: the same, doubly robust (Dudik, Langford and Li 2011): what the regression expects of everybody, and
  the weighed mean of what it was wrong by. Near ``everybody`` unless few got the arm.

Intervals hold 95 %. Of a mean: Agresti and Coull 1998 ("plus four"), with the size of a usual reward in place of 1, and
of weighed rows as many as they are worth (Kish's effective number). Of a difference: Agresti and Caffo 2000, or the
influence function where both sides share their rows.
"""

from collections.abc import Mapping
from math import sqrt

import numpy as np
from msgspec import Struct

from ml.choices.beliefs import BYS, NOTHING, ONE, ArmSums, By, Counts, of_chance, together
from ml.choices.plan import ChoicePlan
from ml.choices.posterior import Fit, Floats, best_shares, fitted

Z = 1.959964  # of 95 %
OUTCOMES_MIN = 30  # of an arm, and of the holdout, before anything is said of it


class Estimate(Struct, frozen=True):
    """A figure and its 95 % interval."""

    value: float
    low: float
    high: float


class ArmReport(Struct, frozen=True):
    """One arm, of draws by chance; None where there is no outcome."""

    arm: str
    outcomes: int
    share: float  # of the outcomes of all arms
    mean: Estimate | None
    everybody: Estimate | None
    modelled: float | None
    best: float  # probability to be the best one, to a player whose context is the mean
    void: int  # ended without saying anything, however it was drawn


class ChoiceReport(Struct, frozen=True):
    """One choice, since its generation began."""

    choice: str
    outcomes: int  # of draws by chance
    void: int
    arms: list[ArmReport]
    policy: Estimate | None  # the draws as they were, the beginning included
    best_arm: str  # likeliest to be the best one
    best_single: Estimate | None  # had everybody got that one
    uniform: Estimate | None  # had all arms been drawn alike
    over_best: Estimate | None  # ``policy`` less ``best_single``
    over_uniform: float | None
    holdout_outcomes: int
    holdout: Estimate | None
    others: Estimate | None  # all who are not held out, those with one eligible arm too
    over_holdout: Estimate | None  # ``others`` less ``holdout``
    looks_at_players: bool  # there is a context, or it is personal; else it is the same for everybody


def report(plan: ChoicePlan, counts: Counts) -> ChoiceReport:
    """Return the figures of a choice.

    Args:
        counts: ``summed`` of all partitions; other choices and other generations in it are not looked at.
    """
    bys = {arm: counts.get(plan.key, {}).get(arm, {}) for arm in plan.arms}
    by_chance = {arm: of_chance(bys[arm]) for arm in plan.arms}
    held = together(bys[arm].get("holdout", NOTHING) for arm in plan.arms)
    others = together(bys[arm][by] for arm in plan.arms for by in BYS if by != "holdout" and by in bys[arm])
    all_drawn = together(by_chance.values())
    top = _usual(together((others, held)))
    fit = fitted(plan, by_chance)
    best = best_shares(*fit.in_the_middle())
    arms = [
        ArmReport(
            arm=arm,
            outcomes=one.n,
            share=one.n / all_drawn.n if all_drawn.n else 0.0,
            mean=_mean(one, top),
            everybody=_everybody(one, top),
            modelled=_modelled(fit, at, one, all_drawn),
            best=round(float(best[at]), 4),
            void=_void(bys[arm]),
        )
        for at, (arm, one) in enumerate(by_chance.items())
    ]
    first = arms[int(np.argmax(best))]
    policy, uniform = _mean(all_drawn, top), _uniform(arms)
    return ChoiceReport(
        choice=plan.id,
        outcomes=all_drawn.n,
        void=sum(arm.void for arm in arms),
        arms=arms,
        policy=policy,
        best_arm=first.arm,
        best_single=first.everybody,
        uniform=uniform,
        over_best=_over_arm(all_drawn, by_chance[first.arm]),
        over_uniform=policy.value - uniform.value if policy and uniform else None,
        holdout_outcomes=held.n,
        holdout=_mean(held, top),
        others=_mean(others, top),
        over_holdout=_between(others, held, top),
        looks_at_players=bool(plan.context) or plan.personal,
    )


def _mean(sums: ArmSums, top: float) -> Estimate | None:
    """Return the mean reward, of rows that count alike."""
    if not sums.n:
        return None
    mean = sums.r / ONE / sums.n
    return _around(mean, sums.rr / ONE / sums.n - mean**2, sums.n, top)


def _everybody(one: ArmSums, top: float) -> Estimate | None:
    """Return what an arm would have been worth, had everybody got it (SNIPW)."""
    if not one.n:
        return None
    mean = one.wr / one.w
    variance = (one.wwrr - 2 * mean * one.wwr + mean**2 * one.ww) / one.ww
    return _around(mean, variance, one.w**2 / ONE / one.ww, top)


def _modelled(fit: Fit, at: int, one: ArmSums, everyone: ArmSums) -> float | None:
    """Return the same by the doubly robust way, self-normalised."""
    if not one.n:
        return None
    slopes = fit.theta[at, 1:] / fit.scale
    level = float(fit.theta[at, 0] - slopes @ fit.middle)
    expected = level + _inner(slopes, everyone.x) / everyone.n
    wrong = (one.wr / ONE - level * one.w / ONE - _inner(slopes, one.wx)) / (one.w / ONE)
    return expected + wrong


def _uniform(arms: list[ArmReport]) -> Estimate | None:
    known = [arm.everybody for arm in arms if arm.everybody]
    if len(known) < len(arms):
        return None
    value = sum(one.value for one in known) / len(known)
    half = sqrt(sum(((one.high - one.low) / 2) ** 2 for one in known)) / len(known)
    return Estimate(value, max(0.0, value - half), min(1.0, value + half))


def _over_arm(everyone: ArmSums, one: ArmSums) -> Estimate | None:
    """Return what the draws were worth over one arm for everybody. Both are of the same rows.

    A row's influence on the difference is r - P, less n w (r - V) / W if it got the arm.
    """
    if not one.n or everyone.n < 2:
        return None
    n, scale = everyone.n, everyone.n * ONE / one.w
    policy, single = everyone.r / ONE / n, one.wr / one.w
    own = everyone.rr / ONE - n * policy**2
    weighed = (one.wwrr - 2 * single * one.wwr + single**2 * one.ww) / ONE
    crossed = (one.wrr - (policy + single) * one.wr + policy * single * one.w) / ONE
    variance = max(0.0, own + scale**2 * weighed - 2 * scale * crossed) / n**2
    return _normal(policy - single, variance)


def _between(one: ArmSums, other: ArmSums, top: float) -> Estimate | None:
    """Return the difference of two means, of rows of their own."""
    if not one.n or not other.n:
        return None
    told = one.r / ONE / one.n - other.r / ONE / other.n
    variance = 0.0
    middle = 0.0
    for sums, sign in ((one, 1), (other, -1)):
        n = sums.n + 2  # one more that got nothing and one that got the usual
        mean = (sums.r / ONE + top) / n
        middle += sign * mean
        variance += ((sums.rr / ONE + top**2) / n - mean**2) / n
    half = Z * sqrt(variance)
    return Estimate(told, max(-1.0, min(told, middle - half)), min(1.0, max(told, middle + half)))


def _around(mean: float, variance: float, n: float, top: float) -> Estimate:
    """Return the interval of a mean, with two more rows that got nothing and two that got the usual."""
    middle = (n * mean + 2 * top) / (n + 4)
    square = (n * (max(0.0, variance) + mean**2) + 2 * top**2) / (n + 4)
    half = Z * sqrt((square - middle**2) / (n + 4))
    return Estimate(mean, max(0.0, min(mean, middle - half)), min(1.0, max(mean, middle + half)))


def _normal(value: float, variance: float) -> Estimate:
    half = Z * sqrt(variance)
    return Estimate(value, max(-1.0, value - half), min(1.0, value + half))


def _usual(sums: ArmSums) -> float:
    """Return the size of a usual reward: 1 of yes and no, less where rewards are amounts."""
    return sums.rr / sums.r if sums.r else 1.0


def _void(bys: Mapping[By, ArmSums]) -> int:
    return sum(sums.void for sums in bys.values())


def _inner(slopes: Floats, sums: tuple[int, ...]) -> float:
    return float(sum(slope * number / ONE for slope, number in zip(slopes.tolist(), sums, strict=False)))
