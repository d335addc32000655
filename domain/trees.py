"""The condition tree as written: read into nodes, or refused with the path of the bad node. Its size is bounded."""

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any, Literal, NoReturn

DEPTH_MAX = 10
NODES_MAX = 100
LIST_MAX = 1_000
STRING_MAX = 1_000
DAYS_AHEAD_MAX = 365  # of an anniversary

COMPARISONS = {"eq": "==", "ne": "!=", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_OPS = (*COMPARISONS, "in", "contains", "starts_with", "exists", "between", "anniversary")
_METRIC_OPS = (*COMPARISONS, "in", "exists", "between")
_BARE = (
    "event.name",
    "player.level",
    "player.since.first_seen",
    "player.since.last_seen",
    "player.since.tone",
    "player.tone.mood",
    "player.tone.polarity",
    "player.tone.confidence",
    "player.tone.language",
    "now.hour",
    "now.weekday",
    "now.date",
)
_ROOTS = ("event.properties", "event.context", "player.traits", "player.balance", "player.scores")
_FIELDS = ", ".join((*_BARE, *(f"{root}.*" for root in _ROOTS), "journey.*"))
_NOTHING: Mapping[str, str] = {}

Tree = Mapping[str, Any]
Kind = Literal["number", "string", "boolean"]


class ConditionError(ValueError):
    """A tree was refused; ``path`` names the bad node (``where.all[1].any[0].op``)."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = path
        self.problem = problem


class Node:
    """One of all, any, not (with children), leaf, segment."""

    __slots__ = ("children", "kind", "op", "subject", "value")

    def __init__(self, kind: str, children: "Sequence[Node]" = (), subject: str = "", op: str = "", value: Any = None):
        self.kind = kind
        self.children = children
        self.subject = subject  # field path, metric id or segment id
        self.op = op
        self.value = value


class Reader:
    """Validates a tree and collects what it refers to.

    Args:
        refused: Why fields below a root (``event``, ``journey``) make no sense where the tree stands.
    """

    def __init__(self, refused: Mapping[str, str] = _NOTHING) -> None:
        self._refused = refused
        self.asks_calendar = False
        self.fields: set[str] = set()
        self.metrics: set[str] = set()
        self.segments: set[str] = set()
        self._count = 0

    def node(self, tree: Any, path: str, depth: int) -> Node:
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
            return Node("not", (self.node(tree["not"], f"{path}.not", depth + 1),))
        return self._leaf(tree, path)

    def _branch(self, name: str, tree: Tree, path: str, depth: int) -> Node:
        _only(tree, {name}, path)
        children = tree[name]
        if not isinstance(children, list | tuple) or not children:
            _refuse(f"{path}.{name}", f"expected a list of conditions, got {_shown(children)}")
        return Node(name, [self.node(child, f"{path}.{name}[{i}]", depth + 1) for i, child in enumerate(children)])

    def _leaf(self, tree: Tree, path: str) -> Node:
        for name in ("segment", "metric", "field"):
            if name in tree:
                subject = tree[name]
                if not isinstance(subject, str) or not 0 < len(subject) <= STRING_MAX:
                    _refuse(f"{path}.{name}", f"expected a name, got {_shown(subject)}")
                return self._leaf_of(name, subject, tree, path)
        return _refuse(path, f"expected one of all, any, not, field, metric, segment, got {_shown(dict(tree))}")

    def _leaf_of(self, name: str, subject: str, tree: Tree, path: str) -> Node:
        if name == "segment":
            _only(tree, {"segment"}, path)
            self.segments.add(subject)
            return Node("segment", subject=subject)
        _only(tree, {name, "op", "value"}, path)
        if name == "field":
            self._check_field(subject, f"{path}.field")
        (self.metrics if name == "metric" else self.fields).add(subject)
        op, value = tree.get("op"), tree.get("value")
        allowed = _METRIC_OPS if name == "metric" else _OPS
        if op not in allowed:
            _refuse(f"{path}.op", f"expected one of {' '.join(allowed)}, got {_shown(op)}")
        if op == "exists" and "value" not in tree:
            value = True
        if op == "anniversary":
            value = tree.get("value", 0)
            if not subject.startswith("player.traits."):
                _refuse(f"{path}.op", f"expected anniversary of a player.traits.*, got {_shown(subject)}")
        self.asks_calendar = self.asks_calendar or op == "anniversary" or subject.startswith("now.")
        _check_value(op, value, f"{path}.value")
        if name == "metric" and op != "exists" and kind_of(value[0] if isinstance(value, list) else value) != "number":
            _refuse(f"{path}.value", f"expected a number to compare a metric with, got {_shown(value)}")
        return Node(name, subject=subject, op=op, value=value)

    def _check_field(self, field: str, path: str) -> None:
        parts = field.split(".")
        if reason := self._refused.get(parts[0]):
            _refuse(path, f"expected no {parts[0]}.* here ({reason}), got {_shown(field)}")
        nested = len(parts) >= 3 and ".".join(parts[:2]) in _ROOTS
        journey = len(parts) >= 2 and parts[0] == "journey"
        if field not in _BARE and not ((nested or journey) and all(parts)):
            _refuse(path, f"expected one of {_FIELDS}, got {_shown(field)}")


def kind_of(value: object) -> Kind | None:
    """Return the kind a value compares as; a boolean is not a number, and everything else has none."""
    kind = type(value)
    if kind is int or kind is float:
        return "number"
    return "string" if kind is str else "boolean" if kind is bool else None


def _check_value(op: str, value: Any, path: str) -> None:
    if op == "exists":
        if type(value) is not bool:
            _refuse(path, f"expected true or false, got {_shown(value)}")
    elif op == "anniversary":
        if type(value) is not int or not 0 <= value <= DAYS_AHEAD_MAX:
            _refuse(path, f"expected days ahead, 0 to {DAYS_AHEAD_MAX}, got {_shown(value)}")
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
