"""Figures of probabilities against what happened. numpy only; every row may carry a weight.

With weights a resampled set need not be built: a player drawn twice weighs 2, one not drawn 0 (``bootstrap``).

ROC-AUC, average precision (the step-wise PR-AUC), Brier score and its skill against a base rate (Murphy 1973),
expected calibration error over ten equally filled bins, lift of the first decile. ``gone`` is the event: 1 where a
player did not come back, so a high score is a high risk.
"""

from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

BINS = 10  # of the calibration error
TOP_SHARE = 0.1  # of the lift: whom a campaign would reach


class Accuracy(Struct, frozen=True):
    """Share of right yes/no answers, never without what a constant gets.

    "92 to 96 % accuracy" is what "they all leave" scores on new players: a number that means nothing alone has no
    place of its own here.
    """

    model: float  # share, answers cut at 0.5
    majority: float  # share, of the constant that was right more often in training

    @property
    def gain(self) -> float:
        """What the model adds to the constant, in shares."""
        return self.model - self.majority


class Figures(Struct, frozen=True):
    """What one model scored on one set of rows."""

    roc_auc: float
    pr_auc_gone: float  # chance: the share that is gone
    pr_auc_stays: float  # chance: the share that stays
    brier: float
    brier_skill: float  # 1 - brier / brier of the training base rate; 0 is no better than that constant
    ece: float
    lift: float  # share gone among the tenth with the highest scores, over the share gone among all
    accuracy: Accuracy


class Judge:
    """One model's scores beside the outcomes, sorted once; every figure takes weights.

    Args:
        gone: (n,) 0.0 or 1.0.
        score: (n,) probability of 1.0, within 0..1.
        base: share of 1.0 among the training rows; what the constant says.
    """

    def __init__(self, gone: Floats, score: Floats, base: float) -> None:
        """Sort by score, highest first, and find ties and calibration bins."""
        order = np.argsort(-score, kind="stable")
        self.order = order
        self.gone: Floats = gone[order]
        self.score: Floats = score[order]
        self.base = base
        # Rows of one score are one step of every curve: which of them comes first means nothing.
        self.ends: Ints = np.append(np.flatnonzero(np.diff(self.score)), len(score) - 1)
        edges = np.quantile(self.score, np.linspace(0, 1, BINS + 1)[1:-1])
        self.bin: Ints = np.searchsorted(edges, self.score)

    def figures(self, weight: Floats | None = None) -> Figures:
        """Return all figures; without weights every row counts once.

        Args:
            weight: (n,) in the order in which the rows were given, 0 or more.
        """
        each = np.ones_like(self.gone) if weight is None else weight[self.order]
        total = each.sum()
        hits, misses = each * self.gone, each * (1 - self.gone)
        gone, stays = np.cumsum(hits)[self.ends], np.cumsum(misses)[self.ends]  # (k,) at the end of every tie
        brier = float((each * (self.score - self.gone) ** 2).sum() / total)
        constant = float((each * (self.base - self.gone) ** 2).sum() / total)
        right = (self.score >= 0.5) == (self.gone > 0)
        majority = self.gone == float(self.base >= 0.5)
        return Figures(
            roc_auc=_roc_auc(gone, stays),
            pr_auc_gone=_average_precision(gone, stays),
            pr_auc_stays=_average_precision(*_from_below(stays, gone)),
            brier=brier,
            brier_skill=1 - brier / constant if constant else 0.0,
            ece=self._ece(each),
            lift=_lift(gone, stays),
            accuracy=Accuracy(float((each * right).sum() / total), float((each * majority).sum() / total)),
        )

    def calibration(self) -> list[tuple[float, float, int]]:
        """Return (mean score, share gone, rows) of each bin, lowest scores first."""
        return [
            (float(self.score[of].mean()), float(self.gone[of].mean()), int(of.sum()))
            for of in (self.bin == number for number in range(BINS))
            if of.any()
        ]

    def _ece(self, each: Floats) -> float:
        gap = np.bincount(self.bin, weights=each * (self.gone - self.score), minlength=BINS)
        return float(np.abs(gap).sum() / each.sum())


def figures(gone: Any, score: Any, base: float) -> Figures:
    """Return the figures of (n,) scores against (n,) outcomes."""
    return Judge(np.asarray(gone, float), np.asarray(score, float), base).figures()


def spearman(one: Floats, other: Floats) -> float:
    """Return Spearman's rank correlation of (n,) and (n,); ties share their mean rank."""
    return float(np.corrcoef(_ranks(one), _ranks(other))[0, 1])


def _ranks(values: Floats) -> Floats:
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(count)
    ranks: Floats = (ends - (count - 1) / 2)[place]
    return ranks


def _roc_auc(gone: Floats, stays: Floats) -> float:
    """Area under the ROC curve by trapezoids, which counts a tie as half a win (Mann and Whitney)."""
    if not gone[-1] or not stays[-1]:
        return float("nan")
    area = np.trapezoid(np.append(0.0, gone), np.append(0.0, stays))
    return float(area / (gone[-1] * stays[-1]))


def _average_precision(hits: Floats, misses: Floats) -> float:
    """Sum of precision times the recall that was gained, from the surest row on; no interpolation."""
    if not hits[-1]:
        return float("nan")
    precision = hits / np.maximum(hits + misses, 1e-12)
    return float((np.diff(hits, prepend=0.0) * precision).sum() / hits[-1])


def _from_below(hits: Floats, misses: Floats) -> tuple[Floats, Floats]:
    """Turn cumulative counts around: as if the lowest scores came first."""
    return tuple(np.append(of[-1] - of[-2::-1], of[-1]) for of in (hits, misses))  # type: ignore[return-value]


def _lift(gone: Floats, stays: Floats) -> float:
    """Precision of the highest tenth over that of all; a tie across the border counts in proportion."""
    seen = gone + stays
    if not gone[-1]:
        return float("nan")
    top = np.interp(TOP_SHARE * seen[-1], np.append(0.0, seen), np.append(0.0, gone))
    return float(top / (TOP_SHARE * gone[-1]))
