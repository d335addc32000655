"""Configuration of streaks, as written by people."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from gamification.config import Amount, Document, LocalText, Message, Name, Rewards, Where

GRACE_MAX_S = 86_400
COUNT_MAX = 100_000
FREEZES_MAX = 100

Count = Annotated[int, Field(strict=True, ge=1, le=COUNT_MAX)]


class Price(Document):
    currency: Name = "points"
    amount: Amount


class Freezes(Document):
    """Cycles that may be missed. Without a price they are not sold, only earned."""

    max: Annotated[int, Field(strict=True, ge=0, le=FREEZES_MAX)] = 0
    price: Price | None = None

    @model_validator(mode="after")
    def _sold_where_held(self) -> Self:
        if self.price and not self.max:
            raise ValueError("expected max of at least 1 with a price")
        return self


class Tier(Document):
    """What counts are rewarded: one (``at``), or those ``from`` to ``until``, every so many."""

    at: Count | None = None
    starts: Annotated[Count | None, Field(alias="from")] = None
    until: Count | None = None
    every: Count = 1
    once: bool = False  # once ever, not once in each run
    rewards: Rewards = ()

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        if (self.at is None) == (self.starts is None):
            raise ValueError("expected either at or from")
        if self.at is not None and (self.until is not None or self.every != 1):
            raise ValueError("expected until and every only with from")
        if self.starts is not None and self.until is not None and self.until < self.starts:
            raise ValueError(f"expected until from {self.starts} on, got {self.until}")
        return self


class StreakConfig(Document):
    """Days or weeks in a row in which an event happened."""

    name: LocalText = Field(default_factory=dict)
    description: LocalText = Field(default_factory=dict)
    event: Name
    where: Where = None
    every: Literal["day", "week"] = "day"
    grace_s: Annotated[int, Field(strict=True, ge=0, le=GRACE_MAX_S)] = 0
    freezes: Freezes = Field(default_factory=lambda: Freezes())
    decay: Count | None = None
    rewards: Annotated[tuple[Tier, ...], Field(max_length=100)] = ()
    budget: Name | None = None
    message: Message | None = None  # told at each count that is rewarded
