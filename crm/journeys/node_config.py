"""The nodes of a journey's document, and what they share with the rest of it: occasions, durations, names.

What a node does when a player comes to it is ``crm.journeys.nodes``.
"""

from datetime import datetime
from typing import Annotated, Any, Literal, cast

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)
from pydantic_core import InitErrorDetails

from crm.choices.config import ArmId, MessageChoiceConfig, check_template
from crm.fields import Channel, ClockTime, Document, EventName, Id, Product, Purpose, Seconds, Where
from domain.conditions import Tree, validate_condition
from ml.choices.plan import ARMS_MAX
from ml.pattern_config import Pattern

PATHS_MAX = 20
TRIES_MAX = 50
_DAY_S = 86_400


def _moment(value: str) -> str:
    if value.startswith("data."):
        if not all(value.split(".")):
            raise ValueError(f"expected data.<key>, got {value[:60]!r}")
        return value
    try:
        read = datetime.fromisoformat(value)
    except ValueError:
        read = None
    if read is None or "T" not in value or not 1971 <= read.year <= 9000:
        raise ValueError(f"expected a time such as 2026-12-24T10:00, or data.<key>, got {value[:60]!r}")
    return value


def _source(value: str) -> str:
    root, _, rest = value.partition(".")
    if not ((root == "data" and rest) or (value.startswith("event.properties.") and value.count(".") >= 2)):
        raise ValueError(f"expected event.properties.<name> or data.<key>, got {value[:60]!r}")
    if not all(value.split(".")):
        raise ValueError(f"expected event.properties.<name> or data.<key>, got {value[:60]!r}")
    return value


Duration = Annotated[Seconds, Field(ge=1)]
StepId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$")]  # a part of journey.steps.<id>
Moment = Annotated[str, Field(max_length=200), AfterValidator(_moment)]
Count = Annotated[int, Field(ge=1, le=TRIES_MAX)]
Name = Annotated[str, Field(min_length=1, max_length=100)]
Word = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Scalar = str | int | float | bool


def _one_or_more(value: object) -> object:
    return (value,) if isinstance(value, str) else value


Patterns = Annotated[tuple[Pattern, ...], BeforeValidator(_one_or_more), Field(min_length=1, max_length=6)]


class EventConfig(Document):
    """An event, with what must hold of it and of the player."""

    event: EventName
    where: Where = None


class OccasionConfig(Document):
    """Something that happens: an event (and ``where``), a condition ``when`` that holds, or in care a ``pattern``."""

    event: EventName | None = None
    where: Where = None
    when: Where = None
    pattern: Patterns | None = None

    @model_validator(mode="after")
    def _one_of_three(self) -> "OccasionConfig":
        if sum(way is not None for way in (self.event, self.when, self.pattern)) != 1:
            raise ValueError("expected one of `event` (with `where`), `when` and `pattern`")
        if self.where is not None and self.event is None:
            raise ValueError("expected `where` beside an `event`; a condition alone is `when`")
        return self


class SkipStep(Document):
    """The step is done."""

    step: StepId


class StruggleConfig(EventConfig):
    """``count`` failed or repeated tries at this node, ``within`` a time: off to a help branch, once a walk."""

    count: Count
    within: Duration | None = None
    to: Id


class DwellConfig(Document):
    """Too long at this node: off to a help branch, once a walk."""

    for_: Duration = Field(alias="for")
    to: Id


class FromConfig(Document):
    """A value that the event or the walk brings."""

    from_: Annotated[str, Field(alias="from", max_length=200), AfterValidator(_source)]


def _skip(value: object) -> object:
    if isinstance(value, dict) and "step" in value:
        return SkipStep.model_validate(value)
    if value is not None and not isinstance(value, SkipStep):
        validate_condition(cast("Tree", value), "skip_when")
    return value


Skip = Annotated[SkipStep | dict[str, Any] | None, BeforeValidator(_skip)]


class _Node(Document):
    id: Id
    name: Name | None = None
    next: Id | None = None
    skip_when: Skip = None
    struggle: StruggleConfig | None = None
    dwell: DwellConfig | None = None

    @property
    def waits(self) -> bool:
        """Tell whether the player may stay at the node."""
        return False

    @property
    def ways(self) -> list[tuple[str, str | None]]:
        """Return where the node leads: (path in the document, node or None for the end)."""
        helps = [("struggle.to", self.struggle.to)] if self.struggle else []
        return [*self.ways_on, *helps, *([("dwell.to", self.dwell.to)] if self.dwell else [])]

    @property
    def ways_on(self) -> list[tuple[str, str | None]]:
        return [("next", self.next)]

    @property
    def skips_to(self) -> str | None:
        """Return where the player goes who passes the node over."""
        return self.next


class MessageNode(_Node):
    """Asks the control tower to tell the player something."""

    kind: Literal["message"]
    template: Id | None = None
    choose: MessageChoiceConfig | None = None  # the template, or the channel that is tried first, is drawn
    purpose: Purpose
    channels: Annotated[tuple[Channel, ...], Field(max_length=6)] = ()
    tone: Name | None = None
    conflict_group: Annotated[str, Field(max_length=100)] = ""
    expires: Duration = _DAY_S
    priority: Annotated[int, Field(ge=0, le=1000)] | None = None
    variables: Annotated[dict[Name, Scalar | FromConfig], Field(max_length=50)] = Field(default_factory=dict)
    product: Product | None = None  # that it is about: consent is asked for it too
    goal: EventConfig | None = None  # what it is for: once that happens, it is not sent any more
    ask_person: bool = False  # a person approves it first, whatever the policy says

    @model_validator(mode="after")
    def _one_template(self) -> "MessageNode":
        check_template(self.template, self.choose)
        return self


