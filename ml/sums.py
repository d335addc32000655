"""Arithmetic of fading sums and of running means, in constant time and space."""

from collections.abc import Iterable
from math import sqrt

from domain.calendar import DAY_MS
from domain.features import Faded, Spread

SD_PRIOR = 1.0  # of a logarithm, of somebody of whom nothing is known; within players it was measured as 0.7 to 1.1
_PRIOR_COUNT = 2  # values that the prior counts as
_COUNT_MAX = 10  # values that a running variance remembers, about
_WEIGHT_MIN = 0.1  # of a new value in a running mean
_MONTH_MS = 28 * DAY_MS

Fades = tuple[float, float, float]  # factors: of a day's sum, a week's and a month's
_NOT_AT_ALL: Fades = (1.0, 1.0, 1.0)


def fades(ms: int) -> Fades:
    """Return the factors by which sums fade in ``ms``."""
    if not ms:
        return _NOT_AT_ALL
    month: float = 0.5 ** (ms / _MONTH_MS)
    week = month * month
    week *= week
    twice = week * week
    return twice * twice * twice * week, week, month


def faded(sums: Faded, at: int) -> tuple[float, float, float]:
    """Return the sums as they stand at ``at``: (day, week, month)."""
    day, week, month = fades(at - sums.at)
    return sums.day * day, sums.week * week, sums.month * month


def faded_months(many: Iterable[Faded], at: int) -> list[float]:
    """Return the month's sums as they stand at ``at``; what was added after it counts as if it had been added then."""
    return [sums.month * 0.5 ** ((at - sums.at) / _MONTH_MS) if 0 < sums.at < at else sums.month for sums in many]


def added(sums: Faded, at: int, amount: float) -> Faded:
    """Return the sums with ``amount`` added at ``at``, which is not before ``sums.at``."""
    return added_by(sums, fades(at - sums.at), at, amount)


def added_by(sums: Faded, by: Fades, at: int, amount: float) -> Faded:
    """Do what ``added`` does where it is known how the sums fade until ``at``: that is most of the work."""
    day, week, month = by
    return Faded(at, sums.day * day + amount, sums.week * week + amount, sums.month * month + amount)


def summed(one: Faded, other: Faded) -> Faded:
    """Return the two sums as one, at the later of their times."""
    if not (one.at and other.at):
        return one if one.at else other
    at = max(one.at, other.at)
    return Faded(at, *(mine + theirs for mine, theirs in zip(faded(one, at), faded(other, at), strict=True)))


def noted(spread: Spread, value: float) -> Spread:
    """Return the running mean and variance with one value more."""
    count = spread.count + 1
    weight = max(_WEIGHT_MIN, 1.0 / count)
    error = value - spread.mean
    return Spread(count, spread.mean + weight * error, (1.0 - weight) * (spread.variance + weight * error * error))


def pooled(one: Spread, other: Spread) -> Spread:
    """Return mean and variance over the values of both."""
    count = one.count + other.count
    if not count:
        return one
    share = one.count / count
    mean = share * one.mean + (1.0 - share) * other.mean
    between = share * (1.0 - share) * (one.mean - other.mean) ** 2
    return Spread(count, mean, share * one.variance + (1.0 - share) * other.variance + between)


def deviation(spread: Spread) -> float:
    """Return the standard deviation, drawn towards ``SD_PRIOR`` where few values are known."""
    count = min(spread.count, _COUNT_MAX)
    return sqrt((count * spread.variance + _PRIOR_COUNT * SD_PRIOR**2) / (count + _PRIOR_COUNT))
