"""Segments on the stream and over the archive: two ways to the same members, at any time."""

import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from actors.player import Player, Told
from actors.programme import Programme, compile_programme
from domain.effects import HistoryRecord, ProfileMerged, SetAside, encode_record
from domain.entries import Command, Entry, Event, LogEntry, ProgrammePublished, Visited, decode_entry, encode_entry
from domain.player import Snapshot
from store.archive.files import Archive, File, day_of
from store.archive.rows import Raw, effect_rows, log_row, table_of
from store.bulk_segments import Members, members_at, question

MONDAY = 1_772_409_600_000  # 2026-03-02T00:00:00Z
SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
PLAYERS = ("ada", "bo", "cy")


class Streamed:
    """A few players of one partition who take their turns, timers included; all that the archive would hold of it."""

    def __init__(self, documents: dict[str, Any], at: int = MONDAY) -> None:
        self.documents = documents
        self.programme: Programme = compile_programme(1, documents)
        self.states: dict[str, Snapshot] = {}
        self.timers: set[tuple[int, bytes]] = set()
        self.raws: list[Raw] = []
        self.at = at
        self._append(ProgrammePublished(1), at)

    def take(self, entry: Entry, at: int) -> None:
        """Let time pass to ``at``, and the player take a turn."""
        self.until(at)
        self._turn(entry)

    def until(self, at: int) -> None:
        """Let time pass: what is due fires in order."""
        while due := sorted(timer for timer in self.timers if timer[0] <= at):
            self.timers.discard(due[0])
            self.at = max(self.at, due[0][0])
            self._turn(decode_entry(due[0][1]))
        self.at = max(self.at, at)

    def publish(self, version: int, documents: dict[str, Any]) -> None:
        """Publish another version; the review walk comes by every player."""
        self.documents, self.programme = documents, compile_programme(version, documents)
        self._append(ProgrammePublished(version), self.at)
        for player in list(self.states):
            self._turn(Visited(player, f"review:{version}", "review"))

    def members(self) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {name: set() for name in self.documents["segments"]}
        for player, state in self.states.items():
            for name in state.segments.member:
                found[name].add(player)
        return found

    def archived(self, root: Path, at: int) -> Members:
        """Evaluate over the archive."""
        asked = question(self.programme.crm.segments, self.programme.rules.metrics, self.documents)
        assert not asked.refused
        return members_at(root, 0, asked, at, versions={1: self.documents})

    def _turn(self, entry: Entry) -> None:
        offset = self._append(entry, self.at)
        state = self.states.get(entry.player) or Snapshot(entry.player)
        turns, after = Player(state).take([LogEntry(offset, self.at, entry)], Told(self.programme, 0, "seed"))
        self.states[entry.player] = after
        for is_set, due, member in turns.timers:
            (self.timers.add if is_set else self.timers.discard)((due, member))
        if turns.history:
            raw = self.raws[-1]
            self.raws[-1] = Raw(raw.offset, raw.at, raw.data, raw.player, turns.history[0][1])

    def _append(self, entry: Entry, at: int) -> str:
        offset = f"{at}-{len(self.raws)}"
        self.raws.append(Raw(offset, at, encode_entry(entry), entry.player))
        return offset


def write_archive(root: Path, raws: Iterable[Raw], partition: int = 0) -> None:
    """Write the archive that these entries make."""
    days: dict[str, list[Raw]] = {}
    for raw in raws:
        days.setdefault(day_of(raw.at), []).append(raw)
    with Archive(root) as archive:
        for day, some in days.items():
            first, last = some[0].offset, some[-1].offset
            log = [log_row(partition, "players", raw) for raw in some]
            archive.put(File("log", day, partition, False, first, last), table_of("log", log))
            effects = [row for raw in some for row in effect_rows(partition, raw)[0]]
            archive.put(File("effects", day, partition, False, first, last), table_of("effects", effects))


def leaf(field: str, op: str, value: Any) -> dict[str, Any]:
    return {"field": field, "op": op, "value": value}


