"""A player's snapshot: what the actor holds between turns.

Stored as several fields of one hash, only the changed ones are written (DESIGN 2.1, rule 13: snapshots of
0.3, 3 and 6 KB gave 50,000, 33,000 and 23,000 commits/s). Parts are immutable: a rule that changes one
returns a new one, so ``is`` tells what changed and a turn that fails leaves the old snapshot whole.

Values on the hot path are ``gc=False``: they hold no cycles, and a host with thousands of players would spend its
time looking for some.
"""

from typing import Any

import msgspec
from msgspec import Struct, structs

SCHEMA_VERSION = 1  # of the stored parts; see ``store/upgrade.py``


class Profile(Struct, frozen=True, gc=False, array_like=True):
    """Who the player is."""

    traits: dict[str, Any] = {}
    timezone: str = ""  # IANA name, "" when unknown: the programme's zone counts
    locale: str = ""
    first_seen_at: int = 0  # ms
    last_seen_at: int = 0  # ms, of the last client event's arrival


class Balance(Struct, frozen=True, gc=False, array_like=True):
    """One currency of the player. ``lifetime`` is the sum of all credits and never falls; it drives levels."""

    balance: int = 0
    lifetime: int = 0


class Metric(Struct, frozen=True, gc=False, array_like=True):
    """A windowed metric as a ring of buckets (DESIGN 2.1, rule 14).

    ``buckets`` holds (bucket number, value) in ascending order, value being count, sum, max or last;
    bucket number = event time // width. ``values`` is the exact set of a ``unique`` metric up to 256,
    as (value, last bucket) pairs.
    """

    buckets: tuple[tuple[int, int | float], ...] = ()
    values: tuple[tuple[str, int], ...] = ()


class MissionProgress(Struct, frozen=True, gc=False, array_like=True):
    """One mission of the player, in its current cycle."""

    status: str = "available"  # locked available in_progress completed missed expired
    cycle: int = 0  # counts up; for daily and weekly recurrence: the local day or week number it belongs to
    actual: dict[str, int] = {}  # by task id
    started_at: int = 0  # ms of event time; 0: not started
    programme: int = 0  # version the cycle began with
    completed_count: int = 0
    unclaimed: tuple[tuple[str, int, int], ...] = ()  # (completion id, programme version, claim until ms or 0)
    completed_at: int = 0


class Progress(Struct, frozen=True, gc=False, array_like=True):
    """Counters that never reset by themselves."""

    achievements: dict[str, tuple[int, int]] = {}  # id -> (actual, stages reached)
    levels: dict[str, str] = {}  # level system -> level id
    earned_today: dict[str, tuple[int, int]] = {}  # earn rule -> (local day number, amount)


class Snapshot(Struct, frozen=True, gc=False):
    """The player's state at an offset. ``version`` counts commits; 0 is a player never seen."""

    player: str
    version: int = 0
    profile: Profile = Profile()
    wallet: dict[str, Balance] = {}
    metrics: dict[str, Metric] = {}
    missions: dict[str, MissionProgress] = {}
    progress: Progress = Progress()
    air: dict[str, Any] = {}  # facts last told to the tower


PART_TYPES: dict[str, Any] = {
    "profile": Profile,
    "wallet": dict[str, Balance],
    "metrics": dict[str, Metric],
    "missions": dict[str, MissionProgress],
    "progress": Progress,
    "air": dict[str, Any],
}
_encoder = msgspec.msgpack.Encoder()
_decoders = {name: msgspec.msgpack.Decoder(kind) for name, kind in PART_TYPES.items()}


def changed_parts(before: Snapshot, after: Snapshot) -> dict[str, bytes]:
    """Return the stored form of the parts that differ, by field name."""
    return {
        name: _encoder.encode(part)
        for name in PART_TYPES
        if (part := getattr(after, name)) is not getattr(before, name)
    }


def all_parts(snapshot: Snapshot) -> dict[str, bytes]:
    """Return the stored form of every part, by field name."""
    return {name: _encoder.encode(getattr(snapshot, name)) for name in PART_TYPES}


def snapshot_from_parts(player: str, version: int, parts: dict[str, bytes]) -> Snapshot:
    """Read a snapshot from its stored parts; missing ones are empty."""
    read = {name: _decoders[name].decode(data) for name, data in parts.items() if name in _decoders}
    return Snapshot(player, version, **read)


def with_parts(snapshot: Snapshot, **parts: Any) -> Snapshot:
    """Return the snapshot with some parts replaced."""
    return structs.replace(snapshot, **parts)
