"""Two players turn out to be one: what was known of them is known of the person."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.calendar import DAY_MS
from domain.features import Faded, Features
from ml.features import NAMES, Signal, vector
from ml.joining import joined
from tests.ml.test_features import HISTORIES, LAWS, MONDAY, SUMS, Act, after, named, timed

STATES = st.builds(lambda history: after(timed(history)), HISTORIES)


MORNING, NOON = (
    after([(MONDAY, Signal("bet", 1.0)), (MONDAY + DAY_MS, Signal("other"))]),
    after([(MONDAY + DAY_MS, Signal("other"))]),
)


@LAWS
@given(first=STATES, second=STATES)
@example(MORNING, NOON)  # of one age
def test_it_does_not_matter_who_joins_whom(first: Features, second: Features) -> None:
    assert joined(first, second) == joined(second, first)


@LAWS
@given(state=STATES)
def test_nobody_adds_nothing(state: Features) -> None:
    assert joined(state, Features()) is state
    assert joined(Features(), state) is state


@LAWS
@given(history=HISTORIES, whose=st.lists(st.booleans(), min_size=20, max_size=20))
def test_a_history_that_was_told_of_two_is_the_history_of_one(history: list[Act], whose: list[bool]) -> None:
    """Sums, days and ages are what one player would have. Sessions are not: who played with whom is not known."""
    rows = timed(history)
    halves = [[row for row, mine in zip(rows, whose, strict=False) if mine == side] for side in (True, False)]
    both, one = joined(after(halves[0]), after(halves[1])), after(rows)
    assert (both.events, both.first_at, both.last_at) == (one.events, one.first_at, one.last_at)
    assert (both.days, both.games) == (one.days, one.games)
    assert one.days_all <= both.days_all <= (one.last_at // DAY_MS - one.first_at // DAY_MS + 1)
    assert one.sessions_all <= both.sessions_all
    assert (both.buys.first_at, both.buys.last_at) == (one.buys.first_at, one.buys.last_at)
    assert both.buys.spent == pytest.approx(one.buys.spent)
    assert one.buys.days <= both.buys.days <= both.buys.last_at // DAY_MS - both.buys.first_at // DAY_MS + 1
    for name in SUMS:
        ours, theirs = getattr(both, name), getattr(one, name)
        assert (ours.day, ours.week, ours.month) == pytest.approx((theirs.day, theirs.week, theirs.month), abs=1e-6)
    assert (both.hour_cos, both.hour_sin) == pytest.approx((one.hour_cos, one.hour_sin), abs=1e-6)


def test_messages_of_both_count_even_where_one_was_never_there() -> None:
    told = after([(MONDAY, Signal("received", game="a")), (MONDAY, Signal("responded", game="a"))])
    here = after([(MONDAY + DAY_MS, Signal("received", game="b")), (MONDAY + DAY_MS, Signal("other"))])
    for both in (joined(told, here), joined(here, told)):
        assert both.events == 1
        assert both.messages.received.month == pytest.approx(1 + 0.5 ** (1 / 28))
        assert both.messages.last == told.messages.last
        again = joined(both, told)
        assert again.messages.last == told.messages.last
    assert joined(told, told).messages.received.month == 2


def test_days_are_counted_once_and_averages_weighed() -> None:
    anna = after([(MONDAY + day * DAY_MS, Signal("bet", 10.0)) for day in range(4)])
    ann = after([(MONDAY + day * DAY_MS + 1_000, Signal("bet", 10.0)) for day in range(2, 4)])
    both = joined(anna, ann)
    assert both.days_all == 4
    assert both.sessions_all == 5, "the last sessions of the two were one"
    assert both.bets.month == pytest.approx(anna.bets.month + ann.bets.month, rel=1e-5)
    assert both.stakes.count == 6
    assert both.stakes.mean == pytest.approx(anna.stakes.mean)
    assert both.deposits == Faded()
    assert named(both, both.last_at)["days_share"] == 1
    assert len(vector(both, both.last_at)) == len(NAMES)
