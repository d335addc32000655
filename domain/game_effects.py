"""What the rooms of the game caused (``domain.effects`` has the rest).

One section for each room; fields are only added at the end.
"""

from msgspec import Struct


class AskedKeeper(Struct, frozen=True, gc=False, tag="asked_keeper", tag_field="kind", array_like=True):
    """A shared thing was asked for; what it answers comes as a turn of its own."""

    id: str
    keeper: str
    op: str


# store


class Redeemed(Struct, frozen=True, gc=False, tag="redeemed", tag_field="kind", array_like=True):
    """What was held for a purchase is given for good: it moves between accounts, the player's balance stays."""

    currency: str
    amount: int
    rule: str  # rewards/<item>
    rule_version: int = 0
    source: str = "held"
    account: str = "redeemed"


class PurchaseChanged(Struct, frozen=True, gc=False, tag="purchase", tag_field="kind", array_like=True):
    """An item was asked for, is on its way, was granted, failed or was refunded (``domain.shop.Purchase.status``)."""

    purchase: str
    item: str
    status: str
    reason: str = ""
    amount: int = 1
    currency: str = ""
    price: int = 0


# budgets


class RewardWaiting(Struct, frozen=True, gc=False, tag="reward_waiting", tag_field="kind", array_like=True):
    """A reward waits, in order, until its budget has room."""

    rule: str
    budget: str
    rewards: tuple[tuple[str, str, int], ...] = ()  # kind, what, amount


class RewardRefused(Struct, frozen=True, gc=False, tag="reward_refused", tag_field="kind", array_like=True):
    """A reward is not given; ``instead`` is what was given in its place."""

    rule: str
    reason: str  # budget_spent, sold_out, too_many_asks, item_not_found, amount_out_of_range
    budget: str = ""
    rewards: tuple[tuple[str, str, int], ...] = ()
    instead: tuple[tuple[str, str, int], ...] = ()


class BudgetAlert(Struct, frozen=True, gc=False, tag="budget_alert", tag_field="kind", array_like=True):
    """A budget has reached a share of its amount; told by its keeper, once each in a period."""

    budget: str
    percent: int
    spent: int  # what is reserved counts
    amount: int
    period: int = 0  # local day, week or month number; 0: the budget has none


GameEffect = AskedKeeper | Redeemed | PurchaseChanged | RewardWaiting | RewardRefused | BudgetAlert
