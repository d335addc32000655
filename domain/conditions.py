"""The condition tree (docs/programme.md): a question about an event and its player, compiled once into a function.

Logic is three-valued (Kleene): a field that is missing, or of another kind than the value it is compared with, is
neither true nor false, and the whole is false unless it is true. Because De Morgan's laws hold, ``not`` is pushed down
to the leaves, and every leaf is emitted in one of two forms, "is true" or "is false"; so the generated code is plain
``and``/``or`` (0.2 to 0.5 us). User text is never part of the source: it is bound by name.

``evaluate`` (``domain.interpreter``) is the same meaning written a second time; ``next_change`` says when time alone
may change an answer (``domain.timing``).
"""

from collections.abc import Callable, Mapping
from typing import Any, cast

from domain.context import Context, PlayerContext, level_of
from domain.interpreter import evaluate
from domain.moments import date_of, hour_of, is_anniversary, seconds_since, weekday_of
from domain.timing import NEVER, Timed, Timing, timing_of
from domain.trees import COMPARISONS, DEPTH_MAX, NODES_MAX, ConditionError, Kind, Node, Reader, Tree, kind_of

__all__ = [
    "DEPTH_MAX",
    "NEVER",
    "NODES_MAX",
    "Condition",
    "ConditionError",
    "Context",
    "PlayerContext",
    "Tree",
    "compile_condition",
    "evaluate",
    "kind_of",
    "level_of",
    "next_change",
    "validate_condition",
]

_NOTHING: Mapping[str, str] = {}


class Condition:
    """A compiled tree. ``holds`` is the bare function, for hot paths; calling the object is the same.

    Attributes:
        fields: Those it names; likewise ``metrics`` and ``segments``.
        timed: The leaves whose truth time alone may change; empty for most conditions. Every metric is one, for only
            its own rules know whether it has a window.
        asks_calendar: Its answer depends on the player's zone.
    """

    __slots__ = ("asks_calendar", "fields", "holds", "metrics", "segments", "timed", "timing", "tree")

    def __init__(
        self,
        tree: Tree | None,
        holds: Callable[[Context], bool],
        reader: Reader,
        timing: Timing | None,
        timed: tuple[Timed, ...],
    ) -> None:
        self.tree = tree
        self.holds = holds
        self.fields = frozenset(reader.fields)
        self.metrics = frozenset(reader.metrics)
        self.segments = frozenset(reader.segments)
        self.asks_calendar = reader.asks_calendar
        self.timing = timing
        self.timed = timed

    def __call__(self, context: Context) -> bool:
        return self.holds(context)


def compile_condition(tree: Tree | None, path: str = "where", *, refused: Mapping[str, str] = _NOTHING) -> Condition:
    """Validate the tree and compile it; no tree always holds.

    Args:
        refused: Why fields below a root (``event``, ``journey``) make no sense where the tree stands.

    Raises:
        ConditionError: the tree is malformed or too large.
    """
    if tree is None:
        return Condition(None, _always, Reader(), None, ())
    reader = Reader(refused)
    root = reader.node(tree, path, 1)
    timed: list[Timed] = []
    timing = timing_of(root, _function, timed)
    return Condition(tree, _function(root), reader, timing, tuple(timed))


def validate_condition(tree: Tree | None, path: str = "where", *, refused: Mapping[str, str] = _NOTHING) -> None:
    """Check the tree without compiling it.

    Raises:
        ConditionError: the tree is malformed or too large.
    """
    if tree is not None:
        Reader(refused).node(tree, path, 1)


def next_change(condition: Condition, context: Context) -> int:
    """Return the next ms, after the context's ``now``, at which time alone may change the answer; ``NEVER`` (0): none.

    Never late, perhaps early: at that moment the answer may prove to be the same. It stands as long as nothing else
    that the condition names changes, segments included.
    """
    return NEVER if condition.timing is None else condition.timing(context)


def _always(_: Context) -> bool:
    return True


# --- writing: nodes become source ---

_ROOTS = {
    "event.properties": ("properties", "EMPTY if event is None else event.properties"),
    "event.context": ("context", "EMPTY if event is None else event.context"),
    "player.traits": ("traits", "c.traits"),
    "player.scores": ("scores", "c.scores"),
}
_BARE = {
    "event.name": "(None if event is None else event.name)",
    "player.level": "level_of(c.levels)",
    "player.since.first_seen": "seconds_since(c.first_seen_at, c.now)",
    "player.since.last_seen": "seconds_since(c.last_seen_at, c.now)",
    "player.since.tone": "seconds_since(c.tone.get('at', 0), c.now)",
    **{f"player.tone.{name}": f"c.tone.get({name!r})" for name in ("mood", "polarity", "confidence", "language")},
    "now.hour": "hour_of(c.now, c.zone)",
    "now.weekday": "weekday_of(c.now, c.zone)",
    "now.date": "date_of(c.now, c.zone)",
}
_FUNCTIONS = {
    "EMPTY": {},
    "level_of": level_of,
    "seconds_since": seconds_since,
    "hour_of": hour_of,
    "weekday_of": weekday_of,
    "date_of": date_of,
    "anniversary": is_anniversary,
}


