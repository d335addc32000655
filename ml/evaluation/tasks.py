"""What is predicted on which set, and where the past ends: the splits of ``playtower evaluate``.

A training row is kept only if its label was known before the first test moment (a purge as long as the horizon), so a
model is asked about a time it could not have seen. The same players may stand on both sides, at different times,
as they do in use; that is why intervals resample players (``bootstrap``).
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from msgspec import Struct

from ml import data
from ml.evaluation.rows import DAY_MS, Question, Rows, rows_of
from ml.training.log import Log


class Task(Struct, frozen=True):
    """One table of the report."""

    name: str
    about: str  # one sentence
    source: str
    licence: str
    horizon_d: int
    train: Rows
    test: Rows
    purchases: bool = False  # BG/NBD is asked as well


def calendar(
    log: Log, question: Question, *, first_test: int, trained_from: int, every_d: int, until: int = 0
) -> tuple[Rows, Rows]:
    """Look at all players at the same moments: training moments up to a horizon before the first test moment.

    Args:
        first_test: ms; test moments follow it every ``every_d`` days until ``until`` (0: only this one).
        trained_from: ms; no training moment before it.
    """
    step = every_d * DAY_MS
    last_train = first_test - question.horizon_d * DAY_MS
    train = range(last_train, trained_from - 1, -step)[::-1]
    test = range(first_test, max(until, first_test) + 1, step)
    moments = [*train, *test]
    rows = rows_of(log, lambda _: moments, question)
    return rows.where(rows.at <= last_train), rows.where(rows.at >= first_test)


def retail() -> Task:
    """A web shop: who buys nothing in the next 60 days."""
    log = data.online_retail()
    question = Question(horizon_d=60)
    end = log.at[-1] // DAY_MS * DAY_MS + DAY_MS
    train, test = calendar(
        log, question, first_test=end - 60 * DAY_MS, trained_from=log.at[0] + 90 * DAY_MS, every_d=14
    )
    about = "customers of a web shop; gone: no purchase in 60 days"
    return Task("online retail", about, log.name, log.licence, 60, train, test, purchases=True)


def retail_weekly() -> Task:
    """The same shop, asked every week of autumn about customers of the last quarter: who is away for 28 days."""
    log = data.online_retail()
    question = Question(horizon_d=28, active_d=90)
    end = log.at[-1] // DAY_MS * DAY_MS + DAY_MS
    train, test = calendar(
        log,
        question,
        first_test=end - 112 * DAY_MS,
        trained_from=log.at[0] + 60 * DAY_MS,
        every_d=7,
        until=end - 28 * DAY_MS,
    )
    about = "customers of a web shop within 90 days, weekly; gone: no purchase in 28 days"
    return Task("online retail, weekly", about, log.name, log.licence, 28, train, test, purchases=True)


def cdnow(log: Log, name: str) -> Task:
    """A music shop: who buys nothing in the next 13 weeks, as of the last day of 1997."""
    train, test = calendar(
        log,
        Question(horizon_d=91),
        first_test=data.a_day("19971231"),
        trained_from=data.a_day("19970702"),
        every_d=14,
    )
    about = "customers of a music shop who first bought in early 1997; gone: no purchase in 13 weeks"
    return Task(name, about, log.name, log.licence, 91, train, test, purchases=True)


def dodge_new(log: Log, signals_min: int = 1) -> Task:
    """Dodge the Mud, task A: observe a new player for 5 days, predict the next 10 (Kim et al. 2017).

    The last 30 % of the players are tested; the others train as far as their 15 days were over by then.
    """
    end = log.at[-1]
    span = 15 * DAY_MS
    rows = rows_of(
        log, lambda first: [first + 5 * DAY_MS] if first + span <= end else [], Question(10, signals_min=signals_min)
    )
    joined = rows.at - 5 * DAY_MS
    everyone = _firsts(log)
    split = int(np.quantile([first for first in everyone if first + span <= end], 0.7))
    few = f" with {signals_min}+ plays" if signals_min > 1 else ""
    return Task(
        f"Dodge the Mud A{' ' + str(signals_min) + '+' if signals_min > 1 else ''}",
        f"new players of a mobile game{few}, seen for 5 days; gone: no play in the next 10",
        log.name,
        log.licence,
        10,
        rows.where(joined + span <= split),
        rows.where(joined >= split),
    )


def dodge_active(log: Log) -> Task:
    """Dodge the Mud, task B: who played 5 times and within 14 days, every week; gone: no play in 14 days.

    The first 65 % of the rows end where testing begins.
    """
    horizon_ms = 14 * DAY_MS
    moments = range(log.at[0] + 42 * DAY_MS, log.at[-1] - horizon_ms, 7 * DAY_MS)
    rows = rows_of(log, lambda _: moments, Question(14, active_d=14, signals_min=5))
    first_test = int(np.quantile(rows.at, 0.65, method="nearest"))
    return Task(
        "Dodge the Mud B",
        "players of a mobile game with 5+ plays, one of them within 14 days, weekly; gone: no play in 14 days",
        log.name,
        log.licence,
        14,
        rows.where(rows.at + horizon_ms <= first_test),
        rows.where(rows.at >= first_test),
    )


def shipped() -> Iterator[Callable[[], Task]]:
    """Yield the tasks on the sets of the package."""
    yield retail
    yield retail_weekly
    yield lambda: cdnow(data.cdnow_sample(), "CDNOW sample")


def at_hand(folder: Path) -> tuple[list[Callable[[], Task]], list[str]]:
    """Return the tasks on the sets that a folder holds, and a sentence for each that it does not."""
    makers: list[Callable[[], Task]] = []
    missing = []
    try:
        master = data.cdnow_master(folder)
        makers.append(lambda: cdnow(master, "CDNOW master"))
    except data.NoData as error:
        missing.append(str(error))
    try:
        plays = data.dodge_the_mud(folder)
        makers += [lambda: dodge_new(plays), lambda: dodge_new(plays, 5), lambda: dodge_active(plays)]
    except data.NoData as error:
        missing.append(str(error))
    return makers, missing


def _firsts(log: Log) -> list[int]:
    """Return the first ms of every player."""
    first: dict[int | str, int] = {}
    for player, at, *_ in log.rows():
        first.setdefault(player, at)
    return list(first.values())
