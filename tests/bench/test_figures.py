import os

import pytest

from bench.background import parse_wrk
from bench.engine_process import cpu_spent
from bench.figures import Counts, median, percentile, ratio, tally
from bench.processes import cpu_s, memory_kb, parse_stat, tree
from bench.rival_lua import Expected


@pytest.mark.parametrize(
    ("values", "share", "found"),
    [
        pytest.param([], 0.5, 0.0, id="of nothing it is 0"),
        pytest.param([7.0], 0.99, 7.0, id="one value is every percentile"),
        pytest.param([3.0, 1.0, 2.0], 0.5, 2.0, id="the order does not matter"),
        pytest.param(list(range(1, 101)), 0.99, 99, id="p99 of 100 is the 99th"),
        pytest.param([1.0] * 49 + [50.0], 0.99, 50.0, id="p99 of few values is the worst"),
    ],
)
def test_a_percentile_is_a_value_that_was_measured(values: list[float], share: float, found: float) -> None:
    assert percentile(values, share) == found


def test_a_ratio_without_a_reference_is_zero() -> None:
    assert ratio(5.0, 0.0) == 0.0
    assert ratio(1.0, 3.0) == 0.333
    assert median([]) == 0.0


@pytest.mark.parametrize(
    ("seen", "counts"),
    [
        pytest.param("abc", Counts(3), id="all once in order"),
        pytest.param("ac", Counts(3, lost=1), id="one lost"),
        pytest.param("abbc", Counts(3, doubled=1), id="one doubled"),
        pytest.param("acb", Counts(3, out_of_order=1), id="two swapped"),
        pytest.param("xaybzc", Counts(3), id="what another run sent does not count"),
        pytest.param("", Counts(3, lost=3), id="none arrived"),
    ],
)
def test_lost_doubled_and_reordered_events_are_told_apart(seen: str, counts: Counts) -> None:
    assert tally(list("abc"), list(seen)) == counts


def test_counts_add_up() -> None:
    assert Counts(1, 1, 0, 2) + Counts(3, 0, 4, 1) == Counts(4, 1, 4, 3)


def test_the_rival_pays_fifty_points_for_every_tenth_event() -> None:
    assert Expected.of([7] * 21) == Expected(count=21, points=21 * 7 + 100)


def test_a_process_name_with_spaces_and_brackets_does_not_shift_the_fields() -> None:
    fields = ["S", "41", *["0"] * 9, "100", "50", "25", "25", *["0"] * 30]
    parent, seconds = parse_stat("123 (ray::Host (x) y) " + " ".join(fields))
    assert parent == 41
    assert seconds == pytest.approx(200 / os.sysconf("SC_CLK_TCK"))


def test_this_process_is_in_its_own_tree_and_has_memory() -> None:
    assert tree(os.getpid())[0] == os.getpid()
    assert cpu_s([os.getpid()]) > 0
    assert memory_kb(os.getpid()) > 1_000
    assert memory_kb(2**22 + 1) == 0


def test_only_roles_that_worked_are_listed_the_busiest_first() -> None:
    assert cpu_spent({"a": 1.0, "b": 2.0}, {"a": 1.5, "b": 2.0, "c": 3.0}) == {"c": 3.0, "a": 0.5}


def test_what_wrk_reports_is_read() -> None:
    said = (
        "  Socket errors: connect 0, read 1, write 0, timeout 2\n  Non-2xx or 3xx responses: 7\nRequests/sec:  499.87\n"
    )
    assert parse_wrk(said) == (499.87, 10)
    assert parse_wrk("Requests/sec:   12.00\n") == (12.0, 0)
