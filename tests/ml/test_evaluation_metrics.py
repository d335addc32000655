"""The figures, against scikit-learn where it has them and by hand where it does not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("sklearn", reason="the extra `train` is not installed")

from sklearn.metrics import average_precision_score, roc_auc_score

from ml.evaluation.bootstrap import difference, interval, resampled, weights
from ml.evaluation.metrics import Accuracy, Judge, figures

ROWS = st.lists(
    st.tuples(st.booleans(), st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0])), min_size=2, max_size=30
).filter(lambda rows: 0 < sum(gone for gone, _ in rows) < len(rows))


@given(rows=ROWS)
def test_areas_are_those_of_scikit_learn_also_with_ties(rows: list[tuple[bool, float]]) -> None:
    gone, score = (np.array(column, float) for column in zip(*rows, strict=True))
    ours = figures(gone, score, 0.5)
    assert ours.roc_auc == pytest.approx(roc_auc_score(gone, score))
    assert ours.pr_auc_gone == pytest.approx(average_precision_score(gone, score))
    assert ours.pr_auc_stays == pytest.approx(average_precision_score(1 - gone, 1 - score))
    assert ours.brier == pytest.approx(((gone - score) ** 2).mean())


@given(rows=ROWS, seed=st.integers(0, 99))
def test_a_weight_of_two_is_a_row_that_stands_there_twice(rows: list[tuple[bool, float]], seed: int) -> None:
    gone, score = (np.array(column, float) for column in zip(*rows, strict=True))
    weight = np.random.default_rng(seed).integers(0, 3, len(rows)).astype(float)
    times = weight.astype(int)
    if len(set(np.repeat(gone, times))) < 2:
        return
    weighed = Judge(gone, score, 0.4).figures(weight)
    repeated = figures(np.repeat(gone, times), np.repeat(score, times), 0.4)
    for name in ("roc_auc", "pr_auc_gone", "pr_auc_stays", "brier", "brier_skill", "lift"):
        assert getattr(weighed, name) == pytest.approx(getattr(repeated, name)), name
    assert weighed.accuracy.model == pytest.approx(repeated.accuracy.model)
    assert weighed.accuracy.majority == pytest.approx(repeated.accuracy.majority)


def test_the_training_rate_has_no_skill_and_no_rank() -> None:
    gone = np.array([1.0] * 30 + [0.0] * 10)
    told = figures(gone, np.full(40, 0.7), 0.7)
    assert told.roc_auc == 0.5
    assert told.brier_skill == pytest.approx(0)
    assert told.lift == pytest.approx(1)
    assert told.ece == pytest.approx(0.05)
    assert told.accuracy == Accuracy(0.75, 0.75)


def test_a_seer_has_all_of_them() -> None:
    gone = np.array([1.0] * 10 + [0.0] * 90)
    told = figures(gone, gone, 0.1)
    assert (told.roc_auc, told.pr_auc_gone, told.pr_auc_stays, told.brier, told.ece) == (1, 1, 1, 0, 0)
    assert told.lift == pytest.approx(10)
    assert told.accuracy == Accuracy(1.0, 0.9)


def test_the_calibration_error_is_the_mean_gap_of_ten_bins() -> None:
    score = np.repeat(np.arange(10) / 10 + 0.05, 20)
    gone = np.tile([1.0, 0.0], 100)  # half of every bin, whatever was said
    assert figures(gone, score, 0.5).ece == pytest.approx(0.25)


def test_the_constant_is_the_one_that_was_right_in_training() -> None:
    """Where most stay although most left before, the constant is wrong, and looks so."""
    told = figures(np.array([1.0, 0.0, 0.0, 0.0]), np.full(4, 0.1), 0.9)
    assert told.accuracy == Accuracy(0.75, 0.25)


def test_a_player_is_drawn_with_all_his_rows() -> None:
    player = ["anna", "anna", "anna", "boris", "olena", "olena"]
    for weight in weights(player, 50, seed=3):
        assert len({*weight[:3]}) == 1
        assert weight[4] == weight[5]
        assert weight[0] + weight[3] + weight[4] == 3, "as many players are drawn as there are"


def test_players_who_are_seen_often_make_the_interval_wider() -> None:
    """Forty copies of a row are one witness: the interval must not shrink as if they were forty."""
    rng = np.random.default_rng(5)
    gone = (rng.random(60) < 0.5).astype(float)
    score = np.clip(0.5 + 0.3 * (gone - 0.5) + rng.normal(0, 0.3, 60), 0, 1)
    copies = Judge(np.repeat(gone, 40), np.repeat(score, 40), 0.5)
    widths = {}
    for name, player in (("players", np.repeat(np.arange(60), 40)), ("rows", np.arange(2_400))):
        drawn = resampled({"it": copies}, player, 200, seed=1)["it"]
        found = interval([one.roc_auc for one in drawn])
        assert found.holds(copies.figures().roc_auc)
        widths[name] = found.high - found.low
    assert widths["players"] > 4 * widths["rows"]


def test_models_are_compared_on_the_same_draws() -> None:
    """Two models that differ little are told apart, though the interval of each is wide."""
    rng = np.random.default_rng(2)
    gone = (rng.random(400) < 0.5).astype(float)
    noise = rng.normal(0, 1, 400)
    judges = {
        "better": Judge(gone, 1 / (1 + np.exp(-(1.2 * gone + noise))), 0.5),
        "worse": Judge(gone, 1 / (1 + np.exp(-(1.05 * gone + noise))), 0.5),
        "same": Judge(gone, 1 / (1 + np.exp(-(1.2 * gone + noise))), 0.5),
    }
    drawn = resampled(judges, np.arange(400), 200, seed=9)
    assert difference(drawn["better"], drawn["worse"], "roc_auc").low > 0
    assert interval([one.roc_auc for one in drawn["better"]]).holds(judges["worse"].figures().roc_auc)
    assert difference(drawn["better"], drawn["same"], "roc_auc") == interval([0.0])
