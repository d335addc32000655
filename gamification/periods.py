"""Periods that limits and budgets go by: local days, weeks and months of a zone, each with a number."""

from datetime import UTC, datetime
from typing import Literal

from domain.calendar import as_datetime, as_ms, day_starts_at, local_day, local_week

Period = Literal["day", "week", "month"]


def number_of(at: int, zone: str, per: Period) -> int:
    """Return the number of the local day, week (from Monday) or month that a moment (ms) belongs to."""
    if per == "day":
        return local_day(at, zone)
    if per == "week":
        return local_week(at, zone)
    local = as_datetime(at, zone)
    return local.year * 12 + local.month - 1


def starts_at(number: int, zone: str, per: Period) -> int:
    """Return the first instant (ms) of a period."""
    if per == "day":
        return day_starts_at(number, zone)
    if per == "week":
        return day_starts_at(number * 7 - 3, zone)
    first = datetime(number // 12, number % 12 + 1, 1, tzinfo=UTC)
    return day_starts_at(as_ms(first) // 86_400_000, zone)
