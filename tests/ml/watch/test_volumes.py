"""What an hour usually brings: by hour of the week of a zone, with the scatter that a name has."""

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import msgpack

from domain.calendar import as_ms
from ml.watch.volumes import (
    HOUR_MS,
    HOURS,
    LEAST,
    Forecast,
    Usual,
    chance,
    chance_of_none,
    forecast,
    hour_of_week,
    learnt,
    spread_of,
)
from tests.ml.watch.weeks import MONDAY, poisson, utc


def test_hours_of_the_week_are_those_of_the_zones_wall_clock() -> None:
    assert hour_of_week(MONDAY, "UTC") == 0
    assert hour_of_week(MONDAY - HOUR_MS, "UTC") == 167
    assert hour_of_week(MONDAY, "Europe/Kyiv") == 2
    assert hour_of_week(MONDAY, "Asia/Kolkata") == 5  # half past five
    assert hour_of_week(MONDAY, "America/New_York") == 6 * 24 + 19  # still Sunday evening


def test_when_clocks_change_an_hour_of_the_week_is_left_out_or_comes_twice() -> None:
    forward = as_ms(utc(2026, 3, 29))
    assert [hour_of_week(forward + n * HOUR_MS, "Europe/Kyiv") - 144 for n in range(4)] == [2, 4, 5, 6]
    back = as_ms(utc(2026, 10, 24, 23))
    assert [hour_of_week(back + n * HOUR_MS, "Europe/Kyiv") - 144 for n in range(4)] == [2, 3, 3, 4]


def test_nothing_is_known_of_an_hour_until_that_hour_of_any_day_was_seen() -> None:
    usual = learnt(Usual(), 10, 100)
    assert forecast(usual, 11) is None
    assert forecast(Usual(), 10) is None
    other_day = forecast(usual, 3 * 24 + 10)
    assert other_day is not None
    assert other_day.mean == pytest.approx(100)


def test_weeks_make_a_forecast_surer() -> None:
    usual, told = Usual(), []
    for week in range(6):
        usual = learnt(usual, 10, 100 + week % 2)
        said = forecast(usual, 10)
        assert said is not None
        told.append(said.scatter)
    assert told[0] > told[2] > told[5]
    assert forecast(usual, 10).mean == pytest.approx(100, abs=2)  # type: ignore[union-attr]


def test_a_platform_that_grew_is_expected_to_stay_so() -> None:
    usual = Usual()
    for hour in range(HOURS * 2):
        usual = learnt(usual, hour % HOURS, 100)
    for hour in range(24):
        usual = learnt(usual, hour, 150)
    said = forecast(usual, 30)
    assert said is not None
    assert 115 < said.mean < 150


@pytest.mark.parametrize(("burst", "scatter"), [(1, 0.0), (8, 0.0), (1, 0.2), (4, 0.1)])
def test_burst_and_scatter_are_found_again(burst: int, scatter: float) -> None:
    rng, usual = Random(3), Usual()
    for hour in range(HOURS * 12):
        mean = 4.0 if hour % 24 < 8 else 150.0
        day = rng.gammavariate(1 / scatter, scatter) if scatter else 1.0
        usual = learnt(usual, hour % HOURS, burst * poisson(rng, mean / burst * day))
    found = spread_of(usual)
    assert found[0] == pytest.approx(max(burst, 1), rel=0.5)
    assert found[1] == pytest.approx(scatter, abs=0.06)


def test_an_odd_hour_teaches_little_and_what_comes_every_week_becomes_usual() -> None:
    usual = Usual()
    for hour in range(HOURS * 3):
        usual = learnt(usual, hour % HOURS, 100)
    once = learnt(usual, 5, 0, is_odd=True)
    assert forecast(once, 5).mean == pytest.approx(83, abs=4)  # type: ignore[union-attr]
    for _ in range(12):
        usual = learnt(usual, 5, 1_000, is_odd=True)
    assert forecast(usual, 5).mean > 500  # type: ignore[union-attr]


def test_chances_are_those_of_the_poisson_where_nothing_scatters() -> None:
    told = Forecast(20.0, 1.0, 1e-9)
    low = sum(math.exp(-20) * 20**k / math.factorial(k) for k in range(6))
    high = 1 - sum(math.exp(-20) * 20**k / math.factorial(k) for k in range(40))
    assert chance(5, told) == pytest.approx(low, rel=1e-4)
    assert chance(40, told) == pytest.approx(high, rel=1e-3)
    due, none = chance_of_none([(told, 0.5), (told, 0.25)])
    assert due == 15.0
    assert none == pytest.approx(math.exp(-15), rel=1e-4)


@given(
    mean=st.floats(0.01, 1e7), burst=st.floats(1, 50), scatter=st.floats(0.005, 3), count=st.integers(0, 10**8)
)  # fmt: skip
def test_a_chance_is_a_probability_and_falls_with_the_distance(
    mean: float, burst: float, scatter: float, count: int
) -> None:
    told = Forecast(mean, burst, scatter)
    here = chance(count, told)
    assert LEAST <= here <= 1
    if count > mean:
        assert chance(count * 2 + 10, told) <= here * 1.0001
    elif count:
        assert chance(0, told) <= here * 1.0001


def test_of_nothing_known_no_silence_is_told() -> None:
    assert chance_of_none([]) == (0.0, 1.0)


def test_what_is_kept_of_a_name_is_bounded() -> None:
    rng, usual = Random(1), Usual()
    for hour in range(HOURS * 3):
        usual = learnt(usual, hour % HOURS, rng.randrange(10**6))
    assert len(msgpack.encode(usual)) < 4_096
    assert msgpack.decode(msgpack.encode(usual), type=Usual) == usual
