"""A programme version compiled into ``Rules``: validated as a whole, indexed by event name.

Conditions become functions, names become keys, and what an event can move is looked up once, so a turn's cost does
not depend on how many missions are live. Everything wrong is reported at once, for the person who publishes.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TypeVar

from pydantic import ValidationError

from domain.calendar import as_ms, known_zone
from domain.conditions import Condition, ConditionError, compile_condition
from domain.event_fields import keys_of
from gamification import config, rooms
from gamification.compiling import holds_of, message_of, rewards_of
from gamification.metrics import ring_of
from gamification.references import Documents, Models, circles, of_kind, reference_errors
from gamification.room import Sources
from gamification.rules import (
    AchievementRule,
    EarnRule,
    EventRules,
    Level,
    LevelSystem,
    MetricRule,
    MissionRule,
    PurseRule,
    Rules,
    Stage,
    TaskRule,
)

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}")
_FOREVER = 2**62
T = TypeVar("T")
_NO_RULES: Mapping[int, Rules] = {}


class InvalidProgramme(ValueError):
    """The documents do not make a programme; ``errors`` are lines ``kind/id: path: what was expected, what came``."""

    def __init__(self, errors: list[str]) -> None:
        super().__init__("\n".join(errors))
        self.errors = errors


def compile_rules(
    version: int, documents: Documents, *, timezone: str = "UTC", older: Mapping[int, Rules] = _NO_RULES
) -> Rules:
    """Compile the gamification kinds (and the segments that conditions name); other kinds are ignored.

    Args:
        timezone: The day of players whose zone is unknown.
        older: Versions that missions in progress may have begun with. Give those still in use by some player; a
            mission whose version is missing follows the current one.

    Raises:
        InvalidProgramme: with every error found.
    """
    errors: list[str] = []
    if known_zone(timezone) is None:
        errors.append(f"programme: timezone: expected an IANA zone, got {timezone!r}")
    models = _parsed(documents, errors)
    for room in rooms.ROOMS:
        if room.prepare is not None:
            models = room.prepare(models)
    segments = _segments(documents, errors)
    sources = Sources(version, models, segments, documents, timezone)
    if not errors:
        errors = [*reference_errors(models, segments, documents)]
        errors += [line for room in rooms.ROOMS if room.errors for line in room.errors(sources)]
    if errors:
        raise InvalidProgramme(errors)
    compiled = {room.name: room.compile(sources) for room in rooms.ROOMS if room.compile}
    return replace(
        _Compiler(version, models).rules(timezone, segments, older),
        rooms={name: part.value for name, part in compiled.items()},
        movers=_together(part.movers for part in compiled.values()),
        completed=_together(part.completed for part in compiled.values()),
        givers=rooms.GIVERS,
    )


def _together(parts: Iterable[Mapping[str, tuple[T, ...]]]) -> dict[str, tuple[T, ...]]:
    together: dict[str, tuple[T, ...]] = {}
    for part in parts:
        for name, some in part.items():
            together[name] = (*together.get(name, ()), *some)
    return together


def _parsed(documents: Documents, errors: list[str]) -> Models:
    models: Models = {}
    for kind, model in (config.KINDS | rooms.KINDS).items():
        models[kind] = {}
        for doc_id, document in sorted(documents.get(kind, {}).items()):
            if not _ID.fullmatch(doc_id):
                errors.append(f"{kind}/{doc_id}: id: expected up to 100 of A-Z a-z 0-9 _ . : -, got {doc_id!r}")
                continue
            try:
                models[kind][doc_id] = model.model_validate(document)
            except ValidationError as error:
                errors.extend(f"{kind}/{doc_id}: {problem}" for problem in config.problems(error))
    return models


def _segments(documents: Documents, errors: list[str]) -> dict[str, Condition]:
    """Compile segments; they may name one another but not in a circle, since each asks the next at run time."""
    segments: dict[str, Condition] = {}
    for segment_id, document in sorted(documents.get("segments", {}).items()):
        try:
            segments[segment_id] = compile_condition(document.get("where"))
        except ConditionError as error:
            errors.append(f"segments/{segment_id}: {error}")
    needs = {segment_id: sorted(condition.segments) for segment_id, condition in segments.items()}
    errors.extend(f"segments/{name}: where: expected no circle, got {way}" for name, way in circles(needs))
    return segments


class _Compiler:
    """Turns the valid models of one version into rules."""

    def __init__(self, version: int, models: Models) -> None:
        self._version = version
        self._models = models

    def rules(self, timezone: str, segments: Mapping[str, Condition], older: Mapping[int, Rules]) -> Rules:
        metrics = [self._metric(i, m) for i, m in of_kind(self._models, "metrics", config.MetricConfig).items()]
        earn = [self._earn(i, m) for i, m in of_kind(self._models, "earn-rules", config.EarnRuleConfig).items()]
        missions = [self._mission(i, m) for i, m in of_kind(self._models, "missions", config.MissionConfig).items()]
        achievements = [
            self._achievement(i, m) for i, m in of_kind(self._models, "achievements", config.AchievementConfig).items()
        ]
        currencies = of_kind(self._models, "currencies", config.CurrencyConfig)
        return Rules(
            version=self._version,
            timezone=timezone,
            by_event=_indexed(metrics, earn, missions, achievements, older),
            metrics={rule.id: rule for rule in metrics},
            missions={rule.id: rule for rule in missions},
            achievements={rule.id: rule for rule in achievements},
            levels=tuple(_levels(i, m) for i, m in of_kind(self._models, "levels", config.LevelsConfig).items()),
            currencies={"points": False} | {name: model.allow_negative for name, model in currencies.items()},
            purses=self._purses(currencies),
            segments=segments,
            unlocks={rule.id: tuple(other for other in missions if rule.id in other.unlock_after) for rule in missions},
            older={number: rules for number, rules in older.items() if number != self._version},
        )

    def _purses(self, currencies: Mapping[str, config.CurrencyConfig]) -> dict[str, PurseRule]:
        """Return the options of the currencies that have any, or that a level system looks back on."""
        purses = {name: _purse(name, model) for name, model in currencies.items()}
        for system in of_kind(self._models, "levels", config.LevelsConfig).values():
            days = -(-(system.window or 0) // config.DAY_S)
            rule = purses.get(system.currency, PurseRule(system.currency))
            purses[system.currency] = replace(rule, window_days=max(rule.window_days, days))
        return {name: rule for name, rule in purses.items() if rule != PurseRule(name)}

    def _metric(self, doc_id: str, model: config.MetricConfig) -> MetricRule:
        width_ms, buckets = ring_of(model.window)
        return MetricRule(
            doc_id, model.event, model.aggregate, keys_of(model.field), holds_of(model.where), width_ms, buckets
        )

    def _earn(self, doc_id: str, model: config.EarnRuleConfig) -> EarnRule:
        return EarnRule(
            doc_id,
            model.event,
            holds_of(model.where),
            model.currency,
            model.amount,
            per_field=keys_of(model.per.field) if model.per else (),
            per_unit=model.per.unit if model.per else 1,
            max_per_day=model.max_per_day or 0,
        )

    def _mission(self, doc_id: str, model: config.MissionConfig) -> MissionRule:
        tasks = tuple(_task(task) for task in model.tasks)
        names = dict.fromkeys(task.event for task in tasks)
        return MissionRule(
            id=doc_id,
            version=self._version,
            name=model.name,
            tasks=tasks,
            tasks_of={name: tuple(task for task in tasks if task.event == name) for name in names},
            audience=holds_of(model.audience),
            opt_in=model.opt_in,
            starts_at=as_ms(model.active.starts) if model.active.starts else 0,
            until=as_ms(model.active.until) if model.active.until else _FOREVER,
            time_limit_ms=(model.time_limit_s or 0) * 1000,
            recurrence=model.recurrence,
            unlock_after=model.unlock_after,
            claim=model.claim,
            claim_within_ms=(model.claim_within_s or 0) * 1000,
            rewards=rewards_of(model.rewards),
            message=message_of(model.message),
            is_open=_is_open(model),
            budget=model.budget or "",
        )

    def _achievement(self, doc_id: str, model: config.AchievementConfig) -> AchievementRule:
        return AchievementRule(
            doc_id,
            model.name,
            model.event,
            holds_of(model.where),
            keys_of(model.sum),
            tuple(Stage(stage.at, rewards_of(stage.rewards)) for stage in model.stages),
            message_of(model.message),
            budget=model.budget or "",
            badge=model.badge,
            icon=model.icon or "",
        )


def _purse(name: str, model: config.CurrencyConfig) -> PurseRule:
    expires = model.expires
    return PurseRule(
        name,
        hold_ms=(model.pending or 0) * 1000,
        expires_ms=expires * 1000 if isinstance(expires, int) else 0,
        ends=expires.at if isinstance(expires, config.ExpiresAt) else "",
        max_per_day=model.max_per_day or 0,
    )


def _indexed(
    metrics: list[MetricRule],
    earn: list[EarnRule],
    missions: list[MissionRule],
    achievements: list[AchievementRule],
    older: Mapping[int, Rules],
) -> dict[str, EventRules]:
    """Group the rules by event name; a mission also under the names that its older versions wait for."""
    waits = {rule.id: set(rule.tasks_of) for rule in missions}
    for rules in older.values():
        for mission_id, old in rules.missions.items():
            waits.get(mission_id, set()).update(old.tasks_of)
    moving: list[MetricRule | EarnRule | AchievementRule] = [*metrics, *earn, *achievements]
    names = {rule.event for rule in moving}.union(*waits.values())
    return {
        name: EventRules(
            tuple(rule for rule in metrics if rule.event == name),
            tuple(rule for rule in earn if rule.event == name),
            tuple(rule for rule in missions if name in waits[rule.id]),
            tuple(rule for rule in achievements if rule.event == name),
        )
        for name in sorted(names)
    }


def _is_open(model: config.MissionConfig) -> bool:
    return not (
        model.audience
        or model.opt_in
        or model.active.starts
        or model.active.until
        or model.time_limit_s
        or model.recurrence in ("daily", "weekly")
    )


def _task(model: config.Task) -> TaskRule:
    return TaskRule(
        model.id,
        model.event,
        compile_condition(model.where),
        holds_of(model.where),
        keys_of(model.sum),
        (model.target if model.sum else model.count) or 1,
    )


def _levels(doc_id: str, model: config.LevelsConfig) -> LevelSystem:
    levels = tuple(
        Level(level.id, level.name, level.at, rewards_of(level.rewards), message_of(level.message), level.benefits)
        for level in model.levels
    )
    return LevelSystem(
        doc_id,
        model.currency,
        levels,
        thresholds=tuple(level.at for level in levels),
        index={level.id: i for i, level in enumerate(levels)},
        budget=model.budget or "",
        name=model.name,
        window_days=-(-(model.window or 0) // config.DAY_S),
        downgrade=model.downgrade,
        period_ms=(model.period or model.window or 0) * 1000 if model.downgrade != "none" else 0,
    )
