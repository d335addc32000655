"""How many events of a name an hour usually brings, and how unlikely it is that so few or so many are chance.

What is usual is kept by hour of the week of the platform's zone: 168 running means that forget (a new week counts a
fifth at least). An hour of the week that is not known yet is judged by the same hour of other days; one that is not
known at all by nothing. The whole is drawn up or down by how the last day went, so that a platform that grows is no
surprise.

Events come in bursts, since one player sends many, and all players have good days and bad ones. So the variance is
taken as ``burst * mean + scatter * mean**2``, both learnt for each name by a weighted regression of ``(count -
mean)**2 / mean`` on the mean; and bursts are taken as negative binomial (Hilbe 2011, chapter 8): ``count / burst``
with mean ``mean / burst``.
"""

import math
from collections.abc import Iterable, Iterator

from msgspec import Struct, structs

from domain.calendar import DAY_MS, local_ms

HOUR_MS = 3_600_000
HOURS = 168  # of a week, from Monday's first
LEAST = 1e-15  # a probability below is told as this much
FEW, MANY = 0.5, 2.0  # of the mean; what lies between is never told, however sure

_NEW_MIN = 0.2  # weight of a new week in an hour's mean
_NEW_ODD = 0.35  # of an odd one, whose count is bounded
_OTHER_DAYS = 1.0  # weeks that the same hour of other days counts as
_LEVEL_FADE = 0.5 ** (1 / 24)  # an hour's; half a life is a day
_LEVEL_PRIOR = 50.0  # events that the level of 1 counts as
_LEVEL_MOST = 3.0
_BURST, _BURST_MOST = 2.0, 1_000.0  # of a name of which nothing is known; at most
_SCATTER, _SCATTER_LEAST = 0.1, 0.005
_PRIOR_HOURS = 24.0  # that both count as
_PRIOR_MEANS = (1.0, 20.0)  # of those hours
_SPREAD_FADE = 0.5 ** (1 / 336)  # an hour's; half a life is two weeks
_SURPRISE_MOST = 4.0  # standard deviations; what lies further out teaches no more of burst and scatter
_SUMMED_MEAN = 2_000.0  # tails of larger means are summed on this scale: no sum grows longer
_TERMS_MAX = 40_000


class Regression(Struct, frozen=True, array_like=True):
    """Fading sums over hours: of weights, and of these times mean, mean squared, error, mean times error."""

    weight: float = 0.0
    mean: float = 0.0
    mean2: float = 0.0
    error: float = 0.0
    mean_error: float = 0.0


class Usual(Struct, frozen=True, array_like=True):
    """What is known of one name; under 4 KB stored."""

    hours: int = 0  # learnt
    weeks: tuple[float, ...] = (0.0,) * HOURS  # how many weeks each mean stands for, fading
    means: tuple[float, ...] = (0.0,) * HOURS  # events an hour, by hour of the week
    seen: float = 0.0  # events lately, fading
    due: float = 0.0  # how many the means alone would have had
    errors: Regression = Regression()


class Forecast(Struct, frozen=True):
    """What an hour should bring."""

    mean: float
    burst: float = 1.0  # events that come together; 1: each alone
    scatter: float = 0.0  # of the hours beyond that, relative to the squared mean; over 0


