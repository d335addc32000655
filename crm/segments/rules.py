"""The segments of a programme version, compiled: in an order that can be judged, indexed by what can change each."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from math import ceil
from typing import Any

from pydantic import ValidationError

from crm.segments_config import REFUSED, SegmentConfig
from domain.conditions import Condition, ConditionError, compile_condition

SEGMENTS_MAX = 500  # of a programme; a player's membership is one map
_NEVER_MS = 2**62

Ids = tuple[str, ...]
Documents = Mapping[str, Mapping[str, Mapping[str, Any]]]


@dataclass(frozen=True, slots=True)
class Touched:
    """Which segments a change of one part of the player may touch. Time and version are no part of it."""

    traits: tuple[tuple[str, Ids], ...] = ()
    metrics: tuple[tuple[str, Ids], ...] = ()
    balances: tuple[tuple[str, Ids], ...] = ()
    levels: Ids = ()
    zone: Ids = ()
    first_seen: Ids = ()
    last_seen: tuple[tuple[str, int], ...] = ()  # segment, and the least silence in ms whose end may change it
    segments: Mapping[str, Ids] = field(default_factory=dict)  # segment -> those that name it
    scores: tuple[tuple[str, Ids], ...] = ()
    tone: Ids = ()


@dataclass(frozen=True, slots=True)
class SegmentRules:
    """The segments of one programme version."""

    version: int = 0
    conditions: Mapping[str, Condition] = field(default_factory=dict)  # each follows those it names
    names: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # by language
    touched: Touched = Touched()
    meanings: Mapping[str, object] = field(default_factory=dict)  # where these differ, all players must be judged anew


def compile_segments(version: int, documents: Documents, errors: list[str]) -> SegmentRules:
    """Compile the kind ``segments``; what is wrong is added to ``errors`` as ``kind/id: path: problem``."""
    named = documents.get("segments", {})
    if len(named) > SEGMENTS_MAX:
        errors.append(f"segments: expected at most {SEGMENTS_MAX} segments, got {len(named)}")
        return SegmentRules(version)
    configs: dict[str, SegmentConfig] = {}
    conditions: dict[str, Condition] = {}
    for name, document in sorted(named.items()):
        try:
            configs[name] = SegmentConfig.model_validate(document)
            conditions[name] = compile_condition(configs[name].where, refused=REFUSED)
        except ValidationError as error:
            errors.extend(f"segments/{name}: {problem}" for problem in _problems(error))
    ordered = {name: conditions[name] for name in _order(conditions, errors)}
    meanings = {name: _meaning(condition, documents) for name, condition in ordered.items()}
    return SegmentRules(version, ordered, {name: configs[name].name for name in ordered}, _index(ordered), meanings)


def _meaning(condition: Condition, documents: Documents) -> object:
    """Return what decides who is in, beside the player: the tree, the metrics it names, and whose midnight it means."""
    metrics = documents.get("metrics", {})
    zone = documents.get("settings", {}).get("main", {}).get("timezone", "UTC") if condition.asks_calendar else ""
    return condition.tree, {name: metrics.get(name) for name in condition.metrics}, zone


def _problems(error: ValidationError) -> Iterable[str]:
    for found in error.errors(include_url=False):
        cause = found.get("ctx", {}).get("error")
        path = ".".join(map(str, found["loc"])) or "document"
        yield (
            str(cause) if isinstance(cause, ConditionError) else f"{path}: {found['msg'].removeprefix('Value error, ')}"
        )


def _order(conditions: Mapping[str, Condition], errors: list[str]) -> list[str]:
    """Return the segments so that each follows those it names; of a circle none is judged, and an error says so."""
    needs = {name: sorted(condition.segments & conditions.keys()) for name, condition in conditions.items()}
    try:
        return list(TopologicalSorter(needs).static_order())
    except CycleError as error:
        circle = error.args[1][:0:-1]  # reversed: each names the next
        first = circle.index(min(circle))
        way = " -> ".join((*circle[first:], *circle[: first + 1]))
        errors.append(f"segments/{circle[first]}: where: expected no circle, got {way}")
        return []


def _index(conditions: Mapping[str, Condition]) -> Touched:
    traits, metrics, balances, naming, scores = _Lists(), _Lists(), _Lists(), _Lists(), _Lists()
    bare = _Lists()
    for name, condition in conditions.items():
        for metric in condition.metrics:
            metrics.add(metric, name)
        for segment in condition.segments:
            naming.add(segment, name)
        if condition.asks_calendar:
            bare.add("zone", name)
        for path in condition.fields:
            root, _, rest = path.removeprefix("player.").partition(".")
            if root == "traits":
                traits.add(rest.partition(".")[0], name)
            elif root == "balance":
                balances.add(rest, name)
            elif root == "scores":
                scores.add(rest.partition(".")[0], name)
            elif root in ("level", "tone"):
                bare.add(root, name)
            elif root == "since":
                bare.add(rest, name)
    return Touched(
        traits.pairs(),
        metrics.pairs(),
        balances.pairs(),
        bare.of("level"),
        bare.of("zone"),
        bare.of("first_seen"),
        tuple((name, _least_silence_ms(conditions[name])) for name in bare.of("last_seen")),
        dict(naming.pairs()),
        scores.pairs(),
        bare.of("tone"),
    )


def _least_silence_ms(condition: Condition) -> int:
    """Return the shortest silence whose end makes a difference.

    Without this, every event of every player would touch "silent for 30 days".
    """
    seconds = [
        ceil(threshold)
        for leaf in condition.timed
        if leaf.subject == "player.since.last_seen" and not leaf.is_metric
        for threshold in leaf.thresholds
        if threshold > 0
    ]
    return min(seconds) * 1000 if seconds else _NEVER_MS


class _Lists:
    """Names under keys, each once, in the order they came."""

    def __init__(self) -> None:
        self._held: dict[str, dict[str, None]] = {}

    def add(self, key: str, name: str) -> None:
        self._held.setdefault(key, {})[name] = None

    def of(self, key: str) -> Ids:
        return tuple(self._held.get(key, ()))

    def pairs(self) -> tuple[tuple[str, Ids], ...]:
        return tuple((key, tuple(names)) for key, names in sorted(self._held.items()))
