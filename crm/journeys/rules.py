"""Compiled journeys: what a turn reads. Values only; ``walking`` holds the behaviour."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from crm.choices.rules import NONE, ChoiceRules
from crm.journeys.config import EntryConfig, JourneyConfig
from crm.journeys.node_config import NodeConfig
from crm.working import Turn
from domain.conditions import Condition


@dataclass(frozen=True, slots=True)
class Occasion:
    """An event of a name, a pattern of some, or (without either) a condition that holds."""

    event: str
    condition: Condition | None  # None: any such event
    patterns: frozenset[str] = frozenset()

    def happens(self, turn: Turn) -> bool:
        """Tell whether this turn is it; an event's or a pattern's is only the turn that brings it."""
        if self.patterns:
            return any(seen.name in self.patterns for seen in turn.seen)
        if self.event:
            event = turn.event
            return event is not None and event.name == self.event and (not self.condition or self.condition.holds(turn))
        return self.holds(turn)

    def holds(self, turn: Turn) -> bool:
        """Tell whether it is a condition that holds now."""
        return not self.event and self.condition is not None and self.condition.holds(turn)


@dataclass(frozen=True, slots=True)
class Timed:
    """A condition whose answer time alone may change, with the numbers at which ``journey.*`` makes it."""

    condition: Condition
    elapsed: tuple[float, ...] = ()  # of journey.elapsed_s
    staying: tuple[float, ...] = ()  # of journey.node_elapsed_s
    paces: tuple[float, ...] = ()  # of journey.pace


@dataclass(frozen=True, slots=True)
class Milestone:
    id: str
    occasion: Occasion


@dataclass(frozen=True, slots=True)
class Interrupt:
    id: str
    occasion: Occasion
    to: str
    once: bool


@dataclass(frozen=True, slots=True)
class Struggle:
    occasion: Occasion
    count: int
    within_ms: int  # 0: as long as the player stays
    to: str


@dataclass(frozen=True, slots=True)
class Node:
    """A node with its conditions compiled; what is plain stays in ``config``."""

    config: NodeConfig
    skip_step: str = ""
    skip_when: Condition | None = None
    wanted: Occasion | None = None  # of a wait
    struggle: Struggle | None = None
    dwell_ms: int = 0
    paths: tuple[tuple[Condition, str | None], ...] = ()  # of a branch
    shares: tuple[tuple[float, str, str | None], ...] = ()  # of a split: upper bound, id, node
    timed: tuple[Timed, ...] = ()
    asks_clock: bool = False  # when those change depends on more than the walk

    @property
    def id(self) -> str:
        return self.config.id


@dataclass(frozen=True, slots=True)
class Entry:
    """Who begins."""

    config: EntryConfig
    where: Condition | None
    audience: Condition | None


@dataclass(frozen=True, slots=True)
class Journey:
    """One journey or campaign. ``shape`` is the same for documents that differ in their words only."""

    id: str
    config: JourneyConfig
    shape: bytes
    entry: Entry
    nodes: Mapping[str, Node]
    steps: tuple[Milestone, ...] = ()
    goal: Occasion | None = None
    exits: tuple[Occasion, ...] = ()
    interrupts: tuple[Interrupt, ...] = ()
    timed: tuple[Timed, ...] = ()
    asks_clock: bool = False  # when those change depends on more than the walk
    listens: frozenset[str] = frozenset()  # events that steps, goal, exits and interrupts name
    asks: bool = False  # some of those are conditions, asked in every turn

    @property
    def start(self) -> str:
        return self.config.nodes[0].id

    @property
    def name(self) -> str:
        return self.config.name or self.id


@dataclass(frozen=True, slots=True)
class JourneyRules:
    """The journeys and campaigns of one programme version. ``older`` holds those that players in flight began with."""

    version: int = 0
    journeys: Mapping[str, Journey] = field(default_factory=dict)
    older: "Mapping[int, JourneyRules]" = field(default_factory=dict)
    templates: frozenset[str] = frozenset()  # that the version has
    by_event: Mapping[str, tuple[Journey, ...]] = field(default_factory=dict)  # that an event of the name begins
    by_segment: Mapping[tuple[str, str], tuple[Journey, ...]] = field(
        default_factory=dict
    )  # (segment, entered or left)
    by_pattern: Mapping[str, tuple[Journey, ...]] = field(default_factory=dict)
    choices: ChoiceRules = NONE  # of this version: a walk of an older one asks these
