"""What a training remembers of its players, so that they can be seen to drift."""

import numpy as np
from msgspec import UNSET, structs

from domain.calendar import DAY_MS
from ml.features import NAMES
from ml.net import dump, load
from ml.training.dataset import HEADS, Rows
from ml.training.known import KNOWN_WEEKS, known_of, rescored
from ml.watch.drift import shifts
from tests.ml.made import model

MADE = model().artefact


def rows(count: int = 4_000, days: int = 140) -> Rows:
    """Return made-up rows; the features of the older half are ten higher."""
    rng = np.random.default_rng(3)
    at = np.sort(rng.integers(0, days * DAY_MS, count))
    vector = rng.normal(size=(count, len(NAMES))) + 10.0 * (at < days / 2 * DAY_MS)[:, None]
    label, nothing = np.zeros((count, len(HEADS))), np.zeros(count, dtype=np.int64)
    return Rows(nothing, at, rng.random(count) < 0.7, nothing, nothing, vector, label, label > 0)


def test_a_model_remembers_the_players_of_its_last_weeks() -> None:
    known = known_of(MADE, rows(), trust=1.0)
    assert known is not UNSET
    assert known.rows < 4_000 * 0.7 * (KNOWN_WEEKS * 7 + 2) / 140
    assert {"recency", "games", "scores.churn_14d"} <= set(known.columns)
    live = np.random.default_rng(5).normal(size=1_000)
    assert not any(shift.warns for shift in shifts(known, dict.fromkeys(NAMES, live)))
    assert all(shift.warns for shift in shifts(known, dict.fromkeys(NAMES, live + 2.0)))


def test_it_is_kept_with_the_model_and_an_older_one_has_none() -> None:
    known = known_of(MADE, rows(), trust=1.0)
    again = load(dump(structs.replace(MADE, known=known))).artefact
    assert again.known == known
    assert b'"known"' not in dump(MADE)


def test_of_another_platforms_players_nothing_is_remembered() -> None:
    assert known_of(MADE, rows(), trust=0.4) is UNSET


def test_calibrated_again_it_remembers_the_same_players_and_its_new_scores() -> None:
    known = known_of(MADE, rows(), trust=1.0)
    assert known is not UNSET
    heads = [structs.replace(head, shift=head.shift + 1.0) for head in MADE.heads]
    later = rescored(structs.replace(MADE, known=known, heads=heads), rows())
    assert later is not UNSET
    assert {name for name in NAMES if later.columns[name] != known.columns[name]} == set()
    assert later.columns["scores.churn_14d"].edges[4] > known.columns["scores.churn_14d"].edges[4]
    assert rescored(MADE, rows()) is UNSET
