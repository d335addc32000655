"""Challenger against champion, on rows that the challenger never saw.

A challenger wins when all of this holds, in the order in which it is told:

1. its Brier score is lower, by an interval of paired differences that excludes 0 (players are resampled, not rows);
2. its ROC-AUC is not more than 0.005 below;
3. its calibration error is at most 0.03.

Where there is no champion the rule "how long ago were they last seen" takes its place: a model that does not beat
one number is worth nothing.
"""

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
from msgspec import Struct, structs

from domain.calendar import DAY_MS
from ml.evaluation import rows as judged
from ml.evaluation.baselines import models
from ml.evaluation.bootstrap import Interval, difference, intervals, resampled
from ml.evaluation.metrics import Figures, Judge, spearman
from ml.net import Head, Model
from ml.training.dataset import HEADS, Bools, Floats, Rows
from ml.training.split import Split

CHALLENGER, CHAMPION, RULE = "challenger", "champion", "recency only"
AUC_SLACK = 0.005
ECE_MAX = 0.03
DRAWS = 300
SAMPLE = 2_000  # rows whose confidence and drivers are looked at one by one


class Line(Struct, frozen=True):
    """One model's figures."""

    figures: Figures
    intervals: dict[str, Interval]


class Band(Struct, frozen=True):
    """Rows of like confidence: does it mean anything?"""

    confidence: float  # mean
    rows: int
    roc_auc: float
    brier: float
    ece: float


class Kind(Struct, frozen=True):
    """The challenger on one kind of rows, for one head."""

    head: str
    rows: int
    rate: float  # of what is foretold; of a count the mean
    told: float  # mean of what the model says
    roc_auc: float = float("nan")
    brier_skill: float = float("nan")
    ece: float = float("nan")
    rank: float = float("nan")  # Spearman's, of a count


class Contest(Struct, frozen=True):
    """The outcome."""

    head: str  # by which it was decided
    rows: int
    players: int
    lines: dict[str, Line]
    against: str  # ``CHAMPION`` or ``RULE``
    brier_difference: Interval  # challenger less opponent
    auc_difference: Interval
    refusals: tuple[str, ...]  # why the challenger does not win; empty: it does
    weekly: tuple[Kind, ...]
    moments: tuple[Kind, ...]
    calibration: list[tuple[float, float, int]]  # (said, came true, rows)
    bands: tuple[Band, ...]
    drivers: tuple[tuple[str, float, float], ...]  # feature, share of rows with it among the three, mean effect there

    @property
    def won(self) -> bool:
        """Whether the challenger is to be published."""
        return not self.refusals


def contest(
    challenger: Model, champion: Model | None, rows: Rows, split: Split, *, draws: int = DRAWS, seed: int = 0
) -> Contest:
    """Judge a challenger on the test span."""
    head = challenger.artefact.heads[challenger.churn_head()]
    place = _place(head)
    before = (split.fit(rows) | split.check(rows))[:, place]
    train, test = rows.where(before), rows.where(split.test(rows)[:, place])
    said = _said(challenger, champion, head, train, test)
    base = float(train.label[:, place].mean())
    judges = {name: Judge(test.label[:, place], np.clip(score, 0.0, 1.0), base) for name, score in said.items()}
    drawn = resampled(judges, test.player, draws, seed)
    lines = {name: Line(judge.figures(), intervals(drawn[name])) for name, judge in judges.items()}
    against = CHAMPION if champion else RULE
    brier = difference(drawn[CHALLENGER], drawn[against], "brier")
    return Contest(
        head=head.name,
        rows=len(test),
        players=len(np.unique(test.player)),
        lines=lines,
        against=against,
        brier_difference=brier,
        auc_difference=difference(drawn[CHALLENGER], drawn[against], "roc_auc"),
        refusals=refusals(lines[CHALLENGER].figures, lines[against].figures, brier, against),
        weekly=_kinds(challenger, rows, split, rows.weekly),
        moments=_kinds(challenger, rows, split, ~rows.weekly),
        calibration=judges[CHALLENGER].calibration(),
        bands=_bands(challenger, test, place, said[CHALLENGER], base),
        drivers=_drivers(challenger, test),
    )


def refusals(challenger: Figures, opponent: Figures, brier: Interval, against: str) -> tuple[str, ...]:
    """Return why a challenger does not win, each as a sentence; empty when it does."""
    reasons = []
    if not brier.high < 0:
        reasons.append(
            f"its Brier score is not surely below that of the {against}: the difference is within "
            f"{brier.low:+.5f} and {brier.high:+.5f}"
        )
    if not challenger.roc_auc >= opponent.roc_auc - AUC_SLACK:
        reasons.append(
            f"its ROC-AUC is {challenger.roc_auc:.4f}, more than {AUC_SLACK} below the {opponent.roc_auc:.4f} "
            f"of the {against}"
        )
    if not challenger.ece <= ECE_MAX:
        reasons.append(f"its calibration error is {challenger.ece:.4f}, at most {ECE_MAX} is let through")
    return tuple(reasons)


