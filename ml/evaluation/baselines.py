"""What the product's net is measured against. Each sees the training rows it sees, and the same features.

In order of effort: a constant; how long ago a player was last seen (Wuebben and von Wangenheim 2008: such rules do as
well as the models of their time); BG/NBD where things are bought; logistic regression; gradient boosting. Settings
are those of the measurements that set the bars, chosen before any test row was looked at, the same on every set.
"""

import warnings
from collections.abc import Callable

import numpy as np
from lightgbm import LGBMClassifier
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ml.evaluation.metrics import Floats
from ml.evaluation.rows import Rows
from ml.training import bgnbd

Model = Callable[[Rows, Rows, int], Floats]  # training rows, test rows, horizon in days -> P(gone) of the test rows

MAJORITY = "majority"
THREADS = 1  # of LightGBM: with more, sums are added in another order and a run cannot be repeated


def majority(train: Rows, test: Rows, horizon_d: int) -> Floats:
    """Say the training rate of everybody."""
    del horizon_d
    return np.full(len(test), train.gone.mean())


def recency(train: Rows, test: Rows, horizon_d: int) -> Floats:
    """Say what became, in training, of players who had been away as long (isotonic regression)."""
    del horizon_d
    return _isotonic(train.recency_d, train.gone, test.recency_d)


def bg_nbd(train: Rows, test: Rows, horizon_d: int) -> Floats:
    """Fit BG/NBD to the histories known at the first test moment; no outcome is used. Time in weeks."""
    del train
    return _bg_nbd(test).p_none(*_weeks(test), horizon_d / 7)


def bg_nbd_isotonic(train: Rows, test: Rows, horizon_d: int) -> Floats:
    """Bend the scores of BG/NBD, fitted to training histories, to training outcomes: the rank is its own."""
    model = _bg_nbd(train.where(train.at == train.at.max()))
    ahead = horizon_d / 7
    return _isotonic(model.p_none(*_weeks(train), ahead), train.gone, model.p_none(*_weeks(test), ahead))


def logistic(train: Rows, test: Rows, horizon_d: int) -> Floats:
    """Logistic regression on standardised features."""
    del horizon_d
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.5, max_iter=3_000))
    model.fit(train.vector, train.gone)
    scores: Floats = np.asarray(model.predict_proba(test.vector))[:, 1]
    return scores


def boosting(train: Rows, test: Rows, horizon_d: int) -> Floats:
    """LightGBM, 200 trees of 15 leaves."""
    del horizon_d
    model = LGBMClassifier(
        n_estimators=200, learning_rate=0.03, num_leaves=15, min_child_samples=80, subsample=0.8, subsample_freq=1,
        colsample_bytree=0.7, reg_lambda=5, random_state=7, n_jobs=THREADS, deterministic=True, verbose=-1,
    )  # fmt: skip
    model.fit(train.vector, train.gone)
    with warnings.catch_warnings():  # it gives an array names, then misses them when asked about an array
        warnings.filterwarnings("ignore", message="X does not have valid feature names")
        scores: Floats = np.asarray(model.predict_proba(test.vector))[:, 1]
    return scores


def models(purchases: bool) -> dict[str, Model]:
    """Return the baselines by name, the constant first."""
    bought: dict[str, Model] = {"BG/NBD": bg_nbd, "BG/NBD + isotonic": bg_nbd_isotonic} if purchases else {}
    return {
        MAJORITY: majority,
        "recency only": recency,
        **bought,
        "logistic regression": logistic,
        "LightGBM": boosting,
    }


def _isotonic(train: Floats, gone: Floats, test: Floats) -> Floats:
    scores: Floats = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(train, gone).predict(test)
    return scores


def _bg_nbd(rows: Rows) -> bgnbd.BgNbd:
    """Fit to the rows of the first moment: every customer once."""
    return bgnbd.fit(*_weeks(rows.where(rows.at == rows.at.min())))


def _weeks(rows: Rows) -> tuple[Floats, Floats, Floats]:
    """Return repeat purchases, age at the last one and age, each (n,), in weeks."""
    return rows.history[:, 0], rows.history[:, 1] / 7, rows.history[:, 2] / 7
