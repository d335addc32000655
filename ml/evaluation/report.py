"""The tables of ``playtower evaluate``: every model on every set, judged on the same rows by the same draws."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from msgspec import Struct, structs

from ml.evaluation.baselines import MAJORITY, Model
from ml.evaluation.bootstrap import Interval, difference, intervals, resampled
from ml.evaluation.metrics import Figures, Judge
from ml.evaluation.tasks import Task

NET = "net (Playtower)"
SHIPPED = "shipped, as it is"
_NO_RIVALS = (NET, SHIPPED, MAJORITY)
ECE_MAX = 0.03  # what a probability may be off, on average
DRAWS = 300
SEED = 7


class Line(Struct, frozen=True):
    """One model."""

    model: str
    figures: Figures
    intervals: dict[str, Interval]
    fit_s: float  # to fit and to score the test rows


class Aim(Struct, frozen=True):
    """Something the net should reach, and whether it did."""

    text: str
    met: bool


class TaskReport(Struct, frozen=True):
    """One table."""

    name: str
    about: str
    source: str
    licence: str
    horizon_d: int
    train_rows: int
    train_players: int
    test_rows: int
    test_players: int
    gone: float  # share of the test rows
    lines: list[Line]
    best_baseline: str  # of those that are no constant, by ROC-AUC
    ahead: Interval  # the net's ROC-AUC less that of the best baseline, on the same draws
    aims: list[Aim]
    calibration: list[tuple[float, float, int]]  # of the net: mean score, share gone, rows; a tenth each

    def line(self, model: str) -> Line:
        """Return the line of a model."""
        return next(line for line in self.lines if line.model == model)


def judge(task: Task, models: Mapping[str, Model], draws: int = DRAWS, seed: int = SEED) -> TaskReport:
    """Fit every model to the task's training rows and judge it on its test rows.

    Args:
        models: By name; ``NET`` and ``MAJORITY`` are among them.
        draws: How often players are resampled for the intervals.
    """
    base = float(task.train.gone.mean())
    judges, seconds = {}, {}
    for name, model in models.items():
        started = time.perf_counter()
        scores = model(task.train, task.test, task.horizon_d)
        seconds[name] = round(time.perf_counter() - started, 2)
        judges[name] = Judge(task.test.gone, np.clip(scores, 0.0, 1.0), base)
    drawn = resampled(judges, task.test.player, draws, seed)
    lines = [Line(name, one.figures(), intervals(drawn[name]), seconds[name]) for name, one in judges.items()]
    net = next(line for line in lines if line.model == NET)
    best = max((line for line in lines if line.model not in _NO_RIVALS), key=lambda line: line.figures.roc_auc)
    return TaskReport(
        name=task.name,
        about=task.about,
        source=task.source,
        licence=task.licence,
        horizon_d=task.horizon_d,
        train_rows=len(task.train),
        train_players=len(np.unique(task.train.player)),
        test_rows=len(task.test),
        test_players=len(np.unique(task.test.player)),
        gone=float(task.test.gone.mean()),
        lines=lines,
        best_baseline=best.model,
        ahead=difference(drawn[NET], drawn[best.model], "roc_auc"),
        aims=_aims(net, best),
        calibration=judges[NET].calibration(),
    )


def as_json(report: Struct) -> dict[str, Any]:
    """Return a report as plain values; what has no value, or is beyond all bounds, is null."""
    return _plain(report)  # type: ignore[no-any-return]


def run(
    makers: Sequence[Callable[[], Task]],
    models_of: Callable[[Task], Mapping[str, Model]],
    told: Callable[[TaskReport], None],
    draws: int = DRAWS,
) -> list[TaskReport]:
    """Judge task after task, telling each as soon as it is there."""
    reports = []
    for make in makers:
        task = make()
        reports.append(judge(task, models_of(task), draws))
        told(reports[-1])
    return reports


def _aims(net: Line, best: Line) -> list[Aim]:
    floor = best.intervals["roc_auc"].low
    return [
        Aim(f"ROC-AUC not below the interval of {best.model} ({floor:.3f})", net.figures.roc_auc >= floor),
        Aim(f"calibration error under {ECE_MAX}", net.figures.ece < ECE_MAX),
    ]


def _plain(value: Any) -> Any:
    if isinstance(value, Struct):
        return {field.name: _plain(getattr(value, field.name)) for field in structs.fields(value)}
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, float):
        return round(value, 5) if np.isfinite(value) else None
    return value
