"""``minigames/<id>`` as written by people."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from gamification.config import Active, Amount, Document, Duration, Few, LocalText, Name, Rewards, Where

PRIZES_MAX = 100
WAIT_MAX_S = 30 * 86_400
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Price(Document):
    currency: Name = "points"
    amount: Amount


class Attempts(Document):
    """How often without a spin: ``max`` a day, a week, ever; or ``max`` until ``after`` has passed since the last."""

    max: Few = 1
    per: Literal["day", "week", "ever", "last"] = "day"
    after: Annotated[Duration, Field(le=366 * 86_400)] | None = None
    zone: Literal["player", "programme"] = "player"

    @model_validator(mode="after")
    def _after_with_last(self) -> Self:
        if (self.per == "last") != (self.after is not None):
            raise ValueError("expected after with per: last, and only then")
        return self


class Prize(Document):
    id: Name
    name: LocalText = Field(default_factory=dict)
    weight: Few = 1
    rewards: Rewards = ()
    stock: Annotated[int, Field(strict=True, ge=0, le=1_000_000_000)] | None = None  # of all players, ever
    max_per_day: Few | None = None  # of all players, a day of the programme's zone
    weekdays: Annotated[tuple[Weekday, ...], Field(min_length=1, max_length=7)] | None = None
    lose: bool = False

    @model_validator(mode="after")
    def _something_but_for_losing(self) -> Self:
        if self.lose and (self.rewards or self.stock is not None or self.max_per_day):
            raise ValueError("expected neither rewards nor stock nor max_per_day with lose: true")
        if not self.lose and not self.rewards:
            raise ValueError("expected rewards, or lose: true")
        return self


class MinigameConfig(Document):
    name: LocalText = Field(default_factory=dict)
    description: LocalText = Field(default_factory=dict)
    type: Literal["wheel", "scratch", "gift_box", "calendar"] = "wheel"
    attempts: Attempts | None = Field(default_factory=lambda: Attempts.model_validate({}))  # null: none of themselves
    buy_in: Price | None = None
    prizes: Annotated[tuple[Prize, ...], Field(min_length=1, max_length=PRIZES_MAX)]
    by: Literal["weekday", "day"] | None = None  # calendar: whose cell it is
    acknowledge_within: Annotated[Duration, Field(le=WAIT_MAX_S)] = 180
    audience: Where = None
    active: Active = Field(default_factory=lambda: Active.model_validate({}))
    budget: Name | None = None

    @model_validator(mode="after")
    def _parts_agree(self) -> Self:
        if len({prize.id for prize in self.prizes}) < len(self.prizes):
            raise ValueError("prizes: expected distinct ids")
        if self.type != "calendar":
            if self.by is not None:
                raise ValueError("expected by only with type: calendar")
            return self
        if self.by is None:
            raise ValueError("expected by (weekday or day) with type: calendar")
        if self.by == "weekday" and len(self.prizes) != len(WEEKDAYS):
            raise ValueError(f"expected a prize for each weekday from Monday on, got {len(self.prizes)}")
        if self.by == "day" and self.active.starts is None:
            raise ValueError("expected active.from with by: day: it is the day of the first cell")
        if self.buy_in is not None:
            raise ValueError("expected no buy_in with type: calendar")
        return self
