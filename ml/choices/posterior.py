"""From sums to what each arm is worth to one player, and how sure that is: Bayesian linear regression, arm by arm.

Of an arm ``a``: reward = theta_a · z + noise, z the player's context (1, standardised numbers). The prior of every arm
is the regression over all arms together, so an arm of which nothing is known is worth what the average is, to this
player too, and is as uncertain as arms usually differ (``SPREAD``, ``SLOPE``). Conjugate: Bishop 2006, section 3.3;
Thompson sampling with it: Agrawal and Goyal 2013. Noise is one variance for all arms.

How the numbers are standardised follows from the sums as well: mean and variance over all outcomes so far.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ml.choices.beliefs import ONE, ArmSums, Belief
from ml.choices.plan import ChoicePlan

Floats = NDArray[np.float64]
Own = Mapping[str, tuple[int, int]]  # of one player, by arm: outcomes, and the sum of their rewards of ONE

SPREAD = 0.5  # standard deviation of arms about the mean of all, as a share of that mean
SLOPE = 0.25  # likewise, of what a standard deviation of a number of the context changes
OWN_WEIGHT_MIN = 10  # outcomes of the player's own at which they count as much as everybody's, at the least
_Z_MAX = 4.0  # standard deviations; what is further out tells no more
_VARIANCE_MIN = 1e-6  # of a number of the context; what varies less is a constant
_EDGES = np.linspace(-5.0, 5.0, 41)  # of a standard normal, of the grid that ``best_shares`` integrates over
_KEPT_MAX = 256
_TABLE = np.linspace(-8.0, 8.0, 1601)
_NORMAL = np.array([0.5 * math.erfc(-t / math.sqrt(2.0)) for t in _TABLE])  # read between its points: right to 3e-6


class Fit(NamedTuple):
    """What was learnt of K arms with a context of D - 1 numbers."""

    theta: Floats  # (K, D), posterior means
    cov: Floats  # (K, D, D), posterior covariances
    middle: Floats  # (D - 1,), by which the context is standardised
    scale: Floats  # (D - 1,)
    noise: float  # variance of a reward
    overall: float  # mean reward of all arms, slightly shrunk to 1/2

    def at(self, x: Sequence[float] | Floats) -> tuple[Floats, Floats]:
        """Return mean and standard deviation, (K,) each, of what an arm is worth to a player with this context.

        Of contexts (N, D - 1) they are (N, K).
        """
        z = np.clip((np.asarray(x, float) - self.middle) / self.scale, -_Z_MAX, _Z_MAX)
        z = np.concatenate((np.ones((*z.shape[:-1], 1)), z), axis=-1)  # (D,)
        variance = ((z @ self.cov) * z).sum(axis=-1) if z.ndim == 1 else np.einsum("ni,kij,nj->nk", z, self.cov, z)
        return z @ self.theta.T, np.sqrt(variance)

    def in_the_middle(self) -> tuple[Floats, Floats]:
        """Return the same of a player whose context is the mean of all."""
        return self.theta[:, 0], np.sqrt(self.cov[:, 0, 0])


_kept: dict[tuple[int, str], tuple[Belief, ChoicePlan, Fit]] = {}


def fitted(plan: ChoicePlan, belief: Belief) -> Fit:
    """Return what the sums say of the plan's arms, in its order.

    The fits of the last ``_KEPT_MAX`` beliefs are kept, since a belief is never changed and most draws share it: a fit
    takes longer than all the rest of a draw.
    """
    place = id(belief), plan.key  # choices of which nothing is known share the one empty belief
    kept = _kept.get(place)
    if kept is not None and kept[0] is belief and kept[1] == plan:
        return kept[2]
    if len(_kept) >= _KEPT_MAX:
        _kept.clear()
    fit = _fitted(plan, belief)
    _kept[place] = belief, plan, fit  # holding the belief keeps its id its own
    return fit


def _fitted(plan: ChoicePlan, belief: Belief) -> Fit:
    sums = [belief.get(arm, ArmSums()) for arm in plan.arms]
    width = len(plan.context) + 1
    grams = np.array([_gram(one, width) for one in sums])  # (K, D, D)
    products = np.array([[one.r, *_padded(one.xr, width - 1)] for one in sums], float) / ONE  # (K, D)

    # Half an outcome of 0 and half a one of 1 (Jeffreys' prior of a share), so that neither mean nor noise is ever 0.
    count = 1.0 + sum(one.n for one in sums)
    overall = (0.5 + float(products[:, 0].sum())) / count
    noise = (0.5 + sum(one.rr for one in sums) / ONE) / count - overall**2

    pooled: Floats = grams.sum(axis=0)
    middle, scale = _standard(pooled)
    base = np.diag(np.append(1.0, 1.0 / scale))  # (D, D): z = base @ (1, x)
    base[1:, 0] = -middle / scale
    grams, products = base @ grams @ base.T, products @ base.T

    prior = np.diag(noise / (overall * np.array([SPREAD] + [SLOPE] * (width - 1))) ** 2)
    first = np.append(overall, np.zeros(width - 1))
    centre = np.linalg.solve(prior + grams.sum(axis=0), prior @ first + products.sum(axis=0))  # (D,)
    inverses = np.linalg.inv(prior + grams)  # (K, D, D)
    theta = np.einsum("kij,kj->ki", inverses, prior @ centre + products)
    return Fit(theta, noise * inverses, middle, scale, noise, overall)


def own_way(mean: Floats, sd: Floats, fit: Fit, own: Sequence[tuple[int, int]]) -> tuple[Floats, Floats]:
    """Draw what arms are worth to everybody towards what they were to this player.

    The mean is (k v + s) / (k + n), with the player's n outcomes and their sum s. Players are taken to differ from all
    as much as arms do (``SPREAD``), so k = noise / (SPREAD overall)², and never below ``OWN_WEIGHT_MIN``.

    No noise is added for the player's own few outcomes: in simulated worlds (docs/choices.md) whoever is drawn to what
    pleased gets more of it than who goes on trying, where players have habits and where they have none.

    Args:
        mean: (K,) of everybody, and its standard deviation ``sd``.
        own: (outcomes, sum of rewards of ``ONE``) of each of the K arms.
    """
    n = np.array([count for count, _ in own], float)
    total = np.array([amount for _, amount in own], float) / ONE
    weight = max(OWN_WEIGHT_MIN, fit.noise / (SPREAD * fit.overall) ** 2)
    return (weight * mean + total) / (weight + n), weight * sd / (weight + n)


def best_shares(mean: Floats, sd: Floats) -> Floats:
    """Return the probabilities (K,) of being the largest of independent normals. They add up to 1.

    Integrated over a grid of all arms' quantiles, by trapezoids: what Monte Carlo would estimate, without its noise and
    in less time. Right to some 0.002; the draw is made with these very numbers, so a propensity has no such error.

    Args:
        mean: (K,), or (N, K): each row is on its own.
        sd: Of the same shape.
    """
    middle, spread = mean[..., None], sd[..., None]  # (K, 1)
    edges = middle + spread * _EDGES
    edges = np.sort(edges.reshape(*mean.shape[:-1], 1, -1), axis=-1)  # (1, G)
    below = np.interp((edges - middle) / spread, _TABLE, _NORMAL)  # (K, G)
    others = np.ones_like(below)  # that all others are below
    others[..., 1:, :] = np.cumprod(below[..., :-1, :], axis=-2)
    others[..., :-1, :] *= np.cumprod(below[..., :0:-1, :], axis=-2)[..., ::-1, :]
    won = (np.diff(below) * (others[..., 1:] + others[..., :-1])).sum(axis=-1)
    shares: Floats = won / won.sum(axis=-1, keepdims=True)
    return shares


def _gram(one: ArmSums, width: int) -> Floats:
    """Return the sum of (1, x)(1, x)ᵀ, (D, D)."""
    gram = np.zeros((width, width))
    gram[0, 0] = one.n
    gram[0, 1:] = gram[1:, 0] = np.array(_padded(one.x, width - 1), float) / ONE
    rows, columns = np.tril_indices(width - 1)
    gram[rows + 1, columns + 1] = gram[columns + 1, rows + 1] = np.array(_padded(one.xx, len(rows)), float) / ONE
    return gram


def _standard(gram: Floats) -> tuple[Floats, Floats]:
    """Return mean and standard deviation of the context's numbers, (D - 1,) each, over all outcomes."""
    n = max(1.0, float(gram[0, 0]))
    middle = gram[0, 1:] / n
    variance = np.diag(gram)[1:] / n - middle**2
    return middle, np.sqrt(np.where(variance > _VARIANCE_MIN, variance, 1.0))


def _padded(numbers: tuple[int, ...], length: int) -> tuple[int, ...]:
    return (*numbers, *(0,) * (length - len(numbers)))
