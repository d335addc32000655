"""BG/NBD against what its authors published, and against a simulation of its own story."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="the extra `train` is not installed")
pytest.importorskip("sklearn", reason="the extra `train` is not installed")

from ml import data
from ml.evaluation.metrics import figures
from ml.evaluation.rows import Question, Rows, rows_of
from ml.training.bgnbd import BgNbd, fit

HALF_D = 39 * 7


@pytest.fixture(scope="module")
def halves() -> Rows:
    """The sample of the paper: 39 weeks to learn from, 39 to predict."""
    return rows_of(data.cdnow_sample(), lambda _: [data.a_day("19971001")], Question(HALF_D))


@pytest.fixture(scope="module")
def model(halves: Rows) -> BgNbd:
    return fit(halves.history[:, 0], halves.history[:, 1] / 7, halves.history[:, 2] / 7)


def test_the_published_parameters_come_out(model: BgNbd) -> None:
    """Fader, Hardie and Lee 2005, table 2; the issue asks for 0.005."""
    assert model.r == pytest.approx(0.243, abs=0.005)
    assert model.alpha == pytest.approx(4.414, abs=0.005)
    assert model.a == pytest.approx(0.793, abs=0.005)
    assert model.b == pytest.approx(2.426, abs=0.005)
    assert model.log_likelihood == pytest.approx(-9_582.4, abs=0.1)


def test_the_second_half_is_ranked_by_the_chance_of_silence_and_not_of_life(halves: Rows, model: BgNbd) -> None:
    x, t_x, age = halves.history[:, 0], halves.history[:, 1] / 7, halves.history[:, 2] / 7
    silence = figures(halves.gone, model.p_none(x, t_x, age, 39.0), 0.5)
    life = figures(halves.gone, 1 - model.p_alive(x, t_x, age), 0.5)
    assert silence.roc_auc == pytest.approx(0.757, abs=0.005)
    assert life.roc_auc < 0.5, "who never came back counts as surely alive"


def test_the_chance_of_silence_is_that_of_the_story() -> None:
    """Live 60,000 lives by the model's rules; of those with one history, so many were silent afterwards."""
    model = BgNbd(1.2, 6.0, 1.5, 3.0, 0.0)
    rng = np.random.default_rng(11)
    lives, age, ahead = 60_000, 12.0, 8.0
    rate, leave = rng.gamma(model.r, 1 / model.alpha, lives), rng.beta(model.a, model.b, lives)
    clock, alive = np.zeros(lives), np.ones(lives, bool)
    x, t_x, came = np.zeros(lives), np.zeros(lives), np.zeros(lives, bool)
    while alive.any():
        clock = np.where(alive, clock + rng.exponential(1 / rate), clock)
        early, late = alive & (clock <= age), alive & (clock > age)
        x, t_x = np.where(early, x + 1, x), np.where(early, clock, t_x)
        came |= late & (clock <= age + ahead)
        alive = early & (rng.random(lives) >= leave)
    told = model.p_none(x, t_x, np.full(lives, age), ahead)
    for times in range(4):
        of = x == times
        assert (~came[of]).mean() == pytest.approx(told[of].mean(), abs=0.015), f"{times} repeat purchases"
    assert figures((~came).astype(float), told, 0.5).ece < 0.01


def test_rates_follow_the_unit_of_time(halves: Rows, model: BgNbd) -> None:
    """Days instead of weeks: alpha is seven times as large, nothing else moves, nor does any chance."""
    x, t_x, age = halves.history.T
    daily = fit(x, t_x, age)
    assert daily.alpha == pytest.approx(7 * model.alpha, rel=1e-3)
    assert (daily.r, daily.a, daily.b) == pytest.approx((model.r, model.a, model.b), rel=1e-3)
    assert daily.p_none(x, t_x, age, 91) == pytest.approx(model.p_none(x, t_x / 7, age / 7, 13), abs=1e-3)
