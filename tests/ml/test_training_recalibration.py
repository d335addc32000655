"""Calibration follows what came true, where that is surely better; the net stays, no label is used before its day."""

import numpy as np
import pytest
from msgspec import structs

pytest.importorskip("torch", reason="training needs the extra train: torch is missing")

from domain.calendar import DAY_MS
from ml.features import NAMES
from ml.net import HEADS as NAMES_OF_HEADS
from ml.net import Model, dump, load
from ml.training.dataset import HEADS, Rows
from ml.training.platt import LABELS_MIN
from ml.training.recalibration import JUDGED_MS, recalibrate
from ml.training.split import NotEnough
from tests.ml.made import model

START = 1_772_409_600_000
DAYS = 120
END = START + DAYS * DAY_MS
CHURN_14D = NAMES_OF_HEADS.index("churn_14d")


def lived(count: int, *, drift: float = 0.0, since: int = 0, seed: int = 1, scores: Model | None = None) -> Rows:
    """Return rows whose labels are as the model says, or from ``since`` (days) on off by ``drift`` in log-odds."""
    rng = np.random.default_rng(seed)
    at = np.sort(rng.integers(0, DAYS * DAY_MS, count)) + START
    vector = np.zeros((count, len(NAMES)))
    vector[:, NAMES.index("recency")] = rng.exponential(0.8, count)
    known = scores or model()
    outputs = known.outputs(vector)
    off = np.where(at >= START + since * DAY_MS, drift, 0.0)
    label = np.zeros((count, len(HEADS)))
    for place, head in enumerate(known.artefact.heads):
        o = head.slope * outputs[:, place] + head.shift + off
        label[:, place] = rng.poisson(np.exp(o)) if head.kind == "count" else rng.random(count) < 1 / (1 + np.exp(-o))
    horizons = np.array([head.days * DAY_MS for head in HEADS])
    return Rows(
        player=rng.integers(0, max(1, count // 4), count),
        at=at,
        weekly=np.ones(count, np.bool_),
        idle_ms=np.zeros(count, np.int64),
        seen=np.ones(count, np.int64),
        vector=vector,
        label=label,
        ripe=at[:, None] + horizons[None, :] <= END,
    )


def test_after_a_drift_probabilities_are_those_that_came_true_and_the_net_is_the_same() -> None:
    before = model()
    found = recalibrate(before, lived(12_000, drift=-1.5, since=20), END, draws=60)
    assert found.is_better
    after = load(dump(found.artefact))
    assert after.artefact == found.artefact
    assert structs.replace(after.artefact, heads=before.artefact.heads, checksum="") == structs.replace(
        before.artefact, checksum=""
    )
    line = found.lines[CHURN_14D]
    assert (line.head, line.refused) == ("churn_14d", "")
    assert abs(line.told_after - line.was) < 0.03 < line.told_before - line.was
    assert line.difference.high < 0
    assert line.shift == pytest.approx(-1.5, abs=0.2)
    assert line.slope == pytest.approx(1.0, abs=0.15)
    assert after.score((0.0,) * len(NAMES)).values["churn"] < before.score((0.0,) * len(NAMES)).values["churn"]


def test_where_nothing_drifted_nothing_changes() -> None:
    found = recalibrate(model(), lived(6_000), END, draws=60)
    assert not found.is_better
    assert found.artefact == model().artefact
    assert all("not surely better" in line.refused for line in found.lines)


def test_what_came_true_later_is_not_used_to_try() -> None:
    """Labels of the rows that judge turned around: what is said of them is the same."""
    rows = lived(8_000, drift=-1.0, since=10)
    turned = rows.label.copy()
    late = rows.at >= END - 14 * DAY_MS - JUDGED_MS
    turned[late, CHURN_14D] = 1 - turned[late, CHURN_14D]
    one, other = (recalibrate(model(), each, END, draws=20) for each in (rows, structs.replace(rows, label=turned)))
    assert one.lines[CHURN_14D].told_after == other.lines[CHURN_14D].told_after
    assert one.lines[CHURN_14D].was != other.lines[CHURN_14D].was
    assert "not surely better" in other.lines[CHURN_14D].refused


def test_labels_that_are_older_than_eight_weeks_say_nothing() -> None:
    rows = lived(20_000, drift=2.0, since=0, seed=3)
    fresh = rows.at >= END - (56 + 14 + 14 + 14) * DAY_MS
    straight = lived(20_000, seed=3)
    mixed = structs.replace(rows, label=np.where(fresh[:, None], straight.label, rows.label))
    assert "not surely better" in recalibrate(model(), mixed, END, draws=40).lines[CHURN_14D].refused


def test_with_few_labels_the_slope_stays_what_it_was() -> None:
    heads = [structs.replace(head, slope=0.7, shift=0.2) for head in model().artefact.heads]
    bent = Model(structs.replace(model().artefact, heads=heads))
    few, many = (
        recalibrate(bent, lived(count, drift=-2.5, since=0, scores=bent), END, draws=40).lines[CHURN_14D]
        for count in (550, 8_000)
    )
    assert (few.refused, many.refused) == ("", "")
    assert few.labels < LABELS_MIN < many.labels
    assert few.slope == 0.7
    assert few.shift == pytest.approx(-2.3, abs=0.5)
    assert many.slope != 0.7


def test_what_has_too_few_labels_stays_and_says_so() -> None:
    found = recalibrate(model(), lived(60), END, draws=20)
    assert not found.is_better
    assert all("are needed" in line.refused or "above 0" in line.refused for line in found.lines)
    with pytest.raises(NotEnough, match="no rows"):
        recalibrate(model(), lived(60).where(np.zeros(60, np.bool_)), END)


def test_a_model_of_these_players_has_now_seen_them_up_to_today() -> None:
    rows = lived(8_000, drift=-1.5, since=10)
    own = Model(structs.replace(model().artefact, origin=structs.replace(model().artefact.origin, source="ours")))
    assert recalibrate(own, rows, END, source="ours", draws=20).artefact.origin.split_at == END + 1
    assert recalibrate(own, rows, END, source="others", draws=20).artefact.origin.split_at == 0