AMOUNTS = st.one_of(
    st.integers(-5, 40), st.sampled_from([0.1, 0.2, 0.7, 12.5, -3.25, 1e300, 2**53, 2**60]),
    st.sampled_from(["1", "x", True, None, [1], "y" * 70]),
)  # fmt: skip
TRAITS = st.dictionaries(
    st.sampled_from(["tier", "age", "birthday", "timezone"]),
    st.sampled_from(["gold", "silver", 17, 18, None, "2000-03-04", "Asia/Kathmandu", "America/Santiago", "no/where"]),
    max_size=2,
)
CONTEXTS = st.sampled_from([{}, {}, {}, {"timezone": "Europe/Kyiv"}, {"timezone": "no/where"}, {"app": "ios"}])
EVENTS = st.lists(
    st.tuples(
        st.sampled_from(PLAYERS),
        st.sampled_from(["bet_placed", "deposit_completed", "visited"]),
        st.one_of(st.sampled_from([0, 1, 90 * SECOND, HOUR, DAY, 7 * DAY, 30 * DAY]), st.integers(0, 2 * DAY)),
        st.one_of(st.just(0), st.sampled_from([-300_000, MINUTE, HOUR, DAY, 2 * DAY]), st.integers(0, 2 * DAY)),
        AMOUNTS,
        st.sampled_from(["a", "b", "c"]),
        TRAITS,
        CONTEXTS,
    ),
    max_size=25,
)
WHERES = st.one_of(
    st.none(), st.none(),
    st.sampled_from([
        leaf("event.properties.kind", "eq", "a"),
        leaf("event.properties.amount", "gt", 3),
        {"not": leaf("event.properties.kind", "in", ["a", "b"])},
        {"any": [leaf("event.context.app", "eq", "ios"), leaf("event.properties.amount", "between", [0, 10])]},
    ]),
)  # fmt: skip
METRICS = st.fixed_dictionaries(
    {
        "event": st.sampled_from(["bet_placed", "deposit_completed"]),
        "aggregate": st.sampled_from(["count", "sum", "max", "last", "unique", "since"]),
        "window": st.sampled_from([None, "90s", "1h", "1d", "7d", "30d"]),
        "where": WHERES,
    }
).map(lambda m: _metric(**m))
OPS = st.sampled_from(["gte", "lt", "eq", "ne", "gt", "lte"])


def _metric(event: str, aggregate: str, window: str | None, where: Any) -> dict[str, Any]:
    document: dict[str, Any] = {"event": event, "aggregate": aggregate}
    if aggregate not in ("count", "since"):
        document["field"] = "properties.amount"
    if window and aggregate != "since":
        document["window"] = window
    return document | ({"where": where} if where else {})


def _branch(kind: str, nodes: list[dict[str, Any]]) -> dict[str, Any]:
    return {kind: nodes}


