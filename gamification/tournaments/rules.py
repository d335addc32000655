"""Tournaments of a programme version, compiled: what a turn reads."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from domain.conditions import compile_condition
from domain.entries import Event
from domain.event_fields import field_value, keys_of
from gamification.compiling import holds_of, message_of, rewards_of
from gamification.references import condition_errors, of_kind, reward_errors
from gamification.room import Sources
from gamification.rules import Holds, Message, Reward
from gamification.tournaments.config import Prize, Schedule, ScoreBy, TournamentConfig
from gamification.tournaments.formula import Formula, number_of
from gamification.working import Turn

KIND = "tournaments"
ROOM = "tournaments"
KEEPER = "tournament"  # kind of the keeper of a run

Way = Literal["sum", "best", "ratio"]
Value = Callable[[Turn, Event], float | None]
Parts = Callable[[Event], tuple[float, float] | None]


@dataclass(frozen=True, slots=True)
class ScoringRule:
    """What events of one name do to the score."""

    event: str
    where: Holds
    value: Value  # of a sum or best; None: the event does not count
    parts: Parts | None  # of a ratio: what is added above and below


@dataclass(frozen=True, slots=True)
class CohortRule:
    size: int
    tiers: tuple[str, ...]
    promote: int
    demote: int


@dataclass(frozen=True, slots=True)
class Places:
    """Places of one range, each of which gets the rewards."""

    first: int
    last: int
    rewards: tuple[Reward, ...]
    tiers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TournamentRule:
    id: str
    version: int
    name: Mapping[str, str]
    schedule: Schedule
    zone: str
    audience: Holds
    way: Way
    min_events: int
    scorings: tuple[ScoringRule, ...]
    registration: str
    currency: str  # of the price
    price: int
    qualification: Holds
    min_players: int  # 0: none
    max_players: int  # 0: none
    min_score: float | None
    settle_ms: int
    cohorts: CohortRule | None
    prizes: tuple[Places, ...]
    approval: bool
    name_trait: str
    budget: str
    message: Message | None

    @property
    def places(self) -> int:
        """The last place that is paid."""
        return max((prize.last for prize in self.prizes), default=0)

    @property
    def rows(self) -> int:
        """How many rows of a final table the end needs."""
        return max(self.places, self.cohorts.size if self.cohorts and self.cohorts.tiers else 0)

    def rewards_at(self, rank: int, tier: str = "") -> tuple[Reward, ...]:
        """Return what a place gets: each place is in one range at most."""
        for prize in self.prizes:
            if prize.first <= rank <= prize.last and (not prize.tiers or tier in prize.tiers):
                return prize.rewards
        return ()


@dataclass(frozen=True, slots=True)
class Tournaments:
    """``rules.rooms["tournaments"]``."""

    rules: Mapping[str, TournamentRule]


NONE = Tournaments({})


def rules_of(sources: Sources) -> Tournaments:
    """Compile all tournaments of a version."""
    models = of_kind(sources.models, KIND, TournamentConfig)
    return Tournaments({doc_id: _rule(doc_id, model, sources) for doc_id, model in models.items()})


def _rule(doc_id: str, model: TournamentConfig, sources: Sources) -> TournamentRule:
    cohorts = model.cohorts
    ratios = [scoring.score.ratio for scoring in model.events if scoring.score.ratio]
    return TournamentRule(
        id=doc_id,
        version=sources.version,
        name=model.name,
        schedule=model.schedule,
        zone=sources.timezone,
        audience=holds_of(model.audience),
        way=model.events[0].score.way,
        min_events=max((ratio.min_events for ratio in ratios), default=1),
        scorings=tuple(
            ScoringRule(scoring.event, holds_of(scoring.where), _value(scoring.score), _parts(scoring.score))
            for scoring in model.events
        ),
        registration=model.registration,
        currency=model.buy_in.currency if model.buy_in else "",
        price=model.buy_in.amount if model.buy_in else 0,
        qualification=holds_of(model.qualification),
        min_players=model.players.least or 0,
        max_players=model.players.most or 0,
        min_score=model.min_score,
        settle_ms=model.settle * 1000,
        cohorts=CohortRule(cohorts.size, cohorts.tiers, cohorts.promote, cohorts.demote) if cohorts else None,
        prizes=tuple(_places(prize) for prize in model.prizes),
        approval=model.approval,
        name_trait=model.public.name_trait or "",
        budget=model.budget or "",
        message=message_of(model.message),
    )


def _places(prize: Prize) -> Places:
    return Places(prize.first, prize.last, rewards_of(prize.rewards), prize.tiers)


def _value(score: ScoreBy) -> Value:
    if score.formula is not None:
        return Formula(score.formula)
    if score.sum is not None or score.best is not None:
        keys = keys_of(score.sum or score.best)
        return lambda _, event: number_of(field_value(event, keys))
    return lambda _, __: 1.0


def _parts(score: ScoreBy) -> Parts | None:
    if score.ratio is None:
        return None
    above, below = keys_of(score.ratio.of), keys_of(score.ratio.to)

    def parts(event: Event) -> tuple[float, float] | None:
        one, other = number_of(field_value(event, above)), number_of(field_value(event, below))
        return None if one is None and other is None else (one or 0.0, other or 0.0)

    return parts


def errors(sources: Sources) -> Iterable[str]:
    """Yield what a tournament names and nobody configured."""
    currencies = {"points", *sources.models["currencies"]}
    templates = sources.documents.get("templates")
    for doc_id, model in of_kind(sources.models, KIND, TournamentConfig).items():
        name = f"{KIND}/{doc_id}"
        for path, tree in (("audience", model.audience), ("qualification", model.qualification)):
            yield from condition_errors(name, path, compile_condition(tree), sources.models, sources.segments)
        for i, scoring in enumerate(model.events):
            where = compile_condition(scoring.where)
            yield from condition_errors(name, f"events[{i}].where", where, sources.models, sources.segments)
            yield from _formula_errors(name, f"events[{i}].score.formula", scoring.event, scoring.score, sources)
        for i, prize in enumerate(model.prizes):
            yield from reward_errors(name, f"prizes[{i}].rewards", prize.rewards, sources.models)
        if model.buy_in and model.buy_in.currency not in currencies:
            known = " ".join(sorted(currencies))
            yield f"{name}: buy_in.currency: expected a currency ({known}), got {model.buy_in.currency!r}"
        if model.message and templates is not None and model.message.template not in templates:
            yield f"{name}: message.template: expected a template, got {model.message.template!r}"


def _formula_errors(name: str, path: str, event: str, score: ScoreBy, sources: Sources) -> Iterable[str]:
    """Yield metrics that nobody configured, and properties that the event, where its are declared, has not."""
    if score.formula is None:
        return
    formula = Formula(score.formula)
    for metric in sorted(formula.metrics - sources.models["metrics"].keys()):
        yield f"{name}: {path}: expected a configured metric, got {metric!r}"
    declared = sources.documents.get("events", {}).get(event, {}).get("properties")
    if declared:
        for unknown in sorted(formula.properties - declared.keys()):
            yield f"{name}: {path}: expected a property of {event} ({' '.join(sorted(declared))}), got {unknown!r}"
