"""A budget, compiled."""

from dataclasses import dataclass

from gamification.budgets.config import COUNT
from gamification.periods import Period
from gamification.rules import Message, Reward


@dataclass(frozen=True, slots=True)
class BudgetRule:
    """One budget."""

    id: str
    currency: str  # or ``count``
    amount: int
    per: Period | None
    alert_at: int  # percent
    do: str  # queue, substitute, refuse
    instead: tuple[Reward, ...]
    message: Message | None
    zone: str

    def needed(self, rewards: tuple[Reward, ...]) -> int:
        """Return how much of the budget so many rewards take; 0: it is not about them."""
        if self.currency == COUNT:
            return 1 if rewards else 0
        return sum(r.amount for r in rewards if r.kind == "currency" and r.ref == self.currency)
