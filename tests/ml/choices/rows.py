"""Ended choices, made up, and what they count."""

from collections.abc import Iterable, Sequence
from random import Random

from ml.choices.beliefs import ONE, By, Counts, Ended, counted, fixed, summed
from ml.choices.plan import ChoicePlan, generation_of

GENERATION = generation_of("recency net_28", "deposit_completed")
PLAN = ChoicePlan("winback", ("spins", "cashback", "nothing"), generation=GENERATION)
LOOKING = ChoicePlan("winback", PLAN.arms, ("recency", "net_28"), generation=GENERATION)


def ended(
    arm: str, reward: float = 0.0, propensity: float = 1 / 3, by: By = "policy", x: Sequence[float] = ()
) -> Ended:
    return Ended(
        arm,
        by,
        "rewarded" if reward else "missed",
        GENERATION,
        round(propensity * ONE),
        round(reward * ONE),
        tuple(map(fixed, x)),
    )


def hash_of(plan: ChoicePlan, rows: Iterable[Ended]) -> dict[str, int]:
    """Return a partition's hash, as increments make it."""
    fields: dict[str, int] = {}
    for row in rows:
        for field, number in counted(plan, row):
            fields[field] = fields.get(field, 0) + number
    return fields


def counts_of(plan: ChoicePlan, rows: Iterable[Ended]) -> Counts:
    return summed([hash_of(plan, rows)])


def a_shop(seed: int, n: int) -> list[Ended]:
    """Rows of an invented shop: spins please who was here lately, cashback who lost, drawn with unequal chances."""
    rng = Random(seed)
    rows = []
    for _ in range(n):
        x = (rng.gauss(2, 1), rng.gauss(0, 3))
        chances = (0.6, 0.3, 0.1) if x[0] > 2 else (0.2, 0.3, 0.5)
        at = rng.choices(range(3), chances)[0]
        worth = (0.3 if x[0] > 2 else 0.1, 0.3 if x[1] < 0 else 0.15, 0.1)[at]
        rows.append(ended(PLAN.arms[at], float(rng.random() < worth), chances[at], x=x))
    return rows
