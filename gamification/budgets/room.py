"""What the budgets bring to the game."""

from collections.abc import Iterable

from gamification.budgets import claiming, keeper
from gamification.budgets.config import COUNT, BudgetConfig
from gamification.budgets.rules import BudgetRule
from gamification.compiling import message_of, rewards_of
from gamification.references import of_kind, reward_errors
from gamification.room import Compiled, Room, Sources


def errors(sources: Sources) -> Iterable[str]:
    """Yield what a budget or a document that names one gets wrong."""
    budgets = of_kind(sources.models, "budgets", BudgetConfig)
    currencies = {"points", *sources.models["currencies"]}
    if budgets and COUNT in currencies:
        yield f"currencies/{COUNT}: id: expected another name beside budgets, where {COUNT} is the number of rewards"
    for name, budget in budgets.items():
        if budget.currency not in {COUNT, *currencies}:
            known = " ".join([COUNT, *sorted(currencies)])
            yield f"budgets/{name}: currency: expected one of {known}, got {budget.currency!r}"
        yield from reward_errors(f"budgets/{name}", "when_spent.rewards", budget.when_spent.rewards, sources.models)
        message = budget.when_spent.message
        if message and "templates" in sources.documents and message.template not in sources.documents["templates"]:
            yield f"budgets/{name}: when_spent.message.template: expected a template, got {message.template!r}"
    for kind, models in sources.models.items():
        for doc_id, model in models.items():
            if (named := getattr(model, "budget", None)) is not None and named not in budgets:
                yield f"{kind}/{doc_id}: budget: expected a document of the kind budgets, got {named!r}"


def compiled(sources: Sources) -> Compiled:
    """Return the budgets; a programme without any asks nobody."""
    budgets = {
        name: BudgetRule(
            name,
            model.currency,
            model.amount,
            model.per,
            model.alert_at,
            model.when_spent.do,
            rewards_of(model.when_spent.rewards),
            message_of(model.when_spent.message),
            sources.timezone,
        )
        for name, model in of_kind(sources.models, "budgets", BudgetConfig).items()
    }
    return Compiled(claiming.Budgets(budgets) if budgets else None)


ROOM = Room(
    "budgets",
    kinds={"budgets": BudgetConfig},
    errors=errors,
    compile=compiled,
    answers={claiming.THEN: claiming.on_reserved},
    told={"reward_waiting": claiming.on_waiting},
    keepers={keeper.KIND: keeper.take},
)
