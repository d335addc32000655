"""What a journey's document must be to make sense: every way leads somewhere, nobody runs in circles."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crm.journeys.config import JourneyConfig
    from crm.journeys.node_config import NodeConfig, OccasionConfig

Path = tuple[str | int, ...]
Problem = tuple[Path, str]

FIELDS = ("steps", "steps_done", "pace", "elapsed_s", "node_elapsed_s", "tries", "messages", "data")
CARING = ("transactional", "service", "legal")  # purposes of messages in journeys that begin with a pattern
_SHARE_ERROR = 1e-6
_KEEP, _EXIT = "keep", "exit"


def problems(config: "JourneyConfig") -> list[Problem]:
    """Return everything wrong within one document, each with its path; empty: nothing."""
    broken = [*_twice(("nodes",), [node.id for node in config.nodes]), *_leads_nowhere(config)]
    return [
        *_twice(("steps",), [step.id for step in config.steps]),
        *_twice(("interrupts",), [interrupt.id for interrupt in config.interrupts]),
        *broken,
        *_helps(config),
        *_shares(config),
        *_migration(config),
        *_entry(config),
        *_care(config),
        *_fields(config),
        # of a graph with broken ways, these would only say the same again
        *([] if broken else [*_unreachable(config), *_circles(config)]),
    ]


def _twice(path: Path, ids: list[str]) -> Iterator[Problem]:
    for name, times in Counter(ids).items():
        if times > 1:
            yield path, f"expected distinct ids, got {name!r} twice"


def _place(n: int, path: str) -> Path:
    """Return ``nodes[3].paths[0].next`` as steps."""
    steps: list[str | int] = ["nodes", n]
    for part in path.split("."):
        name, _, index = part.partition("[")
        steps.append(name)
        if index:
            steps.append(int(index.rstrip("]")))
    return tuple(steps)


def _leads_nowhere(config: "JourneyConfig") -> Iterator[Problem]:
    known = {node.id for node in config.nodes}
    for n, node in enumerate(config.nodes):
        for path, target in dict([*node.ways, ("next", node.next)]).items():
            if target is not None and target not in known:
                yield _place(n, path), f"expected the id of a node, got {target!r}"
    for n, interrupt in enumerate(config.interrupts):
        if interrupt.to not in known:
            yield ("interrupts", n, "to"), f"expected the id of a node, got {interrupt.to!r}"


def _helps(config: "JourneyConfig") -> Iterator[Problem]:
    steps = {step.id for step in config.steps}
    for n, node in enumerate(config.nodes):
        for name in ("struggle", "dwell"):
            if getattr(node, name) and not node.waits:
                yield _place(n, name), f"expected it at a delay or a wait, got a {node.kind}: nobody stays there"
        step = getattr(node.skip_when, "step", None)
        if step is not None and step not in steps:
            yield _place(n, "skip_when.step"), f"expected the id of a step, got {step!r}"


def _shares(config: "JourneyConfig") -> Iterator[Problem]:
    for n, node in enumerate(config.nodes):
        if node.kind == "split":
            total = sum(path.share for path in node.paths)
            if abs(total - 1) > _SHARE_ERROR:
                yield _place(n, "paths"), f"expected shares that add up to 1, got {round(total, 6)}"
            yield from _twice(_place(n, "paths"), [path.id for path in node.paths if path.id is not None])


def _migration(config: "JourneyConfig") -> Iterator[Problem]:
    if config.migrate is None:
        return
    known = {node.id for node in config.nodes} | {_EXIT}
    for old, new in config.migrate.map.items():
        if new not in known:
            yield ("migrate", "map", old), f"expected the id of a node, or exit, got {new!r}"
    if config.migrate.default not in known | {_KEEP}:
        yield ("migrate", "default"), f"expected keep, exit or the id of a node, got {config.migrate.default!r}"


def _entry(config: "JourneyConfig") -> Iterator[Problem]:
    entry, goal = config.entry, config.exit.goal
    if goal is not None and goal.event is not None and goal.event == entry.event and goal.where == entry.where:
        yield ("exit", "goal"), f"expected a goal other than the entry, got {goal.event!r} for both"
    if config.pace is not None and config.pace.steps > len(config.steps):
        yield ("pace", "steps"), f"expected at most {len(config.steps)}, as many as there are steps"


def offers(config: "JourneyConfig") -> Iterator[Problem]:
    """Yield what of a journey is an offer, with its path: a purpose that sells or rewards, a reward."""
    for n, node in enumerate(config.nodes):
        if node.kind == "reward":
            yield _place(n, "kind"), "a reward"
        elif node.kind == "message" and node.purpose not in CARING:
            yield _place(n, "purpose"), f"the purpose {node.purpose!r}"


def _care(config: "JourneyConfig") -> Iterator[Problem]:
    """A journey that begins with a pattern is for care: a player who changes is not to be sold anything by it."""
    if config.entry.pattern is not None:
        for path, what in offers(config):
            yield path, f"expected {', '.join(CARING)} and no rewards after a pattern: it is for care, got {what}"
        return
    occasions: list[tuple[Path, OccasionConfig | None]] = [(("exit", "goal", "pattern"), config.exit.goal)]
    occasions += [(("steps", n, "pattern"), step) for n, step in enumerate(config.steps)]
    occasions += [(("interrupts", n, "pattern"), interrupt) for n, interrupt in enumerate(config.interrupts)]
    occasions += [
        (("nodes", n, "for", "pattern"), node.for_) for n, node in enumerate(config.nodes) if node.kind == "wait"
    ]
    for path, occasion in occasions:
        if occasion is not None and occasion.pattern is not None:
            yield path, f"expected patterns only in a journey that begins with one, got {' '.join(occasion.pattern)}"


def _fields(config: "JourneyConfig") -> Iterator[Problem]:
    from crm.journeys.config import conditions

    steps = {step.id for step in config.steps}
    for path, tree in conditions(config):
        for field in _fields_of(tree):
            parts = field.split(".")
            if parts[0] != "journey":
                continue
            where = _steps_of(path)
            if path.startswith("entry"):
                yield where, f"expected no journey.* before the journey has begun, got {field!r}"
            elif path.startswith("nodes") and path.endswith(".goal.where"):
                yield where, f"expected no journey.* of a message, which outlives the journey, got {field!r}"
            elif parts[1] not in FIELDS:
                yield where, f"expected one of journey.{', journey.'.join(FIELDS)}, got {field!r}"
            elif parts[1] == "steps" and (len(parts) != 3 or parts[2] not in steps):
                yield where, f"expected journey.steps.<id of a step>, got {field!r}"
            elif parts[1] == "pace" and config.pace is None:
                yield where, f"expected `pace` in the journey to ask for {field!r}"


def _steps_of(path: str) -> Path:
    return _place(0, path)[2:]


def _fields_of(tree: Any) -> Iterator[str]:
    if isinstance(tree, Mapping):
        if isinstance(field := tree.get("field"), str):
            yield field
        for child in (*tree.get("all", ()), *tree.get("any", ()), tree.get("not")):
            yield from _fields_of(child)


def _unreachable(config: "JourneyConfig") -> Iterator[Problem]:
    ways = {node.id: [way for _, way in node.ways] + [node.skips_to] * bool(node.skip_when) for node in config.nodes}
    reached: set[str] = set()
    found = [config.nodes[0].id, *(interrupt.to for interrupt in config.interrupts)]
    while found:
        here = found.pop()
        if here not in reached:
            reached.add(here)
            found += [way for way in ways[here] if way is not None]
    migrated = {*config.migrate.map.values(), config.migrate.default} if config.migrate else set()
    for n, node in enumerate(config.nodes):
        if node.id not in reached | migrated:
            yield (
                ("nodes", n),
                f"expected every node to be on a way from {config.nodes[0].id!r}, got {node.id!r} on none",
            )


def _circles(config: "JourneyConfig") -> Iterator[Problem]:
    """Find circles without a delay or a wait: a player would never come to rest in one."""
    nodes: dict[str, NodeConfig] = {node.id: node for node in config.nodes}
    cleared: set[str] = set()
    for n, node in enumerate(config.nodes):
        trail: list[str] = []
        if circle := _circle(node.id, nodes, trail, cleared):
            yield ("nodes", n), f"expected a delay or a wait in the circle {' -> '.join(circle)}"
            return


def _circle(start: str, nodes: "Mapping[str, NodeConfig]", trail: list[str], cleared: set[str]) -> list[str]:
    if start in trail:
        return [*trail[trail.index(start) :], start]
    node = nodes[start]
    if start in cleared or node.waits:
        return []
    trail.append(start)
    for _, way in [*node.ways_on, *([("next", node.skips_to)] if node.skip_when else [])]:
        if way is not None and (circle := _circle(way, nodes, trail, cleared)):
            return circle
    trail.pop()
    cleared.add(start)
    return []
