"""Whether scores came true, on average."""

from random import Random

import pytest
from msgspec import structs

from domain.features import Faded, Features
from ml.net import Head
from ml.watch.calls import Call, Outcome, call_of, outcome, paid_at, together

HEADS = (Head("churn_7d", "logit", 7), Head("purchase_7d", "logit", 7), Head("engagement", "count", 7))
SEEN = Features(events=9, first_at=1, last_at=100, sessions_all=4, deposits=Faded(50, 1, 1, 1))


def test_a_call_keeps_probabilities_and_what_they_are_judged_by() -> None:
    said = {"churn_7d": 0.25, "purchase_7d": 0.5, "engagement": 3.0, "churn": 0.25}
    assert call_of("amelia", SEEN, said, HEADS) == Call("amelia", 4, 50, {"churn_7d": 0.25, "purchase_7d": 0.5})


def test_a_session_is_a_return_and_a_payment_a_payment() -> None:
    call = Call("amelia", 4, 50, {"churn_7d": 0.25, "purchase_7d": 0.5})
    stayed_on = structs.replace(SEEN, events=30, last_at=200)  # the rest of the session under way
    returned = structs.replace(SEEN, sessions_all=5)
    paid = structs.replace(SEEN, purchases=Faded(120, 1, 1, 1))
    assert [outcome("churn_7d", [(call, state)]).happened for state in (stayed_on, returned)] == [1, 0]  # type: ignore[union-attr]
    assert [outcome("purchase_7d", [(call, state)]).happened for state in (SEEN, paid)] == [0, 1]  # type: ignore[union-attr]
    assert paid_at(paid) == 120


def test_who_joined_another_does_not_count() -> None:
    call = Call("amelia", 4, 50, {"churn_7d": 0.25})
    assert outcome("churn_7d", [(call, Features())]) is None
    assert outcome("churn_28d", [(call, SEEN)]) is None
    assert outcome("churn_7d", []) is None


@pytest.mark.parametrize(("off", "warns"), [(0.0, False), (0.03, False), (0.15, True), (-0.15, True)])
def test_scores_that_are_off_on_average_are_told(off: float, warns: bool) -> None:
    rng = Random(4)
    calls = []
    for n in range(500):
        p = rng.uniform(0.2, 0.8)
        gone = rng.random() < p + off
        state = SEEN if gone else structs.replace(SEEN, sessions_all=5)
        calls.append((Call(f"p{n}", 4, 0, {"churn_7d": p}), state))
    found = outcome("churn_7d", calls)
    assert found is not None
    assert found.warns is warns
    assert found.gap == pytest.approx(off, abs=3 * found.error)


def test_days_told_together_are_no_surer_than_one() -> None:
    one, other = Outcome("churn_7d", 400, 0.5, 0.6, 0.025), Outcome("churn_7d", 100, 0.4, 0.4, 0.05)
    both = together([one, other])
    assert both.calls == 500
    assert [both.said, both.happened] == pytest.approx([0.48, 0.56])
    assert both.error == 0.025


def test_a_day_of_three_calls_makes_nothing_surer() -> None:
    small, large = Outcome("churn_7d", 3, 0.01, 0.0, 0.001), Outcome("churn_7d", 400, 0.5, 0.56, 0.025)
    for days in ([small, large], [large, small]):
        both = together(days)
        assert both.error == 0.025
        assert not both.warns
