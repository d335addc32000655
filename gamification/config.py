"""Configuration of the gamification kinds, as written by people (docs/gamification.md, docs/programme.md).

These models are the public shape: strict, frozen, unknown keys refused. ``programme`` turns them into rules.
"""

from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    ValidationInfo,
    model_validator,
)

from domain.conditions import ConditionError, validate_condition
from domain.durations import duration_s
from domain.event_fields import check_path

AMOUNT_MAX = 2**53  # exact in every JSON reader
DAY_S = 86_400
WINDOW_MAX_S = 366 * DAY_S
ITEMS_MAX = 100  # tasks, stages, levels, rewards
_NO_JOURNEY = {"journey": "the game's rules know no journey"}


def _condition(value: dict[str, Any] | None, info: ValidationInfo) -> dict[str, Any] | None:
    validate_condition(value, info.field_name or "where", refused=_NO_JOURNEY)
    return value


Name = Annotated[str, Field(min_length=1, max_length=100)]
LocalText = dict[Annotated[str, Field(min_length=2, max_length=16)], Annotated[str, Field(max_length=1_000)]]
Amount = Annotated[int, Field(strict=True, gt=0, le=AMOUNT_MAX)]
Few = Annotated[int, Field(strict=True, gt=0, le=1_000_000)]
Duration = Annotated[int, BeforeValidator(duration_s)]
FieldPath = Annotated[str, Field(max_length=200), AfterValidator(check_path)]
Where = Annotated[dict[str, Any] | None, AfterValidator(_condition)]


