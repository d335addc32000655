"""What the archive says of a partition's players at a time: traits, zone, balances, levels, when they were seen."""

from typing import Any

import duckdb
import msgspec
from msgspec import Struct

from domain.calendar import known_zone
from domain.player import Balance

TRAITS_MAX = 256  # further new names are ignored, as in a turn
BATCH = 10_000

_decode = msgspec.json.decode


class Person(Struct):
    """One player, as the turns up to the time left them."""

    id: str
    traits: dict[str, Any] = {}
    zone: str = ""  # "" when the player told none
    wallet: dict[str, Balance] = {}
    levels: dict[str, str] = {}
    first_seen_at: int = 0  # ms
    last_seen_at: int = 0  # ms
    joined: bool = False  # other profiles joined this one
    moved: bool = False  # lives on under another id


def people_of(con: duckdb.DuckDBPyConnection, at: int) -> dict[str, Person]:
    """Return all players with a turn up to ``at`` in the partition that the connection is over, by id."""
    found = {
        player: Person(player, first_seen_at=first or 0, last_seen_at=last or 0)
        for player, first, last in con.execute(
            "SELECT player, min(\"at\") FILTER (WHERE entry = 'event'), max(\"at\") FILTER (WHERE entry = 'event') "
            "FROM archived_log WHERE lane = 'players' AND applied AND player <> '' "
            "AND NOT regexp_matches(player, '^(key|keeper):') "
            'AND "at" <= ? GROUP BY player',
            [at],
        ).fetchall()
    }
    _note_profiles(con, found, at)
    for player, currency, balance, lifetime in con.execute(
        "SELECT player, effect->>'currency' AS currency, "
        "last((effect->>'balance_after')::BIGINT ORDER BY ms, n, place), "
        "sum(greatest(0, (effect->>'amount')::BIGINT))::BIGINT "
        "FROM archived_effects WHERE kind = 'points' AND \"at\" <= ? GROUP BY player, currency",
        [at],
    ).fetchall():
        if player in found:
            found[player].wallet[currency] = Balance(balance, lifetime)
    for player, system, level in con.execute(
        "SELECT player, effect->>'system' AS system, last(effect->>'level' ORDER BY ms, n, place) "
        "FROM archived_effects WHERE kind = 'level_changed' AND \"at\" <= ? GROUP BY player, system",
        [at],
    ).fetchall():
        if player in found:
            found[player].levels[system] = level
    for player, joined, moved in con.execute(
        "SELECT player, bool_or(effect->>'source' IS NOT NULL), bool_or(effect->>'into' IS NOT NULL) "
        "FROM archived_effects WHERE kind = 'profile_merged' AND \"at\" <= ? GROUP BY player",
        [at],
    ).fetchall():
        if player in found:
            found[player].joined, found[player].moved = joined, moved
    return found


def _note_profiles(con: duckdb.DuckDBPyConnection, found: dict[str, Person], at: int) -> None:
    """Fold what events and journeys said of traits and zones, in the order of the log."""
    answer = con.execute(
        "SELECT player, ms, n, -1 AS place, traits, context->>'timezone' AS zone FROM archived_log "
        "WHERE lane = 'players' AND entry = 'event' AND applied AND \"at\" <= $at "
        "AND (traits IS NOT NULL OR context->>'timezone' IS NOT NULL) "
        "UNION ALL SELECT player, ms, n, place, effect->>'traits', NULL FROM archived_effects "
        "WHERE kind = 'traits_changed' AND \"at\" <= $at ORDER BY player, ms, n, place",
        {"at": at},
    )
    while rows := answer.fetchmany(BATCH):
        for player, _, _, _, traits, zone in rows:
            if (person := found.get(player)) is not None:
                _note(person, _decode(traits) if traits else {}, zone)


def _note(person: Person, traits: dict[str, Any], zone: str | None) -> None:
    if traits:
        person.traits = dict(person.traits)
    for name, value in traits.items():
        if value is None:
            person.traits.pop(name, None)
        elif name in person.traits or len(person.traits) < TRAITS_MAX:
            person.traits[name] = value
    for said in (zone, traits.get("timezone")):
        if isinstance(said, str) and known_zone(said):
            person.zone = said
