"""A player's snapshot: what the actor holds between turns.

Stored as several fields of one hash, only the changed ones are written (whole snapshots of
0.3, 3 and 6 KB gave 50,000, 33,000 and 23,000 commits/s). Parts are immutable: a rule that changes one
returns a new one, so ``is`` tells what changed and a turn that fails leaves the old snapshot whole.

Values on the hot path are ``gc=False``: they hold no cycles, and a host with thousands of players would spend its
time looking for some.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct, structs

from domain.choices import Choices
from domain.features import Features
from domain.games import Games
from domain.habits import Habits
from domain.journal import FIELD as JOURNAL
from domain.journal import Journal, read, written
from domain.runs import RunRecord
from domain.shop import Shop
from domain.streaks import QuestProgress, Streak


class Profile(Struct, frozen=True, gc=False, array_like=True):
    """Who the player is."""

    traits: dict[str, Any] = {}
    timezone: str = ""  # IANA name, "" when unknown: the programme's zone counts
    locale: str = ""
    first_seen_at: int = 0  # ms
    last_seen_at: int = 0  # ms, of the last client event's arrival


class Purse(Struct, frozen=True, gc=False, array_like=True):
    """What is kept of a currency with a hold, an expiry, a daily limit or a window that levels look at."""

    lots: tuple[tuple[int, int], ...] = ()  # (ms when it expires, what is left of it), ascending
    pending: tuple[tuple[int, int, str], ...] = ()  # (ms when it is available, amount, rule), ascending
    day: tuple[int, int] = (0, 0)  # local day of event time, credited in it
    credits: tuple[tuple[int, int], ...] = ()  # (local day of turn time, credited in it), ascending
    armed: int = 0  # ms, of the one timer that is set; 0: none. Never later than anything that is due


class Balance(Struct, frozen=True, gc=False, array_like=True):
    """One currency of the player. ``lifetime`` is the sum of all credits and never falls; it drives levels."""

    balance: int = 0
    lifetime: int = 0
    purse: Purse | None = None


class Metric(Struct, frozen=True, gc=False, array_like=True):
    """A windowed metric as a ring of buckets (``gamification.metrics``).

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


class Standing(Struct, frozen=True, gc=False, array_like=True):
    """What is kept of a level system that a player may fall in."""

    paid: tuple[str, ...] = ()  # levels whose rewards were given, once ever
    until: int = 0  # ms, when the level is judged again; 0: never


class Progress(Struct, frozen=True, gc=False, array_like=True):
    """Counters that never reset by themselves."""

    achievements: dict[str, tuple[int, int]] = {}  # id -> (actual, stages reached)
    levels: dict[str, str] = {}  # level system -> level id
    earned_today: dict[str, tuple[int, int]] = {}  # earn rule -> (local day number, amount)
    standings: dict[str, Standing] = {}  # level system -> of those with a downgrade


class Segments(Struct, frozen=True, gc=False, array_like=True):
    """Which segments the player is in, and when time alone may change that."""

    member: dict[str, int] = {}  # segment id -> ms of turn time it was entered
    due: dict[str, int] = {}  # segment id -> ms when it must be judged again without any event
    armed: int = 0  # ms, the one timer that is set; 0: none. It may be earlier than every ``due``, never later
    version: int = 0  # programme version that all segments were last judged under


class Enrolment(Struct, frozen=True, gc=False, array_like=True):
    """One walk through a journey that is under way. Times are turn time, in ms."""

    number: int  # this player's entries into the journey, from 1
    version: int  # programme version whose graph is walked
    node: str  # where the player waits
    entered_at: int
    arrived_at: int  # at ``node``
    due: int = 0  # when time takes the player on from ``node``; 0: never
    generation: int = 0  # of the timer; an older one is ignored
    steps: dict[str, int] = {}  # milestone -> when it was reached
    tries: tuple[int, ...] = ()  # ms, struggles seen at ``node``
    used: tuple[str, ...] = ()  # interrupts and help branches taken, each once
    taken: int = 0  # nodes left behind; makes what a node asks for unique
    messages: int = 0
    data: dict[str, Any] = {}  # properties of the event that began it (bounded), for templates and conditions
    cause: str = ""  # id of what began it
    parent: str = ""  # the walk that waits for this one to end, ``<journey>#<number>``
    armed: int = 0  # ms, of the one timer that is set; never later than anything that time alone may bring
    paused: bool = False  # ``node`` is still to be run, at ``due``


class JourneyRecord(Struct, frozen=True, gc=False, array_like=True):
    """A player and one journey (or campaign, ``campaigns/<id>``)."""

    entered: int = 0  # how often
    last_entered_at: int = 0  # ms
    last_ended_at: int = 0  # ms
    outcome: str = ""  # how the last one ended: goal exit completed expired removed
    active: Enrolment | None = None


class Identity(Struct, frozen=True, gc=False, array_like=True):
    """Which ids are this person. Merges go one way: anonymous to user, of two anonymous ids to the smaller."""

    merged_into: str = ""  # this id lives on under another; its entries are forwarded
    merged_at: int = 0  # ms
    sources: tuple[str, ...] = ()  # ids whose profiles were joined into this one
    links: dict[str, str] = {}  # other id -> asked, merged, elsewhere (it is another's), proposed (a person decides)
    devices: tuple[str, ...] = ()  # the last ones seen
    keys: dict[str, str] = {}  # email, phone -> key actor that was told of it
    claims: dict[str, dict[str, Any]] = {}  # of a key actor: claimant -> evidence


