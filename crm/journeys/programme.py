"""Journey and campaign documents compiled into ``JourneyRules``; everything wrong is reported at once."""

from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from typing import Any

import msgspec
from pydantic import ValidationError

from crm.campaigns import as_journeys
from crm.choices.rules import NONE, ChoiceRules
from crm.journeys.config import JourneyConfig
from crm.journeys.node_config import BranchNode, EventConfig, NodeConfig, OccasionConfig, SkipStep, SplitNode, WaitNode
from crm.journeys.references import broken_references
from crm.journeys.rules import Entry, Interrupt, Journey, JourneyRules, Milestone, Node, Occasion, Struggle, Timed
from domain.conditions import Condition, compile_condition, kind_of
from domain.timing import thresholds_of

Documents = Mapping[str, Mapping[str, Mapping[str, Any]]]

_WORDS = {"name", "description", "migrate"}  # what may differ between documents of one shape


def compile_journeys(
    version: int,
    documents: Documents,
    errors: list[str],
    *,
    older: Mapping[int, JourneyRules],
    choices: ChoiceRules = NONE,
) -> JourneyRules:
    """Compile the kinds ``journeys`` and ``campaigns``; problems are added as ``kind/id: path: problem``."""
    raw = {**documents.get("journeys", {}), **as_journeys(documents, errors)}
    configs = dict(_validated(raw, errors))
    errors += [f"{_where(name)}: {line}" for name, line in broken_references(configs, documents)]
    journeys = {name: compile_journey(name, configs[name]) for name in sorted(configs)}
    return JourneyRules(
        version,
        journeys,
        older,
        frozenset(documents.get("templates", {})),
        _indexed((journey.entry.config.event, journey) for journey in journeys.values()),
        _indexed((_segment_of(journey), journey) for journey in journeys.values()),
        _indexed((name, journey) for journey in journeys.values() for name in journey.entry.config.pattern or ()),
        choices,
    )


def compile_journey(name: str, config: JourneyConfig) -> Journey:
    """Compile one valid document."""
    goal = _occasion(config.exit.goal)
    exits = tuple(map(_occasion, config.exit.on)) + ((_holding(config.exit.when),) if config.exit.when else ())
    steps = tuple(Milestone(step.id, _occasion(step)) for step in config.steps)
    interrupts = tuple(Interrupt(i.id, _occasion(i), i.to, i.once) for i in config.interrupts)
    occasions = [*((goal,) if goal else ()), *exits, *(s.occasion for s in steps), *(i.occasion for i in interrupts)]
    timed = _timed(occasion.condition for occasion in occasions if not occasion.event)
    return Journey(
        id=name,
        config=config,
        shape=_shape(config),
        entry=Entry(config.entry, _condition(config.entry.where), _condition(config.entry.audience)),
        nodes={node.id: _node(node) for node in config.nodes},
        steps=steps,
        goal=goal,
        exits=exits,
        interrupts=interrupts,
        timed=timed,
        asks_clock=_ask_clock(timed),
        listens=frozenset(occasion.event for occasion in occasions if occasion.event),
        asks=any(not occasion.event for occasion in occasions),
    )


def _validated(raw: Mapping[str, Mapping[str, Any]], errors: list[str]) -> Iterator[tuple[str, JourneyConfig]]:
    for name, document in raw.items():
        try:
            yield name, JourneyConfig.model_validate(document)
        except ValidationError as error:
            details = error.errors(include_url=False)
            for found in details:
                if found["type"] == "too_short" and any(len(other["loc"]) > len(found["loc"]) for other in details):
                    continue  # a list whose items are bad is not also too short
                path = ".".join(str(step) for step in found["loc"]) or "document"
                said = str(found["msg"]).removeprefix("Value error, ")
                got = "" if ", got" in said else f", got {found['input']!r:.60}"
                errors.append(f"{_where(name)}: {path}: {said}{got}")


def _where(name: str) -> str:
    return name if name.startswith("campaigns/") else f"journeys/{name}"


