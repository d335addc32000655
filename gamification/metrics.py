"""Windowed metrics as rings of buckets (DESIGN 2.1, rule 14). Everything here is event time.

The window ends at the later of ``now`` and the newest event seen, so a late event neither rewinds a metric nor sees
one that its successors do not. Bucket edges are UTC; the oldest bucket counts whole or not at all, so a window of
``7d`` in buckets of a day is seven UTC days, the current one included.
"""

from hashlib import blake2b
from math import isfinite

from domain.entries import Event
from domain.player import Metric
from gamification.rules import AMOUNT_MAX, MetricRule, field_value

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
    """Return the metric's value; None when it has none (``max`` and ``last`` of nothing)."""
    held = state or _EMPTY
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
    """Return the next ms at which time alone may change the value with regard to the thresholds; 0: never."""
    del rule, state, now, thresholds
    return 0


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
        return Metric((*buckets[:-1], (number, _combined(rule, held, value))))
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
    if rule.aggregate == "max":
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
