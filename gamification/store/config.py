"""``rewards/<id>``: an item of the store, or of a reward."""

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from gamification.config import Active, Amount, Document, Duration, Few, LocalText, Message, Name, Rewards, Where

OUTSIDE = frozenset({"bonus", "thing"})  # granted on the operator's platform
LIFE_MAX_S = 366 * 86_400


class Price(Document):
    currency: Name = "points"
    amount: Amount


class Discount(Document):
    """So many percent off, for whom and while it applies; of several the best counts."""

    percent: Annotated[int, Field(strict=True, ge=1, le=100)]
    active: Active = Field(default_factory=lambda: Active.model_validate({}))
    audience: Where = None


class Limit(Document):
    """How many a player may buy in a day, week or month of the player's zone, or ever."""

    max: Few
    per: Literal["day", "week", "month", "ever"] = "ever"


class Outside(Document):
    """Where a bonus or a thing is granted: a connector of the kind webhook."""

    connector: Name


def _several(value: Any) -> Any:
    return [value] if isinstance(value, dict) else value


class ItemConfig(Document):
    name: LocalText = Field(default_factory=dict)
    description: LocalText = Field(default_factory=dict)
    icon: Annotated[str, Field(max_length=200)] | None = None
    type: Literal["bonus", "thing", "spins", "tickets", "currency"]
    gives: Rewards = ()
    grant: Outside | None = None  # null, of a bonus or a thing: a person confirms it
    price: Price | None = None  # null: not for sale
    discount: Annotated[tuple[Discount, ...], Field(max_length=10), BeforeValidator(_several)] = ()
    stock: Annotated[int, Field(strict=True, ge=0, le=1_000_000_000)] | None = None
    limit: Limit | None = None
    audience: Where = None
    active: Active = Field(default_factory=lambda: Active.model_validate({}))
    refundable_within: Annotated[Duration, Field(gt=0, le=LIFE_MAX_S)] | None = None
    confirm_within: Annotated[Duration, Field(gt=0, le=LIFE_MAX_S)] = 72 * 3_600
    message: Message | None = None  # asked for when it is granted; its variable is ``purchase``

    @model_validator(mode="after")
    def _parts_agree(self) -> Self:
        if self.type not in OUTSIDE:
            if self.grant is not None:
                raise ValueError(f"expected no grant with type {self.type}: it is given here")
            if not any(reward.kind == self.type for reward in self.gives):
                raise ValueError(f"expected gives with a reward of the kind {self.type}")
        if any(reward.kind == "item" for reward in self.gives):
            raise ValueError("expected gives without items: an item gives no other")
        if self.refundable_within and (self.type in OUTSIDE or any(r.kind != "currency" for r in self.gives)):
            raise ValueError("expected refundable_within only where all that is given is a currency, and can be taken")
        return self
