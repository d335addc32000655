"""Liquid within limits: what a template may do, and how its source is read.

Limits count steps and characters, never milliseconds, so a replay degrades where the live
turn did. python-liquid's own limits leave these open, found by trying: a range of 10^9 is materialised by
``reversed`` and by filters; ``replace`` and ``join`` multiply two long texts in one call; loops one after
another each have the whole allowance; ``now`` and the ``date`` filter read the clock and the host's zone.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from functools import wraps
from typing import Any

from liquid import BoundTemplate, Environment, RenderContext
from liquid.ast import Node
from liquid.builtin.expressions.primitive import IntegerLiteral, RangeLiteral
from liquid.exceptions import FilterArgumentError, LiquidError, ResourceLimitError, UnknownFilterError
from liquid.expression import Expression
from liquid.filter import liquid_filter
from liquid.output import LimitedStringIO
from liquid.undefined import is_undefined
from liquid.utils import ReadOnlyChainMap

from crm.markers import has_any, without

RANGE_MAX = 1_000  # numbers in a range, whose bounds are literals
_VALUE_MAX = 100_000  # characters of all texts in a value that a filter takes or gives
_WORK_MAX = 2_000_000  # characters looked up and filtered in one rendering
_LOOP_SOURCE_MAX = 2_000_000  # iterations x characters of source; the densest source renders in 0.4 s
_INT_BITS_MAX = 256
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DATE_FORMAT = re.compile(r"(?:[^%]|%-?[A-Za-z%]){0,100}")  # no widths: %999999999d is a bomb
_LEFT_OUT = ("include", "render"), ("safe", "strip_html")  # no other templates; quadratic on "<<<<"


class _Context(RenderContext):
    """A rendering's names and its allowance: no clock among the former, one sum over everything for the latter."""

    __slots__ = ("_iterations", "_work")

    def __init__(self, template: BoundTemplate, **options: Any) -> None:
        super().__init__(template, **options)
        self.scope = ReadOnlyChainMap(self.locals, self.globals, self.counters)
        self._work = _WORK_MAX
        length = template.matter.get("source_length", 1)
        self._iterations = min(_Environment.loop_iteration_limit, _LOOP_SOURCE_MAX // int(str(length)))

    def get(self, path: list[object], **options: Any) -> object:
        value = super().get(path, **options)
        self._spend(len(value) if isinstance(value, str) else 1)
        return value

    def filter(self, name: str, token: Any) -> Callable[..., object]:
        function = super().filter(name, token)

        def bounded(value: object, *args: Any, **named: Any) -> object:
            given = [value, *args, *named.values()]
            self._spend(sum(map(_weight, given)) + 1)
            result = function(value, *args, **named)
            self._spend(_weight(result))
            # A filter that decodes could make out of a player's data what only the engine may write.
            return without(result) if isinstance(result, str) and has_any(result) else result

        return bounded

    def raise_for_loop_limit(self, length: int = 1) -> None:
        super().raise_for_loop_limit(length)
        self._iterations -= length
        if self._iterations < 0:
            raise ResourceLimitError("too many loop iterations in one template", token=None)

    def _spend(self, work: int) -> None:
        self._work -= work
        if self._work < 0:
            raise ResourceLimitError("the template does too much", token=None)


class _Watching(_Context):
    """A rendering that notes which names had no value."""

    __slots__ = ("empty",)

    def __init__(self, template: BoundTemplate, **options: Any) -> None:
        super().__init__(template, **options)
        self.empty: dict[str, None] = {}

    def get(self, path: list[object], **options: Any) -> object:
        value = super().get(path, **options)
        if is_undefined(value) or value is None or value == "":
            self.empty[".".join(map(str, path))] = None
        return value


class _Template(BoundTemplate):
    context_class = _Context


class _Environment(Environment):
    loop_iteration_limit = 10_000
    output_stream_limit = 100_000
    local_namespace_limit = 100_000
    context_depth_limit = 20
    template_class = _Template

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        super().setup_tags_and_filters(extra=extra)
        tags, filters = _LEFT_OUT
        for name in tags:
            del self.tags[name]
        for name in filters:
            del self.filters[name]
        self.add_filter("date", _date)
        self.add_filter("replace", _bounded_replace(self.filters["replace"]))
        self.add_filter("join", _bounded_join(self.filters["join"]))


def _weight(value: object, depth: int = 6) -> int:
    """Return how many characters a value holds.

    Raises:
        ResourceLimitError: more than a filter may take or give, so one call's work is bounded too.
    """
    weight = 1
    if isinstance(value, str):
        weight = len(value)
    elif isinstance(value, int) and value.bit_length() > _INT_BITS_MAX:
        raise ResourceLimitError("a number is too large", token=None)
    elif isinstance(value, (list, tuple, Mapping)):
        if depth == 0:
            raise ResourceLimitError("a value is nested too deeply", token=None)
        items = value.items() if isinstance(value, Mapping) else value
        for item in items:
            weight += _weight(item, depth - 1) + 1
            if weight > _VALUE_MAX:
                break
    elif isinstance(value, range):
        weight = len(value)
    if weight > _VALUE_MAX:
        raise ResourceLimitError("a value is too long", token=None)
    return weight


def _bounded_replace(replace: Callable[..., str]) -> Callable[..., str]:
    @wraps(replace)
    def bounded(value: object, old: object, new: object = "") -> str:
        text = str(value)
        if text.count(str(old)) * len(str(new)) > _VALUE_MAX:
            raise ResourceLimitError("a replacement is too long", token=None)
        return replace(value, old, new)

    return bounded


def _bounded_join(join: Callable[..., str]) -> Callable[..., str]:
    @wraps(join)
    def bounded(value: object, separator: object = " ", **context: Any) -> str:
        if isinstance(value, (list, tuple, range)) and len(value) * len(str(separator)) > _VALUE_MAX:
            raise ResourceLimitError("a joined text is too long", token=None)
        return join(value, separator, **context)

    return bounded


@liquid_filter
def _date(value: object, form: object = "%Y-%m-%d") -> str:
    """Format seconds since the epoch or an ISO text, in UTC or the text's own offset; leave others as they are."""
    if not _DATE_FORMAT.fullmatch(str(form)):
        raise FilterArgumentError("expected a date format without widths, at most 100 characters", token=None)
    try:
        if isinstance(value, (int, float)):
            return (_EPOCH + timedelta(seconds=value)).strftime(str(form))
        return datetime.fromisoformat(str(value)).strftime(str(form))
    except (ValueError, OverflowError):
        return str(value)


_environment = _Environment()


def parse(source: str) -> BoundTemplate:
    """Parse a source.

    Raises:
        LiquidError: it is not Liquid, names an unknown filter, or has a range without a small bound.
    """
    template = _environment.from_string(source, matter={"source_length": len(source) or 1})
    for expression in _expressions(template.nodes):
        for used in getattr(expression, "filters", None) or ():
            if used.name not in _environment.filters:
                near = nearest(used.name, _environment.filters)
                raise UnknownFilterError(f"unknown filter {used.name!r}{near}", token=used.token)
        if isinstance(expression, RangeLiteral) and not _is_small(expression):
            raise LiquidError(
                f"expected a range of at most {RANGE_MAX} between two whole numbers, got {expression}", token=None
            )
    return template


def fill_watched(template: BoundTemplate, variables: Mapping[str, Any]) -> tuple[str, list[str], str]:
    """Fill a template for its writer: the text, the names that had no value, and why it failed ("" when it did not)."""
    context = _Watching(template, globals=dict(variables))
    buffer = LimitedStringIO(limit=_Environment.output_stream_limit)
    try:
        template.render_with_context(context, buffer)
    except Exception as error:  # what a filter let through, as when it is sent: there the literal parts stand
        said = str(error.message) if isinstance(error, LiquidError) else str(error)
        return "", list(context.empty), said[:200] or type(error).__name__
    return buffer.getvalue(), list(context.empty), ""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ", did you mean ...?" for a name that is close to a known one, else ""."""
    found = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f", did you mean {found[0]!r}?" if found else ""


def _is_small(found: RangeLiteral) -> bool:
    start, stop = found.start, found.stop
    if not isinstance(start, IntegerLiteral) or not isinstance(stop, IntegerLiteral):
        return False
    return bool(stop.value - start.value < RANGE_MAX)


def _expressions(nodes: Iterable[Node]) -> Iterable[Expression]:
    """Walk every expression of a tree. Nested blocks are at most 30 deep, the parser sees to that."""
    context = _Context(_Template(_environment, []))
    pending: list[Any] = list(nodes)
    while pending:
        item = pending.pop()
        if isinstance(item, Node):
            pending += [*item.children(context), *item.expressions()]
        else:
            yield item
            pending += item.children()