def _shape(config: JourneyConfig) -> bytes:
    content = config.model_dump(mode="json", by_alias=True, exclude=_WORDS)
    return blake2b(msgspec.json.encode(content, order="deterministic"), digest_size=16).digest()


def _segment_of(journey: Journey) -> tuple[str, str] | None:
    entry = journey.entry.config
    return (entry.segment or "", entry.on or "entered") if entry.kind == "segment" else None


def _indexed(pairs: Iterable[tuple[Any, Journey]]) -> dict[Any, tuple[Journey, ...]]:
    found: dict[Any, tuple[Journey, ...]] = {}
    for key, journey in pairs:
        if key is not None:
            found[key] = (*found.get(key, ()), journey)
    return found


def _condition(tree: Mapping[str, Any] | None) -> Condition | None:
    return compile_condition(tree) if tree is not None else None


def _holding(tree: Mapping[str, Any] | None) -> Occasion:
    return Occasion("", compile_condition(tree))


def _occasion(config: OccasionConfig | EventConfig | None) -> Any:
    if config is None:
        return None
    if config.event:
        return Occasion(config.event, _condition(config.where))
    if pattern := getattr(config, "pattern", None):
        return Occasion("", None, frozenset(pattern))
    return _holding(getattr(config, "when", None))


def _node(config: NodeConfig) -> Node:
    skip_step = config.skip_when.step if isinstance(config.skip_when, SkipStep) else ""
    skip_when = None if isinstance(config.skip_when, SkipStep) else _condition(config.skip_when)
    wanted: Occasion | None = _occasion(config.for_) if isinstance(config, WaitNode) else None
    struggle = config.struggle
    waking = [skip_when] if skip_when else []
    if wanted is not None and not wanted.event and wanted.condition:
        waking.append(wanted.condition)
    timed = _timed(waking) if config.waits else ()
    return Node(
        config,
        skip_step=skip_step,
        skip_when=skip_when,
        wanted=wanted,
        struggle=Struggle(_occasion(struggle), struggle.count, (struggle.within or 0) * 1000, struggle.to)
        if struggle
        else None,
        dwell_ms=config.dwell.for_ * 1000 if config.dwell else 0,
        paths=tuple((compile_condition(path.when), path.next) for path in config.paths)
        if isinstance(config, BranchNode)
        else (),
        shares=_shares(config) if isinstance(config, SplitNode) else (),
        timed=timed,
        asks_clock=_ask_clock(timed),
    )


def _shares(config: SplitNode) -> tuple[tuple[float, str, str | None], ...]:
    """Return the upper bounds of the shares in order of their ids: the order in the document does not matter."""
    named = sorted((path.id or f"{n:02}", path.share, path.next or config.next) for n, path in enumerate(config.paths))
    bounds: list[tuple[float, str, str | None]] = []
    total = 0.0
    for name, share, target in named:
        total += share
        bounds.append((total, name, target))
    return (*bounds[:-1], (1.0, bounds[-1][1], bounds[-1][2]))


def _timed(conditions: Iterable[Condition | None]) -> tuple[Timed, ...]:
    found = []
    for condition in conditions:
        if condition is None:
            continue
        edges: dict[str, set[float]] = {
            "journey.elapsed_s": set(),
            "journey.node_elapsed_s": set(),
            "journey.pace": set(),
        }
        for leaf in _leaves(condition.tree):
            if leaf["field"] in edges and leaf["op"] != "exists" and _is_numeric(leaf["value"]):
                edges[leaf["field"]] |= set(thresholds_of(leaf["op"], leaf["value"]))
        if condition.timing is not None or any(edges.values()):
            found.append(Timed(condition, *(tuple(sorted(numbers)) for numbers in edges.values())))
    return tuple(found)


def _ask_clock(timed: tuple[Timed, ...]) -> bool:
    return any(one.condition.timing is not None for one in timed)


def _is_numeric(value: Any) -> bool:
    return kind_of(value[0] if isinstance(value, list) else value) == "number"


def _leaves(tree: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(tree, Mapping):
        if "field" in tree:
            yield tree
        for child in (*tree.get("all", ()), *tree.get("any", ()), tree.get("not")):
            yield from _leaves(child)
