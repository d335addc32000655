"""A score's formula: a small arithmetic over an event's properties and metrics, parsed once into closures.

``amount * 2 + max(multiplier, metric.bets_7d) / (1 + 0.5)``: numbers, ``+ - * /``, parentheses, ``min`` and ``max`` of
two or more. A name is a property of the event (``win``, ``game.rtp``), or ``metric.<id>``. Nothing is evaluated but
these; length, size and depth are bounded.
"""

import math
import re
from collections.abc import Callable
from typing import Protocol

from domain.entries import Event

CHARS_MAX = 300
PARTS_MAX = 60  # numbers, names and operations
DEPTH_MAX = 20
_TOKEN = re.compile(r"\s*(?:(\d+(?:\.\d+)?)|([A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z0-9_]+)*)|([-+*/(),]))")
METRIC = "metric."


class Asked(Protocol):
    """What a formula asks: a turn."""

    def metric(self, metric_id: str) -> int | float | None:
        """Return a metric's value, None when it has none."""


Value = Callable[[Asked, Event], float | None]


class FormulaError(ValueError):
    """The text is no formula; the message says what was expected where."""


class Formula:
    """A parsed formula.

    Attributes:
        properties: Names of the event's properties that it reads.
        metrics: Ids of the metrics that it reads.
    """

    __slots__ = ("_value", "metrics", "properties", "text")

    def __init__(self, text: str) -> None:
        parser = _Parser(text)
        self.text = text
        self._value = parser.parsed()
        self.properties = frozenset(parser.properties)
        self.metrics = frozenset(parser.metrics)

    def __call__(self, turn: Asked, event: Event) -> float | None:
        """Return the value; None when a name has no number, when something is divided by 0, or is not finite."""
        value = self._value(turn, event)
        return value if value is not None and math.isfinite(value) else None


def number_of(value: object) -> float | None:
    """Return a number of a sender as such: finite, no truth value; None for anything else."""
    kind = type(value)
    if kind is int:
        return float(value) if -(2**53) <= value <= 2**53 else None  # type: ignore[operator, arg-type]
    return value if kind is float and math.isfinite(value) else None  # type: ignore[arg-type, return-value]


class _Parser:
    """Recursive descent: ``sum := product (+- product)*``, ``product := factor (*/ factor)*``."""

    def __init__(self, text: str) -> None:
        if len(text) > CHARS_MAX:
            raise FormulaError(f"expected at most {CHARS_MAX} characters, got {len(text)}")
        self._tokens = _tokens(text)
        self._at = 0
        self._depth = 0
        self.properties: set[str] = set()
        self.metrics: set[str] = set()

    def parsed(self) -> Value:
        value = self._sum()
        if self._at < len(self._tokens):
            raise FormulaError(f"expected the end, got {self._tokens[self._at]!r}")
        return value

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _take(self, wanted: str = "") -> str:
        token = self._peek()
        if not token or (wanted and token != wanted):
            raise FormulaError(f"expected {wanted or 'a number, a name or ('}, got {token or 'the end'!r}")
        self._at += 1
        return token

    def _sum(self) -> Value:
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise FormulaError(f"expected a depth of at most {DEPTH_MAX}")
        value = self._product()
        while self._peek() in ("+", "-"):
            value = _combined(self._take(), value, self._product())
        self._depth -= 1
        return value

    def _product(self) -> Value:
        value = self._factor()
        while self._peek() in ("*", "/"):
            value = _combined(self._take(), value, self._factor())
        return value

    def _factor(self) -> Value:
        token = self._take()
        if token == "-":
            self._depth += 1
            if self._depth > DEPTH_MAX:
                raise FormulaError(f"expected a depth of at most {DEPTH_MAX}")
            value = _combined("-", _constant(0.0), self._factor())
            self._depth -= 1
            return value
        if token == "(":
            value = self._sum()
            self._take(")")
            return value
        if token[0].isdigit():
            return _constant(float(token))
        if token in ("min", "max") and self._peek() == "(":
            return self._least_or_most(token)
        if not (token[0].isalpha() or token[0] == "_"):
            raise FormulaError(f"expected a number, a name or (, got {token!r}")
        return self._named(token)

    def _least_or_most(self, which: str) -> Value:
        self._take("(")
        value = self._sum()
        self._take(",")
        value = _combined(which, value, self._sum())
        while self._peek() == ",":
            self._take()
            value = _combined(which, value, self._sum())
        self._take(")")
        return value

    def _named(self, name: str) -> Value:
        if name.startswith(METRIC):
            metric = name.removeprefix(METRIC)
            self.metrics.add(metric)
            return lambda turn, _: number_of(turn.metric(metric))
        name = name.removeprefix("properties.")
        keys = tuple(name.split("."))
        self.properties.add(keys[0])
        return lambda _, event: _property(event, keys)


def _tokens(text: str) -> list[str]:
    tokens: list[str] = []
    at, end = 0, len(text.rstrip())
    while at < end:
        found = _TOKEN.match(text, at)
        if found is None:
            raise FormulaError(f"expected a number, a name, an operator or a parenthesis, got {text[at : at + 10]!r}")
        tokens.append(found[1] or found[2] or found[3])
        at = found.end()
    if sum(token not in ("(", ")", ",") for token in tokens) > PARTS_MAX:
        raise FormulaError(f"expected at most {PARTS_MAX} numbers, names and operations")
    return tokens


def _constant(number: float) -> Value:
    return lambda _, __: number


def _property(event: Event, keys: tuple[str, ...]) -> float | None:
    value: object = event.properties
    for key in keys:
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return number_of(value)


def _divided(one: float, other: float) -> float | None:
    return one / other if other else None


_OPERATIONS: dict[str, Callable[[float, float], float | None]] = {
    "+": lambda one, other: one + other,
    "-": lambda one, other: one - other,
    "*": lambda one, other: one * other,
    "/": _divided,
    "min": min,
    "max": max,
}


def _combined(operator: str, left: Value, right: Value) -> Value:
    """Return the operation on both; nothing where either has no value."""
    operate = _OPERATIONS[operator]

    def value(turn: Asked, event: Event) -> float | None:
        if (one := left(turn, event)) is None or (other := right(turn, event)) is None:
            return None
        return operate(one, other)

    return value
