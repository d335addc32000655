"""The working state of one turn: parts copied on first write, and what happened so far, in order.

It is also the ``Context`` its conditions are asked in, so they see what the turn has already changed.
"""

from collections.abc import Mapping
from typing import Any

from msgspec import structs

from domain.conditions import PlayerContext
from domain.effects import Effect
from domain.entries import Entry, Event, MessageRequest, TimerFired
from domain.player import Balance, Metric, MissionProgress, Profile, Progress, Snapshot, Standing, last_tone, scores_of
from domain.step import NO_DRAWS, BoardScore, Draws, GroupOp, Step, TimerOp, Toll, UniqueKey
from gamification.metrics import metric_value, next_change
from gamification.rules import Rules

_NO_JOURNEY: Mapping[str, Any] = {}


class Turn:
    """Mutable, and gone with the turn; only ``finished`` leaves it."""

    __slots__ = (
        "achievements",
        "at",
        "cause",
        "draws",
        "earned",
        "effects",
        "event",
        "event_time",
        "groups",
        "keys",
        "levels",
        "metrics",
        "missions",
        "offset",
        "parts",
        "player",
        "profile",
        "relays",
        "reply_to",
        "requests",
        "rules",
        "scores_out",
        "standings",
        "start",
        "timers",
        "told",
        "tolls",
        "traits",
        "wallet",
        "zone",
    )

    def __init__(
        self,
        rules: Rules,
        start: Snapshot,
        at: int,
        cause: str,
        event: Event | None = None,
        *,
        offset: str = "",
        reply_to: str = "",
        draws: Draws = NO_DRAWS,
    ) -> None:
        self.rules = rules
        self.start = start
        self.player = start.player
        self.at = at  # turn time
        self.cause = cause  # id of the event or command
        self.event = event
        self.event_time = at if event is None else event.occurred_at
        self.wallet: dict[str, Balance] = start.wallet
        self.metrics: dict[str, Metric] = start.metrics
        self.missions: dict[str, MissionProgress] = start.missions
        progress = start.progress
        self.achievements: dict[str, tuple[int, int]] = progress.achievements
        self.levels: dict[str, str] = progress.levels
        self.earned: dict[str, tuple[int, int]] = progress.earned_today
        self.standings: dict[str, Standing] = progress.standings
        self.effects: list[Effect] = []
        self.timers: list[TimerOp] = []
        self.keys: list[UniqueKey] = []
        self.requests: list[MessageRequest] = []
        self.offset = offset  # of the entry: makes ids that are unique in the partition
        self.reply_to = reply_to  # of a command: who waits
        self.draws = draws
        self.parts: dict[str, Any] = {}  # further parts of the snapshot that the turn has replaced, by name
        self.relays: list[Entry] = []
        self.groups: list[GroupOp] = []
        self.scores_out: list[BoardScore] = []
        self.tolls: list[Toll] = []
        self.told: list[Entry] = []  # for the tower's log
        self.set_profile(start.profile)

    # what conditions ask, all at event time

    @property
    def now(self) -> int:
        """The event's own time, as for its metrics."""
        return self.event_time

    @property
    def first_seen_at(self) -> int:
        return self.profile.first_seen_at

    @property
    def last_seen_at(self) -> int:
        return self.profile.last_seen_at

    @property
    def scores(self) -> Mapping[str, float]:
        """As the models' part of this turn has left them; made when asked for, which few conditions do."""
        return scores_of(self.start)

    @property
    def tone(self) -> Mapping[str, Any]:
        """Return the mood last said or read, this turn's text included."""
        return last_tone(self.start)

    @property
    def journey(self) -> Mapping[str, Any]:
        return _NO_JOURNEY

    def metric(self, metric_id: str) -> int | float | None:
        """Return a metric's value at event time."""
        return self._metric(metric_id, self.event_time)

    def metric_changes(self, metric_id: str, thresholds: tuple[float, ...]) -> int:
        """Return the next ms, after event time, at which time alone may move a metric past a threshold; 0: never."""
        rule = self.rules.metrics.get(metric_id)
        return next_change(rule, self.metrics.get(metric_id), self.event_time, thresholds) if rule else 0

    def segment(self, segment_id: str) -> bool | None:
        """Return whether the player is in a segment now, at turn time: a segment knows the player, not the event.

        It is judged live, not read from the snapshot: the CRM judges membership after the game's rules, so the
        snapshot's is that of the turn before, and a mission for ``depositors`` would miss the deposit that makes one.
        """
        condition = self.rules.segments.get(segment_id)
        if condition is None:
            return None
        asked = PlayerContext(self.start, metric=self._metric_now, segment=self.segment, now=self.at)
        asked.traits, asked.wallet, asked.levels, asked.zone = self.traits, self.wallet, self.levels, self.zone
        asked.first_seen_at, asked.last_seen_at = self.profile.first_seen_at, self.profile.last_seen_at
        return condition.holds(asked)

    def _metric_now(self, metric_id: str) -> int | float | None:
        return self._metric(metric_id, self.at)

    def _metric(self, metric_id: str, now: int) -> int | float | None:
        rule = self.rules.metrics.get(metric_id)
        return metric_value(rule, self.metrics.get(metric_id), now) if rule else None

    # what rules do

    def set_profile(self, profile: Profile) -> None:
        self.profile = profile
        self.traits: Mapping[str, Any] = profile.traits
        self.zone = profile.timezone or self.rules.timezone

    def set_balance(self, currency: str, balance: Balance) -> None:
        if self.wallet is self.start.wallet:
            self.wallet = dict(self.wallet)
        self.wallet[currency] = balance

    def set_metric(self, metric_id: str, metric: Metric) -> None:
        if self.metrics is self.start.metrics:
            self.metrics = dict(self.metrics)
        self.metrics[metric_id] = metric

    def set_mission(self, mission_id: str, progress: MissionProgress) -> None:
        if self.missions is self.start.missions:
            self.missions = dict(self.missions)
        self.missions[mission_id] = progress

    def set_achievement(self, achievement_id: str, actual: int, stages: int) -> None:
        if self.achievements is self.start.progress.achievements:
            self.achievements = dict(self.achievements)
        self.achievements[achievement_id] = (actual, stages)

    def set_level(self, system_id: str, level_id: str) -> None:
        if self.levels is self.start.progress.levels:
            self.levels = dict(self.levels)
        self.levels[system_id] = level_id

    def set_standing(self, system_id: str, standing: Standing) -> None:
        self.standings = {**self.standings, system_id: standing}

    def set_earned(self, rule_id: str, day: int, amount: int) -> None:
        if self.earned is self.start.progress.earned_today:
            self.earned = dict(self.earned)
        self.earned[rule_id] = (day, amount)

    def part(self, name: str) -> Any:
        """Return a further part of the snapshot (``streaks``, ``runs``, ...) as the turn has left it."""
        return self.parts[name] if name in self.parts else getattr(self.start, name)

    def set_part(self, name: str, value: Any) -> None:
        """Replace a further part of the snapshot."""
        self.parts[name] = value

    def set_timer(self, kind: str, ref: str, due: int, generation: int = 0) -> None:
        self.timers.append(TimerOp(TimerFired(self.player, kind, ref, due, generation)))

    def clear_timer(self, kind: str, ref: str, due: int, generation: int = 0) -> None:
        self.timers.append(TimerOp(TimerFired(self.player, kind, ref, due, generation), set=False))

    def finished(self) -> Step[Snapshot]:
        """Return the step; parts that nothing changed are the very same objects."""
        start = self.start
        before = start.progress
        same = (
            self.achievements is before.achievements
            and self.levels is before.levels
            and self.earned is before.earned_today
            and self.standings is before.standings
        )
        after = Snapshot(
            start.player,
            start.version,
            self.profile,
            self.wallet,
            self.metrics,
            self.missions,
            before if same else Progress(self.achievements, self.levels, self.earned, self.standings),
            start.air,
            start.segments,
            start.journeys,
            start.identity,
            start.scores,
            start.features,
            start.habits,
            start.choices,
            start.asks,
            start.kept,
            start.streaks,
            start.quests,
            start.runs,
            start.shop,
            start.games,
            start.journal,
        )
        for name, value in self.parts.items():  # of a state that was just made, and nobody has seen
            structs.force_setattr(after, name, value)
        return Step(
            after,
            tuple(self.effects),
            tuple(self.timers),
            tuple(self.keys),
            tuple(self.requests),
            tuple(self.groups),
            tuple(self.relays),
            told=tuple(self.told),
            scores=tuple(self.scores_out),
            tolls=tuple(self.tolls),
        )
