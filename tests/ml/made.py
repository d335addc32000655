"""A model of one idea, made by hand: who has been away for long has left. No training, the same numbers everywhere."""

from msgspec import UNSET, UnsetType

from ml.features import NAMES
from ml.lifetime import Lifetime
from ml.net import Artefact, Head, Layer, Model, dump, load


def artefact(*, churn: float = 2.5, bias: float = -2.0, lifetime: Lifetime | UnsetType = UNSET) -> bytes:
    """Return the bytes of a model whose heads rise, or fall, with the time since the last signal.

    Args:
        churn: Weight of log(1 + days) in the log-odds of churn.
        bias: The log-odds just after a signal.
        lifetime: What tells of payments; unset: nothing does.
    """
    width = len(NAMES)
    recency = NAMES.index("recency")

    def row(weight: float) -> list[float]:
        return [weight if at == recency else 0.0 for at in range(width)]

    heads = {"churn_7d": churn, "churn_14d": churn, "churn_28d": churn, "purchase_7d": -churn, "engagement": -churn}
    days = {"churn_7d": 7, "churn_14d": 14, "churn_28d": 28, "purchase_7d": 7, "engagement": 7}
    made = Artefact(
        format=1,
        name="churn",
        names=list(NAMES),
        mean=[0.0] * width,
        scale=[1.0] * width,
        low=[-1e9] * width,
        high=[1e9] * width,
        layers=[Layer([row(weight) for weight in heads.values()], [bias, bias, bias - 1, -1.0, 1.0])],
        heads=[Head(name, "count" if name == "engagement" else "logit", days[name]) for name in heads],
        evidence="days_28",
        lifetime=lifetime,
    )
    return dump(made)


def model(version: int = 1, *, churn: float = 2.5, bias: float = -2.0, lifetime: Lifetime | UnsetType = UNSET) -> Model:
    """Return the model, ready to score."""
    return load(artefact(churn=churn, bias=bias, lifetime=lifetime), version)
