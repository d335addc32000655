"""Configuration of the kind ``tournaments``, as written by people."""

from datetime import timedelta
from itertools import pairwise
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Discriminator, Field, Tag, model_validator

from domain.durations import duration_s
from gamification.config import Amount, Document, FieldPath, LocalText, Message, Name, Rewards, Where
from gamification.tournaments.formula import Formula, FormulaError

EVENTS_MAX = 20
PLACES_MAX = 1_000  # paid in one table
COHORT_MAX = 1_000
TIERS_MAX = 20
PLAYERS_MAX = 1_000_000
COHORTS_MAX = 10_000  # of one run
SETTLE_MAX_S = 86_400
RUN_MAX = timedelta(days=366)


def _formula(text: str) -> str:
    try:
        Formula(text)
    except FormulaError as error:
        raise ValueError(str(error)) from error
    return text


Settle = Annotated[int, BeforeValidator(lambda value: 0 if value == 0 else duration_s(value)), Field(le=SETTLE_MAX_S)]
Score = Annotated[float, Field(ge=-(2**53), le=2**53)]


class Recurring(Document):
    """One run after another, by the programme's zone."""

    every: Literal["day", "week", "month"]


class Once(Document):
    """One run."""

    starts: AwareDatetime = Field(alias="from")
    until: AwareDatetime

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.starts >= self.until:
            raise ValueError("expected from before until")
        if self.until - self.starts > RUN_MAX:
            raise ValueError("expected a run of at most 366 days")
        return self


Schedule = Recurring | Once


def _schedule_of(value: Any) -> str:
    is_recurring = "every" in value if isinstance(value, dict) else isinstance(value, Recurring)
    return "<recurring>" if is_recurring else "<once>"


class Ratio(Document):
    """The sum of one field over the sum of another. What an event has not counts as 0."""

    of: FieldPath
    to: FieldPath
    min_events: Annotated[int, Field(strict=True, ge=1, le=1_000_000)] = 1  # before there is a score


class ScoreBy(Document):
    """What an event does to the score: one of these."""

    count: Literal[True] | None = None
    sum: FieldPath | None = None
    best: FieldPath | None = None
    ratio: Ratio | None = None
    formula: Annotated[str, Field(min_length=1), AfterValidator(_formula)] | None = None
    keep: Literal["sum", "best"] = "sum"  # of a formula's values

    @model_validator(mode="after")
    def _one(self) -> Self:
        given = [name for name in ("count", "sum", "best", "ratio", "formula") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"expected one of count, sum, best, ratio, formula, got {' '.join(given) or 'none'}")
        if self.keep != "sum" and self.formula is None:
            raise ValueError("expected keep only with formula")
        return self

    @property
    def way(self) -> Literal["sum", "best", "ratio"]:
        """How values of several events become one score."""
        if self.ratio is not None:
            return "ratio"
        return "best" if self.best is not None or self.keep == "best" else "sum"


class Scoring(Document):
    event: Name
    where: Where = None
    score: ScoreBy


class Players(Document):
    least: Annotated[int, Field(strict=True, ge=1, le=PLAYERS_MAX)] | None = Field(None, alias="min")
    most: Annotated[int, Field(strict=True, ge=1, le=PLAYERS_MAX)] | None = Field(None, alias="max")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.least and self.most and self.least > self.most:
            raise ValueError("expected min within max")
        return self


class BuyIn(Document):
    currency: Name = "points"
    amount: Amount


class Cohorts(Document):
    """Tables of ``size`` players each. In tiers, the first of a table go up and the last go down for the next run."""

    size: Annotated[int, Field(strict=True, ge=2, le=COHORT_MAX)] = 50
    tiers: Annotated[tuple[Name, ...], Field(max_length=TIERS_MAX)] = ()  # lowest first
    promote: Annotated[int, Field(strict=True, ge=0, le=COHORT_MAX)] = 0
    demote: Annotated[int, Field(strict=True, ge=0, le=COHORT_MAX)] = 0

    @model_validator(mode="after")
    def _zones_fit(self) -> Self:
        if len(set(self.tiers)) != len(self.tiers):
            raise ValueError("tiers: expected distinct names")
        if self.promote + self.demote > self.size:
            raise ValueError("expected promote and demote to fit into size")
        if (self.promote or self.demote) and len(self.tiers) < 2:
            raise ValueError("expected two tiers or more to be promoted to or demoted from")
        return self


class Prize(Document):
    """What each of the places ``from`` to ``until`` (the same, unless given) gets."""

    first: Annotated[int, Field(strict=True, ge=1, le=PLACES_MAX)] = Field(alias="from")
    until: Annotated[int, Field(strict=True, ge=1, le=PLACES_MAX)] | None = None
    rewards: Annotated[Rewards, Field(min_length=1)]
    tiers: Annotated[tuple[Name, ...], Field(max_length=TIERS_MAX)] = ()  # only in these; none: in all

    @property
    def last(self) -> int:
        return self.until or self.first

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.last < self.first:
            raise ValueError("expected from before until")
        return self


class Public(Document):
    """What other players see of a player."""

    name_trait: Annotated[str, Field(min_length=1, max_length=100)] | None = None


class TournamentConfig(Document):
    """Players ranked by a score of the same events, for prizes."""

    name: LocalText = Field(default_factory=dict)
    description: LocalText = Field(default_factory=dict)
    schedule: Annotated[
        Annotated[Recurring, Tag("<recurring>")] | Annotated[Once, Tag("<once>")], Discriminator(_schedule_of)
    ]
    audience: Where = None
    events: Annotated[tuple[Scoring, ...], Field(min_length=1, max_length=EVENTS_MAX)]
    registration: Literal["auto", "opt_in", "buy_in", "approval", "qualification"] = "auto"
    buy_in: BuyIn | None = None
    qualification: Where = None
    players: Players = Players(min=None, max=None)
    min_score: Score | None = None
    settle: Settle = 60  # seconds after the end in which events that occurred before it still count
    cohorts: Cohorts | None = None
    prizes: Annotated[tuple[Prize, ...], Field(max_length=100)] = ()
    approval: bool = False  # a person approves the final table before prizes are paid
    public: Public = Public()
    budget: Name | None = None
    message: Message | None = None

    @model_validator(mode="after")
    def _parts_agree(self) -> Self:
        if (self.registration == "buy_in") is (self.buy_in is None):
            raise ValueError("expected buy_in with registration: buy_in, and only there")
        if (self.registration == "qualification") is (self.qualification is None):
            raise ValueError("expected qualification with registration: qualification, and only there")
        if len({scoring.score.way for scoring in self.events}) > 1:
            raise ValueError("events: expected scores that all add up, are all the best one, or are all ratios")
        self._check_prizes()
        return self

    def _check_prizes(self) -> None:
        tiers = self.cohorts.tiers if self.cohorts else ()
        for i, prize in enumerate(self.prizes):
            if unknown := [tier for tier in prize.tiers if tier not in tiers]:
                raise ValueError(f"prizes[{i}].tiers: expected tiers of cohorts, got {unknown[0]!r}")
        for tier in tiers or ("",):
            mine = [prize for prize in self.prizes if not prize.tiers or tier in prize.tiers]
            if any(later.first <= earlier.last for earlier, later in pairwise(mine)):
                raise ValueError("prizes: expected places in order, each in one range")
        if self.cohorts and self.players.most and self.players.most > COHORTS_MAX * self.cohorts.size:
            raise ValueError(f"players.max: expected at most {COHORTS_MAX} cohorts")
