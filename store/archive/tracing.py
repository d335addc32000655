"""What became of an event that the store has let go of, in part or whole (``store.trace`` for the rest)."""

from pathlib import Path

from domain.decisions import Decision, decode_decision
from domain.effects import MessageRequested, decode_record
from domain.entries import decode_entry
from store.archive.reading import LAST, Row, decisions_before, entry_at, find_event
from store.trace import DECISIONS_MAX, Found


def traced(root: Path, found: list[Found], event_id: str) -> list[Found]:
    """Return the places with what the archive knows of them; places of the archive alone when the store has none.

    Blocking. An id that the store does not know any more is looked for in the whole archive.
    """
    if not found:
        return [_filled(root, Found(row.player, p, row.offset), row) for p, row in find_event(root, event_id)]
    return [_completed(root, place) for place in found]


def _completed(root: Path, place: Found) -> Found:
    """Add what is missing: the entry itself was trimmed from the log."""
    if place.name or not place.done:
        return place
    row = entry_at(root, place.partition, place.offset)
    return _filled(root, place, row) if row is not None else place


def _filled(root: Path, place: Found, row: Row) -> Found:
    entry = decode_entry(row.data)
    place.at, place.name, place.done, place.archived = row.at, str(getattr(entry, "name", "")), True, True
    place.changes = getattr(entry, "changes", ())
    place.record = decode_record(row.record) if row.record else place.record
    effects = place.record.effects if place.record else ()
    requests = {effect.request_id for effect in effects if isinstance(effect, MessageRequested)}
    if requests:
        known = {(d.request_id, d.at) for d in place.decisions}
        place.decisions += [d for d in _decided(root, place, requests) if (d.request_id, d.at) not in known]
    return place


def _decided(root: Path, place: Found, requests: set[str]) -> list[Decision]:
    """Return the archive's decisions about some requests, in order; only the player's last are looked through."""
    rows = decisions_before(root, place.partition, place.player, LAST, DECISIONS_MAX)
    decisions = [decode_decision(data) for _, data in reversed(rows)]
    return [decision for decision in decisions if decision.request_id in requests]