def metrics(found: Contest) -> dict[str, dict[str, float]]:
    """Return the figures that travel within the artefact, by head, on weekly rows."""
    kept: dict[str, dict[str, float]] = {}
    for kind in found.weekly:
        told = {"rows": kind.rows, "rate": kind.rate, "roc_auc": kind.roc_auc, "brier_skill": kind.brier_skill,
                "ece": kind.ece, "rank": kind.rank}  # fmt: skip
        kept[kind.head] = {name: round(float(value), 4) for name, value in told.items() if value == value}
    return kept


def _place(head: Head) -> int:
    return next(place for place, known in enumerate(HEADS) if known.name == head.name)


def _said(challenger: Model, champion: Model | None, head: Head, train: Rows, test: Rows) -> Mapping[str, Floats]:
    """Return what every model says of the test rows: those of the contest, and simpler ones to compare with."""
    said = {CHALLENGER: challenger.predict(test.vector)[:, challenger.heads.index(head.name)]}
    if champion:
        said[CHAMPION] = champion.predict(test.vector)[:, champion.churn_head(head.days)]
    simple = models(purchases=False)
    learnt, asked = _as_judged(train, _place(head)), _as_judged(test, _place(head))
    return said | {name: model(learnt, asked, head.days) for name, model in simple.items()}


def _as_judged(rows: Rows, place: int) -> judged.Rows:
    return judged.Rows(
        player=rows.player, at=rows.at, vector=rows.vector, gone=rows.label[:, place],
        recency_d=rows.idle_ms / DAY_MS, history=np.zeros((len(rows), 3)),
    )  # fmt: skip


def _kinds(model: Model, rows: Rows, split: Split, which: Bools) -> tuple[Kind, ...]:
    """Return the model's figures on one kind of rows, head by head."""
    ripe, before = split.test(rows) & which[:, None], split.fit(rows) | split.check(rows)
    found = []
    for number, head in enumerate(model.artefact.heads):
        place = _place(head)
        test = ripe[:, place]
        if not test.any():
            continue
        told, label = model.predict(rows.vector[test])[:, number], rows.label[test, place]
        kind = Kind(head.name, len(label), float(label.mean()), float(told.mean()))
        if head.kind == "count":
            found.append(structs.replace(kind, rank=spearman(told, label)))
            continue
        figures = Judge(label, told, float(rows.label[before[:, place], place].mean())).figures()
        found.append(structs.replace(kind, roc_auc=figures.roc_auc, brier_skill=figures.brier_skill, ece=figures.ece))
    return tuple(found)


def _bands(model: Model, test: Rows, place: int, said: Floats, base: float) -> tuple[Band, ...]:
    """Return thirds of the rows by confidence, the least sure first."""
    sure = np.array([model.confidence(row) for row in test.vector])
    edges = np.quantile(sure, [0.0, 1 / 3, 2 / 3, 1.0])
    found = []
    for number, (low, high) in enumerate(pairwise(edges)):
        of = (sure >= low) & ((sure < high) if number < 2 else (sure <= high))
        if not of.any():
            continue
        figures = Judge(test.label[of, place], np.clip(said[of], 0.0, 1.0), base).figures()
        found.append(Band(float(sure[of].mean()), int(of.sum()), figures.roc_auc, figures.brier, figures.ece))
    return tuple(found)


def _drivers(model: Model, test: Rows) -> tuple[tuple[str, float, float], ...]:
    """Return the features by how often they were among the three that a score names, over evenly spaced rows."""
    looked = test.vector[np.linspace(0, len(test) - 1, min(SAMPLE, len(test))).astype(int)]
    effects: dict[str, list[float]] = {}
    for row in looked:
        for name, effect in model.score(tuple(row.tolist())).drivers:
            effects.setdefault(name, []).append(abs(effect))
    found = [(name, len(each) / len(looked), float(np.mean(each))) for name, each in effects.items()]
    return tuple(sorted(found, key=lambda one: -one[1])[:10])


def seen_until(champion: Model | None, source: str) -> int:
    """Return up to when (ms) the champion was fitted on this source's players, 0: never."""
    origin = champion.artefact.origin if champion else None
    return origin.split_at if origin and origin.source == source else 0