class DelayNode(_Node):
    """Waits ``for`` a time, then for the next ``until_time`` of the player's clock; or ``until`` a moment.

    With ``choose`` the time of the clock is one of a choice's arms.
    """

    kind: Literal["delay"]
    for_: Duration | None = Field(None, alias="for")
    until_time: ClockTime | None = None
    until: Moment | None = None
    choose: Id | None = None

    @property
    def waits(self) -> bool:
        return True

    @model_validator(mode="after")
    def _one_way(self) -> "DelayNode":
        if (self.until is None) == (self.for_ is None and self.until_time is None and self.choose is None):
            raise ValueError("expected `for`, `until_time` or both, or else `until`")
        if self.choose is not None and self.until_time is not None:
            raise ValueError("expected either `until_time` or `choose`, which draws it")
        return self


class WaitNode(_Node):
    """Waits for an event or a condition, at most ``timeout_s``. ``next`` stands for the way that is not given."""

    kind: Literal["wait"]
    for_: OccasionConfig = Field(alias="for")
    timeout_s: Duration | None = None
    on_event: Id | None = None
    on_timeout: Id | None = None

    @property
    def waits(self) -> bool:
        return True

    @property
    def ways_on(self) -> list[tuple[str, str | None]]:
        named = [(name, way) for name in ("on_event", "on_timeout", "next") if (way := getattr(self, name))]
        return [*named, *([("next", None)] if not self.next and len(named) < 2 else [])]

    @property
    def skips_to(self) -> str | None:
        return self.on_event or self.next


class PathConfig(Document):
    when: Where
    next: Id | None = None


class BranchNode(_Node):
    """Goes the first way whose condition holds, else ``default``."""

    kind: Literal["branch"]
    paths: Annotated[tuple[PathConfig, ...], Field(min_length=1, max_length=PATHS_MAX)]
    default: Id | None = None

    @property
    def ways_on(self) -> list[tuple[str, str | None]]:
        return [(f"paths[{n}].next", path.next) for n, path in enumerate(self.paths)] + [("default", self.skips_to)]

    @property
    def skips_to(self) -> str | None:
        return self.default or self.next


class ShareConfig(Document):
    share: Annotated[float, Field(gt=0, le=1)]
    next: Id | None = None
    id: StepId | None = None


class SplitNode(_Node):
    """Goes one way of several, always the same for a player; shares add up to 1."""

    kind: Literal["split"]
    paths: Annotated[tuple[ShareConfig, ...], Field(min_length=2, max_length=PATHS_MAX)]
    salt: Annotated[str, Field(max_length=100)] = ""

    @property
    def ways_on(self) -> list[tuple[str, str | None]]:
        # a path without `next` takes the node's own
        return [(f"paths[{n}].next", path.next or self.next) for n, path in enumerate(self.paths)]


class ChooseNode(_Node):
    """Goes the way of the arm that a choice draws; ``next`` when none of them is for the player."""

    kind: Literal["choose"]
    choice: Id
    arms: Annotated[dict[ArmId, Id | None], Field(min_length=2, max_length=ARMS_MAX)]

    @property
    def ways_on(self) -> list[tuple[str, str | None]]:
        # an arm without a node takes the node's own
        return [*((f"arms.{arm}", target or self.next) for arm, target in self.arms.items()), ("next", self.next)]


class RewardNode(_Node):
    """Gives currency, through the ledger as everything else."""

    kind: Literal["reward"]
    currency: Id = "points"
    amount: Annotated[int, Field(strict=True, gt=0, le=2**53)]
    budget: Id | None = None  # what counts it; a reward that it has no room for is not given, or later


class ProfileNode(_Node):
    """Sets traits: to a value, to what the event or the walk brings (``{from: ...}``); null removes one."""

    kind: Literal["profile"]
    set: Annotated[dict[Name, Scalar | FromConfig | None], Field(min_length=1, max_length=50)]


class WebhookNode(_Node):
    """Calls another system: by a template of the channel webhook, or with a plain payload."""

    kind: Literal["webhook"]
    template: Id | None = None
    payload: Annotated[dict[Name, Scalar | FromConfig], Field(max_length=50)] | None = None

    @model_validator(mode="after")
    def _one_of_two(self) -> "WebhookNode":
        if (self.template is None) == (self.payload is None):
            raise ValueError("expected either `template` or `payload`")
        return self


class JourneyNode(_Node):
    """Begins another journey; with ``wait`` this one goes on when that has ended."""

    kind: Literal["journey"]
    journey: Annotated[str, Field(max_length=120)]
    wait: bool = False

    @property
    def waits(self) -> bool:
        return self.wait


class ExitNode(_Node):
    """Ends the journey here; ``outcome`` says how it is counted."""

    kind: Literal["exit"]
    outcome: Literal["completed", "goal", "exit"] = "completed"
    reason: Word | None = None

    @property
    def ways_on(self) -> list[tuple[str, str | None]]:
        return []


def _by_its_own_path(value: object, handler: ValidatorFunctionWrapHandler) -> Any:
    """Name what is wrong in a node by its place in the document: pydantic puts the node's kind into the path."""
    try:
        return handler(value)
    except ValidationError as error:
        raise ValidationError.from_exception_data(
            error.title,
            [
                InitErrorDetails(
                    type=found["type"],
                    loc=found["loc"][1:],
                    input=found["input"],
                    ctx=found.get("ctx", {}),
                )
                for found in error.errors(include_url=False)
            ],
        ) from None


NodeConfig = Annotated[
    MessageNode
    | DelayNode
    | WaitNode
    | BranchNode
    | SplitNode
    | ChooseNode
    | RewardNode
    | ProfileNode
    | WebhookNode
    | JourneyNode
    | ExitNode,
    Field(discriminator="kind"),
    WrapValidator(_by_its_own_path),
]
