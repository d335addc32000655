"""The judgement of the pattern detectors: what is planted is found, what is not is counted as false."""

import math
import os
from functools import cache
from pathlib import Path
from random import Random

import pytest

from ml.data import NoData
from ml.evaluation.patterns import (
    AFTER_MIN,
    CHANGE,
    Line,
    PatternReport,
    as_text,
    begun_later,
    judge,
    judge_folder,
    played_over,
    sessions_of,
    waited,
)
from ml.training.log import Log, log_of

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
BEGAN = 1_772_452_800_000
DATA = "PLAYTOWER_DATA"


@cache
def steady(players: int = 12, sessions: int = CHANGE + AFTER_MIN + 5, spread: float = 0.3) -> Log:
    """Made up: players who come at seven in the evening for some 20 minutes, and nothing ever changes."""
    rng = Random(7)
    rows: list[tuple[int, int]] = []
    for player in range(players):
        for evening in range(sessions):
            began = BEGAN + evening * DAY + 19 * HOUR + rng.randrange(HOUR)
            minutes = int(rng.lognormvariate(math.log(20), spread))
            rows += [(player, began + minute * MINUTE) for minute in {*range(0, minutes, 5), minutes}]
    return log_of(
        [p for p, _ in rows], [at for _, at in rows], ["other"] * len(rows), [0.0] * len(rows), name="made up"
    )


@cache
def report() -> PatternReport:
    return judge(steady(), draws=40)


def line(detector: str) -> Line:
    return next(one for one in report().lines if one.detector.startswith(detector))


def test_of_steady_players_a_sixfold_change_is_seen_on_its_first_day() -> None:
    either = line("either")
    control, seen = either.seen[0], {one.planted: one for one in either.seen}
    assert seen["x6"].by[1] > 0.9
    assert seen["x6"].by[3] == 1
    assert seen["x6"].delay_days == 0
    assert control.by[1] < 0.3
    assert control.delay_days is None
    assert control.planted == "nothing"


def test_a_larger_change_is_never_seen_by_fewer() -> None:
    for one in report().lines[:-1]:
        for days in (1, 3, 5, 10):
            shares = [seen.by[days] for seen in one.seen if seen.planted.startswith("x")]
            assert shares == sorted(shares), (one.detector, days)


def test_later_hours_are_seen_and_longer_sessions_are_no_later_hours() -> None:
    hours = line("hours")
    assert [one.planted for one in hours.seen] == ["nothing", "10 h later"]
    assert hours.seen[0].by[10] == 0
    assert hours.seen[1].by[10] == 1


def test_higher_thresholds_raise_fewer_false_alarms() -> None:
    assert line("one session, z > 3").false_per_1000 <= line("one session, z > 2.33").false_per_1000
    assert line("CUSUM, h = 5").false_per_1000 <= line("CUSUM, h = 4").false_per_1000
    for one in report().lines:
        assert one.false_interval.low <= one.false_per_1000 <= one.false_interval.high


def test_the_table_has_a_row_for_every_change() -> None:
    text = as_text(report())
    assert len(text) == 4 + sum(len(one.seen) for one in report().lines)
    assert text[2].count("|") == text[3].count("|") == text[4].count("|")


def test_a_session_is_played_over_with_the_silences_kept() -> None:
    sessions = [[0, MINUTE], [HOUR, HOUR + MINUTE], [3 * HOUR, 3 * HOUR + 2 * MINUTE]]
    changed = played_over(sessions, 1, 3)
    lasts = MINUTE + 45_000
    assert changed[0] == sessions[0]
    assert changed[1] == [HOUR + again * lasts + at for again in range(3) for at in (0, MINUTE)]
    silence = sessions[2][0] - sessions[1][-1]
    assert changed[2][0] - changed[1][-1] == silence
    assert begun_later(sessions, 2, 10)[2] == [13 * HOUR, 13 * HOUR + 2 * MINUTE]


def test_a_delay_counts_days_from_the_change() -> None:
    sessions = [[day * DAY] for day in range(CHANGE)] + [[(CHANGE + 3 * more) * DAY] for more in range(5)]
    kinds = frozenset(("stake.single",))
    early, late = (2, "stake.single"), (CHANGE + 6, "stake.single")
    assert waited([early, (CHANGE + 3, "hours.lasting"), late], sessions, kinds) == (3, 6)
    assert waited([(CHANGE, "stake.single")], sessions, kinds) == (1, 0)
    assert waited([early], sessions, kinds) == (math.inf, math.inf)


def test_sessions_are_told_by_silences() -> None:
    log = log_of([1, 2, 1, 1], [0, 5, MINUTE, 2 * HOUR], ["other"] * 4, [0.0] * 4)
    assert sessions_of(log, 30 * MINUTE) == [[[0, MINUTE], [2 * HOUR]], [[5]]]


def test_without_data_the_reason_is_told(tmp_path: Path) -> None:
    assert judge_folder(None) == "patterns: no folder was given (--data); Dodge the Mud does not ship"
    assert str(judge_folder(tmp_path)).startswith("patterns: expected plays.csv.gz in ")
    with pytest.raises(NoData, match="25 sessions or more"):
        judge(steady(sessions=5))


@pytest.mark.slow
def test_real_players_keep_to_the_figures() -> None:
    """The bars of docs/patterns.md, with slack: the table was measured on the whole log."""
    folder = os.environ.get(DATA)
    if not folder:
        pytest.skip(f"{DATA} names no folder with plays.csv.gz (Dodge the Mud does not ship)")
    found = judge_folder(Path(folder), draws=40)
    assert isinstance(found, PatternReport), found
    by_name = {one.detector: one for one in found.lines}
    lasting, single = by_name["CUSUM, h = 4"], by_name["one session, z > 2.33"]
    sixfold = lasting.seen[-1]
    assert sixfold.planted == "x6"
    assert sixfold.by[5] >= 0.8
    assert sixfold.by[10] >= 0.9
    assert lasting.false_per_1000 <= 20
    assert single.false_per_1000 <= 35
    assert by_name["either, 1 h or more (shipped)"].false_per_1000 <= 8
    assert by_name["hours"].seen[-1].by[10] >= 0.7
