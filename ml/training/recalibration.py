"""The same net with another calibration: two numbers a head, from the newest labels that have come true.

A population drifts, and so do its rates, long before the order of its players does. So the labels that matured in the
last eight weeks say what the net's outputs mean now (Platt; the shift alone below 300 labels). A head takes its new
numbers only where those of two weeks earlier were better than the old ones on what came after them: the difference of
the losses, by players, lies below 0 with all of its interval.
"""

from typing import Literal

import numpy as np
from msgspec import Struct, structs

from domain.calendar import DAY_MS
from ml.evaluation.bootstrap import Interval, interval, weights
from ml.net import Artefact, Head, Model, dump, load
from ml.training.dataset import HEADS, Bools, Floats, Rows
from ml.training.known import rescored
from ml.training.platt import calibrated
from ml.training.split import NotEnough

WINDOW_MS = 56 * DAY_MS  # labels that came true in so long calibrate
JUDGED_MS = 14 * DAY_MS  # rows of the newest so long, of those whose label is known, judge
FIT_MIN, JUDGED_MIN = 50, 50  # labels
EACH_MIN = 10  # of either answer


class HeadLine(Struct, frozen=True):
    """What became of one head."""

    head: str
    labels: int = 0  # that its new numbers were fitted to
    judged: int = 0
    was: float = float("nan")  # mean label of the rows that judged
    told_before: float = float("nan")  # mean of what was said of them, with the old numbers and with new ones
    told_after: float = float("nan")
    difference: Interval = Interval(float("nan"), float("nan"))  # of the loss, new less old; below 0: better
    slope: float = 1.0  # in force from now on
    shift: float = 0.0
    refused: str = ""  # why the old numbers stay; "": the new ones are taken


class Recalibrated(Struct, frozen=True):
    """What came out."""

    artefact: Artefact  # as it will be read; the same as before where no head is better
    lines: tuple[HeadLine, ...]
    rows: int

    @property
    def is_better(self) -> bool:
        """Whether any head has new numbers."""
        return any(not line.refused for line in self.lines)


def recalibrate(
    model: Model, rows: Rows, end: int, *, source: str = "", draws: int = 300, seed: int = 0
) -> Recalibrated:
    """Calibrate a model again on what came true lately.

    Args:
        rows: Of the players it scores, with their labels (``ml.training.dataset.rows_of``).
        end: ms, the last instant that their log tells of.
        source: Of that log, as a model made of it names it: what such a model has seen now ends here.

    Raises:
        NotEnough: there are no rows.
    """
    if not len(rows):
        raise NotEnough("the log has no rows: it spans less than five weeks, or nobody stayed in it")
    outputs = model.outputs(rows.vector)  # (N, H of the model), before calibration
    lines = tuple(
        _line(head, outputs[:, number], rows, end, draws, seed) for number, head in enumerate(model.artefact.heads)
    )
    heads = [
        structs.replace(head, slope=line.slope, shift=line.shift)
        for head, line in zip(model.artefact.heads, lines, strict=True)
    ]
    origin = model.artefact.origin
    if source and origin.source == source:
        origin = structs.replace(origin, split_at=max(origin.split_at, end + 1))
    made = Recalibrated(model.artefact, lines, len(rows))
    if not made.is_better:
        return made
    artefact = structs.replace(model.artefact, heads=heads, origin=origin)
    artefact = structs.replace(artefact, known=rescored(artefact, rows))
    return structs.replace(made, artefact=load(dump(artefact)).artefact)


def _line(head: Head, outputs: Floats, rows: Rows, end: int, draws: int, seed: int) -> HeadLine:
    """Fit one head as of ``JUDGED_MS`` before the newest label, judge that, and fit again as of now."""
    place = next(at for at, known in enumerate(HEADS) if known.name == head.name)
    label = rows.label[:, place]
    known_at = rows.at + head.days * DAY_MS  # (N,)
    cut = end - head.days * DAY_MS - JUDGED_MS
    fitting, judged = _between(known_at, cut - WINDOW_MS, cut), rows.ripe[:, place] & (rows.at >= cut)
    kept = HeadLine(head.name, judged=int(judged.sum()), slope=head.slope, shift=head.shift)
    if reason := _too_few(label, fitting, judged, head.kind):
        return structs.replace(kept, refused=reason)
    tried = _fitted(head, outputs[fitting], label[fitting])
    old, new = (_told(head, outputs[judged], *numbers) for numbers in ((head.slope, head.shift), tried))
    off = _loss(head.kind, new, label[judged]) - _loss(head.kind, old, label[judged])
    difference = interval([float(np.average(off, weights=w)) for w in weights(rows.player[judged], draws, seed)])
    line = structs.replace(
        kept,
        was=float(label[judged].mean()),
        told_before=float(old.mean()),
        told_after=float(new.mean()),
        difference=difference,
    )
    if not difference.high < 0:
        within = f"{difference.low:+.5f} and {difference.high:+.5f}"
        return structs.replace(line, refused=f"not surely better: the loss differs by between {within}")
    newest = rows.ripe[:, place] & _between(known_at, end - WINDOW_MS, end)
    slope, shift = _fitted(head, outputs[newest], label[newest])
    return structs.replace(line, labels=int(newest.sum()), slope=slope, shift=shift)


def _fitted(head: Head, outputs: Floats, label: Floats) -> tuple[float, float]:
    """Return slope and shift, seen from those in force: with few labels the slope stays what it is."""
    slope, shift = calibrated(head.slope * outputs + head.shift, label, head.kind)
    return slope * head.slope, slope * head.shift + shift


def _between(known_at: np.ndarray[tuple[int, ...], np.dtype[np.int64]], after: int, until: int) -> Bools:
    found: Bools = (known_at > after) & (known_at <= until)
    return found


def _too_few(label: Floats, fitting: Bools, judged: Bools, kind: Literal["logit", "count"]) -> str:
    for what, which, least in (("fit", fitting, FIT_MIN), ("judge", judged, JUDGED_MIN)):
        of = label[which]
        positive = int(np.count_nonzero(of))
        if len(of) < least:
            return f"{len(of):,} labels to {what} it, {least:,} are needed"
        if min(positive, len(of) - positive if kind == "logit" else positive) < EACH_MIN:
            return f"{positive:,} of {len(of):,} labels to {what} it are above 0"
    return ""


def _told(head: Head, outputs: Floats, slope: float, shift: float) -> Floats:
    o = np.clip(slope * outputs + shift, -50.0, 50.0)
    told: Floats = 1.0 / (1.0 + np.exp(-o)) if head.kind == "logit" else np.minimum(np.exp(o), head.days)
    return told


def _loss(kind: Literal["logit", "count"], told: Floats, label: Floats) -> Floats:
    """Return squared errors of probabilities, Poisson losses of counts, (n,)."""
    loss: Floats = (told - label) ** 2 if kind == "logit" else told - label * np.log(told)
    return loss