def hour_of_week(at: int, zone: str) -> int:
    """Return the hour of the week of a zone's wall clock, 0 to 167; Monday's first is 0.

    Hours are UTC's: in a zone with a half hour the place is that of the hour's beginning. When clocks go forward an
    hour of the week is left out, when they go back it comes twice.
    """
    local = local_ms(at, zone)
    return (local // DAY_MS + 3) % 7 * 24 + local % DAY_MS // HOUR_MS


def forecast(usual: Usual, hour: int) -> Forecast | None:
    """Return what an hour of the week should bring; None while it is not known, nor that hour of another day."""
    return next(forecasts(usual, (hour,)))


def forecasts(usual: Usual, hours: Iterable[int]) -> Iterator[Forecast | None]:
    """Return what several hours of the week should bring."""
    level = (usual.seen + _LEVEL_PRIOR) / (usual.due + _LEVEL_PRIOR)
    level = min(max(level, 1 / _LEVEL_MOST), _LEVEL_MOST)
    burst, scatter = spread_of(usual)
    for hour in hours:
        known, mean = _base(usual, hour)
        unsure = 1 + 1 / known if known else 0.0
        yield Forecast(mean * level, burst * unsure, scatter * unsure) if known else None


def spread_of(usual: Usual) -> tuple[float, float]:
    """Return burst and scatter of a name: the line through its hours' errors, a day of usual ones counted in."""
    sums = usual.errors
    for mean in _PRIOR_MEANS:
        sums = _noted(sums, mean, _BURST + _SCATTER * mean, _PRIOR_HOURS / len(_PRIOR_MEANS), 1.0)
    middle = sums.mean / sums.weight
    across = sums.mean2 / sums.weight - middle**2
    along = sums.mean_error / sums.weight - middle * sums.error / sums.weight
    scatter = max(along / across, _SCATTER_LEAST)
    burst = sums.error / sums.weight - scatter * middle
    if burst < 1:  # the line meets zero above: then the slope alone has to explain it
        burst, scatter = 1.0, max((sums.error / sums.weight - 1) / middle, _SCATTER_LEAST)
    return min(burst, _BURST_MOST), scatter


def learnt(usual: Usual, hour: int, count: int, *, is_odd: bool = False) -> Usual:
    """Return what is usual after one more hour.

    Args:
        is_odd: It was unlike any other. Of such an hour no more than ``FEW`` or ``MANY`` times the mean is learnt, so
        what
            comes again every week becomes usual and a fault does not; and the level stays.
    """
    told = forecast(usual, hour)
    _, mean = _base(usual, hour)
    taught = float(count)
    if is_odd and told is not None:
        taught = min(max(taught, told.mean * FEW), max(told.mean, 1.0) * MANY)
    weeks, means = list(usual.weeks), list(usual.means)
    weight = max(_NEW_ODD if is_odd else _NEW_MIN, 1 / (weeks[hour] + 1))
    means[hour] += weight * (taught - means[hour])
    weeks[hour] = min(weeks[hour] + 1, 1 / _NEW_MIN)
    after = structs.replace(usual, hours=usual.hours + 1, weeks=tuple(weeks), means=tuple(means))
    if told is None:
        return after
    after = structs.replace(after, errors=_with_error(usual.errors, count, told))
    if is_odd:
        return after
    return structs.replace(after, seen=usual.seen * _LEVEL_FADE + count, due=usual.due * _LEVEL_FADE + mean)


def chance_of_none(windows: Iterable[tuple[Forecast, float]]) -> tuple[float, float]:
    """Return how many events some time should have brought, and the probability that none came.

    Args:
        windows: Hours and which share of each, 0 to 1. What makes an hour quiet says nothing of the next one.
    """
    due = exponent = 0.0
    for told, share in windows:
        due += told.mean * share
        exponent += math.log1p(told.scatter * told.mean * share / told.burst) / told.scatter
    return due, max(LEAST, math.exp(-exponent))


def chance(count: int, told: Forecast) -> float:
    """Return the probability of a count as far out as this one, on its own side of the mean."""
    mean = max(told.mean / told.burst, 1e-6)
    shrunk = min(1.0, _SUMMED_MEAN / mean)
    is_low = count <= told.mean
    x, mean, size = count / told.burst * shrunk, mean * shrunk, 1 / told.scatter
    at = math.floor(x) if is_low else math.ceil(x)
    more = mean / (mean + size)  # the ratio that terms tend to
    log_term = (
        math.lgamma(at + size) - math.lgamma(size) - math.lgamma(at + 1)
        + size * math.log(size / (mean + size)) + at * math.log(more)
    )  # fmt: skip
    if log_term < math.log(LEAST):
        return LEAST  # beyond the mean terms only fall
    first = term = total = math.exp(log_term)
    for _ in range(_TERMS_MAX):
        if is_low:
            if at == 0:
                break
            term *= at / ((at - 1 + size) * more)
            at -= 1
        else:
            term *= (at + size) / (at + 1) * more
            at += 1
        total += term
        if term < first * 1e-6:
            break
    return min(max(total, LEAST), 1.0)


def _base(usual: Usual, hour: int) -> tuple[float, float]:
    """Return for how many weeks a mean stands, 0 for none, and the mean, before the level."""
    others = [place for place in range(hour % 24, HOURS, 24) if place != hour and usual.weeks[place]]
    mine, weeks = usual.means[hour], usual.weeks[hour]
    if not others:
        return weeks, mine
    total = sum(usual.weeks[place] for place in others)
    theirs = sum(usual.weeks[place] * usual.means[place] for place in others) / total
    counted = min(_OTHER_DAYS, total)
    return weeks + counted, (weeks * mine + counted * theirs) / (weeks + counted)


def _with_error(sums: Regression, count: int, told: Forecast) -> Regression:
    """Take in how far an hour was off. Hours of small means tell of bursts, those of large ones of the scatter."""
    if told.mean <= 0:
        return sums
    most = _SURPRISE_MOST**2 * (told.burst + told.scatter * told.mean)
    error = min((count - told.mean) ** 2 / told.mean, most)
    return _noted(sums, told.mean, error, 1.0, _SPREAD_FADE)


def _noted(sums: Regression, mean: float, error: float, hours: float, fade: float) -> Regression:
    weight = hours / (_BURST + _SCATTER * mean) ** 2  # one over the variance of such an error, but for a factor
    return Regression(
        sums.weight * fade + weight,
        sums.mean * fade + weight * mean,
        sums.mean2 * fade + weight * mean**2,
        sums.error * fade + weight * error,
        sums.mean_error * fade + weight * mean * error,
    )
