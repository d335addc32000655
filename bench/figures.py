"""Arithmetic of the figures: percentiles, medians, ratios, and counts of what was lost, doubled or out of order."""

import math
from collections.abc import Iterable, Sequence
from statistics import median as _median

from msgspec import Struct


class Counts(Struct, frozen=True):
    """What became of the events of a run, from the state that was read back."""

    sent: int = 0
    lost: int = 0
    doubled: int = 0
    out_of_order: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.sent + other.sent,
            self.lost + other.lost,
            self.doubled + other.doubled,
            self.out_of_order + other.out_of_order,
        )


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least ``share`` (0..1) of the values do not exceed; 0 of none.

    Nearest rank: p99 of fewer than 100 values is their maximum, never an interpolation below it.
    """
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def median(values: Iterable[float]) -> float:
    """Return the median, 0 of none."""
    listed = list(values)
    return float(_median(listed)) if listed else 0.0


def ratio(value: float, reference: float) -> float:
    """Return ``value / reference`` to three places, 0 without a reference."""
    return round(value / reference, 3) if reference else 0.0


def tally(sent: Sequence[str], seen: Sequence[str]) -> Counts:
    """Compare the ids sent for one player, in order, with those that its record shows, in order.

    Out of order counts ids that stand after one that was sent later.
    """
    place = {name: n for n, name in enumerate(sent)}
    times: dict[str, int] = {}
    reordered, latest = 0, -1
    for name in seen:
        if name not in place:
            continue
        times[name] = times.get(name, 0) + 1
        if times[name] == 1:
            reordered += place[name] < latest
            latest = max(latest, place[name])
    return Counts(len(sent), len(sent) - len(times), sum(n - 1 for n in times.values()), reordered)
