"""Rows to learn from: what was known at an instant, what came after it, and which span of time a label belongs to."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.features import Features
from ml.features import SESSION_GAP_MS, Signal, update, vector
from ml.training.dataset import HEADS, LOOK_BACK_DAYS, Rows, rows_of
from ml.training.log import BadLog, Log, log_of
from ml.training.split import NotEnough, lacking, split_of
from tests.ml.logs import DAY, HOUR, MONDAY, of, population

MINUTE = 1 / 24 / 60
PLACE = {head.name: place for place, head in enumerate(HEADS)}


def labels(rows: Rows, player: int, day: float) -> dict[str, float]:
    """Return the labels of a player's row so many days after Monday, those that are ripe."""
    at = np.flatnonzero((rows.player == player) & (rows.at == MONDAY + round(day * DAY)))
    assert len(at) == 1, f"{len(at)} rows"
    return {name: float(rows.label[at[0], place]) for name, place in PLACE.items() if rows.ripe[at[0], place]}


def test_a_weekly_cut_tells_what_comes_in_the_days_from_it_on() -> None:
    log = of(("ann", 0), ("bob", 27), ("bob", 28, "other"), ("bob", 34.9, "deposit", 10.0), ("bob", 36), ("ann", 90))
    rows = rows_of(log, moment_share=0)
    told = labels(rows, 1, 28)
    assert told == {"churn_7d": 0, "churn_14d": 0, "churn_28d": 0, "purchase_7d": 1, "engagement": 2}
    told = labels(rows, 1, 35)
    assert (told["churn_7d"], told["purchase_7d"], told["engagement"]) == (0, 0, 1)
    assert labels(rows, 1, 42) == {"churn_7d": 1, "churn_14d": 1, "churn_28d": 1, "purchase_7d": 0, "engagement": 0}


