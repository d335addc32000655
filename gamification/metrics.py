"""Windowed metrics as rings of buckets: an event costs the same however long the window is.

Everything here is event time (docs/adr/0005). The window ends at the later of ``now`` and the newest event seen, so a
late event neither rewinds a metric nor sees one that its successors do not. Bucket edges are UTC; the oldest bucket
counts whole or not at all, so a window of ``7d`` in buckets of a day is seven UTC days, the current one included.

``since`` has no buckets: it keeps the newest event's time in one, and is exact to the millisecond.
"""

from bisect import bisect_right
from collections.abc import Iterator
from hashlib import blake2b
from math import ceil, isfinite
from operator import itemgetter

from domain.entries import Event
from domain.event_fields import field_value
from domain.player import Metric
from gamification.rules import AMOUNT_MAX, MetricRule

UNIQUE_MAX = 256  # distinct values counted exactly; further ones are not
SUM_MAX = 2**62  # a sum that would pass it stays; MessagePack integers end at 2**63
_WIDTHS_MS = (60_000, 300_000, 3_600_000, 86_400_000)
_BUCKETS_WANTED = 60
_VALUE_CHARS_MAX = 64  # longer unique values are kept as a digest
_EMPTY = Metric()


def ring_of(window_s: int | None) -> tuple[int, int]:
    """Return (bucket width in ms, buckets in the window); (0, 1) is all time."""
    if window_s is None:
        return 0, 1
    window_ms = window_s * 1000
    width = next((w for w in _WIDTHS_MS if w * _BUCKETS_WANTED >= window_ms), _WIDTHS_MS[-1])
    return width, -(-window_ms // width)


def counted(rule: MetricRule, state: Metric | None, event: Event) -> Metric:
    """Return the metric with the event in the bucket of its own time; the same object when it does not count."""
    held = state or _EMPTY
    number = _bucket(rule, event.occurred_at)
    if rule.aggregate == "count":
        return _merged(rule, held, number, 1)
    if rule.aggregate == "since":
        return _merged(rule, held, number, event.occurred_at)
    value = field_value(event, rule.field)
    if rule.aggregate == "unique":
        return _seen(rule, held, number, value)
    kind = type(value)
    if kind is int or kind is float:
        amount: int | float = value  # type: ignore[assignment]
        if isfinite(amount) and -AMOUNT_MAX <= amount <= AMOUNT_MAX:
            return _merged(rule, held, number, amount)
    return held


def metric_value(rule: MetricRule, state: Metric | None, now: int) -> int | float | None:
    """Return the metric's value; None when it has none (``max``, ``last`` and ``since`` of nothing)."""
    held = state or _EMPTY
    if rule.aggregate == "since":
        return max(0, now - int(held.buckets[-1][1])) // 1000 if held.buckets else None
    if rule.aggregate == "unique":
        return len(_recent(rule, held.values, now))
    oldest = _oldest(rule, held.buckets[-1][0], now) if held.buckets else 0
    numbers = [value for number, value in held.buckets if number >= oldest]
    if rule.aggregate in ("count", "sum"):
        return sum(numbers)
    if not numbers:
        return None
    return max(numbers) if rule.aggregate == "max" else numbers[-1]


def next_change(rule: MetricRule, state: Metric | None, now: int, thresholds: tuple[float, ...]) -> int:
    """Return the next ms, after ``now``, at which time alone moves the value past a threshold; 0: never.

    Exact both ways: until then the value lies between the same thresholds (or is None), and then it does not. For a
    window it is the bucket edge at which what must leave has left, for ``since`` the full second.

    Args:
        thresholds: In order; numbers that it matters to have reached (``domain.timing.thresholds_of``).
    """
    if state is None:
        return 0
    if rule.aggregate == "since":
        return _since_reaches(int(state.buckets[-1][1]), now, thresholds) if state.buckets else 0
    if not rule.width_ms:
        return 0
    place = _place(metric_value(rule, state, now), thresholds)
    if place == 0 and _only_falls(rule, state):
        return 0  # below all of them for good
    for number, value in _as_they_leave(rule, state, now):
        if _place(value, thresholds) != place:
            return (number + rule.buckets) * rule.width_ms
    return 0


def _only_falls(rule: MetricRule, state: Metric) -> bool:
    """Tell whether what leaves the window can only lower the value (``max`` and ``last`` end as None)."""
    if rule.aggregate == "sum":
        return not state.buckets or min(state.buckets, key=itemgetter(1))[1] >= 0
    return rule.aggregate in ("count", "unique")


def _place(value: float | None, thresholds: tuple[float, ...]) -> int:
    return -1 if value is None else bisect_right(thresholds, value)


def _since_reaches(newest: int, now: int, thresholds: tuple[float, ...]) -> int:
    for threshold in thresholds:
        at = newest + ceil(threshold) * 1000
        if threshold > 0 and at > now:
            return at
    return 0


def _as_they_leave(rule: MetricRule, state: Metric, now: int) -> Iterator[tuple[int, float | None]]:
    """Yield each bucket in the window, oldest first, with the value once it has left."""
    if rule.aggregate == "unique":
        recent = _recent(rule, state.values, now)
        for i, (_, number) in enumerate(recent, 1):
            if i == len(recent) or recent[i][1] != number:
                yield number, len(recent) - i
        return
    oldest = _oldest(rule, state.buckets[-1][0], now) if state.buckets else 0
    inside = [pair for pair in state.buckets if pair[0] >= oldest]
    if not inside:
        return
    if rule.aggregate == "last":
        yield inside[-1][0], None
        return
    yield from zip([number for number, _ in inside], _left_behind(rule, [value for _, value in inside]), strict=True)


def _left_behind(rule: MetricRule, values: list[float]) -> Iterator[float | None]:
    """Yield the count, sum or max of what is left without the first value, the first two, and so on."""
    if rule.aggregate == "max":
        highest: list[float | None] = [None]
        for value in reversed(values[1:]):
            highest.append(value if highest[-1] is None else max(highest[-1], value))
        yield from reversed(highest)
    elif any(type(value) is float for value in values):
        for i in range(1, len(values) + 1):  # sums of floats depend on their order: added as the metric adds them
            yield sum(values[i:])
    else:
        total = sum(values)
        for value in values:
            total -= value
            yield total


def _bucket(rule: MetricRule, at: int) -> int:
    return at // rule.width_ms if rule.width_ms else 0


def _oldest(rule: MetricRule, newest: int, now: int) -> int:
    return max(newest, _bucket(rule, now)) - rule.buckets + 1


def _recent(rule: MetricRule, values: tuple[tuple[str, int], ...], now: int) -> tuple[tuple[str, int], ...]:
    if not values:
        return ()
    oldest = _oldest(rule, values[-1][1], now)
    return tuple(pair for pair in values if pair[1] >= oldest)


def _merged(rule: MetricRule, state: Metric, number: int, value: int | float) -> Metric:
    buckets = state.buckets
    if not buckets:
        return Metric(((number, value),))
    newest, held = buckets[-1]
    if number == newest:
        combined = _combined(rule, held, value)
        return state if combined is held else Metric((*buckets[:-1], (number, combined)))
    if number > newest:
        oldest = number - rule.buckets + 1
        kept = buckets if buckets[0][0] >= oldest else tuple(pair for pair in buckets if pair[0] >= oldest)
        return Metric((*kept, (number, value)))
    if number <= newest - rule.buckets:
        return state
    late = dict(buckets)
    late[number] = _combined(rule, late[number], value) if number in late else value
    return Metric(tuple(sorted(late.items())))


def _combined(rule: MetricRule, held: int | float, value: int | float) -> int | float:
    if rule.aggregate == "last":  # within one bucket: the last to arrive
        return value
    if rule.aggregate in ("max", "since"):
        return max(held, value)
    total = held + value
    return total if -SUM_MAX <= total <= SUM_MAX else held


def _seen(rule: MetricRule, state: Metric, number: int, value: object) -> Metric:
    """Note the value's newest bucket; pairs are kept in the order of their buckets."""
    name = _value_name(value)
    if name is None or (name, number) in state.values:
        return state
    held = dict(state.values)
    if number < held.get(name, number):
        return state
    newest = max(number, state.values[-1][1]) if state.values else number
    if number <= newest - rule.buckets:
        return state
    held[name] = number
    kept = [pair for pair in held.items() if pair[1] > newest - rule.buckets]
    if len(kept) > UNIQUE_MAX:
        return state
    return Metric(values=tuple(sorted(kept, key=_by_bucket)))


def _by_bucket(pair: tuple[str, int]) -> tuple[int, str]:
    return pair[1], pair[0]


def _value_name(value: object) -> str | None:
    """Return how a scalar is kept; 1 and "1" are one value, true and 1 are not."""
    if not isinstance(value, str | int | float):
        return None
    text = str(value)
    return text if len(text) <= _VALUE_CHARS_MAX else "#" + blake2b(text.encode(), digest_size=16).hexdigest()
