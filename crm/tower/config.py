"""``policies/default`` as operators write it (docs/tower.md): what the control tower lets through, and when."""

from collections.abc import Collection
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from crm.fields import Channel, ClockTime, Document, EventName, Id, Purpose, Seconds, Where

SENDS_MAX = 500  # sends remembered of one player; the caps together can need no more
GROUP_GAP_MAX_S = 7 * 86_400  # sends are remembered for eight days
TOLD = (
    "support_case_open",
    "round_in_play",
)  # conditions that have facts of their own; no ``contexts`` entry tells them
NAMED = (
    *TOLD,
    "fresh_loss",
    "negative_mood",
    "session_just_begun",
    "deposit_failed",
    "complaint_open",
)
"""What ``holds[].when`` may name without an entry in ``contexts``; each has a reason code of its own."""
_CAPS_MAX = 20
_LEGAL = "legal messages are never held"


class CapConfig(Document):
    """At most ``max`` sends per calendar days of the player, or per 24 or 168 hours when ``rolling``."""

    purpose: Purpose | None = None
    channel: Channel | Literal["any"] = "any"
    max: int = Field(ge=1, le=SENDS_MAX - 1)
    per: Literal["1d", "7d"]
    rolling: bool = False

    @field_validator("purpose")
    @classmethod
    def _not_exempt(cls, value: Purpose | None) -> Purpose | None:
        if value in ("legal", "transactional"):
            raise ValueError(f"expected a purpose that caps may stop; {value} messages are never capped")
        return value


