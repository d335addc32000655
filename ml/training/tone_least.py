"""The least probability at which tone is said, for both ways of reading it."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

PRECISION_MIN = 0.9  # of what is said to be angry, or pleased, on texts left out of the fit
Floats = NDArray[np.float64]


def least(
    fit: Callable[[Any, NDArray[np.bool_], Floats], Any], x: Any, is_so: NDArray[np.bool_], shares: Floats, folds: int
) -> float:
    """Return the least probability at which enough of what is said holds, on folds that were not fitted.

    Args:
        fit: Gives a classifier with ``predict_proba``.
        x: (texts, numbers), dense or sparse.
        shares: (texts,), how much each counts.
    """
    fold = np.arange(x.shape[0]) * 2654435761 % 2**32 % folds  # scattered, the same each time
    chances = np.zeros(x.shape[0])
    for n in range(folds):
        model = fit(x[fold != n], is_so[fold != n], shares[fold != n])
        chances[fold == n] = model.predict_proba(x[fold == n])[:, 1]
    for probability in np.arange(0.5, 0.96, 0.01):
        said = chances >= probability
        if not said.any() or is_so[said].mean() >= PRECISION_MIN:
            return round(float(probability), 2)
    return 0.95
