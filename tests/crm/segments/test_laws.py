"""The law of segments: what turns and timers keep is at every moment what the trees themselves say."""

from typing import Any

from hypothesis import event as note
from hypothesis import given
from hypothesis import strategies as st

from domain.entries import Visited
from tests.crm.segments.people import DAY, HOUR, MINUTE, SECOND, Person, at, programme

METRICS = {
    "since-deposit": {"event": "deposit_completed", "aggregate": "since"},
    "bets-1h": {"event": "bet_placed", "aggregate": "count", "window": "1h"},
    "stake-24h": {"event": "bet_placed", "aggregate": "sum", "field": "properties.amount", "window": "24h"},
    "largest-7d": {"event": "bet_placed", "aggregate": "max", "field": "properties.amount", "window": "7d"},
    "last-30d": {"event": "bet_placed", "aggregate": "last", "field": "properties.amount", "window": "30d"},
    "games-3d": {"event": "bet_placed", "aggregate": "unique", "field": "properties.game", "window": "3d"},
    "deposits": {"event": "deposit_completed"},
}
GAME = {
    "metrics": METRICS,
    "earn_rules": {"bet": {"event": "bet_placed", "amount": 3}},
    "levels": {"main": {"levels": [{"id": "bronze", "at": 0}, {"id": "silver", "at": 9}]}},
}
SECONDS = [0, 1, 59, 3600, 86_400, 7 * 86_400]
ORDERS = ["eq", "ne", "gt", "gte", "lt", "lte"]


def leaves(field: str, ops: list[str], values: list[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(lambda op, value: {"field": field, "op": op, "value": value}, *map(st.sampled_from, (ops, values)))


def metrics(names: list[str], values: list[Any]) -> st.SearchStrategy[dict[str, Any]]:
    drawn = map(st.sampled_from, (names, ORDERS, values))
    return st.builds(lambda name, op, value: {"metric": name, "op": op, "value": value}, *drawn)


LEAVES = st.one_of(
    leaves("player.traits.country", ["eq", "ne"], ["PT", "UA"]),
    leaves("player.traits.born", ["anniversary"], [0, 1, 7]),
    leaves("player.balance.points", ORDERS, [0, 6, 9]),
    leaves("player.level", ["eq", "in"], ["silver"]).map(
        lambda leaf: leaf if leaf["op"] == "eq" else leaf | {"value": ["bronze"]}
    ),
    leaves("player.since.first_seen", ORDERS, SECONDS),
    leaves("player.since.last_seen", ORDERS, SECONDS),
    leaves("now.hour", ORDERS, [0, 9, 12, 23]),
    leaves("now.weekday", ["in", "eq"], [1, 6]).map(
        lambda leaf: leaf if leaf["op"] == "eq" else leaf | {"value": [6, 7]}
    ),
    leaves("now.date", ["gte", "lt", "eq"], ["2026-03-29", "2026-10-25", "2026-03"]),
    metrics(["since-deposit"], [*SECONDS, 0.5]),
    metrics(["bets-1h", "deposits", "games-3d"], [0, 1, 2]),
    metrics(["stake-24h", "largest-7d", "last-30d"], [-3, 0, 5, 10]),
    st.just({"metric": "largest-7d", "op": "exists"}),
)
NAMES = ["a", "b", "c", "d", "e"]


def trees(named: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    """Draw trees that may name some segments."""
    segments = st.sampled_from(named).map(lambda name: {"segment": name}) if named else LEAVES
    return st.recursive(
        st.one_of(LEAVES, LEAVES, segments),
        lambda inner: st.one_of(
            st.lists(inner, min_size=1, max_size=3).map(lambda children: {"all": children}),
            st.lists(inner, min_size=1, max_size=3).map(lambda children: {"any": children}),
            inner.map(lambda child: {"not": child}),
        ),
        max_leaves=4,
    )


# each may name those behind it, so that the order of judging is not that of the names
SEGMENTS = st.fixed_dictionaries({name: trees(NAMES[i + 1 :]) for i, name in enumerate(NAMES)})
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("bet_placed"), st.sampled_from([-10, 1, 5, 10, 0.5]), st.sampled_from(["x", "y", "z"])),
        st.tuples(st.just("deposit_completed"), st.just(0), st.just("")),
        st.tuples(st.just("page_viewed"), st.just(0), st.just("")),
        st.tuples(
            st.just("identify"),
            st.just(0),
            st.sampled_from(["PT", "UA", "Europe/Lisbon", "Asia/Kathmandu", "1990-03-29", "2000-02-29", ""]),
        ),
        st.tuples(st.just("review"), st.just(0), st.just("")),
    ),
    min_size=1,
    max_size=12,
)
PAUSES = st.one_of(st.sampled_from([0, 1, 999, SECOND, MINUTE, HOUR, DAY, 7 * DAY, 31 * DAY]), st.integers(0, 2 * DAY))
STARTS = st.sampled_from(
    [at("2026-03-27T22:59:59+00:00"), at("2026-10-24T12:00:00+00:00"), at("2026-02-27T23:59:59.999+00:00")]
)


def traits_of(said: str) -> dict[str, Any]:
    name = "timezone" if "/" in said else "born" if said[:1].isdigit() else "country"
    return {name: said or None}


@given(
    segments=SEGMENTS,
    start=STARTS,
    steps=STEPS,
    pauses=st.lists(PAUSES, min_size=12, max_size=12),
    lates=st.lists(st.sampled_from([0, 0, 0, 1, 61_000, -30_000, 5 * HOUR]), min_size=12, max_size=12),
    again=SEGMENTS,
)
def test_membership_is_always_what_the_trees_say(
    segments: dict[str, Any],
    start: int,
    steps: list[tuple[str, float, str]],
    pauses: list[int],
    lates: list[int],
    again: dict[str, Any],
) -> None:
    """Events come in time or late, time passes with its timers, and half way another version is published."""
    ada = Person(programme(segments=segments, timezone="Europe/Lisbon", **GAME), now=start)
    for i, ((name, amount, said), pause, late) in enumerate(zip(steps, pauses, lates, strict=False)):
        ada.waits(pause // 2)
        if ada.turns:
            assert ada.segments == ada.oracle(), "while time passed"
        ada.waits(pause - pause // 2)
        if i == 6:
            ada.live = programme(2, segments=again, timezone="Asia/Kathmandu", **GAME)
        if name == "review":
            ada.take(Visited("ada", "review:1", "review"))
        else:
            ada.does(name, at=ada.now - late, traits=traits_of(said), amount=amount, game=said)
        assert ada.segments == ada.oracle(), "after a turn"
        held = ada.snapshot.segments
        assert all(held.armed <= due and due > ada.now for due in held.due.values())
        assert len(ada.timers) <= 2, "one timer, and perhaps one that is on its way"
    assert ada.groups == {f"segments/{name}" for name in ada.segments}
    note(f"segments changed by time: {ada.fired > 0}")


@given(segments=SEGMENTS, steps=STEPS, pause=PAUSES)
def test_a_second_look_changes_nothing(segments: dict[str, Any], steps: list[Any], pause: int) -> None:
    ada = Person(programme(segments=segments, **GAME))
    for name, amount, said in steps:
        if name != "review":
            ada.does(name, traits=traits_of(said), amount=amount, game=said, after=pause)
    if not ada.turns:
        return
    before = ada.snapshot.segments
    assert ada.take(Visited("ada", "review:1", "review")) == []
    assert ada.snapshot.segments == before
    assert ada.last.timers == ()
