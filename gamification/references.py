"""References across the documents of a programme: each name must be that of something configured."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar, cast

from pydantic import BaseModel

from domain.conditions import Condition, compile_condition
from gamification import config

Documents = Mapping[str, Mapping[str, Mapping[str, Any]]]  # kind -> id -> document
Models = dict[str, dict[str, BaseModel]]  # kind -> id -> model
M = TypeVar("M", bound=BaseModel)


def of_kind(models: Models, kind: str, _: type[M]) -> dict[str, M]:
    """Return the models of a kind, typed."""
    return cast("dict[str, M]", models[kind])


def reference_errors(models: Models, segments: Mapping[str, Condition], documents: Documents) -> Iterable[str]:
    """Yield what names something that is not configured, or itself."""
    currencies = {"points", *models["currencies"]}
    for kind, doc_id, path, currency in _currencies_named(models):
        if currency not in currencies:
            yield f"{kind}/{doc_id}: {path}: expected a currency ({' '.join(sorted(currencies))}), got {currency!r}"
    for kind, doc_id, path, rewards in _rewards(models):
        yield from reward_errors(f"{kind}/{doc_id}", path, rewards, models)
    for kind, doc_id, path, tree in _conditions(models):
        yield from condition_errors(f"{kind}/{doc_id}", path, compile_condition(tree), models, segments)
        if kind == "metrics" and tree and compile_condition(tree).metrics:
            yield f"{kind}/{doc_id}: {path}: expected no metric in a metric's condition"
    for segment_id, condition in segments.items():
        yield from condition_errors(f"segments/{segment_id}", "where", condition, models, segments)
    if "templates" in documents:
        for kind, doc_id, path, template in _templates_named(models):
            if template not in documents["templates"]:
                yield f"{kind}/{doc_id}: {path}: expected a template, got {template!r}"
    yield from _chain_errors(of_kind(models, "missions", config.MissionConfig))


def reward_errors(name: str, path: str, rewards: tuple[config.Reward, ...], models: Models) -> Iterable[str]:
    """Yield rewards of what is not configured.

    Args:
        name: Of the document, ``kind/id``.
    """
    for i, reward in enumerate(rewards):
        field, kind = config.NAMED_BY[reward.kind]
        known = {"points", *models["currencies"]} if kind == "currencies" else models.get(kind, {}).keys()
        if (named := getattr(reward, field)) not in known:
            yield f"{name}: {path}[{i}].{field}: {_expected(kind, known)}, got {named!r}"


def _expected(kind: str, known: Iterable[str]) -> str:
    if kind == "currencies":
        return f"expected a currency ({' '.join(sorted(known))})"
    return f"expected a document of the kind {kind}"


def condition_errors(
    name: str,
    path: str,
    condition: Condition,
    models: Models,
    segments: Mapping[str, Condition],
) -> Iterable[str]:
    """Yield metrics and segments that a condition names and nobody configured."""
    for metric in sorted(condition.metrics - models["metrics"].keys()):
        yield f"{name}: {path}: expected a configured metric, got {metric!r}"
    for segment in sorted(condition.segments - segments.keys()):
        yield f"{name}: {path}: expected a configured segment, got {segment!r}"


def _chain_errors(missions: Mapping[str, config.MissionConfig]) -> Iterable[str]:
    for mission_id, mission in missions.items():
        for i, other in enumerate(mission.unlock_after):
            if other not in missions:
                yield f"missions/{mission_id}: unlock_after[{i}]: expected a mission, got {other!r}"
    needs = {mission_id: list(mission.unlock_after) for mission_id, mission in missions.items()}
    for mission_id, way in circles(needs):
        yield f"missions/{mission_id}: unlock_after: expected no circle, got {way}"


def circles(needs: Mapping[str, list[str]]) -> Iterable[tuple[str, str]]:
    """Yield each name from which following the needs leads back to itself, with the way."""
    for name in sorted(needs):
        stack: list[tuple[str, tuple[str, ...]]] = [(other, (name, other)) for other in needs[name]]
        seen: set[str] = set()
        while stack:
            other, way = stack.pop()
            if other == name:
                yield name, " -> ".join(way)
                break
            if other not in seen:
                seen.add(other)
                stack.extend((third, (*way, third)) for third in needs.get(other, ()))


def _currencies_named(models: Models) -> Iterable[tuple[str, str, str, str]]:
    for doc_id, rule in of_kind(models, "earn-rules", config.EarnRuleConfig).items():
        yield "earn-rules", doc_id, "currency", rule.currency
    for doc_id, system in of_kind(models, "levels", config.LevelsConfig).items():
        yield "levels", doc_id, "currency", system.currency


def _rewards(models: Models) -> Iterable[tuple[str, str, str, tuple[config.Reward, ...]]]:
    for doc_id, mission in of_kind(models, "missions", config.MissionConfig).items():
        yield "missions", doc_id, "rewards", mission.rewards
    for doc_id, achievement in of_kind(models, "achievements", config.AchievementConfig).items():
        for i, stage in enumerate(achievement.stages):
            yield "achievements", doc_id, f"stages[{i}].rewards", stage.rewards
    for doc_id, system in of_kind(models, "levels", config.LevelsConfig).items():
        for i, level in enumerate(system.levels):
            yield "levels", doc_id, f"levels[{i}].rewards", level.rewards


def _templates_named(models: Models) -> Iterable[tuple[str, str, str, str]]:
    named: list[tuple[str, str, str, config.Message | None]] = []
    for doc_id, mission in of_kind(models, "missions", config.MissionConfig).items():
        named.append(("missions", doc_id, "message.template", mission.message))
    for doc_id, achievement in of_kind(models, "achievements", config.AchievementConfig).items():
        named.append(("achievements", doc_id, "message.template", achievement.message))
    for doc_id, system in of_kind(models, "levels", config.LevelsConfig).items():
        for i, level in enumerate(system.levels):
            named.append(("levels", doc_id, f"levels[{i}].message.template", level.message))
    return [(kind, doc_id, path, message.template) for kind, doc_id, path, message in named if message]


def _conditions(
    models: Models,
) -> Iterable[tuple[str, str, str, dict[str, Any] | None]]:
    for kind in ("metrics", "earn-rules", "achievements"):
        for doc_id, document in models[kind].items():
            yield kind, doc_id, "where", cast("Any", document).where
    for doc_id, mission in of_kind(models, "missions", config.MissionConfig).items():
        yield "missions", doc_id, "audience", mission.audience
        for i, task in enumerate(mission.tasks):
            yield "missions", doc_id, f"tasks[{i}].where", task.where
