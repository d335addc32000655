"""Whether the players of today look like those a model knows: the population stability index of every column.

A column is a feature or a score. The reference is cut at its deciles; ``PSI = sum((live - then) * ln(live / then))``
over the shares of the bins (Siddiqi 2006, chapter 6). By custom above 0.1 is a shift and above 0.2 a large one. Of
two samples of the same players chance alone makes about ``(bins - 1) * (1 / n + 1 / m)`` (Yurdakul 2018), which is
taken off.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

Floats = NDArray[np.float64]

WARNS = 0.2
ROWS_MIN = 200  # players on either side, or nothing is told
_BINS = 10
_SMALLEST = 0.5  # players that an empty bin counts as
_ROUNDING = 1e-9  # of shares that are added up


class Bins(Struct, frozen=True, array_like=True):
    """One column of the reference. A bin ends with its edge; the last one has none."""

    edges: list[float]
    shares: list[float]  # one more than edges


class Reference(Struct, frozen=True, forbid_unknown_fields=True):
    """What the columns looked like."""

    at: int  # ms, when it was taken; of a training set its last row
    rows: int
    columns: dict[str, Bins]


class Shift(Struct, frozen=True):
    """How far a column is from the reference."""

    name: str
    psi: float  # what chance makes taken off, not below 0
    was: float  # the median then; for people
    now: float  # the median

    @property
    def warns(self) -> bool:
        return self.psi > WARNS


def reference_of(at: int, columns: Mapping[str, Sequence[float] | Floats]) -> Reference:
    """Return the reference that a sample makes; columns may differ in length."""
    values = {name: np.asarray(column, float) for name, column in columns.items() if len(column)}
    return Reference(at, max(map(len, values.values()), default=0), {name: _bins(v) for name, v in values.items()})


def shifts(then: Reference, columns: Mapping[str, Sequence[float] | Floats]) -> list[Shift]:
    """Return how far each column is from the reference, the farthest first; [] when either side has too few rows."""
    found = []
    for name, bins in then.columns.items():
        live = np.asarray(columns.get(name, ()), float)
        if len(live) < ROWS_MIN or then.rows < ROWS_MIN:
            continue
        found.append(Shift(name, round(_psi(bins, then.rows, live), 4), _middle(bins), _median(live)))
    return sorted(found, key=lambda shift: (-shift.psi, shift.name))


def problem(reference: Reference) -> str:
    """Return why a reference cannot be compared with, "" when it can."""
    for name, bins in reference.columns.items():
        if len(bins.shares) != len(bins.edges) + 1 or bins.edges != sorted(set(bins.edges)):
            return f"what is known of {name} has {len(bins.edges)} edges and {len(bins.shares)} shares"
        if not all(map(math.isfinite, bins.edges)) or not all(0 <= share <= 1 for share in bins.shares):
            return f"what is known of {name} has an edge that is not finite, or a share that is none"
    return ""


def _bins(values: Floats) -> Bins:
    edges = np.unique(np.quantile(values, np.arange(1, _BINS) / _BINS, method="inverted_cdf"))
    return Bins(edges.tolist(), _shares(edges, values).tolist())


def _shares(edges: Floats, values: Floats) -> Floats:
    counts = np.bincount(np.searchsorted(edges, values, side="left"), minlength=len(edges) + 1)
    shares: Floats = counts / len(values)
    return shares


def _median(values: Floats) -> float:
    """Return the lower median, a value that is there: what an edge of the reference can be compared with."""
    return float(np.quantile(values, 0.5, method="inverted_cdf"))


def _middle(bins: Bins) -> float:
    """Return the median that the shares tell: the first edge up to which half of all are.

    It is one of the deciles, but not the one in the middle of those that are left when values repeat.
    """
    at = int(np.searchsorted(np.cumsum(bins.shares), 0.5 - _ROUNDING))
    return bins.edges[min(at, len(bins.edges) - 1)] if bins.edges else 0.0


def _psi(bins: Bins, rows: int, live: Floats) -> float:
    now = np.maximum(_shares(np.asarray(bins.edges), live), _SMALLEST / len(live))
    was = np.maximum(np.asarray(bins.shares), _SMALLEST / rows)
    chance = len(bins.edges) * (1 / rows + 1 / len(live))
    index = float(np.sum((now - was) * np.log(now / was)))
    return max(0.0, index - chance) if math.isfinite(index) else 0.0
