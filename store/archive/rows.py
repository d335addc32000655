"""What is archived as rows: log entries with the record of what they did, effects, decisions, steps of journeys.

Each kind has a schema; columns are only ever added. ``data`` and ``record`` are the store's own bytes, from which
everything can be read back exactly; the other columns are for people and SQL. Times are ms, UTC.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import pyarrow as pa
from msgspec import Struct

from domain.decisions import decode_decision
from domain.effects import (
    DuplicateLate,
    Forwarded,
    JourneyEnded,
    JourneyEntered,
    JourneyStepped,
    SetAside,
    decode_record,
    shown,
)
from domain.entries import BeliefsPublished, Entry, Event, ModelPublished, ProgrammePublished, read_entry
from store.archive.files import place

_WORD = pa.dictionary(pa.int32(), pa.string())
_SPOT = [("offset", pa.string()), ("ms", pa.int64()), ("n", pa.int64()), ("at", pa.int64())]

LOG = pa.schema(
    [
        ("partition", pa.int32()),
        ("lane", pa.string()),  # players, tower
        *_SPOT,
        ("player", pa.string()),
        ("entry", pa.string()),  # event, command, timer, ...
        ("id", pa.string()),
        ("type", pa.string()),  # of an event: track, identify, ...
        ("name", pa.string()),
        ("occurred_at", pa.int64()),
        ("applied", pa.bool_()),  # false: set aside, forwarded to another id, or a late duplicate
        ("properties", pa.string()),  # JSON; of a command its arguments
        ("traits", pa.string()),  # JSON
        ("context", pa.string()),  # JSON
        ("data", pa.binary()),  # the entry as stored
        ("record", pa.binary()),  # the player's history record at this offset as stored, null when there is none
    ]
)
EFFECTS = pa.schema(
    [
        ("partition", pa.int32()),
        ("player", pa.string()),
        *_SPOT,
        ("record_id", pa.string()),
        ("name", pa.string()),
        ("place", pa.int32()),  # within the record, from 0
        ("kind", pa.string()),
        ("effect", pa.string()),  # JSON, as the API shows it
    ]
)
DECISIONS = pa.schema(
    [
        ("partition", pa.int32()),
        ("player", pa.string()),
        *_SPOT,  # in the player's own list of decisions
        ("request_id", pa.string()),
        ("outcome", pa.string()),
        ("template", pa.string()),
        ("purpose", pa.string()),
        ("channel", pa.string()),
        ("reasons", pa.string()),  # JSON list of codes
        ("until", pa.int64()),
        ("policy_version", pa.int64()),
        ("data", pa.binary()),  # the decision as stored
    ]
)
JOURNEY_STEPS = pa.schema(
    [
        ("partition", pa.int32()),
        ("player", pa.string()),
        *_SPOT,
        ("place", pa.int32()),
        ("cause", pa.string()),
        ("journey", pa.string()),
        ("number", pa.int64()),
        ("kind", pa.string()),  # journey_entered, journey_step, journey_ended
        ("node", pa.string()),
        ("outcome", pa.string()),  # of an entry: by what
        ("reason", pa.string()),
        ("next", pa.string()),
        ("version", pa.int64()),
    ]
)
SCHEMAS: Mapping[str, pa.Schema] = {
    "log": LOG,
    "effects": EFFECTS,
    "decisions": DECISIONS,
    "journey_steps": JOURNEY_STEPS,
}
_NOT_APPLIED = (SetAside, DuplicateLate, Forwarded)
_json = msgspec.json.Encoder()

Rows = list[dict[str, Any]]


class Raw(Struct, frozen=True):
    """An entry as the store holds it, with the record of its turn."""

    offset: str
    at: int
    data: bytes
    player: str
    record: bytes | None = None


def table_of(kind: str, rows: Rows) -> pa.Table:
    """Return rows as a table of the kind's schema."""
    return pa.Table.from_pylist(rows, schema=SCHEMAS[kind])


def log_row(partition: int, lane: str, raw: Raw) -> dict[str, Any]:
    """Return the row of one entry."""
    entry = read_entry(raw.data)
    effects = decode_record(raw.record).effects if raw.record else ()
    return {
        "partition": partition,
        "lane": lane,
        **_spot(raw.offset, raw.at),
        "player": raw.player,
        "entry": entry.__struct_config__.tag,
        "id": str(getattr(entry, "id", "")),
        "type": entry.type if isinstance(entry, Event) else "",
        "name": _name(entry),
        "occurred_at": entry.occurred_at if isinstance(entry, Event) else None,
        "applied": not any(isinstance(effect, _NOT_APPLIED) for effect in effects),
        "properties": _text(getattr(entry, "properties", None) or getattr(entry, "args", None)),
        "traits": _text(getattr(entry, "traits", None)),
        "context": _text(getattr(entry, "context", None)),
        "data": raw.data,
        "record": raw.record,
    }


def effect_rows(partition: int, raw: Raw) -> tuple[Rows, Rows]:
    """Return the rows of the effects of one record, and of the journey steps among them."""
    if raw.record is None:
        return [], []
    record = decode_record(raw.record)
    effects: Rows = []
    steps: Rows = []
    spot = {"partition": partition, "player": raw.player} | _spot(raw.offset, raw.at)
    for number, effect in enumerate(record.effects):
        values = shown(effect)
        named = {"record_id": record.id, "name": record.name, "place": number, "kind": values.pop("kind")}
        effects.append(spot | named | {"effect": _json.encode(values).decode()})
        if isinstance(effect, JourneyEntered | JourneyStepped | JourneyEnded):
            steps.append(spot | _step(effect) | {"place": number, "cause": record.id, "kind": named["kind"]})
    return effects, steps


def _step(effect: JourneyEntered | JourneyStepped | JourneyEnded) -> dict[str, Any]:
    return {
        "journey": effect.journey,
        "number": effect.number,
        "node": getattr(effect, "node", ""),
        "outcome": effect.by if isinstance(effect, JourneyEntered) else effect.outcome,
        "reason": getattr(effect, "reason", ""),
        "next": getattr(effect, "next", ""),
        "version": getattr(effect, "version", None),
    }


def decision_row(partition: int, player: str, offset: str, data: bytes) -> dict[str, Any]:
    """Return the row of one decision of the tower."""
    decision = decode_decision(data)
    return {
        "partition": partition,
        "player": player,
        **_spot(offset, decision.at),
        "request_id": decision.request_id,
        "outcome": decision.outcome,
        "template": decision.template,
        "purpose": decision.purpose,
        "channel": decision.channel,
        "reasons": _json.encode(decision.reasons).decode(),
        "until": decision.until,
        "policy_version": decision.policy_version,
        "data": data,
    }


def size_of(raws: Iterable[Raw]) -> int:
    """Return about how many bytes entries and records take."""
    return sum(len(raw.data) + len(raw.record or b"") for raw in raws)


def _spot(offset: str, at: int) -> dict[str, Any]:
    ms, n = place(offset)
    return {"offset": offset, "ms": ms, "n": n, "at": at}


def _name(entry: Entry) -> str:
    if isinstance(entry, ProgrammePublished | ModelPublished):
        return str(entry.version)
    if isinstance(entry, BeliefsPublished):
        return str(entry.number)
    for field in ("name", "kind", "template"):
        if value := getattr(entry, field, ""):
            return str(value)
    return ""


def _text(value: Any) -> str | None:
    return _json.encode(value).decode() if value else None
