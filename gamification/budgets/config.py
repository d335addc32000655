"""``budgets/<id>``: how much may be given, and what becomes of who comes after."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from gamification.config import Amount, Document, LocalText, Message, Name, Rewards

COUNT = "count"  # instead of a currency: each grant is one


class WhenSpent(Document):
    """What happens to a reward that the budget has no room for."""

    do: Literal["queue", "substitute", "refuse"] = "refuse"
    rewards: Rewards = ()  # of ``substitute``: given instead, and not budgeted
    message: Message | None = None  # asked for when a reward is not given; its variable is ``reward``

    @model_validator(mode="after")
    def _rewards_fit(self) -> Self:
        if (self.do == "substitute") != bool(self.rewards):
            raise ValueError("expected rewards with do: substitute, and only there")
        return self


class BudgetConfig(Document):
    name: LocalText = Field(default_factory=dict)
    currency: Name = "points"
    amount: Amount
    per: Literal["day", "week", "month"] | None = None  # of the programme's zone; null: for good
    alert_at: Annotated[int, Field(strict=True, ge=1, le=100)] = 80  # percent
    when_spent: WhenSpent = WhenSpent()