class QuietHoursConfig(Document):
    """A daily window in the player's zone in which some channels are silent; it may pass midnight."""

    from_: ClockTime = Field(alias="from")
    until: ClockTime
    channels: tuple[Channel, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _not_empty(self) -> "QuietHoursConfig":
        if self.from_ == self.until:
            raise ValueError("expected `from` and `until` to differ")
        return self


def _may_wait(value: tuple[Purpose, ...]) -> tuple[Purpose, ...]:
    if "legal" in value:
        raise ValueError(f"expected purposes that may wait; {_LEGAL}")
    return value


def _weighed(value: tuple[Purpose, ...]) -> tuple[Purpose, ...]:
    for purpose in ("legal", "transactional"):
        if purpose in value:
            raise ValueError(f"expected purposes that may be put off for others, got {purpose!r}, which never is")
    return value


Waiting = Annotated[tuple[Purpose, ...], Field(min_length=1), AfterValidator(_may_wait)]
Weighed = Annotated[tuple[Purpose, ...], Field(min_length=1), AfterValidator(_weighed)]


class HoldConfig(Document):
    """While a condition of the player lasts, messages of some purposes wait, are refused, or are put to a person.

    They wait at most ``for_s`` after their request; then the condition no longer concerns them. ``channels`` limits the
    line to some channels, so another channel may be taken meanwhile.
    """

    when: Id
    purposes: Waiting
    for_s: Seconds
    then: Literal["hold", "refuse", "escalate"] = "hold"
    channels: tuple[Channel, ...] = ()


class OccasionConfig(Document):
    """An event, with what must hold of it and of the player."""

    event: EventName
    where: Where = None


class ContextConfig(Document):
    """Something that goes on with the player, from one event until another one or a time after it."""

    begins: OccasionConfig
    ends: OccasionConfig | None = None
    lasts_s: Annotated[Seconds, Field(ge=1)] | None = None

    @model_validator(mode="after")
    def _ends_at_all(self) -> "ContextConfig":
        if self.ends is None and self.lasts_s is None:
            raise ValueError("expected `ends`, `lasts_s` or both, got neither: it would never end")
        return self


class ConflictsConfig(Document):
    """Of the requests with one ``conflict_group`` the most important goes, and the next not before the gap is over."""

    gap_s: Annotated[Seconds, Field(le=GROUP_GAP_MAX_S)] = 86_400
    groups: Annotated[dict[Id, Annotated[Seconds, Field(le=GROUP_GAP_MAX_S)]], Field(max_length=100)] = Field(
        default_factory=dict
    )


class FatigueConfig(Document):
    """How much a player bears: every send weighs 1 and half of that after ``half_life_s``; an answered one weighs less.

    While the weights of the last eight days add up to ``limit`` or more, messages of ``purposes`` wait.
    """

    limit: Annotated[float, Field(gt=0, le=1_000)]
    half_life_s: Annotated[Seconds, Field(ge=60, le=7 * 86_400)] = 86_400
    engaged_weight: Annotated[float, Field(ge=0, le=1)] = 0.5  # of a send that the player opened, clicked or answered
    purposes: Weighed = ("promo", "retention")


class GatherConfig(Document):
    """Messages wait a moment for others of their kind; several that may go by one channel then go as one.

    ``template`` may name ``count`` and ``messages`` (each with ``title``, ``body``); without one the most important
    message's title is kept, and the others stand below its text, a line each.
    """

    purposes: Weighed
    for_s: Annotated[Seconds, Field(ge=1, le=86_400)]
    template: Id | None = None
    max: int = Field(default=10, ge=2, le=50)  # in one message


class ApprovalConfig(Document):
    """Messages that a person must approve: those of ``purposes`` by these channels and from these sources."""

    purposes: Waiting
    channels: tuple[Channel, ...] = ()  # none: by any
    sources: Annotated[tuple[Annotated[str, Field(min_length=1, max_length=200)], ...], Field(max_length=100)] = ()
    # campaigns, campaigns/spring, journeys/welcome, missions/ten-bets, api; none: from any


class ChannelConfig(Document):
    """What a channel may send, over all players and couriers."""

    per_day: int | None = Field(default=None, ge=0, le=1_000_000_000)  # a UTC day
    per_s: float | None = Field(default=None, gt=0, le=100_000)


class ConsentConfig(Document):
    """Which consents are asked for, and how they are confirmed."""

    required_for: tuple[Purpose, ...] = ()  # a consent must be given, not only not withdrawn
    products: bool = False  # for those, what is about a product needs the consent of the product and channel
    double_opt_in: tuple[Channel, ...] = ()  # a consent for these counts once it was confirmed
    confirm_template: Id | None = None  # of the message that asks for the confirmation

    @model_validator(mode="after")
    def _can_be_confirmed(self) -> "ConsentConfig":
        if self.double_opt_in and self.confirm_template is None:
            raise ValueError("expected `confirm_template` beside `double_opt_in`, got none: nobody could confirm")
        return self


class PolicyConfig(Document):
    """``policies/default``: what the control tower lets through, and when."""

    caps: tuple[CapConfig, ...] = Field(default=(), max_length=_CAPS_MAX)
    min_gap_s: Seconds = 0
    quiet_hours: QuietHoursConfig | None = None
    holds: tuple[HoldConfig, ...] = Field(default=(), max_length=20)
    priorities: dict[Purpose, Annotated[int, Field(ge=0, le=1000)]] = Field(default_factory=dict)
    consent: ConsentConfig = ConsentConfig()
    contexts: Annotated[dict[Id, ContextConfig], Field(max_length=30)] = Field(default_factory=dict)
    conflicts: ConflictsConfig = ConflictsConfig()
    fatigue: FatigueConfig | None = None
    gather: tuple[GatherConfig, ...] = Field(default=(), max_length=6)
    approvals: tuple[ApprovalConfig, ...] = Field(default=(), max_length=20)
    channels: dict[Channel, ChannelConfig] = Field(default_factory=dict)

    @field_validator("caps")
    @classmethod
    def _countable(cls, value: tuple[CapConfig, ...]) -> tuple[CapConfig, ...]:
        total = sum(cap.max for cap in value)
        if total >= SENDS_MAX:
            raise ValueError(f"expected the caps' `max` to add up to less than {SENDS_MAX}, got {total}")
        return value

    @field_validator("contexts")
    @classmethod
    def _are_told(cls, value: dict[str, ContextConfig]) -> dict[str, ContextConfig]:
        for name in TOLD:
            if name in value:
                raise ValueError(f"expected names of your own or built-in ones that events tell, got {name!r}")
        return value

    @field_validator("gather")
    @classmethod
    def _gathered_once(cls, value: tuple[GatherConfig, ...]) -> tuple[GatherConfig, ...]:
        gathered = [purpose for rule in value for purpose in rule.purposes]
        for purpose in gathered:
            if gathered.count(purpose) > 1:
                raise ValueError(f"expected each purpose to be gathered once, got {purpose!r} twice")
        return value

    @field_validator("channels")
    @classmethod
    def _in_app_costs_nothing(cls, value: dict[Channel, ChannelConfig]) -> dict[Channel, ChannelConfig]:
        if "in_app" in value:
            raise ValueError("expected channels that couriers send by, got 'in_app'")
        return value

    @model_validator(mode="after")
    def _known_contexts(self) -> "PolicyConfig":
        for hold in self.holds:
            if hold.when not in NAMED and hold.when not in self.contexts:
                known = ", ".join([*NAMED, *self.contexts])
                raise ValueError(f"expected `when` of a hold to be one of {known}, got {hold.when!r}")
        return self


def unknown_templates(config: PolicyConfig, known: Collection[str]) -> list[str]:
    """Return an error for each template that the policy names and the programme has not."""
    named = {f"gather.{n}.template": rule.template for n, rule in enumerate(config.gather)}
    named["consent.confirm_template"] = config.consent.confirm_template
    return [
        f"policies/default: {path}: expected the id of a template, got {name!r}"
        for path, name in named.items()
        if name is not None and name not in known
    ]


def default_contexts() -> dict[str, ContextConfig]:
    """Return the built-in contexts, each in force unless ``contexts`` has an entry of its name.

    Their events are those that the engine's documents use; amounts are minor units.
    """
    return {name: ContextConfig.model_validate(document) for name, document in _DEFAULT_CONTEXTS.items()}


_DEFAULT_CONTEXTS: dict[str, Any] = {
    "fresh_loss": {
        "begins": {
            "event": "bet_settled",
            "where": {
                "all": [
                    {"field": "event.properties.result", "op": "eq", "value": "loss"},
                    {"field": "event.properties.amount", "op": "gte", "value": 10_000},
                ]
            },
        },
        "lasts_s": 3_600,
    },
    "negative_mood": {
        "begins": {
            "event": "mood_changed",
            "where": {"field": "event.properties.mood", "op": "eq", "value": "negative"},
        },
        "ends": {
            "event": "mood_changed",
            "where": {"field": "event.properties.mood", "op": "in", "value": ["neutral", "positive"]},
        },
        "lasts_s": 86_400,
    },
    "session_just_begun": {
        "begins": {"event": "session_started"},
        "ends": {"event": "session_ended"},
        "lasts_s": 120,
    },
    "deposit_failed": {
        "begins": {"event": "deposit_failed"},
        "ends": {"event": "deposit_completed"},
        "lasts_s": 3_600,
    },
    "complaint_open": {
        "begins": {"event": "complaint_opened"},
        "ends": {"event": "complaint_solved"},
        "lasts_s": 30 * 86_400,
    },
}
