"""Fits ``ml.lifetime`` to a log: BG/NBD to the days on which players paid, gamma-gamma to what they paid.

Nothing is looked at but payments, so a log goes through quickly. All who ever paid before an instant are customers,
those who are gone among them: without these everybody would look alive.
"""

from collections.abc import Iterator

import numpy as np
import torch
from msgspec import Struct

from domain.calendar import DAY_MS
from domain.features import Features
from ml.features import BUYS, Signal, update, vector
from ml.lifetime import LTV_DAYS, Buyer, Lifetime, buyer_of, problem
from ml.training import bgnbd
from ml.training.dataset import Floats, Ints
from ml.training.log import Log

BUYERS_MIN = 300  # without which nothing is fitted
REPEATS_MIN = 60  # of these, that paid on a second day
ALPHA_MIN = 1.0  # days; below it the story of the model has no meaning for data by day
_WEEK = 7.0
_STEPS_MAX = 400


class Buyers(Struct, frozen=True):
    """N players who had paid before an instant, and what they did after it."""

    at: int  # ms, a midnight
    end: int  # ms, the last instant that the log tells of
    player: Ints  # (N,) numbered by first payment
    known: list[Buyer]
    days: Floats  # (N,) days with a payment in the ``LTV_DAYS`` after ``at``
    paid: Floats  # (N,) what was paid in them
    wait: Floats  # (N,) days to the next payment; inf: the log ends before it

    def __len__(self) -> int:
        """How many."""
        return len(self.known)

    @property
    def is_ripe(self) -> bool:
        """Whether the log goes on for all of ``LTV_DAYS``."""
        return self.at + LTV_DAYS * DAY_MS <= self.end


class GammaGamma(Struct, frozen=True):
    """Fitted parameters, as ``ml.lifetime`` has them."""

    p: float
    q: float
    v: float


def buyers_of(log: Log, at: int) -> Buyers:
    """Return who had paid before the midnight that ``at`` is after, as the features of a turn would know them."""
    at -= at % DAY_MS
    states: dict[int | str, Features] = {}
    after: dict[int | str, list[tuple[int, float]]] = {}
    for player, when, kind, amount, _ in log.rows():
        if kind not in BUYS:
            continue
        if when < at:
            states[player] = update(states.get(player, Features()), Signal(kind, amount), when)  # type: ignore[arg-type]
        elif player in states:
            after.setdefault(player, []).append((when, amount))
    known = [buyer for state in states.values() if (buyer := buyer_of(vector(state, at))) is not None]
    until = at + LTV_DAYS * DAY_MS
    ahead = [[one for one in after.get(player, []) if one[0] < until] for player in states]
    first = [after[player][0][0] if player in after else None for player in states]
    return Buyers(
        at=at,
        end=log.at[-1],
        player=np.arange(len(states)),
        known=known,
        days=np.array([len({when // DAY_MS for when, _ in each}) for each in ahead], float),
        paid=np.array([sum(amount for _, amount in each) for each in ahead], float),
        wait=np.array([np.inf if when is None else (when - at) / DAY_MS for when in first], float),
    )


def lacking(buyers: Buyers) -> str:
    """Return why nothing can be fitted to them, "" when it can."""
    repeats = sum(buyer.x > 0 for buyer in buyers.known)
    if len(buyers) < BUYERS_MIN:
        return f"{len(buyers):,} players had paid, {BUYERS_MIN:,} are needed"
    if repeats < REPEATS_MIN:
        return f"{repeats:,} players had paid on a second day, {REPEATS_MIN:,} are needed"
    return ""


def fit(buyers: Buyers) -> Lifetime | None:
    """Fit both models; None where they found nothing that can be computed with."""
    x, t_x, age, mean = (np.array(column, float) for column in zip(*_columns(buyers), strict=True))
    bought = bgnbd.fit(x, t_x / _WEEK, age / _WEEK)
    paid = fit_gamma_gamma(x + 1, mean)
    made = Lifetime(bought.r, max(ALPHA_MIN, bought.alpha * _WEEK), bought.a, bought.b, paid.p, paid.q, paid.v)
    return None if problem(made) else made


def fit_gamma_gamma(count: Floats, mean: Floats) -> GammaGamma:
    """Fit by maximum likelihood: L-BFGS on log p, log(q - 1) and log v, float64. Who paid nothing is left out.

    Equation 1a of Fader and Hardie 2013, in logarithms; (n,) each, ``count`` payments with that mean.
    """
    paying = mean > 0
    n, m = (torch.as_tensor(of[paying], dtype=torch.float64) for of in (count, mean))
    scale = float(m.mean()) if len(m) else 1.0
    m = m / scale  # of v: so that whatever the currency, parameters lie near 1
    logs = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS(
        [logs], max_iter=_STEPS_MAX, tolerance_grad=1e-9, tolerance_change=1e-12, line_search_fn="strong_wolfe"
    )

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        p, q, v = logs[0].exp(), 1.0 + logs[1].exp(), logs[2].exp()
        each = (
            torch.lgamma(p * n + q) - torch.lgamma(p * n) - torch.lgamma(q)
            + q * torch.log(v) + (p * n - 1) * torch.log(m) + p * n * torch.log(n)
            - (p * n + q) * torch.log(v + n * m)
        )  # fmt: skip
        value: torch.Tensor = -each.mean()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimiser.step(loss)  # type: ignore[no-untyped-call]
    p, excess, v = logs.detach().exp().tolist()
    return GammaGamma(p, 1.0 + excess, v * scale)


def _columns(buyers: Buyers) -> Iterator[tuple[int, int, int, float]]:
    for buyer in buyers.known:
        yield buyer.x, buyer.t_x, buyer.age, buyer.mean
