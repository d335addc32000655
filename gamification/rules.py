"""The compiled programme: what a turn reads. Values only; the behaviour is in the module of each rule."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from domain.conditions import Condition, Context
from domain.event_fields import Keys
from domain.player import MissionProgress

Holds = Callable[[Context], bool] | None  # none: always
Aggregate = Literal["count", "sum", "max", "last", "unique", "since"]
Recurrence = Literal["none", "daily", "weekly", "on_completion"]
AMOUNT_MAX = 2**53  # of a posting, a balance, a counter


@dataclass(frozen=True, slots=True)
class Reward:
    """What is given: ``amount`` of what ``ref`` names (a currency; a mini-game's attempts, a raffle's tickets ...)."""

    kind: str  # as of ``config.NAMED_BY``
    ref: str
    amount: int


@dataclass(frozen=True, slots=True)
class Message:
    template: str
    purpose: str


@dataclass(frozen=True, slots=True)
class MetricRule:
    id: str
    event: str
    aggregate: Aggregate
    field: Keys
    where: Holds
    width_ms: int  # of a bucket; 0: one bucket for all time
    buckets: int  # in the window


@dataclass(frozen=True, slots=True)
class EarnRule:
    id: str
    event: str
    where: Holds
    currency: str
    amount: int
    per_field: Keys  # empty: amount an event
    per_unit: int
    max_per_day: int  # 0: no cap


@dataclass(frozen=True, slots=True)
class TaskRule:
    id: str
    event: str
    where: Condition
    holds: Holds
    sum: Keys  # empty: counts events
    expected: int


@dataclass(frozen=True, slots=True)
class MissionRule:
    id: str
    version: int  # of the programme this rule belongs to
    name: Mapping[str, str]
    tasks: tuple[TaskRule, ...]
    tasks_of: Mapping[str, tuple[TaskRule, ...]]  # by event name
    audience: Holds
    opt_in: bool
    starts_at: int  # ms of event time
    until: int  # ms of event time, exclusive
    time_limit_ms: int  # 0: none
    recurrence: Recurrence
    unlock_after: tuple[str, ...]
    claim: Literal["auto", "manual"]
    claim_within_ms: int  # 0: no expiry
    rewards: tuple[Reward, ...]
    message: Message | None
    is_open: bool  # once begun, nothing but its tasks bounds it: no window, cycle, limit, opt-in or audience
    budget: str = ""


@dataclass(frozen=True, slots=True)
class Stage:
    at: int
    rewards: tuple[Reward, ...]


@dataclass(frozen=True, slots=True)
class AchievementRule:
    id: str
    name: Mapping[str, str]
    event: str
    where: Holds
    sum: Keys  # empty: counts events
    stages: tuple[Stage, ...]
    message: Message | None
    budget: str = ""
    badge: bool = False
    icon: str = ""


@dataclass(frozen=True, slots=True)
class Level:
    id: str
    name: Mapping[str, str]
    at: int
    rewards: tuple[Reward, ...]
    message: Message | None
    benefits: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LevelSystem:
    id: str
    currency: str
    levels: tuple[Level, ...]
    thresholds: tuple[int, ...]
    index: Mapping[str, int]  # by level id
    budget: str = ""
    name: Mapping[str, str] = field(default_factory=dict)
    window_days: int = 0  # credits of the last local days count; 0: of all time
    downgrade: Literal["none", "one", "balance"] = "none"
    period_ms: int = 0  # a level stands so long, then it is judged


@dataclass(frozen=True, slots=True)
class PurseRule:
    """What a currency has beyond a balance."""

    currency: str
    hold_ms: int = 0  # until what is earned is available; 0: at once
    expires_ms: int = 0  # 0: never, or at ``ends``
    ends: Literal["", "month_end", "year_end"] = ""
    max_per_day: int = 0  # earned; 0: no limit
    window_days: int = 0  # of credits that levels look at; 0: none


@dataclass(frozen=True, slots=True)
class EventRules:
    """The rules that an event of one name can move."""

    metrics: tuple[MetricRule, ...] = ()
    earn: tuple[EarnRule, ...] = ()
    missions: tuple[MissionRule, ...] = ()
    achievements: tuple[AchievementRule, ...] = ()


@dataclass(frozen=True, slots=True)
class Rules:
    """One programme version, compiled. ``older`` holds the versions that missions in progress began with."""

    version: int
    timezone: str
    by_event: Mapping[str, EventRules] = field(default_factory=dict)
    metrics: Mapping[str, MetricRule] = field(default_factory=dict)
    missions: Mapping[str, MissionRule] = field(default_factory=dict)
    achievements: Mapping[str, AchievementRule] = field(default_factory=dict)
    levels: tuple[LevelSystem, ...] = ()
    currencies: Mapping[str, bool] = field(default_factory=lambda: {"points": False})  # id -> may be negative
    purses: Mapping[str, PurseRule] = field(default_factory=dict)  # of the currencies with more than a balance
    segments: Mapping[str, Condition] = field(default_factory=dict)
    unlocks: Mapping[str, tuple[MissionRule, ...]] = field(default_factory=dict)  # mission -> those waiting for it
    older: "Mapping[int, Rules]" = field(default_factory=dict)
    rooms: Mapping[str, Any] = field(default_factory=dict)  # by name: what each compiled (``gamification.room``)
    movers: "Mapping[str, tuple[Callable[[Any, Any], None], ...]]" = field(default_factory=dict)  # by event name
    completed: "Mapping[str, tuple[Callable[[Any, int], None], ...]]" = field(default_factory=dict)  # by mission
    givers: "Mapping[str, Callable[[Any, Reward, str, int], None]]" = field(default_factory=dict)  # by a reward's kind

    def mission_at(self, mission_id: str, version: int) -> MissionRule | None:
        """Return the mission as it was in a version, or as it is now when that version is not to hand."""
        if version != self.version and (old := self.older.get(version)) is not None:
            return old.missions.get(mission_id) or self.missions.get(mission_id)
        return self.missions.get(mission_id)

    def mission_of(self, mission: MissionRule, progress: MissionProgress) -> MissionRule:
        """Return the rule a player's mission follows: while in progress, the version it began with."""
        if progress.status != "in_progress" or progress.programme == self.version:
            return mission
        return self.mission_at(mission.id, progress.programme) or mission


def whole_amount(value: object) -> int:
    """Return a positive amount, floats floored; 0 for anything that is none (the sender is not trusted)."""
    kind = type(value)
    if kind is int or kind is float:
        return int(value) if 0 < value <= AMOUNT_MAX else 0  # type: ignore[operator, call-overload]
    return 0
