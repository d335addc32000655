"""An item of the store, compiled."""

from collections.abc import Mapping
from dataclasses import dataclass

from domain.conditions import Context
from gamification.rules import Holds, Message, Reward


@dataclass(frozen=True, slots=True)
class Discount:
    percent: int
    starts_at: int  # ms of turn time
    until: int  # exclusive
    audience: Holds


@dataclass(frozen=True, slots=True)
class ItemRule:
    """One item."""

    id: str
    version: int  # of the programme
    name: Mapping[str, str]
    description: Mapping[str, str]
    icon: str
    type: str
    gives: tuple[Reward, ...]
    connector: str  # "": a person confirms, or nothing is granted outside
    is_outside: bool
    currency: str  # of the price; "": not for sale
    price: int
    discounts: tuple[Discount, ...]
    stock: int | None  # None: without end
    limit: int  # most of a player; 0: no limit
    limit_per: str  # day, week, month, ever
    audience: Holds
    starts_at: int  # ms of turn time
    until: int  # exclusive
    refundable_ms: int  # 0: never
    confirm_ms: int
    message: Message | None

    def price_at(self, now: int, who: Context) -> int:
        """Return what one costs: of the discounts that apply the best, the rest rounded up."""
        best = max(
            (d.percent for d in self.discounts if d.starts_at <= now < d.until and (not d.audience or d.audience(who))),
            default=0,
        )
        return self.price - self.price * best // 100


@dataclass(frozen=True, slots=True)
class Store:
    """All items of a version."""

    items: Mapping[str, ItemRule]
