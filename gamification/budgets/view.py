"""What an operator sees of a budget."""

from typing import Any

from gamification.budgets.claiming import Budgets
from gamification.budgets.keeper import Kept, at_moment, read
from gamification.periods import starts_at
from gamification.rules import Rules


def ids(rules: Rules) -> list[str]:
    """Return the ids of a version's budgets."""
    budgets: Budgets | None = rules.rooms.get("budgets")
    return sorted(budgets.all) if budgets is not None else []


def shown(rules: Rules, budget: str, kept: dict[str, Any] | None, now: int) -> dict[str, Any] | None:
    """Return a budget as it stands at a moment, by what its keeper keeps (None: nobody has asked); None: there is none.

    ``period`` is null where the budget has none; its times are ms.
    """
    budgets: Budgets | None = rules.rooms.get("budgets")
    if budgets is None or (rule := budgets.all.get(budget)) is None:
        return None
    held = at_moment(read(kept) if kept else Kept(), rule, now)
    period = None
    if rule.per:
        begins, ends = (starts_at(held.period + n, rule.zone, rule.per) for n in (0, 1))
        period = {"number": held.period, "from": begins, "until": ends}
    return {
        "id": rule.id,
        "currency": rule.currency,
        "amount": rule.amount,
        "per": rule.per,
        "period": period,
        "spent": held.confirmed,
        "reserved": held.reserved,
        "left": held.left,
        "waiting": len(held.waiting),
        "when_spent": rule.do,
    }
