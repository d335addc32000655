"""Made-up weeks of events: a day's course, a name that sends, and what goes wrong with it."""

import math
from datetime import UTC, datetime
from functools import cache
from random import Random

from domain.calendar import as_ms
from ml.watch.alarms import Watched, closed
from ml.watch.volumes import HOUR_MS


def utc(year: int, month: int, day: int, hour: int = 0) -> datetime:
    return datetime(year, month, day, hour, tzinfo=UTC)


MONDAY = as_ms(utc(2026, 3, 2))


def poisson(rng: Random, mean: float) -> int:
    """Draw a Poisson count; of a large mean the normal that is near it."""
    if mean > 50:
        return max(0, round(rng.gauss(mean, math.sqrt(mean))))
    limit, count, product = math.exp(-mean), 0, rng.random()
    while product > limit:
        count += 1
        product *= rng.random()
    return count


def mean_of(start: int) -> float:
    """Return what an hour brings: 400 by day, 60 at night."""
    return 400.0 if start // HOUR_MS % 24 >= 8 else 60.0


@cache
def after_weeks(weeks: int = 3, seed: int = 5) -> Watched:
    """Return a name as it is known on a Monday, after ordinary weeks."""
    rng, state = Random(seed), Watched()
    for hour in range(-weeks * 168, 0):
        start = MONDAY + hour * HOUR_MS
        state = closed(state, start, poisson(rng, mean_of(start)), "UTC")
    return state
