"""When time takes a walk on: the ends of delays and waits, in the player's zone."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from crm.journeys.node_config import DelayNode, WaitNode
from crm.journeys.rules import Node
from crm.recurrence import instant_of
from domain.calendar import as_datetime, as_ms

_MS_FROM = 100_000_000_000  # a larger number of data is ms (from 1973 on), a smaller one seconds
_YEARS = (1971, 9000)


def due_at(node: Node, since: int, zone: str, data: Mapping[str, Any]) -> int | None:
    """Return the ms at which time ends a stay that began at ``since``.

    0: never, it has no timeout. None: the walk's data has no such moment.
    """
    match node.config:
        case DelayNode(until=str(until)):
            return _moment(until, zone, data)
        case DelayNode(for_=lasts, until_time=clock):
            at = since + (lasts or 0) * 1000
            # at 10:00 itself the next 10:00 is tomorrow's, but a delay that ends then has come to it
            return next_clock_time(at - 1 if lasts else at, clock, zone) if clock else at
        case WaitNode(timeout_s=int(timeout)):
            return since + timeout * 1000
        case _:
            return 0


def next_clock_time(after: int, clock: str, zone: str) -> int:
    """Return the first instant after ``after`` at which the zone's wall clock shows ``clock`` (HH:MM)."""
    day = as_datetime(after, zone).date()
    while (at := instant_of(f"{day.isoformat()}T{clock}", zone)) <= after:
        day += timedelta(days=1)
    return at


def _moment(until: str, zone: str, data: Mapping[str, Any]) -> int | None:
    value: Any = until
    if until.startswith("data."):
        value = data
        for key in until.split(".")[1:]:
            value = value.get(key) if isinstance(value, Mapping) else None
    if type(value) in (int, float):
        return _of_number(value)
    return _of_text(value, zone) if isinstance(value, str) else None


def _of_number(value: float) -> int | None:
    ms = value if value >= _MS_FROM else value * 1000
    return int(ms) if 0 < ms < 253_402_300_800_000 else None  # year 10000


def _of_text(text: str, zone: str) -> int | None:
    """Read a time with its offset, or one of the player's wall clock; a day alone is its midnight."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if not _YEARS[0] <= moment.year <= _YEARS[1]:
        return None
    return as_ms(moment) if moment.tzinfo else instant_of(moment.isoformat(), zone)
