"""Names and seed numbers of runs, over a hundred years."""

import pytest

from domain.calendar import day_starts_at
from gamification.periods import Period, number_of
from gamification.raffles import runs

EVERY: tuple[Period, ...] = ("day", "week", "month")
DAYS = range(18_262, 55_153)  # 2020-01-01 to 2120-12-31


def test_no_two_runs_of_a_hundred_years_have_a_seed_in_common() -> None:
    names: dict[str, None] = {"t1577836800": None, "t4765132800": None}
    for day in DAYS:
        for every in EVERY:
            names[runs.name_of(every, number_of(day * 86_400_000, "UTC", every))] = None
    numbers = {runs.number_of(name) for name in names}
    assert len(names) == 2 + len(DAYS) + 5_272 + 101 * 12
    assert len(numbers) == len(names)


def test_seeds_until_2035_are_numbered_as_they_always_were_and_a_name_tells_its_time_for_ever() -> None:
    assert [runs.number_of(name) for name in ("d20514", "w2931", "m24314", "t1772496000")] == [
        20_514, 2_931, 24_314, 1_772_496_000,
    ]  # fmt: skip
    assert runs.number_of("d23999") == 23_999
    assert runs.number_of("d24314") == 10_024_314
    for number in (23_999, 24_000, 24_314):
        assert runs.drawn_at(f"d{number}", "Europe/Malta") == day_starts_at(number + 1, "Europe/Malta")


@pytest.mark.parametrize("name", ["", "d", "x7", "d-7", "d7@x"])
def test_what_is_no_run_has_no_number(name: str) -> None:
    assert (runs.number_of(name), runs.drawn_at(name, "UTC")) == (0, None)