def _leaves(metrics: list[str], earlier: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    of_metrics = st.builds(
        lambda metric, op, value: {"metric": metric, "op": op, "value": value},
        st.sampled_from(metrics), OPS, st.sampled_from([0, 1, 1, 2, 3, 0.3, 10, 3_600, 86_400, 604_800]),
    )  # fmt: skip
    others = st.sampled_from(
        [
            {"metric": metrics[0], "op": "exists", "value": True},
            leaf("player.traits.tier", "eq", "gold"),
            leaf("player.traits.age", "gte", 18),
            leaf("player.traits.tier", "exists", True),
            leaf("player.traits.birthday", "anniversary", 0),
            leaf("player.balance.points", "gte", 20),
            leaf("player.level", "in", ["silver", "gold"]),
            leaf("player.since.last_seen", "gte", 90_000),
            leaf("player.since.first_seen", "lt", 200_000),
            leaf("now.hour", "lt", 12),
            leaf("now.weekday", "in", [1, 6]),
            *({"segment": name} for name in earlier),
        ]
    )
    return st.one_of(of_metrics, others)


@st.composite
def programmes(draw: st.DrawFn) -> dict[str, Any]:
    metrics = {f"m{i}": metric for i, metric in enumerate(draw(st.lists(METRICS, min_size=1, max_size=3)))}
    segments: dict[str, Any] = {}
    for i in range(draw(st.integers(1, 3))):
        leaves = _leaves(list(metrics), list(segments))
        tree = st.recursive(
            leaves,
            lambda inner: st.one_of(
                st.builds(lambda node: {"not": node}, inner),
                st.builds(_branch, st.sampled_from(["all", "any"]), st.lists(inner, min_size=1, max_size=3)),
            ),
            max_leaves=4,
        )  # fmt: skip
        segments[f"s{i}"] = {"where": draw(tree)}
    return {
        "metrics": metrics,
        "segments": segments,
        "settings": {"main": {"timezone": draw(st.sampled_from(["UTC", "America/Santiago"]))}},
        "journeys": {"tour": {"entry": {"event": "visited"}, "nodes": [
            {"id": "say", "kind": "profile", "next": "give",
             "set": {"tier": draw(st.sampled_from(["gold", None])), "timezone": "Asia/Kathmandu"}},
            {"id": "give", "kind": "reward", "currency": "points", "amount": 3}]}},
        "earn-rules": {"bets": {"event": "bet_placed", "amount": 7}},
        "levels": {"main": {"currency": "points", "levels": [
            {"id": "bronze", "at": 0}, {"id": "silver", "at": 14}, {"id": "gold", "at": 35}]}},
    }  # fmt: skip


@settings(deadline=None)
@given(
    documents=programmes(),
    events=EVENTS,
    wait=st.one_of(st.sampled_from([0, 1, MINUTE, 7 * DAY]), st.integers(0, 40 * DAY)),
)
def test_the_archive_gives_the_members_that_the_stream_has(
    documents: dict[str, Any], events: list[tuple[Any, ...]], wait: int
) -> None:
    """At the last event, between events, and long after, when only time has passed."""
    streamed = Streamed(documents)
    expected: list[tuple[int, dict[str, set[str]]]] = []
    for n, (player, name, step, late, amount, kind, traits, context) in enumerate(events):
        at = streamed.at + step
        if step > 1 and n % 5 == 4:
            between = streamed.at + step // 2
            streamed.until(between)
            expected.append((between, streamed.members()))
        properties = {"amount": amount, "kind": kind}
        streamed.take(Event(player, f"e{n}", name, at - late, properties, traits, context), at)
    streamed.until(streamed.at + wait)
    expected.append((streamed.at, streamed.members()))
    root = Path(tempfile.mkdtemp(prefix="pt"))
    try:
        write_archive(root, streamed.raws)
        for at, members in expected[-3:]:
            assert streamed.archived(root, at).members == members, f"at {at}"
    finally:
        shutil.rmtree(root)


BETS = {"event": "bet_placed", "aggregate": "count"}


def members_of(streamed: Streamed, at: int | None = None, versions: dict[int, Any] | None = None) -> Members:
    """Evaluate over an archive of its own."""
    root = Path(tempfile.mkdtemp(prefix="pt"))
    try:
        write_archive(root, streamed.raws)
        rules = streamed.programme
        asked = question(rules.crm.segments, rules.rules.metrics, streamed.documents)
        found = members_at(
            root, 0, asked, streamed.at if at is None else at, versions=versions or {1: streamed.documents}
        )
        assert found.members == streamed.members() or at is not None
        return found
    finally:
        shutil.rmtree(root)


def programme(metrics: dict[str, Any], segments: dict[str, Any], **kinds: Any) -> dict[str, Any]:
    return {"metrics": metrics, "segments": {name: {"where": tree} for name, tree in segments.items()}, **kinds}


def bets(streamed: Streamed, count: int, player: str = "ada", step: int = SECOND, **properties: Any) -> None:
    for n in range(count):
        at = streamed.at + step
        shown = {name: value(n) if callable(value) else value for name, value in properties.items()}
        streamed.take(Event(player, f"{player}-{len(streamed.raws)}", "bet_placed", at, shown), at)


def test_of_more_values_than_a_metric_holds_the_same_ones_count() -> None:
    games = {"event": "bet_placed", "aggregate": "unique", "field": "properties.game", "window": "1d"}
    wide = programme(
        {"games": games},
        {"wide": {"metric": "games", "op": "eq", "value": 256}, "most": {"metric": "games", "op": "gte", "value": 40}},
    )
    streamed = Streamed(wide)
    bets(streamed, 300, game=lambda n: f"g{n}", step=MINUTE)
    bets(streamed, 50, "bo", game=lambda n: (n % 2 and n) or float(n))
    assert members_of(streamed).members == {"wide": {"ada"}, "most": {"ada", "bo"}}
    streamed.until(streamed.at + DAY - 40 * MINUTE)
    assert members_of(streamed).members["wide"] == set()


@pytest.mark.parametrize(
    ("window", "last_ms"), [("90s", 2 * MINUTE), ("1h", HOUR), ("1d", DAY), ("7d", 7 * DAY), ("30d", 30 * DAY)]
)
def test_windows_end_at_the_edge_of_the_bucket_that_the_stream_ends_them_at(window: str, last_ms: int) -> None:
    """One bet at the beginning of a bucket: it counts until the window's last bucket is over, to the millisecond."""
    kinds = ("count", "sum", "max", "last", "unique")
    fields = {kind: {} if kind == "count" else {"field": "properties.amount"} for kind in kinds}
    metrics = {kind: BETS | {"aggregate": kind, "window": window} | fields[kind] for kind in kinds}
    tree = {kind: {"metric": kind, "op": "gte", "value": 1} for kind in kinds}
    streamed = Streamed(programme(metrics, tree))
    bets(streamed, 1, step=DAY, amount=3)
    played_at = streamed.at
    inside = []
    for at in (played_at + last_ms - 1, played_at + last_ms):
        streamed.until(at)
        inside.append({name for name, players in members_of(streamed).members.items() if players})
    assert inside == [set(kinds), set()]


def test_fractions_are_added_in_the_order_of_the_ring() -> None:
    spent = {"event": "bet_placed", "aggregate": "sum", "field": "properties.amount"}
    tenths = [0.1, 0.2, 0.3, 8e15, -8e15, 0.7]
    tree = {"metric": "spent", "op": "eq", "value": sum(tenths[1:], tenths[0])}
    streamed = Streamed(programme({"spent": spent}, {"exact": tree}))
    bets(streamed, 6, amount=lambda n: tenths[n])
    bets(streamed, 6, "bo", amount=lambda n: sorted(tenths)[n])
    assert members_of(streamed).members == {"exact": {"ada"}}


def test_a_metric_counts_only_while_it_was_in_the_programme() -> None:
    before = programme({}, {"busy": {"field": "player.since.first_seen", "op": "gte", "value": 0}})
    after = programme({"bets": BETS}, {"busy": {"metric": "bets", "op": "gte", "value": 3}})
    streamed = Streamed(before)
    bets(streamed, 3)
    streamed.publish(2, after)
    bets(streamed, 2)
    bets(streamed, 3, "bo")
    versions = {1: before, 2: after}
    assert members_of(streamed, versions=versions).members == {"busy": {"bo"}}
    bets(streamed, 1)
    assert members_of(streamed, versions=versions).members == {"busy": {"ada", "bo"}}


def test_a_turn_that_was_set_aside_counts_for_nothing() -> None:
    streamed = Streamed(
        programme(
            {"bets": BETS},
            {"any": {"metric": "bets", "op": "gte", "value": 2}},
        )
    )
    bets(streamed, 2)
    last = streamed.raws[-1]
    record = encode_record(HistoryRecord("x", "bet_placed", last.at, (SetAside("boom"),)))
    streamed.raws[-1] = structs.replace(last, record=record)
    assert members_of(streamed, at=streamed.at).members == {"any": set()}


def test_players_whose_profiles_were_joined_are_left_out_and_said_so() -> None:
    streamed = Streamed(
        programme(
            {"bets": BETS},
            {"any": {"metric": "bets", "op": "gte", "value": 1}},
        )
    )
    for player in ("ada", "anon:1", "bo"):
        bets(streamed, 1, player)
    for player, effect in (("ada", ProfileMerged(source="anon:1")), ("anon:1", ProfileMerged(into="ada"))):
        at = next(i for i, raw in enumerate(streamed.raws) if raw.player == player)
        raw = streamed.raws[at]
        streamed.raws[at] = structs.replace(raw, record=encode_record(HistoryRecord("x", "merged", raw.at, (effect,))))
    found = members_of(streamed, at=streamed.at)
    assert (found.members, found.unknown) == ({"any": {"bo"}}, {"ada", "anon:1"})


def test_a_metric_by_the_players_state_at_the_time_is_refused_with_a_sentence() -> None:
    by_state = {"not": leaf("player.traits.vip", "eq", True)}
    documents = programme(
        {"bets": BETS, "vip-bets": BETS | {"where": by_state}},
        {
            "vips": {"metric": "vip-bets", "op": "gte", "value": 1},
            "others": {"not": {"segment": "vips"}},
            "fine": {"metric": "bets", "op": "gte", "value": 1},
        },
    )
    compiled = compile_programme(1, documents)
    asked = question(compiled.crm.segments, compiled.rules.metrics, documents)
    assert list(asked.conditions) == ["fine"]
    assert asked.refused["others"] == asked.refused["vips"]
    assert asked.refused["vips"] == (
        "the metric vip-bets counts by player.traits.vip as it was at each event, which the archive does not hold"
    )
    some = question(compiled.crm.segments, compiled.rules.metrics, documents, ["others"])
    assert list(some.refused) == ["vips", "others"]


@pytest.mark.parametrize("field", ["player.scores.churn", "player.tone.polarity", "player.since.tone"])
def test_a_segment_by_what_a_model_said_is_refused_with_a_sentence(field: str) -> None:
    documents = programme({"bets": BETS}, {"leaving": leaf(field, "gte", 0.7)})
    compiled = compile_programme(1, documents)
    asked = question(compiled.crm.segments, compiled.rules.metrics, documents)
    assert asked.refused == {
        "leaving": f"{field} is what a model said at the time, which is not computed from the archive"
    }


def says(streamed: Streamed, player: str, traits: dict[str, Any], **context: Any) -> None:
    at = streamed.at + SECOND
    streamed.take(Event(player, f"i{len(streamed.raws)}", "identify", at, {}, traits, context, "identify"), at)


def test_traits_are_those_that_the_turns_left() -> None:
    """Null removes one, beyond 256 new names are ignored, a journey's change counts, and a player has a zone."""
    tour = {
        "entry": {"event": "visited"},
        "nodes": [{"id": "n", "kind": "profile", "set": {"plan": None, "tier": "pro"}}],
    }
    trees = {
        "planned": leaf("player.traits.plan", "exists", True),
        "full": leaf("player.traits.t299", "exists", True),
        "edge": leaf("player.traits.t255", "exists", True),
        "pro": leaf("player.traits.tier", "eq", "pro"),
        "morning": leaf("now.hour", "between", [5, 6]),  # MONDAY is midnight in UTC, 05:45 in Kathmandu
    }
    streamed = Streamed(programme({}, trees, journeys={"tour": tour}))
    says(streamed, "ada", {"plan": "a"})
    says(streamed, "ada", {"plan": None})
    says(streamed, "bo", {"plan": "b"}, timezone="Asia/Kathmandu")
    says(streamed, "bo", {"timezone": "no/where"})
    says(streamed, "cy", {f"t{n}": n for n in range(300)})
    says(streamed, "di", {"plan": "d", "tier": "new"})
    streamed.take(Event("di", "v1", "visited", streamed.at), streamed.at)
    assert members_of(streamed).members == {
        "planned": {"bo"}, "full": set(), "edge": {"cy"}, "pro": {"di"}, "morning": {"bo"},
    }  # fmt: skip


def test_balances_and_levels_are_those_that_the_turns_left() -> None:
    kinds = {
        "earn-rules": {"bets": {"event": "bet_placed", "amount": 7}},
        "levels": {"main": {"currency": "points", "levels": [{"id": "bronze", "at": 0}, {"id": "silver", "at": 14}]}},
    }
    trees = {"rich": leaf("player.balance.points", "gte", 14), "silver": leaf("player.level", "eq", "silver")}
    streamed = Streamed(programme({}, trees, **kinds))
    bets(streamed, 2)
    bets(streamed, 2, "bo")
    bets(streamed, 1, "cy")
    spend = {"currency": "points", "amount": -5, "reason": "refund"}
    streamed.take(Command("bo", "cmd:1", "adjust", spend), streamed.at)
    assert members_of(streamed).members == {"rich": {"ada"}, "silver": {"ada", "bo"}}
