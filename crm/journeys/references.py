"""What journeys say of other documents: templates, segments, metrics, currencies and each other."""

from collections.abc import Iterator, Mapping
from typing import Any

from crm.choices.references import of_message, of_node, of_times
from crm.journeys.config import JourneyConfig, conditions
from crm.journeys.graph import offers
from crm.journeys.node_config import ChooseNode, DelayNode, JourneyNode, MessageNode, RewardNode, WebhookNode

Documents = Mapping[str, Mapping[str, Mapping[str, Any]]]
Line = tuple[str, str]  # journey, "path: problem"

_POINTS = "points"  # always there


def broken_references(configs: Mapping[str, JourneyConfig], documents: Documents) -> Iterator[Line]:
    """Yield what names a thing that is not there, and journeys that begin each other in a circle."""
    for name, config in configs.items():
        entry = config.entry
        if entry.segment and entry.segment not in documents.get("segments", {}):
            yield name, f"entry.segment: expected the id of a segment, got {entry.segment!r}"
        for path, tree in conditions(config):
            yield from ((name, f"{path}{line}") for line in _unknown(tree, documents))
        if entry.pattern and (problem := _unwatched(documents)):
            yield name, f"entry.pattern: {problem}"
        for n, node in enumerate(config.nodes):
            if entry.pattern and isinstance(node, JourneyNode) and (offer := _offered(node.journey, configs)):
                yield name, f"nodes.{n}.journey: expected journeys for care after a pattern, got {offer}"
            for line in _of_node(node, configs, documents):
                yield name, f"nodes.{n}.{line}"
    yield from _circles(configs)


def _unwatched(documents: Documents) -> str:
    """Return why no pattern is ever seen, "" when they are looked for."""
    models = documents.get("models", {}).get("churn")
    if models is None or models.get("enabled") is False:
        return "expected models/churn, which looks for patterns, got none that is switched on"
    if models.get("patterns", {}).get("enabled") is False:
        return "expected `patterns` of models/churn to be switched on, got enabled: false"
    return ""


def _offered(name: str, configs: Mapping[str, JourneyConfig]) -> str:
    """Return the first offer of a journey, or of one that it begins; "" when there is none."""
    seen: set[str] = set()
    found = [name]
    while found:
        other = found.pop()
        if other in seen or other not in configs:
            continue
        seen.add(other)
        for _, what in offers(configs[other]):
            return f"{what} in journeys/{other}"
        found += [node.journey for node in configs[other].nodes if isinstance(node, JourneyNode)]
    return ""


def _of_node(node: object, configs: Mapping[str, JourneyConfig], documents: Documents) -> Iterator[str]:
    match node:
        case MessageNode(template=template, choose=choose, channels=channels):
            if template is not None:
                yield from _template(template, documents, webhook=False)
            if choose is not None:
                yield from of_message(choose, channels, documents)
        case ChooseNode(choice=choice, arms=arms):
            yield from of_node(choice, arms, documents)
        case DelayNode(choose=str(choice)):
            yield from of_times(choice, documents)
        case WebhookNode(template=str(template)):
            yield from _template(template, documents, webhook=True)
        case RewardNode(currency=currency, budget=budget):
            if currency not in {_POINTS, *documents.get("currencies", {})}:
                yield f"currency: expected the id of a currency, got {currency!r}"
            if budget is not None and budget not in documents.get("budgets", {}):
                yield f"budget: expected the id of a budget, got {budget!r}"
        case JourneyNode(journey=journey) if journey not in configs:
            yield f"journey: expected the id of a journey, got {journey!r}"


def _template(template: str, documents: Documents, *, webhook: bool) -> Iterator[str]:
    found = documents.get("templates", {}).get(template)
    if found is None:
        yield f"template: expected the id of a template, got {template!r}"
    elif (found.get("channel") == "webhook") != webhook:
        expected = (
            "a template of the channel webhook" if webhook else "a template for people; a webhook has its own node"
        )
        yield f"template: expected {expected}, got {template!r} of {found.get('channel')!r}"


def _unknown(tree: Any, documents: Documents) -> Iterator[str]:
    """Yield ``.all[1].metric: problem`` for each name in a condition that is not there."""
    if not isinstance(tree, Mapping):
        return
    for name in ("all", "any"):
        for n, child in enumerate(tree.get(name, ())):
            yield from (f".{name}[{n}]{line}" for line in _unknown(child, documents))
    yield from (f".not{line}" for line in _unknown(tree.get("not"), documents))
    for name, kind in (("segment", "segments"), ("metric", "metrics")):
        if name in tree and tree[name] not in documents.get(kind, {}):
            yield f".{name}: expected the id of a {name}, got {tree[name]!r}"


def _circles(configs: Mapping[str, JourneyConfig]) -> Iterator[Line]:
    begins = {
        name: [node.journey for node in config.nodes if isinstance(node, JourneyNode)]
        for name, config in configs.items()
    }
    for name in sorted(configs):
        seen: set[str] = set()
        found = list(begins[name])
        while found:
            other = found.pop()
            if other == name:
                yield name, "nodes: expected no circle of journeys that begin each other, got one back to this journey"
                break
            if other not in seen:
                seen.add(other)
                found += begins.get(other, ())
