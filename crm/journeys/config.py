"""``journeys``: a graph drawn as a document (docs/journeys.md). Durations are seconds or ``7d 12h 30m``.

The first node is where a walk begins. A node without ``next`` is an end. What the document says of itself is checked
here and by ``crm.journeys.graph``; what it says of other documents, when the programme is published.
"""

from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    ValidationError,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from crm.fields import Document, EventName, Id, Seconds, Where
from crm.journeys.graph import problems
from crm.journeys.node_config import (
    BranchNode,
    Duration,
    EventConfig,
    MessageNode,
    Name,
    NodeConfig,
    OccasionConfig,
    Patterns,
    SkipStep,
    StepId,
    WaitNode,
)
from crm.recurrence import ScheduleConfig

NODES_MAX = 100
STEPS_MAX = 50
MESSAGES_MAX = 100  # of one walk; more are passed over
DURATION_MAX_S = 366 * 86_400  # of a walk; then it ends as expired


class EntryConfig(Document):
    """Who begins the journey, and when: by an event, a pattern, a segment, a schedule, or a caller (``api``).

    ``where`` and ``audience`` are asked at that moment. ``once`` allows one entry for life. A player who
    is in the segment because it was just published begins only with ``include_existing``. ``api`` may be added.
    """

    event: EventName | None = None
    where: Where = None
    segment: Id | None = None
    on: Literal["entered", "left"] | None = None
    include_existing: bool = False
    schedule: ScheduleConfig | None = None
    api: bool = False
    audience: Where = None
    once: bool = False
    pattern: Patterns | None = None  # what is unlike the player; then the journey is one of care (``graph``)

    @property
    def kind(self) -> str:
        """Return what begins it: event, pattern, schedule, segment or api."""
        if self.pattern:
            return "pattern"
        return "event" if self.event else "schedule" if self.schedule else "segment" if self.segment else "api"

    @model_validator(mode="after")
    def _one_way_in(self) -> "EntryConfig":
        if sum(map(bool, (self.event, self.pattern, self.schedule or self.segment))) > 1:
            raise ValueError("expected one of event, pattern, segment, schedule")
        if not (self.event or self.pattern or self.schedule or self.segment or self.api):
            raise ValueError("expected one of event, pattern, segment, schedule, or api: true")
        if (self.on or self.include_existing) and self.kind != "segment":
            raise ValueError("expected `on` and `include_existing` beside a `segment` without schedule")
        if self.include_existing and self.on == "left":
            raise ValueError("expected include_existing with on: entered; nobody has left a segment that is new")
        return self


class ExitConfig(Document):
    """What ends the walk wherever the player is: the ``goal`` (success), or events ``on`` and a condition ``when``."""

    goal: OccasionConfig | None = None
    on: Annotated[tuple[EventConfig, ...], Field(max_length=20)] = ()
    when: Where = None


class StepConfig(OccasionConfig):
    """A milestone: a goal on the way, noticed wherever the player is."""

    id: StepId


class PaceConfig(Document):
    """The norm: so many steps in so long."""

    steps: Annotated[int, Field(ge=1, le=STEPS_MAX)]
    over: Duration


class InterruptConfig(OccasionConfig):
    """What takes the player out of whatever delay or wait, to the node ``to``."""

    id: StepId
    to: Id
    once: bool = True

    @model_validator(mode="after")
    def _ends(self) -> "InterruptConfig":
        if self.when is not None and not self.once:
            raise ValueError("expected once: true with `when`: while it holds, every event would move the player")
        return self


class ReentryConfig(Document):
    """Whether a player may begin again: so long ``after`` the last end, at most ``max`` times in all."""

    allowed: bool = True
    after: Seconds = 0
    max: Annotated[int, Field(ge=1, le=1_000_000)] | None = None


class LimitsConfig(Document):
    max_duration: Duration = DURATION_MAX_S
    max_messages: Annotated[int, Field(ge=0, le=MESSAGES_MAX)] = MESSAGES_MAX


class MigrateConfig(Document):
    """Where those under way go when this version is published: nodes by name, the others by ``default``."""

    map: Annotated[dict[Id, Id], Field(max_length=NODES_MAX)] = Field(default_factory=dict)
    default: Id = "keep"  # keep, exit, or a node


class JourneyConfig(Document):
    """A journey. ``name`` and ``description`` are for the people who run it."""

    name: Name | None = None
    description: Annotated[str, Field(max_length=4_000)] = ""
    entry: EntryConfig
    exit: ExitConfig = ExitConfig()
    steps: Annotated[tuple[StepConfig, ...], Field(max_length=STEPS_MAX)] = ()
    pace: PaceConfig | None = None
    interrupts: Annotated[tuple[InterruptConfig, ...], Field(max_length=STEPS_MAX)] = ()
    nodes: Annotated[tuple[NodeConfig, ...], Field(min_length=1, max_length=NODES_MAX)]
    reentry: ReentryConfig = ReentryConfig()
    limits: LimitsConfig = LimitsConfig()
    migrate: MigrateConfig | None = None

    @model_validator(mode="after")
    def _hangs_together(self) -> "JourneyConfig":
        if found := problems(self):
            raise ValidationError.from_exception_data("JourneyConfig", [_detail(path, text) for path, text in found])
        return self


def _detail(path: tuple[str | int, ...], problem: str) -> InitErrorDetails:
    said = PydanticCustomError("journey", "{problem}", {"problem": problem, "error": ValueError(problem)})
    return InitErrorDetails(type=said, loc=path, input=None)


def conditions(config: JourneyConfig) -> list[tuple[str, Any]]:
    """Return every condition of the document with its path."""
    found: list[tuple[str, Any]] = [
        ("entry.where", config.entry.where),
        ("entry.audience", config.entry.audience),
        ("exit.when", config.exit.when),
    ]
    occasions: list[tuple[str, OccasionConfig | EventConfig | None]] = [("exit.goal", config.exit.goal)]
    occasions += [(f"exit.on[{n}]", event) for n, event in enumerate(config.exit.on)]
    occasions += [(f"steps[{n}]", step) for n, step in enumerate(config.steps)]
    occasions += [(f"interrupts[{n}]", interrupt) for n, interrupt in enumerate(config.interrupts)]
    for n, node in enumerate(config.nodes):
        if node.skip_when is not None and not isinstance(node.skip_when, SkipStep):
            found.append((f"nodes[{n}].skip_when", node.skip_when))
        occasions.append((f"nodes[{n}].struggle", node.struggle))
        if isinstance(node, WaitNode):
            occasions.append((f"nodes[{n}].for", node.for_))
        if isinstance(node, MessageNode):
            occasions.append((f"nodes[{n}].goal", node.goal))
        if isinstance(node, BranchNode):
            found += [(f"nodes[{n}].paths[{i}].when", path.when) for i, path in enumerate(node.paths)]
    for path, occasion in occasions:
        if occasion is not None:
            found += [(f"{path}.{name}", getattr(occasion, name, None)) for name in ("where", "when")]
    return [(path, tree) for path, tree in found if tree is not None]
