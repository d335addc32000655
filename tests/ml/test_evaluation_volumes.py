"""The judgement of alarms about volumes, on made-up weeks in which nothing happens but what is planted."""

import os
from functools import cache
from pathlib import Path
from random import Random

import pytest

from domain.calendar import DAY_MS
from ml.data import dodge_the_mud
from ml.evaluation.volumes import VolumeReport, as_text, judge, judge_folder, laid_over
from ml.training.log import Log, log_of
from ml.watch.volumes import HOUR_MS
from tests.ml.watch.weeks import MONDAY, poisson

DATA = "PLAYTOWER_DATA"


@cache
def steady() -> Log:
    """Made up: six weeks with some 60 plays an hour by day and 10 at night."""
    rng, times = Random(2), []
    for hour in range(6 * 168):
        start = MONDAY + hour * HOUR_MS
        count = poisson(rng, 60 if hour % 24 >= 8 else 10)
        times += [start + rng.randrange(HOUR_MS) for _ in range(count)]
    return log_of([1] * len(times), times, ["other"] * len(times), [0.0] * len(times), name="made up")


@cache
def report() -> VolumeReport:
    return judge(steady(), draws=30, planted=20)


def test_of_steady_weeks_a_stop_is_told_within_hours_and_nothing_else() -> None:
    seen = {one.planted: one for one in report().seen}
    assert seen["nothing"].by[24] == 0
    assert seen["nothing"].median_hours is None
    assert report().false_a_month == 0
    assert seen["a stop"].by[3] > 0.8
    assert seen["a stop"].by[24] == 1
    assert seen["a stop"].events_due is not None
    assert seen["a stop"].events_due > 10
    assert seen["four of five lost"].by[12] > 0.8
    assert seen["four times as many"].by[12] > 0.8


def test_later_is_never_seen_less() -> None:
    for one in report().seen:
        assert list(one.by.values()) == sorted(one.by.values())


def test_stretches_laid_over_each_other_keep_hours_of_the_week_and_every_event() -> None:
    week = 7 * DAY_MS
    times = [MONDAY + n * week + n for n in range(5)]
    assert laid_over(times, 2) == [MONDAY, MONDAY + 2, MONDAY + week + 1, MONDAY + week + 3]
    assert laid_over(times, 1) == times


def test_the_table_has_a_row_for_all_that_was_planted() -> None:
    text = as_text([report()])
    assert len(text) == 2 + len(report().seen)
    assert len({line.count("|") for line in text}) == 1


def test_without_data_the_reason_is_told(tmp_path: Path) -> None:
    assert str(judge_folder(None)).startswith("volumes: no folder was given")
    assert str(judge_folder(tmp_path)).startswith("volumes: expected plays.csv.gz")


@pytest.mark.slow
@pytest.mark.skipif(not os.environ.get(DATA), reason=f"{DATA} names no folder with plays.csv.gz")
def test_on_real_plays_stops_are_told_within_a_day_and_little_else_is() -> None:
    real = judge(dodge_the_mud(Path(os.environ[DATA])), draws=60, planted=30)
    seen = {one.planted: one for one in real.seen}
    assert real.false_a_month < 1
    assert seen["nothing"].by[24] < 0.1
    assert seen["a stop"].by[24] > 0.95
