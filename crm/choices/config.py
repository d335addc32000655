"""``choices/<id>``: arms of which one is drawn for a player, and the outcome that says which of them work.

Places ask a choice by its id: a node, a message, a delay, a slot (docs/choices.md). What is learnt follows from what
was drawn and what came of it, so there is nothing to tune: a floor of chance, a holdout, who may get which arm.
"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from crm.fields import Document, EventName, Id, Seconds, Where, clock_time
from domain.conditions import validate_condition
from domain.event_fields import check_path
from ml.choices.plan import ARMS_MAX, CONTEXT_MAX, EXPLORE_MAX, EXPLORE_MIN
from ml.features import NAMES

HOLDOUT_MAX = 0.5
WITHIN_MAX_S = 60 * 86_400
NO_EVENT = {
    "event": "a choice's arm is for a player, not for an event",
    "journey": "a choice is asked in many places, not in one journey",
}


def _about_the_player(value: dict[str, Any] | None) -> dict[str, Any] | None:
    validate_condition(value, "where", refused=NO_EVENT)
    return value


def _path(value: str) -> str:
    if not value.startswith("event."):
        raise ValueError(f"expected event.properties.<name>, got {value[:60]!r}")
    check_path(value.removeprefix("event."))
    return value


ArmId = Annotated[
    str,
    BeforeValidator(clock_time),
    Field(pattern=r"^([A-Za-z0-9][A-Za-z0-9_.-]{0,99}|([01]\d|2[0-3]):[0-5]\d)$"),
]


class ArmConfig(Document):
    """One arm, and who may get it."""

    promotional: bool = False  # not for a player who is excluded or shows a marker of harm
    where: Annotated[dict[str, Any] | None, AfterValidator(_about_the_player)] = None


class OutcomeConfig(Document):
    """What an arm is for: an event that happens ``within`` a time."""

    event: EventName
    where: Where = None
    within: Annotated[Seconds, Field(ge=1, le=WITHIN_MAX_S)]


class ValueConfig(Document):
    """What the outcome is worth: ``min(value, most) / most``. Without it every outcome is worth 1."""

    from_: Annotated[str, Field(alias="from", max_length=200), AfterValidator(_path)]
    most: Annotated[float, Field(gt=0, le=1e12)]


class HoldoutConfig(Document):
    """Players who always get one arm; the rest is measured against them."""

    share: Annotated[float, Field(gt=0, le=HOLDOUT_MAX)]
    arm: ArmId


class ChoiceConfig(Document):
    """A choice. The order of the arms means nothing."""

    arms: Annotated[dict[ArmId, ArmConfig], Field(min_length=2, max_length=ARMS_MAX)]
    outcome: OutcomeConfig
    value: ValueConfig | None = None
    context: Annotated[tuple[str, ...], Field(max_length=CONTEXT_MAX)] = ()
    personal: bool = False  # the player's own outcomes count too
    explore: Annotated[float, Field(ge=EXPLORE_MIN, le=EXPLORE_MAX)] = 0.05
    holdout: HoldoutConfig | None = None
    # sent: time and outcomes count from when its message went out; one that never does says nothing
    counts_from: Literal["sent", "chosen"] | None = None

    @field_validator("context")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name not in NAMES:
                raise ValueError(f"expected names of features ({' '.join(NAMES)}), got {name[:60]!r}")
        if len(set(names)) < len(names):
            raise ValueError(f"expected distinct features, got {' '.join(names)}")
        return names

    @model_validator(mode="after")
    def _holds_out_what_anybody_may_get(self) -> "ChoiceConfig":
        if self.holdout is None:
            return self
        arm = self.arms.get(self.holdout.arm)
        if arm is None:
            raise ValueError(f"holdout.arm: expected one of {' '.join(self.arms)}, got {self.holdout.arm!r}")
        if arm.promotional or arm.where is not None:
            raise ValueError(
                f"holdout.arm: expected an arm that anybody may get, got {self.holdout.arm!r}, "
                "which is promotional or has a `where`"
            )
        return self


class MessageChoiceConfig(Document):
    """What a message leaves to choices: its template, the channel that is tried first, or both."""

    template: Id | None = None
    channel: Id | None = None

    @model_validator(mode="after")
    def _asks(self) -> "MessageChoiceConfig":
        if self.template is None and self.channel is None:
            raise ValueError("expected the id of a choice as `template`, as `channel`, or both")
        return self


def check_template(template: str | None, choose: MessageChoiceConfig | None) -> None:
    """Check that a message says in one way which template it is of.

    Raises:
        ValueError: it says it twice, or not at all.
    """
    if (template is None) == (choose is None or choose.template is None):
        raise ValueError("expected either `template` or `choose.template`")


def arms_of(document: Any) -> frozenset[str]:
    """Return the arms of a choice's document, sound or not."""
    arms = document.get("arms") if isinstance(document, dict) else None
    return frozenset(map(str, arms)) if isinstance(arms, dict) else frozenset()