class _Writer:
    """Emits the source of one function; what the user wrote becomes constants K0, K1, ... of its namespace."""

    def __init__(self) -> None:
        self.names: dict[str, Any] = {**_FUNCTIONS, "dig": _dig, "contains": _contains}
        self.prologue: dict[str, str] = {}

    def bind(self, value: Any) -> str:
        name = f"K{len(self.names)}"
        self.names[name] = value
        return name

    def emit(self, node: Node, wanted: bool) -> str:
        """Return an expression that is true when the node's verdict is ``wanted``, and false otherwise."""
        if node.kind == "not":
            return self.emit(node.children[0], not wanted)
        if node.kind in ("all", "any"):
            joiner = " and " if (node.kind == "all") is wanted else " or "
            return "(" + joiner.join(self.emit(child, wanted) for child in node.children) + ")"
        if node.kind == "segment":
            return f"(c.segment({self.bind(node.subject)}) is {wanted})"
        fetch = f"c.metric({self.bind(node.subject)})" if node.kind == "metric" else self._fetch(node.subject)
        return f"({self._test(node.op, node.value, fetch, wanted)})"

    def _fetch(self, field: str) -> str:
        parts = field.split(".")
        if parts[:2] == ["player", "balance"]:
            key = self.bind(".".join(parts[2:]))
            return f"(c.wallet[{key}].balance if {key} in c.wallet else 0)"
        if parts[0] == "event":
            self.prologue["event"] = "c.event"
        if field in _BARE:
            return _BARE[field]
        is_journey = parts[0] == "journey"
        root, source = ("journey", "c.journey") if is_journey else _ROOTS[".".join(parts[:2])]
        self.prologue[root] = source
        keys = tuple(parts[1:] if is_journey else parts[2:])
        return f"{root}.get({self.bind(keys[0])})" if len(keys) == 1 else f"dig({root}, {self.bind(keys)})"

    def _test(self, op: str, value: Any, fetch: str, wanted: bool) -> str:
        if op == "exists":
            return f"{fetch} is {'not ' if value is wanted else ''}None"
        if op == "contains":
            return f"contains({fetch}, {self.bind(value)}) is {wanted}"
        if op == "anniversary":
            return f"anniversary({fetch}, c.now, c.zone, {self.bind(value)}) is {wanted}"
        test = self._comparison(op, value)
        of_kind = {
            "number": f"((t := type(v := {fetch})) is int or t is float)",
            "string": f"type(v := {fetch}) is str",
            "boolean": f"type(v := {fetch}) is bool",
        }[cast("Kind", kind_of(value[0] if isinstance(value, list) else value))]
        return f"{of_kind} and {test}" if wanted else f"{of_kind} and not ({test})"

    def _comparison(self, op: str, value: Any) -> str:
        if op == "in":
            return f"v in {self.bind(frozenset(value))}"
        if op == "between":
            return f"{self.bind(value[0])} <= v <= {self.bind(value[1])}"
        if op == "starts_with":
            return f"v.startswith({self.bind(value)})"
        return f"v {COMPARISONS[op]} {self.bind(value)}"


def _function(root: Node, wanted: bool = True) -> Callable[[Context], bool]:
    writer = _Writer()
    expression = writer.emit(root, wanted)
    lines = [f"    {name} = {source}" for name, source in writer.prologue.items()]
    source = "\n".join(["def condition(c):", *lines, f"    return {expression}"])
    exec(compile(source, "<condition>", "exec"), writer.names)
    return cast("Callable[[Context], bool]", writer.names["condition"])


def _dig(root: Mapping[str, Any], keys: tuple[str, ...]) -> Any:
    value: Any = root
    for key in keys:
        if not isinstance(value, Mapping):
            return None
        value = value.get(key)
    return value


def _contains(held: object, value: object) -> bool | None:
    """Substring of a string, or element of a list (an element of another kind is another element)."""
    if isinstance(held, str):
        return value in held if isinstance(value, str) else None
    if isinstance(held, list | tuple):
        kind = kind_of(value)
        return any(kind_of(item) == kind and item == value for item in held)
    return None
