"""``jackpots/<id>`` as written by people."""

from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from gamification.config import Document, FieldPath, LocalText, Message, Name, Where
from gamification.fairness.proof import POT_MAX

UNITS_MAX = POT_MAX  # of a pot, a seed, one event's contribution: its millionths fit 64 bits
MICROS = 1_000_000

Units = Annotated[int, Field(strict=True, ge=1, le=UNITS_MAX)]


class Contribution(Document):
    """What a matching event adds: ``fixed`` whole units, or a ``share`` of a field (in whole minor units)."""

    fixed: Units | None = None
    share: Annotated[float, Field(gt=0, le=1)] | None = None  # to the millionth
    of: FieldPath | None = None

    @model_validator(mode="after")
    def _either(self) -> Self:
        shares = self.share is not None and self.of is not None and self.fixed is None
        if not shares and (self.fixed is None or self.share is not None or self.of is not None):
            raise ValueError("expected either fixed, or share and of")
        if self.share is not None and Decimal(str(self.share)) * MICROS % 1:
            raise ValueError(f"expected a share in whole millionths, got {self.share}")
        return self


class Hit(Document):
    """``chance`` of each contribution; or by an amount from ``min`` to ``must_hit_by`` that nobody knows before."""

    chance: Annotated[float, Field(ge=1e-9, le=1)] | None = None
    must_hit_by: Units | None = None
    min: Annotated[int, Field(strict=True, ge=0, le=UNITS_MAX)] = 0

    @model_validator(mode="after")
    def _either(self) -> Self:
        if (self.chance is None) == (self.must_hit_by is None):
            raise ValueError("expected either chance or must_hit_by")
        if self.must_hit_by is None and self.min:
            raise ValueError("expected min only with must_hit_by")
        if self.must_hit_by is not None and self.min > self.must_hit_by:
            raise ValueError(f"expected min up to must_hit_by, got {self.min} and {self.must_hit_by}")
        return self


class JackpotConfig(Document):
    name: LocalText = Field(default_factory=dict)
    description: LocalText = Field(default_factory=dict)
    event: Name
    where: Where = None
    audience: Where = None
    contribute: Contribution
    currency: Name = "points"
    scope: Literal["shared", "personal"] = "shared"
    seed: Annotated[int, Field(strict=True, ge=0, le=UNITS_MAX)] = 0  # what each pot begins with
    hit: Hit
    message: Message | None = None

    @model_validator(mode="after")
    def _seed_below_the_hit(self) -> Self:
        if self.hit.must_hit_by is not None and self.seed >= self.hit.must_hit_by:
            raise ValueError(f"expected a seed below hit.must_hit_by, got {self.seed}")
        return self
