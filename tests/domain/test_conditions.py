"""The condition tree: what it means, what it refuses, and that compiled and interpreted agree."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.calendar import as_ms
from domain.conditions import ConditionError, PlayerContext, compile_condition, evaluate
from domain.entries import Event
from domain.player import Balance, Profile, Progress, Snapshot

EVENT = Event(
    "ada",
    "e1",
    "bet_placed",
    1,
    {"amount": 1000, "game": "book-of-fakes", "live": True, "tags": ["slots", 7], "table": {"seats": 6}, "note": None},
    context={"os": {"name": "amiga"}},
)
ADA = Snapshot(
    "ada",
    profile=Profile(
        {
            "country": "PT",
            "age": 36,
            "born": "1990-11-22",
            "named": "--11-29",
            "joined": "2024-11-22T09:30:00Z",
            "leap": "2000-02-29",
        },
        first_seen_at=1_000_000,
    ),
    wallet={"points": Balance(40, 90)},
    progress=Progress(levels={"club": "founder", "main": "gold"}),
    air={"tone": {"mood": "negative", "at": 1_795_391_399_000 - 90_000, "polarity": -0.8, "confidence": 0.9}},
)
METRICS: dict[str, int | None] = {"deposits_7d": 0, "best_win": None}


def context(event: Event | None = EVENT) -> PlayerContext:
    segments = {"high-rollers": True, "at-risk": False}
    return PlayerContext(
        ADA,
        event,
        metric=METRICS.get,
        segment=segments.get,
        scores={"churn": 0.7},
        journey={"pace": 0.5, "data": {"coupon": "WELCOME"}},
        now=SUNDAY_NIGHT,
        zone="Europe/Lisbon",
    )


SUNDAY_NIGHT = as_ms(datetime(2026, 11, 22, 23, 59, 59, tzinfo=UTC))


def leaf(field: str, op: str, *value: Any) -> dict[str, Any]:
    return {"field": field, "op": op, **({"value": value[0]} if value else {})}


AMOUNT = "event.properties.amount"
UNKNOWN = leaf("event.properties.nothing", "eq", 1)


@pytest.mark.parametrize(
    ("tree", "holds"),
    [
        pytest.param(None, True, id="no condition always holds"),
        pytest.param(leaf("event.name", "eq", "bet_placed"), True, id="the event's name"),
        pytest.param(leaf(AMOUNT, "gte", 1000), True, id="at the edge"),
        pytest.param(leaf(AMOUNT, "gt", 1000), False, id="not above the edge"),
        pytest.param(leaf(AMOUNT, "lte", 1000), True, id="at the edge from below"),
        pytest.param(leaf(AMOUNT, "lt", 1000), False, id="not below the edge"),
        pytest.param(leaf(AMOUNT, "eq", 1000.0), True, id="integers and floats are numbers"),
        pytest.param(leaf(AMOUNT, "eq", "1000"), False, id="a string is not a number"),
        pytest.param(leaf(AMOUNT, "ne", "1000"), False, id="nor known to differ from one"),
        pytest.param(leaf("event.properties.live", "eq", 1), False, id="true is not 1"),
        pytest.param(leaf("event.properties.live", "in", [1]), False, id="nor in a list of numbers"),
        pytest.param(leaf("event.properties.live", "eq", True), True, id="true is true"),
        pytest.param(leaf(AMOUNT, "between", [1000, 2000]), True, id="between includes the lowest"),
        pytest.param(leaf(AMOUNT, "between", [0, 1000]), True, id="between includes the highest"),
        pytest.param(leaf(AMOUNT, "between", [1001, 2000]), False, id="outside"),
        pytest.param(leaf("player.level", "in", ["gold", "vip"]), True, id="player.level is that of main"),
        pytest.param(leaf("event.properties.game", "starts_with", "book"), True, id="starts with"),
        pytest.param(leaf("event.properties.game", "contains", "fake"), True, id="part of a string"),
        pytest.param(leaf("event.properties.tags", "contains", "slots"), True, id="element of a list"),
        pytest.param(leaf("event.properties.tags", "contains", "7"), False, id="an element of another kind"),
        pytest.param(leaf(AMOUNT, "contains", 1), False, id="a number contains nothing"),
        pytest.param({"not": leaf(AMOUNT, "contains", 1)}, False, id="and is not known to lack it"),
        pytest.param({"not": leaf("event.properties.game", "contains", 7)}, False, id="nor a string a number"),
        pytest.param(leaf("event.properties.table.seats", "eq", 6), True, id="nested"),
        pytest.param(leaf("event.properties.game.seats", "eq", 6), False, id="through a string leads nowhere"),
        pytest.param(leaf("event.context.os.name", "eq", "amiga"), True, id="context"),
        pytest.param(leaf("player.traits.country", "eq", "PT"), True, id="trait"),
        pytest.param(leaf("player.balance.points", "eq", 40), True, id="balance"),
        pytest.param(leaf("player.balance.gems", "eq", 0), True, id="a currency never held is 0"),
        pytest.param(leaf("player.scores.churn", "gte", 0.7), True, id="score"),
        pytest.param(leaf("event.properties.note", "exists"), False, id="null is missing"),
        pytest.param(leaf("event.properties.note", "exists", False), True, id="and known to be"),
        pytest.param({"metric": "deposits_7d", "op": "eq", "value": 0}, True, id="metric"),
        pytest.param({"metric": "best_win", "op": "lt", "value": 5}, False, id="a metric without a value"),
        pytest.param({"segment": "high-rollers"}, True, id="in a segment"),
        pytest.param({"not": {"segment": "at-risk"}}, True, id="not in a segment"),
        pytest.param({"not": {"segment": "martians"}}, False, id="a segment nobody knows"),
        pytest.param(leaf("player.since.first_seen", "gte", 1_795_391_399 - 1000), True, id="seconds since first seen"),
        pytest.param(leaf("player.since.last_seen", "gte", 0), False, id="never seen is unknown"),
        pytest.param(leaf("player.since.last_seen", "exists", False), True, id="and known to be"),
        pytest.param(leaf("player.tone.mood", "eq", "negative"), True, id="the mood"),
        pytest.param(leaf("player.tone.polarity", "lte", -0.8), True, id="the polarity"),
        pytest.param(leaf("player.tone.language", "eq", "uk"), False, id="a language that was not told"),
        pytest.param(leaf("player.since.tone", "between", [0, 999]), True, id="seconds since the mood was said"),
        pytest.param(leaf("now.hour", "eq", 23), True, id="the local hour"),
        pytest.param(leaf("now.weekday", "in", [6, 7]), True, id="the weekend"),
        pytest.param(leaf("now.date", "between", ["2026-11-22", "2026-11-30"]), True, id="local dates compare as text"),
        pytest.param(leaf("journey.pace", "lt", 1), True, id="journey"),
        pytest.param(leaf("journey.data.coupon", "eq", "WELCOME"), True, id="nested in the journey"),
        pytest.param({"not": leaf("journey.tries", "gte", 3)}, False, id="the journey has no such thing"),
        pytest.param(leaf("player.traits.born", "anniversary"), True, id="birthday today"),
        pytest.param(leaf("player.traits.named", "anniversary", 7), True, id="a day without a year, in a week"),
        pytest.param({"not": leaf("player.traits.named", "anniversary")}, True, id="known not to be today"),
        pytest.param(leaf("player.traits.joined", "anniversary"), True, id="a time that begins with the date"),
        pytest.param({"not": leaf("player.traits.country", "anniversary")}, False, id="no date at all"),
        pytest.param(leaf("player.traits.leap", "anniversary", 98), True, id="29 February on the 28th of 2027"),
        pytest.param(UNKNOWN, False, id="a missing field is not true"),
        pytest.param({"not": UNKNOWN}, False, id="nor false"),
        pytest.param({"any": [UNKNOWN, {"segment": "high-rollers"}]}, True, id="unknown or true"),
        pytest.param({"not": {"all": [UNKNOWN, {"segment": "at-risk"}]}}, True, id="not (unknown and false)"),
        pytest.param({"not": {"any": [UNKNOWN, {"segment": "at-risk"}]}}, False, id="not (unknown or false)"),
    ],
)
def test_a_condition_is_false_unless_it_is_true(tree: dict[str, Any] | None, holds: bool) -> None:
    assert compile_condition(tree)(context()) is holds
    assert evaluate(tree, context()) is holds


def test_without_an_event_its_fields_are_missing() -> None:
    for tree in (
        leaf("event.name", "eq", "bet_placed"),
        leaf(AMOUNT, "gte", 0),
        leaf("event.context.os.name", "exists"),
    ):
        assert not compile_condition(tree)(context(None))
        assert not evaluate(tree, context(None))


def test_a_condition_says_what_it_refers_to() -> None:
    condition = compile_condition(
        {"all": [leaf(AMOUNT, "gte", 1), {"any": [{"metric": "m", "op": "eq", "value": 0}, {"not": {"segment": "s"}}]}]}
    )
    assert [*condition.fields, *condition.metrics, *condition.segments] == [AMOUNT, "m", "s"]


def nested(depth: int) -> dict[str, Any]:
    tree: dict[str, Any] = leaf(AMOUNT, "eq", 1)
    for _ in range(depth - 1):
        tree = {"not": tree}
    return tree


@pytest.mark.parametrize(
    ("tree", "path"),
    [
        pytest.param({"all": [leaf(AMOUNT, "eq", 1), {"any": [leaf(AMOUNT, "is", 1)]}]}, "where.all[1].any[0].op"),
        pytest.param([], "where", id="no object"),
        pytest.param({}, "where", id="nothing"),
        pytest.param({"all": []}, "where.all", id="an empty list"),
        pytest.param({"all": [1]}, "where.all[0]", id="a number"),
        pytest.param({"all": [leaf(AMOUNT, "eq", 1)], "any": []}, "where", id="all and any"),
        pytest.param({"not": {"not": 3}}, "where.not.not", id="inside not"),
        pytest.param({**leaf(AMOUNT, "eq", 1), "case": "any"}, "where", id="an unknown key"),
        pytest.param(leaf("event.user", "eq", 1), "where.field", id="an unknown field"),
        pytest.param(leaf("event.properties.", "eq", 1), "where.field", id="an empty name"),
        pytest.param(leaf("player.__class__.x", "eq", 1), "where.field", id="an attribute"),
        pytest.param(leaf(AMOUNT, "eq"), "where.value", id="no value"),
        pytest.param(leaf(AMOUNT, "eq", float("nan")), "where.value", id="not a number"),
        pytest.param(leaf(AMOUNT, "gt", True), "where.value", id="true has no order"),
        pytest.param(leaf(AMOUNT, "in", [1, "a"]), "where.value", id="two kinds in a list"),
        pytest.param(leaf(AMOUNT, "in", list(range(1001))), "where.value", id="too long a list"),
        pytest.param(leaf(AMOUNT, "eq", "x" * 1001), "where.value", id="too long a string"),
        pytest.param(leaf(AMOUNT, "in", ["x" * 1001]), "where.value[0]", id="too long a string in a list"),
        pytest.param(leaf(AMOUNT, "between", [2, 1]), "where.value", id="between upside down"),
        pytest.param(leaf(AMOUNT, "starts_with", 1), "where.value", id="starts with a number"),
        pytest.param(leaf(AMOUNT, "exists", "yes"), "where.value", id="exists yes"),
        pytest.param({"metric": "m", "op": "contains", "value": 1}, "where.op", id="a metric contains nothing"),
        pytest.param({"metric": "m", "op": "eq", "value": "1"}, "where.value", id="a metric is a number"),
        pytest.param(leaf("player.since.birth", "gt", 1), "where.field", id="since what"),
        pytest.param(leaf("player.tone.colour", "eq", "red"), "where.field", id="tones have no such thing"),
        pytest.param(leaf("now.month", "eq", 1), "where.field", id="no such part of now"),
        pytest.param(leaf("journey", "exists"), "where.field", id="the whole journey"),
        pytest.param(leaf("event.properties.born", "anniversary"), "where.op", id="an anniversary of an event"),
        pytest.param(leaf("player.traits.born", "anniversary", -1), "where.value", id="an anniversary in the past"),
        pytest.param(leaf("player.traits.born", "anniversary", 366), "where.value", id="an anniversary too far"),
        pytest.param({"metric": "m", "op": "anniversary"}, "where.op", id="a metric has no anniversary"),
        pytest.param({"segment": ""}, "where.segment", id="no segment"),
        pytest.param(nested(11), "where" + ".not" * 10, id="too deep"),
        pytest.param({"all": [leaf(AMOUNT, "eq", 1)] * 100}, "where.all[99]", id="too many"),
    ],
)
def test_a_bad_tree_is_refused_with_the_path_of_the_bad_node(tree: Any, path: str) -> None:
    with pytest.raises(ConditionError) as refused:
        compile_condition(tree)
    assert refused.value.path == path


def test_roots_that_make_no_sense_somewhere_are_refused_with_the_reason() -> None:
    tree = {"all": [leaf("player.level", "exists"), leaf(AMOUNT, "eq", 1)]}
    with pytest.raises(ConditionError, match="a segment knows the player") as refused:
        compile_condition(tree, refused={"event": "a segment knows the player"})
    assert refused.value.path == "where.all[1].field"


def test_the_bounds_themselves_are_allowed() -> None:
    assert compile_condition(nested(10))(context())
    assert not compile_condition({"any": [leaf(AMOUNT, "eq", 1)] * 99})(context())
    assert compile_condition(leaf(AMOUNT, "in", list(range(1, 1001))))(context())


@pytest.mark.parametrize("text", ["'", '"); raise SystemExit  #', "{c}", "\\", "\n", "K0", "__import__"])
def test_what_the_user_writes_is_never_source(text: str) -> None:
    event = Event("ada", "e1", "x", 1, {text.replace(".", "_"): text})
    tree = leaf("event.properties." + text, "eq", text)
    assert compile_condition(tree)(context(event))


SCALARS = st.one_of(st.integers(-3, 3), st.floats(-3, 3), st.booleans(), st.sampled_from(["", "a", "ab", "b", "1"]))
DATES = st.one_of(
    st.dates().map(str),
    st.sampled_from(
        ["--02-29", "--02-30", "2000-02-29T10:00:00Z", "2001-02-29", "1990-11-22x", "-11-22", "٢٠٠٠-01-01"]
    ),
)
HELD = st.one_of(SCALARS, DATES, st.none(), st.lists(SCALARS, max_size=3), st.dictionaries(st.just("k"), SCALARS))
FIELDS = st.sampled_from(
    [
        "event.name",
        "event.properties.a",
        "event.properties.b.k",
        "event.context.a",
        "player.traits.a",
        "player.level",
        "player.balance.points",
        "player.scores.churn",
        "player.since.first_seen",
        "player.since.last_seen",
        "player.since.tone",
        "player.tone.mood",
        "player.tone.polarity",
        "now.hour",
        "now.weekday",
        "journey.a",
        "journey.b.k",
    ]
)


def one_kind(least: int, most: int) -> st.SearchStrategy[list[Any]]:
    return st.one_of(
        st.lists(st.integers(-3, 3), min_size=least, max_size=most),
        st.lists(st.sampled_from(["", "a", "ab", "b"]), min_size=least, max_size=most),
    )


OPERANDS = st.one_of(
    st.tuples(st.sampled_from(["eq", "ne", "contains"]), SCALARS),
    st.tuples(st.sampled_from(["gt", "gte", "lt", "lte"]), SCALARS.filter(lambda value: not isinstance(value, bool))),
    st.tuples(st.just("in"), one_kind(1, 3)),
    st.tuples(st.just("between"), one_kind(2, 2).map(sorted)),
    st.tuples(st.just("starts_with"), st.sampled_from(["", "a", "b"])),
    st.tuples(st.just("exists"), st.booleans()),
)
LEAVES: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.tuples(FIELDS, OPERANDS).map(lambda drawn: leaf(drawn[0], *drawn[1])),
    st.sampled_from(["high-rollers", "at-risk", "martians"]).map(lambda name: {"segment": name}),
    st.sampled_from(["deposits_7d", "best_win"]).map(lambda name: {"metric": name, "op": "gte", "value": 0}),
    st.tuples(st.sampled_from(["a", "b"]), st.integers(0, 365)).map(
        lambda drawn: leaf(f"player.traits.{drawn[0]}", "anniversary", drawn[1])
    ),
    st.sampled_from(["2026-03-01", "2027"]).map(lambda text: leaf("now.date", "gte", text)),
)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda children: {"all": children}),
        st.lists(inner, min_size=1, max_size=3).map(lambda children: {"any": children}),
        inner.map(lambda child: {"not": child}),
    ),
    max_leaves=8,
)
BAGS = st.dictionaries(st.sampled_from(["a", "b"]), HELD)


INSTANTS = st.integers(as_ms(datetime(1990, 1, 1, tzinfo=UTC)), as_ms(datetime(2036, 1, 1, tzinfo=UTC)))
ZONES = st.sampled_from(["", "Europe/Lisbon", "Australia/Lord_Howe", "America/Santiago", "Asia/Kathmandu", "no/where"])


@given(
    tree=TREES, properties=BAGS, traits=BAGS, present=st.booleans(), now=INSTANTS, ago=st.integers(-5, 5), zone=ZONES
)
def test_compiled_and_interpreted_agree(
    tree: dict[str, Any],
    properties: dict[str, Any],
    traits: dict[str, Any],
    present: bool,
    now: int,
    ago: int,
    zone: str,
) -> None:
    event = Event("ada", "e1", "ab", 1, properties, context=traits) if present else None
    air = {"tone": {"mood": "ab", "polarity": -1.0, "at": now - 900 * ago}} if ago else {}
    profile = Profile(traits, first_seen_at=now - 700 * ago)
    player = Snapshot("ada", profile=profile, wallet={"points": Balance(2, 2)}, air=air)
    asked = PlayerContext(
        player,
        event,
        metric=METRICS.get,
        segment={"high-rollers": True, "at-risk": False}.get,
        scores={"churn": 0.5},
        journey=properties,
        now=now,
        zone=zone,
    )
    compiled = compile_condition(tree)(asked)
    assert type(compiled) is bool
    assert compiled is evaluate(tree, asked)


@given(tree=TREES, properties=BAGS)
def test_a_tree_and_its_opposite_never_both_hold(tree: dict[str, Any], properties: dict[str, Any]) -> None:
    asked = context(Event("ada", "e1", "ab", 1, properties))
    assert not (compile_condition(tree)(asked) and compile_condition({"not": tree})(asked))
