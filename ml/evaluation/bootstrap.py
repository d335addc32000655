"""Intervals by resampling players, not rows (a cluster bootstrap: Davison and Hinkley 1997, section 3.8).

One player is a row in many weeks. Rows drawn singly would count him as so many witnesses, and every interval would
be too narrow; so players are drawn, with all their rows.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from msgspec import Struct, structs

from ml.evaluation.metrics import Figures, Floats, Ints, Judge

LEVEL = 0.95


class Interval(Struct, frozen=True):
    """Percentiles of the resampled figure."""

    low: float
    high: float

    def holds(self, value: float) -> bool:
        """Whether a value lies within."""
        return self.low <= value <= self.high


def weights(player: Sequence[Any] | Ints, draws: int, seed: int) -> Iterator[Floats]:
    """Yield (n,) weights ``draws`` times: how often each row's player was drawn. The same seed, the same draws."""
    _, number = np.unique(np.asarray(player), return_inverse=True)
    rng = np.random.default_rng(seed)
    count = int(number.max()) + 1
    for _ in range(draws):
        drawn = np.bincount(rng.integers(count, size=count), minlength=count)
        yield drawn[number].astype(float)


def resampled(
    judges: Mapping[str, Judge], player: Sequence[Any] | Ints, draws: int, seed: int
) -> dict[str, list[Figures]]:
    """Return the figures of every model on every draw. All models see the same draws, so they may be subtracted."""
    found: dict[str, list[Figures]] = {name: [] for name in judges}
    for weight in weights(player, draws, seed):
        for name, judge in judges.items():
            found[name].append(judge.figures(weight))
    return found


def interval(values: Sequence[float] | Floats) -> Interval:
    """Return the middle 95 % of resampled values; a draw in which a figure has no value is left out."""
    tail = (1 - LEVEL) / 2
    known = np.asarray(values, float)
    known = known[~np.isnan(known)]
    if not len(known):
        return Interval(float("nan"), float("nan"))
    low, high = np.quantile(known, [tail, 1 - tail])
    return Interval(float(low), float(high))


def intervals(draws: Sequence[Figures]) -> dict[str, Interval]:
    """Return the interval of every figure that is a number (accuracy is a pair and has none of its own)."""
    names = [field.name for field in structs.fields(Figures) if field.name != "accuracy"]
    found = {name: interval([getattr(one, name) for one in draws]) for name in names}
    return found | {"accuracy_gain": interval([one.accuracy.gain for one in draws])}


def difference(one: Sequence[Figures], other: Sequence[Figures], figure: str) -> Interval:
    """Return the interval of one model's figure less another's, draw by draw."""
    return interval([getattr(a, figure) - getattr(b, figure) for a, b in zip(one, other, strict=True)])
