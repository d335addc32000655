"""Compiled choices: what a turn reads. Values only; ``drawing`` and ``course`` hold the behaviour."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from pydantic import ValidationError

from crm.choices.config import NO_EVENT, ArmConfig, ChoiceConfig
from domain.conditions import Condition, compile_condition
from domain.event_fields import keys_of
from ml.choices.plan import ChoicePlan, generation_of
from ml.config import ModelsConfig, compile_models
from ml.features import SESSION_GAP_MS

Documents = Mapping[str, Mapping[str, Mapping[str, Any]]]

CHOICES_MAX = 100
_encode = msgspec.json.Encoder(order="deterministic").encode


@dataclass(frozen=True, slots=True)
class Arm:
    """Who may get it."""

    promotional: bool = False
    where: Condition | None = None


@dataclass(frozen=True, slots=True)
class ChoiceRule:
    """One choice. ``plan`` is what the arithmetic needs of it."""

    plan: ChoicePlan
    arms: Mapping[str, Arm]
    event: str
    where: Condition | None
    within_ms: int
    value: tuple[str, ...] = ()  # path in the event; empty: every outcome is worth 1
    most: float = 1.0
    holdout_share: float = 0.0
    holdout_arm: str = ""
    counts_from: str = ""  # sent, chosen; "": sent where a message is what is chosen
    gap_ms: int = SESSION_GAP_MS  # of the features that its context is made of

    @property
    def id(self) -> str:
        return self.plan.id


@dataclass(frozen=True, slots=True)
class ChoiceRules:
    """The choices of one programme version."""

    choices: Mapping[str, ChoiceRule] = field(default_factory=dict)
    events: frozenset[str] = frozenset()  # that are an outcome of one

    @property
    def keys(self) -> tuple[str, ...]:
        """Return the names under which what is learnt of them is published."""
        return tuple(choice.plan.key for choice in self.choices.values())


NONE = ChoiceRules()


def compile_choices(documents: Documents, errors: list[str]) -> ChoiceRules:
    """Compile the kind ``choices``; what is wrong is added as ``choices/id: path: problem``."""
    named = documents.get("choices", {})
    if len(named) > CHOICES_MAX:
        errors.append(f"choices: expected at most {CHOICES_MAX} choices, got {len(named)}")
        return NONE
    compiled: dict[str, ChoiceRule] = {}
    for name, document in sorted(named.items()):
        try:
            config = ChoiceConfig.model_validate(document)
        except ValidationError as error:
            errors += [f"choices/{name}: {_problem(found)}" for found in error.errors(include_url=False)]
            continue
        errors += [f"choices/{name}: {line}" for line in _broken_references(config, documents)]
        compiled[name] = _compiled(name, config, _gap_ms(documents))
    return ChoiceRules(compiled, frozenset(choice.event for choice in compiled.values()))


def _compiled(name: str, config: ChoiceConfig, gap_ms: int) -> ChoiceRule:
    value, holdout, outcome = config.value, config.holdout, config.outcome
    plan = ChoicePlan(
        name, tuple(sorted(config.arms)), config.context, config.explore, config.personal, _generation(config)
    )
    return ChoiceRule(
        plan,
        {arm: _arm(one) for arm, one in config.arms.items()},
        outcome.event,
        compile_condition(outcome.where) if outcome.where is not None else None,
        outcome.within * 1000,
        keys_of(value.from_.removeprefix("event.")) if value else (),
        value.most if value else 1.0,
        holdout.share if holdout else 0.0,
        holdout.arm if holdout else "",
        config.counts_from or "",
        gap_ms,
    )


def _arm(config: ArmConfig) -> Arm:
    where = config.where
    return Arm(config.promotional, compile_condition(where, refused=NO_EVENT) if where is not None else None)


def _generation(config: ChoiceConfig) -> str:
    """Name what the sums mean: an outcome that is counted otherwise is another one."""
    meaning = config.model_dump(mode="json", by_alias=True, include={"outcome", "value", "counts_from"})
    return generation_of(*config.context, _encode(meaning).decode())


def _gap_ms(documents: Documents) -> int:
    plan = _models(documents)
    return plan.session_gap_ms if plan is not None else SESSION_GAP_MS


def _models(documents: Documents) -> Any:
    document = documents.get("models", {}).get("churn")
    try:
        return None if document is None else compile_models(ModelsConfig.model_validate(document))
    except ValidationError:  # told where the document itself is checked
        return None


def _broken_references(config: ChoiceConfig, documents: Documents) -> Iterator[str]:
    """Yield what names a thing that is not there."""
    if config.context and _models(documents) is None:
        yield "context: expected a document models/churn that is enabled: without it nothing is known of a player"
    conditions = [(f"arms.{name}.where", arm.where) for name, arm in config.arms.items()]
    for path, tree in [*conditions, ("outcome.where", config.outcome.where)]:
        if tree is None:
            continue
        condition = compile_condition(tree)
        for kind, names in (("segment", condition.segments), ("metric", condition.metrics)):
            for name in sorted(names - documents.get(f"{kind}s", {}).keys()):
                yield f"{path}: expected the id of a {kind}, got {name!r}"


def _problem(found: Mapping[str, Any]) -> str:
    path = ".".join(str(step) for step in found["loc"] if step != "[key]") or "document"
    said = str(found["msg"]).removeprefix("Value error, ")
    got = "" if ", got" in said else f", got {found['input']!r:.60}"
    return f"{path}: {said}{got}"