class Document(BaseModel):
    """What all configuration shares."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class CurrencyReward(Document):
    kind: Literal["currency"] = "currency"
    currency: Name = "points"
    amount: Amount


class SpinsReward(Document):
    """Attempts at a mini-game."""

    kind: Literal["spins"]
    minigame: Name
    amount: Few = 1


class TicketsReward(Document):
    """Tickets for the present run of a raffle."""

    kind: Literal["tickets"]
    raffle: Name
    amount: Few = 1


class FreezesReward(Document):
    """Days (or weeks) that a streak may be missed without ending."""

    kind: Literal["freezes"]
    streak: Name
    amount: Few = 1


class ItemReward(Document):
    """An item of the store, given free: a bonus or a thing that the platform grants."""

    kind: Literal["item"]
    item: Name
    amount: Annotated[int, Field(strict=True, ge=1, le=100)] = 1


def _kind_of(reward: Any) -> str:
    kind = reward.get("kind", "currency") if isinstance(reward, dict) else getattr(reward, "kind", "currency")
    return str(kind)


Reward = Annotated[
    Annotated[CurrencyReward, Tag("currency")]
    | Annotated[SpinsReward, Tag("spins")]
    | Annotated[TicketsReward, Tag("tickets")]
    | Annotated[FreezesReward, Tag("freezes")]
    | Annotated[ItemReward, Tag("item")],
    Discriminator(_kind_of),
]
NAMED_BY = {  # a reward's kind -> the field that names what is given, and the kind of configuration that is
    "currency": ("currency", "currencies"),
    "spins": ("minigame", "minigames"),
    "tickets": ("raffle", "raffles"),
    "freezes": ("streak", "streaks"),
    "item": ("item", "rewards"),
}


class Message(Document):
    """A message that the tower is asked to send when the thing is reached."""

    template: Name
    purpose: Literal["transactional", "service", "reward", "retention", "promo"] = "reward"


Rewards = Annotated[tuple[Reward, ...], Field(max_length=ITEMS_MAX)]


class MetricConfig(Document):
    """A number about the events of one name.

    ``since`` is whole seconds since the newest one's own time; it has neither field nor window.
    """

    event: Name
    aggregate: Literal["count", "sum", "max", "last", "unique", "since"] = "count"
    field: FieldPath | None = None
    window: Annotated[Duration, Field(le=WINDOW_MAX_S)] | None = None  # none: all time
    where: Where = None

    @model_validator(mode="after")
    def _field_fits_the_aggregate(self) -> Self:
        bare = self.aggregate in ("count", "since")
        if bare and self.field:
            raise ValueError(f"expected no field with aggregate {self.aggregate} (use where to count fewer)")
        if self.aggregate == "since" and self.window is not None:
            raise ValueError("expected no window with aggregate since: it tells how long ago the newest event was")
        if not bare and not self.field:
            raise ValueError(f"expected a field to take the {self.aggregate} of")
        return self


class Per(Document):
    field: FieldPath
    unit: Amount


class EarnRuleConfig(Document):
    name: LocalText = {}
    event: Name
    where: Where = None
    currency: Name = "points"
    amount: Amount
    per: Per | None = None
    max_per_day: Amount | None = None


class Task(Document):
    """Counts events (``count``) or adds up a field of theirs (``sum`` to ``target``)."""

    id: Name
    name: LocalText = {}
    event: Name
    where: Where = None
    count: Amount | None = None
    sum: FieldPath | None = None
    target: Amount | None = None

    @model_validator(mode="after")
    def _counts_or_sums(self) -> Self:
        counts = self.count is not None and self.sum is None and self.target is None
        sums = self.count is None and self.sum is not None and self.target is not None
        if not (counts or sums):
            raise ValueError("expected either count, or sum and target")
        return self


class Active(Document):
    starts: AwareDatetime | None = Field(None, alias="from")
    until: AwareDatetime | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.starts and self.until and self.starts >= self.until:
            raise ValueError("expected from before until")
        return self


class MissionConfig(Document):
    name: LocalText = {}
    description: LocalText = {}
    tasks: Annotated[tuple[Task, ...], Field(min_length=1, max_length=ITEMS_MAX)]
    audience: Where = None
    opt_in: bool = False
    active: Active = Field(default_factory=lambda: Active.model_validate({}))
    time_limit_s: Duration | None = None
    recurrence: Literal["none", "daily", "weekly", "on_completion"] = "none"
    unlock_after: Annotated[tuple[Name, ...], Field(max_length=ITEMS_MAX)] = ()
    claim: Literal["auto", "manual"] = "auto"
    claim_within_s: Duration | None = None
    rewards: Rewards = ()
    budget: Name | None = None
    message: Message | None = None

    @model_validator(mode="after")
    def _parts_agree(self) -> Self:
        _distinct("tasks", (task.id for task in self.tasks))
        _distinct("unlock_after", self.unlock_after)
        if self.claim == "auto" and self.claim_within_s is not None:
            raise ValueError("expected claim_within_s only with claim: manual")
        cycle_s = {"daily": 86_400, "weekly": 604_800}.get(self.recurrence)
        if cycle_s and self.time_limit_s and self.time_limit_s > cycle_s:
            raise ValueError(f"expected time_limit_s within the {self.recurrence} cycle, got {self.time_limit_s}")
        return self


class Stage(Document):
    at: Amount
    rewards: Rewards = ()


class AchievementConfig(Document):
    """A permanent counter; without ``sum`` it counts events."""

    name: LocalText = {}
    description: LocalText = {}
    event: Name
    where: Where = None
    sum: FieldPath | None = None
    stages: Annotated[tuple[Stage, ...], Field(min_length=1, max_length=ITEMS_MAX)]
    badge: bool = False  # shown among the badges
    icon: Annotated[str, Field(max_length=500)] | None = None  # a name or an address, as the client takes it
    budget: Name | None = None
    message: Message | None = None

    @model_validator(mode="after")
    def _stages_rise(self) -> Self:
        _rising("stages", [stage.at for stage in self.stages])
        return self


class Level(Document):
    id: Name
    name: LocalText = {}
    at: Annotated[int, Field(strict=True, ge=0, le=AMOUNT_MAX)]
    benefits: Annotated[dict[Name, str | int | float | bool], Field(max_length=ITEMS_MAX)] = {}  # shown to clients
    rewards: Rewards = ()
    message: Message | None = None


class LevelsConfig(Document):
    """Levels by all that was ever credited, or by the credits of a window (``by: window``), which may fall."""

    name: LocalText = {}
    currency: Name = "points"
    by: Literal["lifetime", "window"] = "lifetime"
    window: Annotated[Duration, Field(ge=DAY_S, le=WINDOW_MAX_S)] | None = None
    downgrade: Literal["none", "one", "balance"] = "none"
    period: Annotated[Duration, Field(ge=3_600)] | None = None  # none: as long as the window
    levels: Annotated[tuple[Level, ...], Field(min_length=1, max_length=ITEMS_MAX)]
    budget: Name | None = None

    @model_validator(mode="after")
    def _falls_by_a_window(self) -> Self:
        if (self.by == "window") != (self.window is not None):
            raise ValueError("expected window with by: window, and only with it")
        if self.downgrade != "none" and self.by != "window":
            raise ValueError("expected by: window with a downgrade: what was ever credited never falls")
        if self.period is not None and self.downgrade == "none":
            raise ValueError("expected period only with a downgrade")
        return self

    @model_validator(mode="after")
    def _levels_rise(self) -> Self:
        _distinct("levels", (level.id for level in self.levels))
        _rising("levels", [level.at for level in self.levels])
        return self


class ExpiresAt(Document):
    at: Literal["month_end", "year_end"]  # of the player's calendar


def _expires_as(value: Any) -> str:
    return "<moment>" if isinstance(value, dict | ExpiresAt) else "<after>"


Expires = Annotated[
    Annotated[ExpiresAt, Tag("<moment>")]
    | Annotated[int, BeforeValidator(duration_s), Field(ge=DAY_S, le=WINDOW_MAX_S), Tag("<after>")],
    Discriminator(_expires_as),
]


class CurrencyConfig(Document):
    """A currency. What is earned may be held back, expire and be limited; other credits only expire."""

    name: LocalText = {}
    allow_negative: bool = False
    pending: Annotated[Duration, Field(le=WINDOW_MAX_S)] | None = None
    expires: Expires | None = None
    max_per_day: Amount | None = None


KINDS: dict[str, type[BaseModel]] = {
    "metrics": MetricConfig,
    "earn-rules": EarnRuleConfig,
    "missions": MissionConfig,
    "achievements": AchievementConfig,
    "levels": LevelsConfig,
    "currencies": CurrencyConfig,
}


def problems(error: ValidationError) -> list[str]:
    """Return one line a problem, ``path: what was expected, what came``."""
    return [_problem(dict(item)) for item in error.errors(include_url=False)]


def _problem(item: dict[str, Any]) -> str:
    loc = [
        part
        for i, part in enumerate(item["loc"])
        if not (i and isinstance(item["loc"][i - 1], int) and part in NAMED_BY)  # which reward it was taken for
        and not str(part).startswith("<")  # which of two forms
    ]
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc).lstrip(".")
    cause = item.get("ctx", {}).get("error")
    if isinstance(cause, ConditionError):  # its path begins with the field's own name
        parent = path.rpartition(".")[0]
        return f"{parent}.{cause}" if parent else str(cause)
    if isinstance(cause, ValueError):
        return f"{path}: {cause}" if path else str(cause)
    if item["type"] == "union_tag_invalid":  # pydantic names the function that reads the tag
        return f"{path}: expected one of {item['ctx']['expected_tags']}, got the kind {item['ctx']['tag']!r:.60}"
    came = "" if item["type"] == "missing" else f", got {item['input']!r:.60}"
    return f"{path}: {item['msg']}{came}"


def _distinct(what: str, ids: Iterable[str]) -> None:
    twice = [name for name, times in Counter(ids).items() if times > 1]
    if twice:
        raise ValueError(f"{what}: expected distinct ids, got {twice[0]!r} twice")


def _rising(what: str, thresholds: list[int]) -> None:
    if any(later <= earlier for earlier, later in pairwise(thresholds)):
        raise ValueError(f"{what}: expected rising values of at, got {thresholds}")
