"""When time alone changes a condition: exact moments by example, and "never late" as a law."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.calendar import as_ms, local_day, local_ms, next_local_day, next_local_hour
from domain.conditions import PlayerContext, compile_condition, evaluate, next_change
from domain.player import Profile, Snapshot
from domain.timing import thresholds_of

HOUR, DAY = 3_600_000, 86_400_000
LISBON = "Europe/Lisbon"


def moment(text: str, zone: str = LISBON) -> int:
    return as_ms(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)))


SEEN = moment("2026-11-01 12:00:00")


def leaf(field: str, op: str, value: Any = None) -> dict[str, Any]:
    return {"field": field, "op": op} | ({} if value is None else {"value": value})


def context(now: int, zone: str = LISBON, *, seen: int = SEEN, **traits: Any) -> PlayerContext:
    profile = Profile(traits, first_seen_at=seen, last_seen_at=seen)
    air = {"tone": {"mood": "negative", "at": seen}} if seen else {}
    state = Snapshot("ada", profile=profile, air=air)
    return PlayerContext(state, now=now, zone=zone, segment={"in": True, "out": False}.get)


def changes(tree: dict[str, Any], now: int, zone: str = LISBON, **traits: Any) -> int:
    return next_change(compile_condition(tree), context(now, zone, **traits))


WEEK_SILENT = leaf("player.since.last_seen", "gte", 7 * 86_400)


@pytest.mark.parametrize(
    ("tree", "now", "at"),
    [
        pytest.param(WEEK_SILENT, SEEN, SEEN + 7 * DAY, id="a week of silence, to the millisecond"),
        pytest.param(WEEK_SILENT, SEEN + 7 * DAY - 1, SEEN + 7 * DAY, id="a millisecond before"),
        pytest.param(WEEK_SILENT, SEEN + 7 * DAY, 0, id="and then never again"),
        pytest.param(leaf("player.since.first_seen", "gt", 5), SEEN, SEEN + 6000, id="more than 5 is 6"),
        pytest.param(leaf("player.since.first_seen", "lte", 5), SEEN, SEEN + 6000, id="at most 5 ends at 6"),
        pytest.param(leaf("player.since.first_seen", "lt", 5), SEEN, SEEN + 5000, id="less than 5 ends at 5"),
        pytest.param(leaf("player.since.first_seen", "eq", 5), SEEN, SEEN + 5000, id="equality begins"),
        pytest.param(leaf("player.since.first_seen", "eq", 5), SEEN + 5000, SEEN + 6000, id="and ends"),
        pytest.param(leaf("player.since.first_seen", "between", [5, 8]), SEEN + 5000, SEEN + 9000, id="between ends"),
        pytest.param(leaf("player.since.first_seen", "gte", 4.2), SEEN, SEEN + 5000, id="fractions count up"),
        pytest.param(leaf("player.since.first_seen", "exists"), SEEN, 0, id="seen for ever"),
        pytest.param(leaf("player.since.tone", "lt", 86_400), SEEN, SEEN + DAY, id="a mood's age"),
        pytest.param(leaf("player.tone.mood", "eq", "negative"), SEEN, 0, id="a mood stays until another is said"),
        pytest.param(leaf("player.since.first_seen", "eq", "5"), SEEN, 0, id="text is never a number of seconds"),
        pytest.param(leaf("now.hour", "gte", 18), moment("2026-11-02 09:30"), moment("2026-11-02 18:00"), id="evening"),
        pytest.param(
            leaf("now.weekday", "in", [6, 7]), moment("2026-11-02 09:30"), moment("2026-11-07 00:00"), id="weekend"
        ),
        pytest.param(
            leaf("now.weekday", "in", [6, 7]), moment("2026-11-07 09:30"), moment("2026-11-09 00:00"), id="weekend over"
        ),
        pytest.param(
            leaf("now.date", "gte", "2026-11-12"), moment("2026-11-02 09:30"), moment("2026-11-12 00:00"), id="date"
        ),
        pytest.param(
            leaf("player.traits.born", "anniversary"),
            moment("2026-11-02 09:30"),
            moment("2027-02-28 00:00"),
            id="a birthday on 29 February, at local midnight of the 28th",
        ),
        pytest.param(
            leaf("player.traits.born", "anniversary"),
            moment("2028-02-29 09:30"),
            moment("2028-03-01 00:00"),
            id="it is over at the next midnight",
        ),
        pytest.param(
            leaf("player.traits.born", "anniversary", 7), moment("2026-11-02"), moment("2027-02-21 00:00"), id="ahead"
        ),
        pytest.param(leaf("player.traits.nothing", "anniversary"), SEEN, 0, id="no date, no anniversary"),
        pytest.param({"all": [WEEK_SILENT, {"segment": "out"}]}, SEEN, 0, id="false whatever the time"),
        pytest.param({"any": [WEEK_SILENT, {"segment": "in"}]}, SEEN, 0, id="true whatever the time"),
        pytest.param({"all": [WEEK_SILENT, {"segment": "in"}]}, SEEN, SEEN + 7 * DAY, id="waiting for time alone"),
        pytest.param(
            {"all": [leaf("player.since.first_seen", "gte", 3), leaf("player.since.first_seen", "gte", 5)]},
            SEEN,
            SEEN + 5000,
            id="an all waits for its last false part",
        ),
        pytest.param(
            {"not": {"any": [leaf("player.since.first_seen", "gte", 3), leaf("player.since.first_seen", "gte", 5)]}},
            SEEN,
            SEEN + 3000,
            id="an any changes with its first",
        ),
        pytest.param({"segment": "in"}, SEEN, 0, id="a segment has its own timing"),
    ],
)
def test_time_alone_changes_a_condition_at(tree: dict[str, Any], now: int, at: int) -> None:
    assert changes(tree, now, born="1992-02-29") == at


@pytest.mark.parametrize(
    ("born", "now", "at"),
    [
        # Lisbon: clocks go forward on 2027-03-28 at 01:00, back on 2026-10-25 at 02:00
        pytest.param(
            "1990-10-25", "2026-10-24T12:00:00+01:00", "2026-10-25T00:00:00+01:00", id="begins before the fold"
        ),
        pytest.param("1990-10-25", "2026-10-25T00:30:00+01:00", "2026-10-26T00:00:00+00:00", id="a day of 25 hours"),
        pytest.param("1990-03-28", "2027-03-28T00:30:00+00:00", "2027-03-29T00:00:00+01:00", id="a day of 23 hours"),
    ],
)
def test_a_birthday_is_the_whole_local_day_over_both_clock_changes(born: str, now: str, at: str) -> None:
    tree = leaf("player.traits.born", "anniversary")
    assert changes(tree, as_ms(datetime.fromisoformat(now)), born=born) == as_ms(datetime.fromisoformat(at))


def test_a_repeated_hour_is_one_hour_and_a_skipped_one_is_none() -> None:
    assert next_local_hour(moment("2026-10-25 01:30"), LISBON) == moment("2026-10-25 02:00")
    assert next_local_hour(moment("2026-10-25 01:30"), LISBON) - moment("2026-10-25 01:00") == 2 * HOUR
    assert local_ms(next_local_hour(moment("2027-03-28 00:30"), LISBON), LISBON) % DAY == 2 * HOUR


def test_a_metric_is_asked_with_the_numbers_whose_reaching_matters() -> None:
    asked: list[tuple[str, tuple[float, ...]]] = []

    def metric_changes(metric: str, thresholds: tuple[float, ...]) -> int:
        asked.append((metric, thresholds))
        return 42

    condition = compile_condition({"not": {"metric": "m", "op": "gte", "value": 3}})
    assert [leaf.subject for leaf in condition.timed] == ["m"]
    assert next_change(condition, PlayerContext(Snapshot("ada"), metric_changes=metric_changes)) == 42
    assert asked == [("m", (3,))]


@pytest.mark.parametrize("op", ["eq", "ne", "gt", "gte", "lt", "lte", "in", "between"])
@given(
    operands=st.lists(st.one_of(st.integers(-(2**60), 2**60), st.floats(-1e6, 1e6)), min_size=2, max_size=2).map(
        sorted
    ),
    values=st.lists(st.one_of(st.integers(-3, 3), st.floats(-3, 3), st.sampled_from([0.0, 1])), min_size=2, max_size=2),
)
@example(operands=[2**53, 2**53 + 1], values=[0, 1])
def test_a_verdict_differs_only_across_a_threshold(op: str, operands: list[float], values: list[float]) -> None:
    value = operands if op in ("in", "between") else operands[0]
    near = [*operands, *(operand + step for operand in operands for step in values)]
    thresholds = thresholds_of(op, value)
    verdicts: dict[int, set[bool]] = {}
    for held in near:
        tree = {"metric": "m", "op": op, "value": value}
        verdict = evaluate(tree, PlayerContext(Snapshot("ada"), metric={"m": held}.get))
        verdicts.setdefault(sum(held >= threshold for threshold in thresholds), set()).add(verdict)
    assert all(len(found) == 1 for found in verdicts.values())


def test_most_conditions_have_no_timing() -> None:
    tree = {"all": [leaf("player.traits.country", "eq", "PT"), {"segment": "in"}, leaf("event.name", "exists")]}
    assert compile_condition(tree).timed == ()
    assert changes(tree, SEEN) == 0


SECONDS = st.one_of(st.integers(-2, 200_000), st.sampled_from([0, 1, 3600, 86_400, 86_399]), st.floats(0, 10_000))
NUMBERS = st.sampled_from(["eq", "ne", "gt", "gte", "lt", "lte"])
TIMED = st.one_of(
    st.tuples(st.sampled_from(["first_seen", "last_seen", "tone"]), NUMBERS, SECONDS).map(
        lambda drawn: leaf(f"player.since.{drawn[0]}", drawn[1], drawn[2])
    ),
    st.lists(SECONDS, min_size=2, max_size=2).map(lambda v: leaf("player.since.first_seen", "between", sorted(v))),
    st.lists(SECONDS, min_size=1, max_size=3).map(lambda v: leaf("player.since.first_seen", "in", v)),
    st.tuples(NUMBERS, st.integers(-1, 24)).map(lambda drawn: leaf("now.hour", *drawn)),
    st.tuples(NUMBERS, st.integers(0, 8)).map(lambda drawn: leaf("now.weekday", *drawn)),
    st.tuples(NUMBERS, st.sampled_from(["2026-10-25", "2026-10", "2027-03-28"])).map(
        lambda drawn: leaf("now.date", *drawn)
    ),
    st.sampled_from(["2026-10-2", "2026-1"]).map(lambda text: leaf("now.date", "starts_with", text)),
    st.integers(0, 365).map(lambda days: leaf("player.traits.born", "anniversary", days)),
    st.sampled_from(["in", "out", "unknown"]).map(lambda name: {"segment": name}),
)
TREES = st.recursive(
    TIMED,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda children: {"all": children}),
        st.lists(inner, min_size=1, max_size=3).map(lambda children: {"any": children}),
        inner.map(lambda child: {"not": child}),
    ),
    max_leaves=5,
)
ZONES = st.sampled_from(
    ["", LISBON, "Australia/Lord_Howe", "America/Santiago", "America/Havana", "Asia/Kathmandu", "Pacific/Apia"]
)
INSTANTS = st.one_of(
    st.integers(as_ms(datetime(2026, 1, 1, tzinfo=UTC)), as_ms(datetime(2028, 12, 31, tzinfo=UTC))),
    st.tuples(
        st.sampled_from(
            [moment("2026-10-25 00:00"), moment("2027-03-28 00:00"), moment("2027-09-04 20:00", "Etc/GMT")]
        ),
        st.integers(0, 30 * HOUR),
    ).map(sum),
)


@given(
    tree=TREES,
    now=INSTANTS,
    zone=ZONES,
    ago=st.one_of(st.integers(-2000, 300_000_000), st.just(0)),
    born=st.one_of(st.dates(min_value=datetime(1950, 1, 1).date()).map(str), st.sampled_from(["--02-29", "soon"])),
    shares=st.lists(st.floats(0, 1), max_size=12),
)
def test_until_its_next_change_a_condition_stays_as_it_is(
    tree: dict[str, Any], now: int, zone: str, ago: int, born: str, shares: list[float]
) -> None:
    def asked(at: int) -> PlayerContext:
        return context(at, zone, seen=now - ago, born=born)

    until = next_change(compile_condition(tree), asked(now))
    assert until == 0 or until > now
    last = until - 1 if until else now + 400 * DAY
    probes = {now + int((last - now) * share) for share in shares} | {last}
    probes |= {at for unit in (1000, HOUR, DAY) for step in (1, 2) if (at := now + unit * step) <= last}
    holds = evaluate(tree, asked(now))
    assert all(evaluate(tree, asked(at)) is holds for at in probes)


@given(now=INSTANTS, zone=ZONES)
def test_the_next_local_day_is_the_first_instant_of_another_day(now: int, zone: str) -> None:
    following = next_local_day(now, zone)
    assert following > now
    assert local_day(following, zone) != local_day(now, zone)
    assert local_day(following - 1, zone) == local_day(now, zone)
