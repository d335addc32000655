"""When time alone may change a condition's answer, so that a timer can be set for it instead of a sweep.

Each leaf says when its own verdict may change next. An ``all`` that has false parts stays false until the last of them
changes; one without changes when its first part does; ``any`` mirrors it. So a player who cannot become a member by
waiting has no timer.
"""

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from math import ceil, inf, nextafter
from typing import Any, NamedTuple

from domain.calendar import next_local_day, next_local_hour
from domain.context import Context
from domain.interpreter import compared
from domain.moments import date_of, hour_of, next_anniversary, weekday_of
from domain.trees import Node

NEVER = 0
_EXACT_MAX = 2**53  # from here on the next float is a whole number away

Timing = Callable[[Context], int]
Compile = Callable[[Node, bool], Callable[[Context], bool]]
_CLOCK: dict[str, tuple[Callable[[int, str], int | str], Callable[[int, str], int], int]] = {
    # what it is, when it is something else, how many of those to look ahead
    "now.hour": (hour_of, next_local_hour, 25),
    "now.weekday": (weekday_of, next_local_day, 7),
    "now.date": (date_of, next_local_day, 31),
}


class Timed(NamedTuple):
    """A leaf whose truth time alone may change."""

    subject: str  # field, or metric id
    is_metric: bool
    thresholds: tuple[float, ...] = ()  # of a metric, or of seconds since: numbers that it matters to have reached


def timing_of(node: Node, compiled: Compile, timed: list[Timed]) -> Timing | None:
    """Return what says when the node may change next, None when time alone changes nothing; note its leaves.

    Args:
        compiled: Makes the function that tells whether a node's verdict is the one given.
    """
    if node.kind == "not":
        return timing_of(node.children[0], compiled, timed)
    if node.kind in ("all", "any"):
        timings = [timing_of(child, compiled, timed) for child in node.children]
        if not any(timings):
            return None
        settles = [compiled(child, node.kind == "any") for child in node.children]
        return _branch(tuple(zip(settles, timings, strict=True)))
    timing = _leaf(node)
    if timing is not None:
        counts = node.kind == "metric" or node.subject.startswith("player.since.")
        thresholds = thresholds_of(node.op, node.value) if counts else ()
        timed.append(Timed(node.subject, node.kind == "metric", thresholds))
    return timing


def thresholds_of(op: str, value: Any) -> tuple[float, ...]:
    """Return, in order, the numbers at which a comparison's verdict changes once a value has reached them."""
    if op in ("gte", "lt"):
        found = {value}
    elif op in ("gt", "lte"):
        found = {_above(value)}
    elif op == "between":
        found = {value[0], _above(value[1])}
    elif op == "exists":
        found = set()
    else:
        values = value if op == "in" else [value]
        found = {*values, *map(_above, values)}
    return tuple(sorted(found))


def _above(value: float) -> float:
    """Return the least number above the value, floats and integers alike."""
    return int(value) + 1 if abs(value) >= _EXACT_MAX else nextafter(value, inf)


def _branch(parts: Sequence[tuple[Callable[[Context], bool], Timing | None]]) -> Timing:
    def timing(context: Context) -> int:
        settled = [ask for settles, ask in parts if settles(context)]
        if settled:
            last = NEVER
            for ask in settled:
                if ask is None or not (at := ask(context)):
                    return NEVER
                last = max(last, at)
            return last
        times = [at for _, ask in parts if ask is not None and (at := ask(context))]
        return min(times, default=NEVER)

    return timing


def _leaf(node: Node) -> Timing | None:
    subject, op, value = node.subject, node.op, node.value
    if node.kind == "metric":
        thresholds = thresholds_of(op, value)
        return lambda c: c.metric_changes(subject, thresholds)
    if op == "anniversary":
        keys = subject.split(".")[2:]
        return lambda c: next_anniversary(_dug(c.traits, keys), c.now, c.zone, value)
    if op == "exists":
        return None
    if subject in _CLOCK:
        return _clock(subject, op, value)
    if subject == "player.since.first_seen":
        since = _since(op, value)
        return since and (lambda c: since(c.first_seen_at, c.now))
    if subject == "player.since.last_seen":
        since = _since(op, value)
        return since and (lambda c: since(c.last_seen_at, c.now))
    if subject == "player.since.tone":
        since = _since(op, value)
        return since and (lambda c: since(c.tone.get("at", 0), c.now))
    return None


def _since(op: str, value: Any) -> Callable[[int, int], int] | None:
    """Return when whole seconds since a moment next reach a threshold; 0 and less are reached from the start."""
    if isinstance(value[0] if isinstance(value, list) else value, str | bool) or op in ("contains", "starts_with"):
        return None
    edges = tuple(edge * 1000 for threshold in thresholds_of(op, value) if (edge := ceil(threshold)) > 0)

    def next_at(at: int, now: int) -> int:
        if not at:
            return NEVER
        i = bisect_right(edges, now - at)
        return at + edges[i] if i < len(edges) else NEVER

    return next_at


def _clock(subject: str, op: str, value: Any) -> Timing:
    """Return the next hour or day at which the comparison's verdict is another, or how far it was looked ahead."""
    read, next_of, looked_max = _CLOCK[subject]

    def timing(context: Context) -> int:
        at, zone = context.now, context.zone
        verdict = compared(op, read(at, zone), value)
        for _ in range(looked_max):
            at = next_of(at, zone)
            if compared(op, read(at, zone), value) is not verdict:
                break
        return at

    return timing


def _dug(root: Any, keys: Sequence[str]) -> Any:
    for key in keys:
        root = root.get(key) if isinstance(root, Mapping) else None
    return root