def test_who_is_silent_for_four_weeks_is_no_row_until_they_return() -> None:
    rows = rows_of(of(("bob", 0), ("ann", 27), ("ann", 100), ("bob", 140)), moment_share=0)
    days = ((rows.at[rows.player == 1] - MONDAY) // DAY).tolist()
    assert days == [28, 35, 42, 49, 105, 112, 119, 126]
    assert (rows.idle_ms <= LOOK_BACK_DAYS * DAY).all()


def test_the_rest_of_a_session_is_no_return() -> None:
    log = of(("ann", 0), ("ann", 5 * MINUTE), ("ann", 20 * MINUTE), ("bob", 60))
    rows = rows_of(log, moment_share=1.0)
    assert labels(rows, 0, 0)["churn_7d"] == 1


def test_a_session_a_week_later_to_the_instant_is_a_return() -> None:
    rows = rows_of(of(("ann", 0), ("ann", 7), ("bob", 60)), moment_share=1.0)
    assert labels(rows, 0, 0)["churn_7d"] == 0
    later = rows_of(of(("ann", 0), ("ann", 7.001), ("bob", 60)), moment_share=1.0)
    assert labels(later, 0, 0)["churn_7d"] == 1


def test_a_label_whose_horizon_the_log_does_not_reach_is_not_ripe() -> None:
    rows = rows_of(of(("ann", 0), ("ann", 30), ("bob", 40)), moment_share=1.0)
    assert set(labels(rows, 0, 0)) == set(PLACE)
    assert set(labels(rows, 0, 30)) == {"churn_7d", "purchase_7d", "engagement"}
    assert not labels(rows, 1, 40)


@pytest.mark.parametrize("seed", range(3))
def test_a_row_is_what_a_turn_would_have_seen(seed: int) -> None:
    log = population(12, 60, seed)
    rows = rows_of(log)
    names = list(dict.fromkeys(log.player))
    assert rows.weekly.any()
    assert (~rows.weekly).any()
    for at in range(0, len(rows), 7):
        state, now = Features(), int(rows.at[at])
        for player, when, kind, amount, game in log.rows():
            if player == names[rows.player[at]] and (when < now or (when == now and not rows.weekly[at])):
                state = update(state, Signal(kind, amount, game), when)  # type: ignore[arg-type]
        assert rows.vector[at].tolist() == list(vector(state, now))
        assert (rows.seen[at], rows.idle_ms[at]) == (state.events, now - state.last_at)


@pytest.mark.parametrize("cut", [20, 41, 55])
def test_nothing_before_an_instant_depends_on_what_comes_after(cut: int) -> None:
    """The future is cut off: rows before it, and which moments were drawn, must be the same."""
    log = population(30, 70)
    whole, early = rows_of(log), rows_of(log.before(MONDAY + cut * DAY))
    until = whole.where(whole.at < MONDAY + cut * DAY - HOUR)
    now = early.where(early.at < MONDAY + cut * DAY - HOUR)
    assert len(now) > 10
    assert now.at.tolist() == until.at.tolist()
    assert now.player.tolist() == until.player.tolist()
    assert np.array_equal(now.vector, until.vector)
    assert np.array_equal(now.label[now.ripe], until.label[now.ripe])


def test_of_a_log_that_is_too_long_whole_players_are_left_out() -> None:
    log = population(200, 80)
    whole, less = rows_of(log), rows_of(log, rows_max=1_000)
    assert 100 < len(less) < 1_000 < len(whole)
    kept = set(less.player.tolist())
    assert len(less) == sum(1 for player in whole.player.tolist() if player in kept)


def test_a_session_gap_of_the_programme_is_the_gap_of_the_rows() -> None:
    log = of(("ann", 0), ("ann", 1 / 24), ("bob", 60))
    assert int((~rows_of(log, moment_share=1.0).weekly).sum()) == 3
    assert int((~rows_of(log, moment_share=1.0, gap_ms=2 * HOUR).weekly).sum()) == 2
    assert SESSION_GAP_MS < HOUR


@given(st.integers(1, 40), st.floats(0.1, 0.6))
@settings(max_examples=15, deadline=None)
def test_no_label_looks_into_a_later_span(seed: int, share: float) -> None:
    rows = rows_of(population(25, 120, seed))
    split = split_of(rows, share)
    horizon = np.array([head.days * DAY for head in HEADS])
    ends = rows.at[:, None] + horizon[None, :]
    fit, check, test = split.fit(rows), split.check(rows), split.test(rows)
    assert not ((fit & check) | (check & test) | (fit & test)).any()
    assert (ends[fit] <= split.check_at).all()
    assert (ends[check] <= split.test_at).all()
    assert ((rows.at >= split.test_at)[:, None] | ~test).all()
    assert rows.ripe[fit | check | test].all()


def test_a_head_with_too_little_to_learn_from_is_named_with_the_reason() -> None:
    rows = rows_of(population(150, 130))
    paid = lacking(rows, split_of(rows))
    assert "churn_7d" not in paid
    free = rows_of(log_without_money(population(150, 130)))
    assert "are above 0" in lacking(free, split_of(free))["purchase_7d"]


def test_a_log_of_days_cannot_be_split() -> None:
    with pytest.raises(NotEnough, match="ten weeks"):
        split_of(rows_of(population(20, 12)))


def log_without_money(log: Log) -> Log:
    """Return the log with every deposit as mere presence."""
    return log_of(log.player, log.at, ["other"] * len(log), [0.0] * len(log))


def test_a_log_is_sorted_by_time_and_one_instant_keeps_its_order() -> None:
    log = log_of(["b", "a", "c"], [5, 1, 5], ["bet", "win", "other"], [1.0, 2.0, 0.0], game=["x", "", "y"])
    assert list(log.rows()) == [("a", 1, "win", 2.0, ""), ("b", 5, "bet", 1.0, "x"), ("c", 5, "other", 0.0, "y")]
    assert list(log.before(5).rows()) == [("a", 1, "win", 2.0, "")]


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ((["a"], [1, 2], ["bet"], [1.0]), "lengths"),
        ((["a"], [1], ["luck"], [1.0]), "'luck'"),
        ((["a"], [1], ["bet"], [float("nan")]), "finite"),
    ],
)
def test_what_is_no_log_is_refused(columns: tuple[list[str], list[int], list[str], list[float]], said: str) -> None:
    with pytest.raises(BadLog, match=said):
        log_of(*columns)


def test_the_fingerprint_changes_with_every_value() -> None:
    one = of(("ann", 0), ("bob", 1, "bet", 2.0))
    rows = [("bob", 1, "bet", 2.5), ("bob", 1, "win", 2.0), ("bob", 2, "bet", 2.0), ("eve", 1, "bet", 2.0)]
    others = [of(("ann", 0), row) for row in rows] + [of(("ann", 0))]
    assert len({log.fingerprint() for log in (one, *others)}) == 6
    assert one.fingerprint() == of(("ann", 0), ("bob", 1, "bet", 2.0)).fingerprint()
