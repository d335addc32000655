"""BG/NBD: who buys again, from three numbers a customer (Fader, Hardie and Lee 2005, Marketing Science 24, 275-284).

While alive a customer buys at rate lambda ~ Gamma(r, alpha); after every purchase he may leave for good, with
probability p ~ Beta(a, b). A history is (x, t_x, T): repeat purchases, age at the last one, age now, all in one unit
of time.

What is asked of it is P(no purchase in the next h), never P(alive): a customer who never came back has P(alive) = 1
by construction, and ranks as the safest of all (ROC-AUC 0.316 on the CDNOW set).
"""

from typing import Any

import numpy as np
import torch
from msgspec import Struct
from torch import Tensor

from ml.training.dataset import Floats

STEPS_MAX = 400


class BgNbd(Struct, frozen=True):
    """A fitted model. Rates are per unit of the histories it was fitted on."""

    r: float
    alpha: float
    a: float
    b: float
    log_likelihood: float  # of all customers together

    def p_alive(self, x: Any, t_x: Any, age: Any) -> Floats:
        """P(not gone for good at ``age``), (n,). 1 where there was no repeat purchase."""
        x, t_x, age = (np.asarray(v, float) for v in (x, t_x, age))
        log_odds_gone = (
            np.log(self.a)
            - np.log(self.b + np.maximum(x, 1) - 1)
            + (self.r + x) * np.log((self.alpha + age) / (self.alpha + t_x))
        )
        alive: Floats = np.where(x > 0, 1 / (1 + np.exp(np.minimum(log_odds_gone, 700.0))), 1.0)
        return alive

    def p_none(self, x: Any, t_x: Any, age: Any, ahead: float) -> Floats:
        """P(no purchase in the ``ahead`` units after ``age``), (n,).

        Given that a customer is alive his rate is Gamma(r + x, alpha + age), and he cannot leave before his next
        purchase; so the chance that an alive one stays silent is a Laplace transform, and nothing is simulated.
        """
        x, age = np.asarray(x, float), np.asarray(age, float)
        silent = ((self.alpha + age) / (self.alpha + age + ahead)) ** (self.r + x)
        none: Floats = 1 - self.p_alive(x, t_x, age) * (1 - silent)
        return none


def fit(x: Any, t_x: Any, age: Any) -> BgNbd:
    """Fit by maximum likelihood: L-BFGS on the logarithms of the four parameters, float64.

    Args:
        x: (n,) repeat purchases, 0 or more.
        t_x: (n,) age at the last purchase, 0 where there is no repeat.
        age: (n,) age now, ``t_x <= age``.
    """
    history = [torch.as_tensor(np.asarray(v, float)) for v in (x, t_x, age)]
    logs = torch.zeros(4, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS(
        [logs], max_iter=STEPS_MAX, tolerance_grad=1e-9, tolerance_change=1e-12, line_search_fn="strong_wolfe"
    )

    def loss() -> Tensor:
        optimiser.zero_grad()
        value = -_log_likelihood(logs.exp(), *history).mean()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimiser.step(loss)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        total = float(_log_likelihood(logs.exp(), *history).sum())
    r, alpha, a, b = logs.detach().exp().tolist()
    return BgNbd(r, alpha, a, b, total)


def _log_likelihood(parameters: Tensor, x: Tensor, t_x: Tensor, age: Tensor) -> Tensor:
    """Return (n,) log-likelihoods: equation 6 of the paper, in logarithms."""
    r, alpha, a, b = parameters
    log_gamma = torch.lgamma
    bought = log_gamma(r + x) - log_gamma(r) + r * torch.log(alpha)
    stayed = log_gamma(a + b) + log_gamma(b + x) - log_gamma(b) - log_gamma(a + b + x)
    alive = -(r + x) * torch.log(alpha + age)
    left = torch.log(a) - torch.log(b + torch.clamp(x, min=1) - 1) - (r + x) * torch.log(alpha + t_x)
    each: Tensor = bought + stayed + torch.where(x > 0, torch.logaddexp(alive, left), alive)  # (n,)
    return each