class Score(Struct, frozen=True, gc=False, array_like=True):
    """What a model thinks of the player, as of the last turn in which that changed."""

    value: float
    confidence: float = 0.0  # 0..1
    drivers: tuple[tuple[str, float], ...] = ()  # feature, and what it adds to the log-odds
    model: int = 0  # version of the model
    at: int = 0  # ms of turn time


class Scores(Struct, frozen=True, gc=False, array_like=True):
    """Scores by name (``player.scores.<name>``), and when time alone makes them be looked at again."""

    held: dict[str, Score] = {}
    armed: int = 0  # ms, the one ``rescore`` timer that is set; 0: none


class Ask(Struct, frozen=True, gc=False, array_like=True):
    """What the player waits for from a keeper (``domain.entries.KeeperAsked``)."""

    keeper: str
    op: str
    then: str  # which rule goes on with the answer
    data: dict[str, Any] = {}  # what it needs to
    at: int = 0  # ms of turn time


class Asks(Struct, frozen=True, gc=False, array_like=True):
    """Questions to keepers, by id."""

    open: dict[str, Ask] = {}
    done: dict[str, str] = {}  # the last ones answered -> offset of the answer in the player's log


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
    segments: Segments = Segments()
    journeys: dict[str, JourneyRecord] = {}
    identity: Identity = Identity()
    scores: Scores = Scores()
    features: Features = Features()
    habits: Habits = Habits()
    choices: Choices = Choices()
    asks: Asks = Asks()
    kept: dict[str, Any] = {}  # of a keeper: what it keeps, as its kind says (``gamification.keeping``)
    streaks: dict[str, Streak] = {}
    quests: dict[str, QuestProgress] = {}
    runs: dict[str, RunRecord] = {}  # <tournament>@<run>
    shop: Shop = Shop()
    games: Games = Games()
    journal: Journal = Journal()


_NO_JOURNAL = Journal()
_NO_SCORES: Mapping[str, float] = {}
_NO_TONE: Mapping[str, Any] = {}


def scores_of(snapshot: Snapshot) -> Mapping[str, float]:
    """Return what ``player.scores.*`` answers."""
    held = snapshot.scores.held
    return {name: score.value for name, score in held.items()} if held else _NO_SCORES


def last_tone(snapshot: Snapshot) -> Mapping[str, Any]:
    """Return what ``player.tone.*`` answers: the mood last said or read (``crm.facts.tones``)."""
    return snapshot.air.get("tone") or _NO_TONE


PART_TYPES: dict[str, Any] = {
    "profile": Profile,
    "wallet": dict[str, Balance],
    "metrics": dict[str, Metric],
    "missions": dict[str, MissionProgress],
    "progress": Progress,
    "air": dict[str, Any],
    "segments": Segments,
    "journeys": dict[str, JourneyRecord],
    "identity": Identity,
    "scores": Scores,
    "features": Features,
    "habits": Habits,
    "choices": Choices,
    "asks": Asks,
    "kept": dict[str, Any],
    "streaks": dict[str, Streak],
    "quests": dict[str, QuestProgress],
    "runs": dict[str, RunRecord],
    "shop": Shop,
    "games": Games,
}
"""Parts that are one stored field each; the journal has several (``domain.journal``)."""
_encoder = msgspec.msgpack.Encoder()
_decoders = {name: msgspec.msgpack.Decoder(kind) for name, kind in PART_TYPES.items()}


def changed_parts(before: Snapshot, after: Snapshot) -> dict[str, bytes]:
    """Return the stored form of the parts that differ, by field name."""
    parts = {
        name: _encoder.encode(part)
        for name in PART_TYPES
        if (part := getattr(after, name)) is not getattr(before, name)
    }
    if after.journal is not before.journal:
        parts |= written(before.journal, after.journal)
    return parts


def all_parts(snapshot: Snapshot) -> dict[str, bytes]:
    """Return the stored form of every part, by field name."""
    parts = {name: _encoder.encode(getattr(snapshot, name)) for name in PART_TYPES}
    if snapshot.journal != _NO_JOURNAL:  # rollbacks that wait are there before anything is kept
        parts |= written(_NO_JOURNAL, snapshot.journal)
    return parts


def snapshot_from_parts(player: str, version: int, parts: dict[str, bytes], base: Journal = _NO_JOURNAL) -> Snapshot:
    """Read a snapshot from its stored parts; missing ones are empty.

    Args:
        base: What the journal was, where ``parts`` has only the changed ones.
    """
    found = {name: _decoders[name].decode(data) for name, data in parts.items() if name in _decoders}
    if JOURNAL in parts:
        found["journal"] = read(parts, base)
    return Snapshot(player, version, **found)


def with_parts(snapshot: Snapshot, **parts: Any) -> Snapshot:
    """Return the snapshot with some parts replaced."""
    return structs.replace(snapshot, **parts)
