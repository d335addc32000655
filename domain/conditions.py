"""The condition tree (CONTRACT): a question about an event and its player, compiled once into one Python function.

Logic is three-valued (Kleene): a field that is missing, or of another kind than the value it is compared with, is
neither true nor false, and the whole is false unless it is true. Because De Morgan's laws hold, ``not`` is pushed down
to the leaves, and every leaf is emitted in one of two forms, "is true" or "is false"; so the generated code is plain
``and``/``or`` (0.2 to 0.5 us). User text is never part of the source: it is bound by name.

``evaluate`` is the same meaning written a second time, slowly and without sharing code: the oracle of the tests and
the audit.
"""

from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from typing import Any, Literal, NoReturn, Protocol, cast

from domain.entries import Event
from domain.player import Balance, Snapshot

DEPTH_MAX = 10
NODES_MAX = 100
LIST_MAX = 1_000
STRING_MAX = 1_000
MAIN_LEVELS = "main"  # the level system that ``player.level`` means

_COMPARISONS = {"eq": "==", "ne": "!=", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_OPS = (*_COMPARISONS, "in", "contains", "starts_with", "exists", "between")
_METRIC_OPS = (*_COMPARISONS, "in", "exists", "between")
_FIELDS = (
    "event.name, event.properties.*, event.context.*, player.traits.*, player.level, player.balance.*, player.scores.*"
)

Tree = Mapping[str, Any]
Kind = Literal["number", "string", "boolean"]


class ConditionError(ValueError):
    """A tree was refused; ``path`` names the bad node (``where.all[1].any[0].op``)."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = path
        self.problem = problem


class Context(Protocol):
    """What a condition may ask. ``metric`` and ``segment`` answer None for what they do not know."""

    @property
    def event(self) -> Event | None: ...
    @property
    def traits(self) -> Mapping[str, Any]: ...
    @property
    def wallet(self) -> Mapping[str, Balance]: ...
    @property
    def levels(self) -> Mapping[str, str]: ...
    @property
    def scores(self) -> Mapping[str, float]: ...
    def metric(self, metric_id: str, /) -> int | float | None: ...
    def segment(self, segment_id: str, /) -> bool | None: ...


def _unknown(_: str) -> None:
    return None


class PlayerContext:
    """A context over a snapshot, for callers outside a gamification turn (segments, journeys, the audit)."""

    __slots__ = ("event", "levels", "metric", "scores", "segment", "traits", "wallet")

    def __init__(
        self,
        snapshot: Snapshot,
        event: Event | None = None,
        *,
        metric: Callable[[str], int | float | None] = _unknown,
        segment: Callable[[str], bool | None] = _unknown,
        scores: Mapping[str, float] | None = None,
    ) -> None:
        self.event = event
        self.traits: Mapping[str, Any] = snapshot.profile.traits
        self.wallet: Mapping[str, Balance] = snapshot.wallet
        self.levels: Mapping[str, str] = snapshot.progress.levels
        self.scores: Mapping[str, float] = scores or {}
        self.metric = metric
        self.segment = segment


class Condition:
    """A compiled tree. ``holds`` is the bare function, for hot paths; calling the object is the same."""

    __slots__ = ("fields", "holds", "metrics", "segments", "tree")

    def __init__(self, tree: Tree | None, holds: Callable[[Context], bool], reader: "_Reader") -> None:
        self.tree = tree
        self.holds = holds
        self.fields = frozenset(reader.fields)
        self.metrics = frozenset(reader.metrics)
        self.segments = frozenset(reader.segments)

    def __call__(self, context: Context) -> bool:
        return self.holds(context)


def compile_condition(tree: Tree | None, path: str = "where") -> Condition:
    """Validate the tree and compile it; no tree always holds.

    Raises:
        ConditionError: the tree is malformed or too large.
    """
    if tree is None:
        return Condition(None, _always, _Reader())
    reader = _Reader()
    root = reader.node(tree, path, 1)
    return Condition(tree, _function(root, reader), reader)


def validate_condition(tree: Tree | None, path: str = "where") -> None:
    """Check the tree without compiling it.

    Raises:
        ConditionError: the tree is malformed or too large.
    """
    if tree is not None:
        _Reader().node(tree, path, 1)


def level_of(levels: Mapping[str, str]) -> str | None:
    """Return what ``player.level`` means: the level of ``main``, else of the first system by name."""
    if MAIN_LEVELS in levels:
        return levels[MAIN_LEVELS]
    return levels[min(levels)] if levels else None


def _always(_: Context) -> bool:
    return True


# --- reading: a tree becomes nodes, or an error with a path ---


class _Node:
    """One of all, any, not (with children), leaf, segment."""

    __slots__ = ("children", "kind", "op", "subject", "value")

    def __init__(self, kind: str, children: "Sequence[_Node]" = (), subject: str = "", op: str = "", value: Any = None):
        self.kind = kind
        self.children = children
        self.subject = subject  # field path, metric id or segment id
        self.op = op
        self.value = value


class _Reader:
    """Validates a tree and collects what it refers to."""

    def __init__(self) -> None:
        self.fields: set[str] = set()
        self.metrics: set[str] = set()
        self.segments: set[str] = set()
        self._count = 0

    def node(self, tree: Any, path: str, depth: int) -> _Node:
        self._count += 1
        if depth > DEPTH_MAX:
            _refuse(path, f"expected at most {DEPTH_MAX} levels")
        if self._count > NODES_MAX:
            _refuse(path, f"expected at most {NODES_MAX} nodes")
        if not isinstance(tree, Mapping):
            _refuse(path, f"expected an object, got {_shown(tree)}")
        for name in ("all", "any"):
            if name in tree:
                return self._branch(name, tree, path, depth)
        if "not" in tree:
            _only(tree, {"not"}, path)
            return _Node("not", (self.node(tree["not"], f"{path}.not", depth + 1),))
        return self._leaf(tree, path)

    def _branch(self, name: str, tree: Tree, path: str, depth: int) -> _Node:
        _only(tree, {name}, path)
        children = tree[name]
        if not isinstance(children, list | tuple) or not children:
            _refuse(f"{path}.{name}", f"expected a list of conditions, got {_shown(children)}")
        return _Node(name, [self.node(child, f"{path}.{name}[{i}]", depth + 1) for i, child in enumerate(children)])

    def _leaf(self, tree: Tree, path: str) -> _Node:
        for name in ("segment", "metric", "field"):
            if name in tree:
                subject = tree[name]
                if not isinstance(subject, str) or not 0 < len(subject) <= STRING_MAX:
                    _refuse(f"{path}.{name}", f"expected a name, got {_shown(subject)}")
                return self._leaf_of(name, subject, tree, path)
        return _refuse(path, f"expected one of all, any, not, field, metric, segment, got {_shown(dict(tree))}")

    def _leaf_of(self, name: str, subject: str, tree: Tree, path: str) -> _Node:
        if name == "segment":
            _only(tree, {"segment"}, path)
            self.segments.add(subject)
            return _Node("segment", subject=subject)
        _only(tree, {name, "op", "value"}, path)
        if name == "field":
            _check_field(subject, f"{path}.field")
        (self.metrics if name == "metric" else self.fields).add(subject)
        op, value = tree.get("op"), tree.get("value")
        allowed = _METRIC_OPS if name == "metric" else _OPS
        if op not in allowed:
            _refuse(f"{path}.op", f"expected one of {' '.join(allowed)}, got {_shown(op)}")
        if op == "exists" and "value" not in tree:
            value = True
        _check_value(op, value, f"{path}.value")
        if name == "metric" and op != "exists" and kind_of(value[0] if isinstance(value, list) else value) != "number":
            _refuse(f"{path}.value", f"expected a number to compare a metric with, got {_shown(value)}")
        return _Node(name, subject=subject, op=op, value=value)


def kind_of(value: object) -> Kind | None:
    """Return the kind a value compares as; a boolean is not a number, and everything else has none."""
    kind = type(value)
    if kind is int or kind is float:
        return "number"
    return "string" if kind is str else "boolean" if kind is bool else None


def _check_field(field: str, path: str) -> None:
    parts = field.split(".")
    bare = field in ("event.name", "player.level")
    nested = len(parts) >= 3 and parts[:2] in (
        ["event", "properties"],
        ["event", "context"],
        ["player", "traits"],
        ["player", "balance"],
        ["player", "scores"],
    )
    if not (bare or (nested and all(parts))):
        _refuse(path, f"expected one of {_FIELDS}, got {_shown(field)}")


def _check_value(op: str, value: Any, path: str) -> None:
    if op == "exists":
        if type(value) is not bool:
            _refuse(path, f"expected true or false, got {_shown(value)}")
    elif op in ("in", "between"):
        _check_list(op, value, path)
    else:
        kind = _check_scalar(value, path)
        if op == "starts_with" and kind != "string":
            _refuse(path, f"expected a string, got {_shown(value)}")
        if op in ("gt", "gte", "lt", "lte") and kind == "boolean":
            _refuse(path, f"expected a number or a string, got {_shown(value)}")


def _check_list(op: str, value: Any, path: str) -> None:
    if not isinstance(value, list) or not 0 < len(value) <= LIST_MAX:
        _refuse(path, f"expected a list of 1 to {LIST_MAX} values, got {_shown(value)}")
    kinds = {_check_scalar(item, f"{path}[{i}]") for i, item in enumerate(value)}
    if len(kinds) != 1:
        _refuse(path, f"expected values of one kind, got {' and '.join(sorted(kinds))}")
    if op == "between" and (len(value) != 2 or kinds == {"boolean"} or value[0] > value[1]):
        _refuse(path, f"expected [lowest, highest], got {_shown(value)}")


def _check_scalar(value: Any, path: str) -> Kind:
    kind = kind_of(value)
    if kind is None or (type(value) is float and not isfinite(value)):
        _refuse(path, f"expected a string, a number or a boolean, got {_shown(value)}")
    if kind == "string" and len(value) > STRING_MAX:
        _refuse(path, f"expected at most {STRING_MAX} characters, got {len(value)}")
    return kind


def _only(tree: Tree, allowed: set[str], path: str) -> None:
    extra = sorted(str(key) for key in tree if key not in allowed)
    if extra:
        _refuse(path, f"expected only {' '.join(sorted(allowed))}, got also {_shown(extra[0])}")


def _refuse(path: str, problem: str) -> NoReturn:
    raise ConditionError(path, problem)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


# --- writing: nodes become source ---

_ROOTS = {
    "event.properties": ("properties", "EMPTY if event is None else event.properties"),
    "event.context": ("context", "EMPTY if event is None else event.context"),
    "player.traits": ("traits", "c.traits"),
    "player.scores": ("scores", "c.scores"),
}


class _Writer:
    """Emits the source of one function; what the user wrote becomes constants K0, K1, ... of its namespace."""

    def __init__(self) -> None:
        self.names: dict[str, Any] = {"EMPTY": {}, "dig": _dig, "contains": _contains, "level_of": level_of}
        self.prologue: dict[str, str] = {}

    def bind(self, value: Any) -> str:
        name = f"K{len(self.names)}"
        self.names[name] = value
        return name

    def emit(self, node: _Node, wanted: bool) -> str:
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
        if field == "player.level":
            return "level_of(c.levels)"
        parts = field.split(".")
        if parts[:2] == ["player", "balance"]:
            key = self.bind(".".join(parts[2:]))
            return f"(c.wallet[{key}].balance if {key} in c.wallet else 0)"
        if parts[0] == "event":
            self.prologue["event"] = "c.event"
        if field == "event.name":
            return "(None if event is None else event.name)"
        root, source = _ROOTS[".".join(parts[:2])]
        self.prologue[root] = source
        keys = tuple(parts[2:])
        return f"{root}.get({self.bind(keys[0])})" if len(keys) == 1 else f"dig({root}, {self.bind(keys)})"

    def _test(self, op: str, value: Any, fetch: str, wanted: bool) -> str:
        if op == "exists":
            return f"{fetch} is {'not ' if value is wanted else ''}None"
        if op == "contains":
            return f"contains({fetch}, {self.bind(value)}) is {wanted}"
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
        return f"v {_COMPARISONS[op]} {self.bind(value)}"


def _function(root: _Node, _: _Reader) -> Callable[[Context], bool]:
    writer = _Writer()
    expression = writer.emit(root, wanted=True)
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


# --- the second meaning: an interpreter ---


def evaluate(tree: Tree | None, context: Context) -> bool:
    """Return what the compiled condition returns, by walking a valid tree as it stands."""
    return tree is None or _verdict(tree, context) is True


def _verdict(tree: Tree, context: Context) -> bool | None:
    if "all" in tree:
        verdicts = [_verdict(child, context) for child in tree["all"]]
        return False if False in verdicts else None if None in verdicts else True
    if "any" in tree:
        verdicts = [_verdict(child, context) for child in tree["any"]]
        return True if True in verdicts else None if None in verdicts else False
    if "not" in tree:
        verdict = _verdict(tree["not"], context)
        return None if verdict is None else not verdict
    if "segment" in tree:
        member: bool | None = context.segment(tree["segment"])
        return member
    held = context.metric(tree["metric"]) if "metric" in tree else _held(tree["field"].split("."), context)
    if tree["op"] == "exists":
        return (held is not None) is tree.get("value", True)
    return _compared(tree["op"], held, tree["value"])


def _held(parts: list[str], context: Context) -> Any:
    match parts:
        case ["player", "level"]:
            return level_of(context.levels)
        case ["player", "balance", *rest]:
            return context.wallet.get(".".join(rest), Balance()).balance
        case ["event", "name"]:
            return context.event.name if context.event else None
        case _:
            return _held_below(parts, context)


def _held_below(parts: list[str], context: Context) -> Any:
    roots: dict[str, Mapping[str, Any]] = {"traits": context.traits, "scores": context.scores}
    if context.event:
        roots |= {"properties": context.event.properties, "context": context.event.context}
    held: Any = roots.get(parts[1], {})
    for part in parts[2:]:
        held = held.get(part) if isinstance(held, dict) else None
    return held


def _compared(op: str, held: Any, value: Any) -> bool | None:
    if op == "contains" and isinstance(held, list | tuple):
        return any(_same_kind(item, value) and item == value for item in held)
    wanted = value[0] if op in ("in", "between") else value
    if not _same_kind(held, wanted) or (op == "contains" and not isinstance(held, str)):
        return None
    answers: dict[str, Callable[[], bool]] = {
        "eq": lambda: held == value,
        "ne": lambda: held != value,
        "gt": lambda: held > value,
        "gte": lambda: held >= value,
        "lt": lambda: held < value,
        "lte": lambda: held <= value,
        "in": lambda: any(held == item for item in value),
        "between": lambda: value[0] <= held <= value[1],
        "contains": lambda: value in held,
        "starts_with": lambda: held.startswith(value),
    }
    return bool(answers[op]())


def _same_kind(left: object, right: object) -> bool:
    for kind in (bool, str, int | float):  # bool first: it is an int
        if isinstance(left, kind) or isinstance(right, kind):
            return isinstance(left, kind) and isinstance(right, kind)
    return False
