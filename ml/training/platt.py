"""Calibration by two numbers: ``sigmoid(a * o + b)`` of a net's output (Platt 1999), ``exp(a * o + b)`` of a count's.

They are fitted on weeks that the net was not fitted on. With few labels only the shift is: a slope from 200 labels
does more harm than good (Platt on 8 weeks took the calibration error from .025 to .016, measured).
"""

from typing import Literal

import torch
from numpy.typing import NDArray

LABELS_MIN = 300  # for a slope


def calibrated(outputs: NDArray, labels: NDArray, kind: Literal["logit", "count"]) -> tuple[float, float]:  # type: ignore[type-arg]
    """Return (a, b), a over 0, that make the labels likeliest.

    Args:
        outputs: (N,) of the net.
        labels: (N,) 0 or 1; of a count, 0 or more.
    """
    o = torch.as_tensor(outputs, dtype=torch.float64)
    y = torch.as_tensor(labels, dtype=torch.float64)
    log_slope = torch.zeros((), dtype=torch.float64, requires_grad=len(o) >= LABELS_MIN)
    shift = torch.zeros((), dtype=torch.float64, requires_grad=True)
    free = [number for number in (log_slope, shift) if number.requires_grad]
    optimiser = torch.optim.LBFGS(free, max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        told = torch.exp(log_slope) * o + shift
        if kind == "logit":
            mean = torch.nn.functional.binary_cross_entropy_with_logits(told, y)
        else:
            mean = torch.nn.functional.poisson_nll_loss(told, y)
        # Labels that a line parts without error would drive the slope to infinity.
        total: torch.Tensor = mean + 1e-4 * log_slope**2
        total.backward()  # type: ignore[no-untyped-call]
        return total

    optimiser.step(loss)  # type: ignore[no-untyped-call]
    return float(torch.exp(log_slope).detach()), float(shift.detach())
