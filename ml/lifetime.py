"""When a player pays again, and what the next 90 days bring: BG/NBD and gamma-gamma, for one player in the turn.

While alive a player pays at rate lambda ~ Gamma(r, alpha), and may leave for good after each time, with probability
p ~ Beta(a, b) (Fader, Hardie and Lee 2005, Marketing Science 24, 275-284). What is paid on a day scatters around a mean
of the player's own, and these means differ between players (Fader, Hardie and Lee 2005, Journal of Marketing Research
42, 415-430; notation of Fader and Hardie 2013, "The gamma-gamma model of monetary value"). A history is (x, t_x, T):
repeat days, days from the first to the newest, days since the first. ``ml.training.lifetime`` fits the parameters.

Both are models of habit: they know nothing of why, and take rate and value to be unrelated.
"""

from collections.abc import Sequence
from math import exp, expm1, isfinite, log, log1p

from msgspec import Struct

from ml.features import NAMES

LTV_DAYS = 90
WAIT_MAX_DAYS = 365.0  # a date further off is no date
NAMES_TOLD = ("next_purchase_days", "ltv_90d")
_TERMS_MAX, _TOLERANCE = 400, 1e-6  # of a series: 10 to 40 terms are usual
_DAYS, _SPAN, _AGE, _MEAN = (NAMES.index(name) for name in ("buy_days", "buy_span", "buy_age", "buy_mean"))
_PARAMETER_MIN, _PARAMETER_MAX = 1e-12, 1e9  # under 1e-16 `b + 1 - 1` is 0 and has no logarithm; real fits come to 1e-8


class Lifetime(Struct, frozen=True, forbid_unknown_fields=True):
    """The parameters. ``alpha`` is in days, ``v`` in major units of money."""

    r: float
    alpha: float
    a: float
    b: float
    p: float
    q: float  # over 1: else the mean value has no mean
    v: float


class Buyer(Struct, frozen=True, gc=False):
    """What is known of a player's payments, in whole UTC days."""

    x: int  # days with a payment after the first
    t_x: int  # from the first to the newest
    age: int  # since the first, ``t_x`` or more
    mean: float  # what was paid on such a day on average, the first counted in


def buyer_of(vector: Sequence[float]) -> Buyer | None:
    """Return what a feature vector says of payments; None of who never paid."""
    days = round(expm1(vector[_DAYS]))
    if days < 1:
        return None
    t_x = round(expm1(vector[_SPAN]))
    return Buyer(days - 1, t_x, max(t_x, round(expm1(vector[_AGE]))), expm1(vector[_MEAN]))


def told(model: Lifetime, vector: Sequence[float]) -> dict[str, float]:
    """Return the scores of ``NAMES_TOLD`` that can be told, rounded to four places; of who never paid none."""
    buyer = buyer_of(vector)
    if buyer is None:
        return {}
    alive = p_alive(model, buyer.x, buyer.t_x, buyer.age)
    scores = {"ltv_90d": round(value(model, buyer, LTV_DAYS, alive), 4)}
    wait = median_wait(model, buyer.x, buyer.age, alive)
    if wait is not None and wait <= WAIT_MAX_DAYS:
        scores["next_purchase_days"] = round(wait, 4)
    return scores


def p_alive(model: Lifetime, x: float, t_x: float, age: float) -> float:
    """P(not gone for good). 1 where there was no repeat payment: leaving is only thought of after one."""
    if x <= 0:
        return 1.0
    log_odds = log(model.a) - log(model.b + x - 1) + (model.r + x) * log((model.alpha + age) / (model.alpha + t_x))
    return 1 / (1 + exp(log_odds)) if log_odds < 700 else 0.0


def median_wait(model: Lifetime, x: float, age: float, alive: float) -> float | None:
    """Return in how many days the next payment is as likely as not to have come; None: it is likelier that none will.

    Of the time that a living player waits the mean exists only above r + x = 1, and is long even then; the middle is
    a date that half of the players keep.
    """
    if alive <= 0.5:
        return None
    exponent = -log1p(-0.5 / alive) / (model.r + x)
    return (model.alpha + age) * expm1(exponent) if exponent < 700 else None


def expected_days(model: Lifetime, x: float, age: float, ahead: float, alive: float) -> float:
    """Return on how many of the ``ahead`` days after ``age`` a payment is expected.

    Equation 10 of the paper after Euler's transformation of its hypergeometric function, which leaves a series that
    converges fast, with the terms that cancel taken out: it holds at a = 1 and a + b = 1 too.
    """
    z = ahead / (model.alpha + age + ahead)
    over, above = model.a - 1.0, model.a + model.b - 1.0 - model.r
    c = model.a + model.b + x - 1.0
    fade = over * log1p(-z)
    gained = -expm1(fade) / over if over else -log1p(-z)
    return max(0.0, alive * (c * gained - exp(fade) * above * z * _series(over + 1.0, above + 1.0, c + 1.0, z)))


def _series(one: float, other: float, below: float, z: float) -> float:
    """Return 3F2(one, other, 1; below, 2; z) to about seven digits; 0 <= z < 1, and ``below`` over 0."""
    total = term = 1.0
    ratio = 0.0
    enough = _TOLERANCE * (1.0 - z)
    two = 2.0
    for _ in range(_TERMS_MAX):
        ratio = one * other / (below * two) * z
        term *= ratio
        total += term
        if -enough < term < enough:
            break
        one, other, below, two = one + 1.0, other + 1.0, below + 1.0, two + 1.0
    return total + term * ratio / (1.0 - ratio) if ratio < 1.0 else total


def mean_value(model: Lifetime, days: float, mean: float) -> float:
    """Return what is paid on a day from now on: the player's own mean, drawn towards that of all.

    Args:
        days: How many days ``mean`` is of.
    """
    return model.p * (model.v + days * mean) / (model.p * days + model.q - 1.0)


def value(model: Lifetime, buyer: Buyer, ahead: float, alive: float) -> float:
    """Return what the ``ahead`` days are expected to bring, in major units."""
    expected = expected_days(model, buyer.x, buyer.age, ahead, alive)
    return expected * mean_value(model, buyer.x + 1, buyer.mean)


def problem(model: Lifetime) -> str:
    """Return why parameters cannot be computed with, "" when they can."""
    for name in model.__struct_fields__:
        number = getattr(model, name)
        if not (isfinite(number) and _PARAMETER_MIN <= number <= _PARAMETER_MAX):
            bounds = f"{_PARAMETER_MIN:g} to {_PARAMETER_MAX:,.0f}"
            return f"{name} of the lifetime must be {bounds}, this is {number}"
    return "" if model.q > 1 else f"q of the lifetime must be over 1, this is {model.q}"
