"""Fits of repeat payments and their value: the published parameters, and those that data were made with."""

from random import Random

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs the extra train: torch is missing")
pytest.importorskip("sklearn", reason="training needs the extra train: scikit-learn is missing")

from domain.calendar import DAY_MS
from ml import data
from ml.evaluation import lifetime as judging
from ml.evaluation.lifetime import MODEL, NOTHING, ValueReport, as_text, judge, refusal
from ml.lifetime import LTV_DAYS
from ml.training.lifetime import buyers_of, fit, fit_gamma_gamma, lacking
from ml.training.log import Log, log_of
from tests.ml.logs import DAY, MONDAY, of


def test_the_published_parameters_of_what_cdnow_s_customers_pay() -> None:
    """Fader and Hardie 2013: 946 customers with a repeat in 39 weeks, first orders left out."""
    until = data.a_day("19971001")
    paid: dict[object, dict[int, float]] = {}
    for player, at, _, amount, _ in data.cdnow_sample().rows():
        if at < until:
            days = paid.setdefault(player, {})
            days[at] = days.get(at, 0.0) + amount
    repeats = [list(days.values())[1:] for days in paid.values() if len(days) > 1]
    assert len(repeats) == 946
    found = fit_gamma_gamma(np.array([len(r) for r in repeats], float), np.array([np.mean(r) for r in repeats]))
    assert found.p == pytest.approx(6.25, abs=0.01)
    assert found.q == pytest.approx(3.74, abs=0.01)
    assert found.v == pytest.approx(15.44, abs=0.02)


def test_what_comes_after_the_date_is_not_in_the_fit() -> None:
    log, at = data.cdnow_sample(), data.a_day("19971001")
    whole, cut = buyers_of(log, at), buyers_of(log.before(at), at)
    assert whole.known == cut.known
    assert whole.paid.sum() > 0
    assert cut.paid.sum() == 0
    assert (whole.at, len(whole), whole.is_ripe, cut.is_ripe) == (at, 2_357, True, False)
    found = fit(whole)
    assert found is not None
    assert (found.r, found.alpha, found.a, found.b) == (
        pytest.approx(0.243, abs=0.005), pytest.approx(4.414 * 7, abs=0.05), pytest.approx(0.793, abs=0.005),
        pytest.approx(2.426, abs=0.005),
    )  # fmt: skip


def test_buyers_are_counted_by_day_and_looked_after_from_midnight_on() -> None:
    log = of(
        ("ann", 0, "deposit", 10.0), ("ann", 0.5, "purchase", 5.0), ("ann", 9, "deposit", 30.0), ("bob", 3, "bet", 9.0),
        ("ann", 20.25, "deposit", 7.0), ("ann", 20.5, "deposit", 1.0), ("eve", 20.5, "deposit", 1.0), ("bob", 300),
    )  # fmt: skip
    found = buyers_of(log, MONDAY + 20 * DAY + 1_000)
    assert found.at == MONDAY + 20 * DAY
    assert [(one.x, one.t_x, one.age, round(one.mean, 9)) for one in found.known] == [(1, 9, 19, 22.5)]
    assert (found.days.tolist(), found.paid.tolist(), found.wait.tolist()) == ([1.0], [8.0], [0.25])
    assert "1 players had paid, 300 are needed" in lacking(found)


def shop(players: int, seed: int, *, all_pay: float = 0.0) -> Log:
    """Return customers who buy at rates and prices of their own until they leave."""
    rng = Random(seed)
    rows: list[tuple[str, int, float]] = []
    for number in range(players):
        rate, leave = rng.gammavariate(1.5, 1 / 20), rng.betavariate(1.5, 6)
        usual = rng.gammavariate(5, 10)
        when = rng.uniform(0, 100)
        while when < 400:
            rows.append((f"p{number}", MONDAY + int(when * DAY), all_pay or rng.gammavariate(6, usual / 6)))
            if rng.random() < leave:
                break
            when += rng.expovariate(rate)
    return log_of(
        [row[0] for row in rows], [row[1] for row in rows], ["purchase"] * len(rows), [row[2] for row in rows],
        name="made up",
    )  # fmt: skip


def test_a_shop_that_keeps_to_the_story_is_foretold() -> None:
    found = judge(shop(3_000, 1), MONDAY + 250 * DAY, draws=60)
    assert isinstance(found, ValueReport)
    model = found.lines[0]
    assert model.name == MODEL
    assert model.total == pytest.approx(1.0, abs=0.15)
    assert found.ahead.high < 0, "better than anything without a model"
    assert found.kept == pytest.approx(0.5, abs=0.06)
    assert refusal(found) == ""
    low, high = found.tenths[0], found.tenths[-1]
    assert high[1] > 5 * (low[1] + 1)
    assert any("told/paid" in line for line in as_text(found))


def test_nothing_is_told_of_a_value_that_a_constant_tells_better(monkeypatch: pytest.MonkeyPatch) -> None:
    log, at = shop(1_500, 2), MONDAY + 250 * DAY
    buyers = buyers_of(log, at)
    model = fit(buyers)
    assert model is not None
    monkeypatch.setattr(judging, "value", lambda *_: 1e6)
    found = judging.report("made up", model, buyers, 10.0, draws=20)
    assert "not below" in refusal(found)
    assert next(line for line in found.lines if line.name == NOTHING).total == 0


@pytest.mark.parametrize(("at", "said"), [(5, "are needed"), (395, "ends within 90 days")])
def test_what_cannot_be_judged_is_said_why(at: int, said: str) -> None:
    found = judge(shop(1_500, 3), MONDAY + at * DAY)
    assert isinstance(found, str)
    assert said in found


def test_values_that_never_vary_do_not_stop_a_fit() -> None:
    found = fit(buyers_of(shop(1_000, 4, all_pay=9.99), MONDAY + 300 * DAY))
    assert found is None or found.q > 1
    assert LTV_DAYS * DAY == LTV_DAYS * DAY_MS
