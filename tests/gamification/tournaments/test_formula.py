"""The arithmetic of scores: what is one, what it is worth, and what is refused."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.entries import Event
from gamification.tournaments.formula import CHARS_MAX, DEPTH_MAX, Formula, FormulaError


class Bets:
    """A turn that knows one metric."""

    def metric(self, metric_id: str) -> int | float | None:
        return 7 if metric_id == "bets_7d" else None


def worth(text: str, **properties: Any) -> float | None:
    return Formula(text)(Bets(), Event("ada", "e1", "bet_placed", 0, properties))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param("amount * 2 + multiplier", 13.0, id="products before sums"),
        pytest.param("(amount + 1) * 2", 12.0, id="parentheses"),
        pytest.param("10 - 3 - 2", 5.0, id="from the left"),
        pytest.param("8 / 4 / 2", 1.0, id="division from the left"),
        pytest.param("-amount + 6", 1.0, id="a sign"),
        pytest.param("max(amount, 3, 9) - min(2, 1)", 8.0, id="least and most"),
        pytest.param("metric.bets_7d + properties.game.rtp", 7.5, id="a metric, a nested property"),
        pytest.param("1.5*2", 3.0, id="no spaces"),
        pytest.param("amount / 0", None, id="no division by 0"),
        pytest.param("amount / (multiplier - 3)", None, id="nor by what is 0"),
        pytest.param("stake + 1", None, id="a property that is missing"),
        pytest.param("note + 1", None, id="one that is no number"),
        pytest.param("flag + 1", None, id="true is no number"),
        pytest.param("metric.other + 1", None, id="a metric without a value"),
    ],
)
def test_what_a_formula_is_worth(text: str, value: float | None) -> None:
    assert worth(text, amount=5, multiplier=3, game={"rtp": 0.5}, note="5", flag=True) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1 +",
        "(1",
        "1)",
        "1 2",
        "min(1)",
        "max()",
        "a b",
        "__import__('os')",
        "amount ** 2",
        "amount; 1",
        "1 if 2 else 3",
        "a[0]",
        "1..2",
        "(" * (DEPTH_MAX + 1) + "1" + ")" * (DEPTH_MAX + 1),
        "-" * (DEPTH_MAX + 1) + "1",
        "1+" * 60 + "1",
        "1" * (CHARS_MAX + 1),
    ],
)
def test_what_is_no_formula_is_refused(text: str) -> None:
    with pytest.raises(FormulaError, match="expected"):
        Formula(text)


NUMBERS = st.integers(0, 99).map(str) | st.just("amount")
TEXTS = st.recursive(
    NUMBERS,
    lambda inner: (
        st.tuples(inner, st.sampled_from("+-*/"), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})")
        | st.tuples(st.sampled_from(["min", "max"]), inner, inner).map(lambda t: f"{t[0]}({t[1]}, {t[2]})")
    ),
    max_leaves=10,
)


@given(text=TEXTS, amount=st.integers(0, 1000))
def test_a_formula_is_worth_what_the_same_text_is_elsewhere(text: str, amount: int) -> None:
    try:
        expected: float | None = eval(text, {"min": min, "max": max, "amount": float(amount)})
    except ZeroDivisionError:
        expected = None
    value = worth(text, amount=amount)
    assert value == expected or (value is not None and expected is not None and math.isclose(value, expected))


@given(text=st.text(max_size=60))
def test_any_text_is_a_formula_or_refused(text: str) -> None:
    try:
        Formula(text)
    except FormulaError:
        return
    worth(text, amount=1)
