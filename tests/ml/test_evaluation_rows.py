"""The line between what was known and what came after: a shuffled future changes outcomes and nothing else."""

from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch", reason="the extra `train` is not installed")

from ml import data
from ml.evaluation import tasks
from ml.evaluation.contenders import contenders, net, parts
from ml.evaluation.rows import DAY_MS, Question, Rows, rows_of
from ml.evaluation.tasks import Task
from ml.training.log import KINDS, Log, log_of

MOMENT = 100 * DAY_MS
SIGNALS = st.lists(
    st.tuples(
        st.integers(1, 5),  # player
        st.integers(0, 200 * DAY_MS),
        st.sampled_from(KINDS),
        st.floats(0, 1e4),
    ),
    min_size=1,
    max_size=20,
)


def log(signals: list[tuple[int, int, str, float]]) -> Log:
    player, at, kind, amount = (list(column) for column in zip(*signals, strict=True))
    return log_of(player, at, kind, amount)


def seen(rows: Rows) -> tuple[bytes, ...]:
    """All of the rows but the outcome, bit by bit."""
    return tuple(getattr(rows, name).tobytes() for name in rows.__struct_fields__ if name != "gone")


def with_another_future(of: Log, at: int, seed: int) -> Log:
    """Shuffle who did what from ``at`` on, when, and for how much; leave out half of it."""
    rng = Random(seed)
    known = len(of.before(at))
    future = list(range(known, len(of)))
    rest = rng.sample(future, len(future) // 2)
    end = of.at[-1]
    return log_of(
        [*of.player[:known], *(rng.choice(of.player) for _ in rest)],
        [*of.at[:known], *(rng.randint(at, end) for _ in rest)],
        [*of.kind[:known], *(rng.choice(KINDS) for _ in rest)],
        [*of.amount[:known], *(rng.random() * 1_000 for _ in rest)],
        name=of.name,
        licence=of.licence,
    )


@given(past=SIGNALS, one=SIGNALS, other=SIGNALS)
def test_what_is_seen_at_a_moment_does_not_depend_on_what_follows(
    past: list[tuple[int, int, str, float]],
    one: list[tuple[int, int, str, float]],
    other: list[tuple[int, int, str, float]],
) -> None:
    before = [(player, at // 2 % MOMENT, kind, amount) for player, at, kind, amount in past]
    after = [[(player, MOMENT + at, kind, amount) for player, at, kind, amount in signals] for signals in (one, other)]
    rows = [rows_of(log([*before, *future]), lambda _: [MOMENT], Question(14)) for future in after]
    assert seen(rows[0]) == seen(rows[1])


def test_a_row_is_who_was_there_and_whether_he_came_back() -> None:
    day = DAY_MS
    rows = rows_of(
        log([
            (1, 0, "purchase", 5.0), (1, 10 * day, "purchase", 5.0), (1, 10 * day + 1, "purchase", 5.0),
            (1, 20 * day, "purchase", 5.0),
            (2, 3 * day, "purchase", 1.0), (2, 26 * day, "purchase", 1.0),
            (3, 25 * day, "purchase", 1.0),
        ]),
        lambda _: [12 * day, 19 * day],
        Question(7),
    )  # fmt: skip
    assert list(zip(rows.player.tolist(), (rows.at // day).tolist(), rows.gone.tolist(), strict=True)) == [
        (0, 12, 1.0),  # comes back on day 20, the 8th
        (0, 19, 0.0),
        (1, 12, 1.0),
        (1, 19, 1.0),  # day 26 is the first after the horizon
    ]
    assert rows.recency_d[0] == pytest.approx(2, abs=1e-6)
    assert rows.history[0].tolist() == [1, 10, 11], (
        "two purchases of one day are one; the day before the moment is over"
    )


def test_only_who_was_there_lately_and_often_is_asked_about() -> None:
    signals = [(1, 0, "other", 0.0), (1, 90 * DAY_MS, "other", 0.0), (2, 99 * DAY_MS, "other", 0.0)]
    signals += [(3, at * DAY_MS, "other", 0.0) for at in (1, 2, 3)]
    rows = rows_of(log(signals), lambda _: [MOMENT], Question(7, active_d=14, signals_min=2))
    assert rows.player.tolist() == [0]


def some(of: Log, every: int) -> Log:
    """Keep every so many customers: quick tests need no more."""
    kept = [row for row in of.rows() if int(row[0]) % every == 0]
    player, at, kind, amount, _ = (list(column) for column in zip(*kept, strict=True))
    return log_of(player, at, kind, amount)


@pytest.fixture(scope="module")
def shop() -> Task:
    return tasks.cdnow(some(data.cdnow_sample(), 12), "some of the sample")


def test_every_training_outcome_was_known_before_the_first_test_moment(shop: Task) -> None:
    assert int(shop.train.at.max()) + shop.horizon_d * DAY_MS <= int(shop.test.at.min())
    assert len(set(shop.train.at.tolist())) == 7


def test_what_stops_and_calibrates_the_net_is_apart_from_what_it_learns(shop: Task) -> None:
    """Months of horizon leave nothing before the newest rows: players are parted. Days leave enough: times are."""
    fit, check = parts(shop.train, shop.horizon_d)
    assert not set(shop.train.player[fit].tolist()) & set(shop.train.player[check].tolist())
    fit, check = parts(shop.train, 14)
    assert int(shop.train.at[fit].max()) + 14 * DAY_MS <= int(shop.train.at[check].min())


@pytest.mark.slow
def test_scores_do_not_move_when_the_future_is_shuffled(shop: Task) -> None:
    """Everything is done again, fit and all, on a log whose future from the first test moment on is another."""
    sample = some(data.cdnow_sample(), 12)
    moment = int(shop.test.at.min())
    shuffled = tasks.cdnow(with_another_future(sample, moment, seed=4), "shuffled")
    assert seen(shop.train) == seen(shuffled.train)
    assert np.array_equal(shop.train.gone, shuffled.train.gone)
    assert seen(shop.test) == seen(shuffled.test)
    assert (shop.test.gone != shuffled.test.gone).mean() > 0.1, "nothing was shuffled"
    for name, model in contenders(shop).items():
        before = model(shop.train, shop.test, shop.horizon_d)
        after = model(shuffled.train, shuffled.test, shuffled.horizon_d)
        assert np.array_equal(before, after), f"{name} knows the future"


@pytest.mark.slow
def test_a_leak_would_be_seen(shop: Task) -> None:
    """The check above can fail: who looks a month past the moment sees another world."""
    sample = some(data.cdnow_sample(), 12)
    moment = int(shop.test.at.min())
    late = [moment + 30 * DAY_MS]
    worlds = [rows_of(one, lambda _: late, Question(30)) for one in (sample, with_another_future(sample, moment, 4))]
    assert seen(worlds[0]) != seen(worlds[1])
    scores = [net(shop.train, world, shop.horizon_d) for world in worlds]
    assert not np.array_equal(*scores)
