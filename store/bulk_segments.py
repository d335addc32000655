"""Segments over the archive alone: who was in them at a time, with the same conditions as the stream, and nothing else.

The other half of a pair: ``crm.segments`` judges a player in the turn that changes something; this asks all players
at one moment. A parity test holds them together.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import duckdb
from msgspec import Struct

from crm.segments import SegmentRules
from domain.conditions import Condition, PlayerContext, Tree, evaluate
from domain.player import Profile, Progress, Snapshot
from gamification.rules import MetricRule
from store.archive.files import counting, listed
from store.archive.measures import Measure, Span, Value, nothing, refusal, values
from store.archive.people import Person, people_of
from store.archive.query import over

Documents = Mapping[str, Mapping[str, Mapping[str, Any]]]

_OF_MODELS = ("player.scores.", "player.tone.", "player.since.tone")


class Members(Struct):
    """Who was in which segment, in one partition."""

    players: int = 0
    members: dict[str, set[str]] = {}  # segment -> players
    unknown: set[str] = set()  # players that others joined, or that moved: not evaluated


class Question(Struct, frozen=True):
    """What is evaluated: segments in an order in which each follows those it names, and the metrics they need."""

    conditions: Mapping[str, Condition]
    metrics: Mapping[str, MetricRule]
    wheres: Mapping[str, Tree | None]
    documents: Mapping[str, Mapping[str, Any]]  # of the metrics, to tell in which versions they were the same
    refused: Mapping[str, str]  # segment -> why it cannot be evaluated
    timezone: str = "UTC"


def question(
    rules: SegmentRules, metrics: Mapping[str, MetricRule], documents: Documents, only: Iterable[str] = ()
) -> Question:
    """Return what must be evaluated for some segments (none named: all), with those that they name."""
    wanted = _closure(rules.conditions, only)
    conditions = {name: condition for name, condition in rules.conditions.items() if name in wanted}
    named = documents.get("metrics", {})
    wheres = {name: named.get(name, {}).get("where") for c in conditions.values() for name in c.metrics}
    refused: dict[str, str] = {}
    for name, condition in conditions.items():
        why = [text for metric in sorted(condition.metrics) if (text := refusal(metric, wheres[metric]))]
        why += [
            f"{field} is what a model said at the time, which is not computed from the archive"
            for field in sorted(condition.fields)
            if field.startswith(_OF_MODELS)
        ]
        why += [refused[other] for other in sorted(condition.segments) if other in refused]
        if why:
            refused[name] = why[0]
    zone = documents.get("settings", {}).get("main", {}).get("timezone", "UTC")
    needed = {metric for name, c in conditions.items() if name not in refused for metric in c.metrics}
    return Question(
        {name: condition for name, condition in conditions.items() if name not in refused},
        {name: metrics[name] for name in sorted(needed) if name in metrics},
        wheres,
        {name: named.get(name, {}) for name in needed},
        refused,
        zone,
    )


def members_at(
    root: Path, partition: int, asked: Question, at: int, *, versions: Mapping[int, Documents] | None = None
) -> Members:
    """Return who of a partition was in each segment at ``at`` (ms), as the archive has it.

    Args:
        versions: The documents of every programme version: a metric counts, as it does live, only while a version with
            that very metric ran. None: it counts all events.

    Raises:
        QueryError: the archive cannot be read, or the partition needs more memory than a query may have.
    """

    def ask(con: duckdb.DuckDBPyConnection) -> Members:
        people = people_of(con, at)
        spans = _spans(con, asked, versions) if versions is not None else {}
        measured = {
            name: values(con, Measure(rule, asked.wheres[name], spans.get(name)), at)
            for name, rule in asked.metrics.items()
        }
        return _judged(people, asked, measured, at)

    def files() -> list[Any]:
        return [f for f in counting(listed(root, names=f"p{partition:02d}-")) if f.partition == partition]

    return over(root, ask, files)


def _judged(
    people: dict[str, Person], asked: Question, measured: Mapping[str, Mapping[str, Value]], at: int
) -> Members:
    found = Members(members={name: set() for name in asked.conditions})
    for player, person in people.items():
        if person.joined or person.moved:
            found.unknown.add(player)
            continue
        found.players += 1
        inside: set[str] = set()
        context = PlayerContext(
            Snapshot(
                player,
                profile=Profile(person.traits, person.zone, "", person.first_seen_at, person.last_seen_at),
                wallet=person.wallet,
                progress=Progress(levels=person.levels),
            ),
            metric=_metric_of(player, asked, measured),
            segment=lambda name, inside=inside: name in inside,  # type: ignore[misc]
            now=at,
            zone=asked.timezone,
        )
        for name, condition in asked.conditions.items():
            if evaluate(condition.tree, context):
                inside.add(name)
                found.members[name].add(player)
    return found


def _metric_of(player: str, asked: Question, measured: Mapping[str, Mapping[str, Value]]) -> Callable[[str], Value]:
    def metric(name: str) -> Value:
        rule = asked.metrics.get(name)
        return None if rule is None else measured[name].get(player, nothing(rule))

    return metric


def _spans(
    con: duckdb.DuckDBPyConnection, asked: Question, versions: Mapping[int, Documents]
) -> dict[str, tuple[Span, ...]]:
    """Return between which offsets each metric was counted: a version with this very metric was in force."""
    published = con.execute(
        "SELECT ms, n, name FROM archived_log WHERE entry = 'programme' AND lane = 'players' ORDER BY ms, n"
    ).fetchall()
    steps: list[tuple[tuple[int, int], int]] = []
    for ms, n, version in published:
        if not steps or int(version) > steps[-1][1]:
            steps.append(((ms, n), int(version)))
    spans: dict[str, list[Span]] = {name: [] for name in asked.metrics}
    for i, (since, version) in enumerate(steps):
        until = steps[i + 1][0] if i + 1 < len(steps) else None
        content = versions.get(version, {}).get("metrics", {})
        for name in asked.metrics:
            if content.get(name) == asked.documents[name]:
                spans[name].append((since, until))
    return {name: tuple(found) for name, found in spans.items()}


def _closure(conditions: Mapping[str, Condition], only: Iterable[str]) -> set[str]:
    todo = list(only) or list(conditions)
    wanted: set[str] = set()
    while todo:
        name = todo.pop()
        if name in conditions and name not in wanted:
            wanted.add(name)
            todo += conditions[name].segments
    return wanted
