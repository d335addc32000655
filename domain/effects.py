"""What a turn caused. Effects are facts of the past for the reader: the ledger, the trace, the socket.

Stored as MessagePack arrays, half the size of maps (a bet moves five missions; a field is only ever added at the
end, with a default), and shown as JSON by name (``{"kind": "points", ...}``).
"""

from typing import Any

import msgspec
from msgspec import Struct

from domain.game_effects import AskedKeeper as AskedKeeper
from domain.game_effects import GameEffect

BOUGHT = "bought"
"""Account of what a bought item gives: it was paid for, so it is not earned."""
RETURNS = frozenset({"held", "redeemed", "respent", "written_off"})
"""Accounts from which the player's own comes back."""
_UNCREDITED = RETURNS | {BOUGHT}
UNEARNED = "rolled_back"
"""Account of what an event had earned that was rolled back: it lowers (or raises) ``lifetime`` too."""


def lifetime_change(account: str, amount: int) -> int:
    """Return what a posting of ``amount`` to the player does to the sum of all that was earned."""
    if account == UNEARNED:
        return amount
    return 0 if amount < 0 or account in _UNCREDITED else amount


class Posting(Struct, frozen=True, gc=False, tag="points", tag_field="kind", array_like=True):
    """One entry of the double-entry ledger: ``amount`` moves from ``account`` to the player (or back, if negative)."""

    currency: str
    amount: int
    balance_after: int
    rule: str  # earn-rules/bet-points, missions/ten-bets, adjustment
    rule_version: int = 0  # programme version in force
    account: str = "issued"  # the other side: issued, adjusted, redeemed
    reason: str = ""


class MissionProgressed(Struct, frozen=True, gc=False, tag="mission_progressed", tag_field="kind", array_like=True):
    """A task of a mission moved."""

    mission: str
    task: str
    actual: int
    expected: int
    cycle: int = 0


class MissionStatus(Struct, frozen=True, gc=False, tag="mission_status", tag_field="kind", array_like=True):
    """A mission changed its status without being completed: in_progress, available, expired, missed, locked."""

    mission: str
    status: str
    cycle: int = 0


class MissionCompleted(Struct, frozen=True, gc=False, tag="mission_completed", tag_field="kind", array_like=True):
    """All tasks done. ``completion_id`` is what a manual claim names."""

    mission: str
    completion_id: str
    cycle: int = 0
    claim: str = "auto"  # auto: rewards follow in this turn; manual: they wait for the claim
    claim_until: int = 0  # ms, 0: no expiry
    window_from: int = 0  # ms, event time the counting began at


class CompletionClaimed(Struct, frozen=True, gc=False, tag="completion_claimed", tag_field="kind", array_like=True):
    """The rewards of a completion were taken."""

    mission: str
    completion_id: str


class CompletionExpired(Struct, frozen=True, gc=False, tag="completion_expired", tag_field="kind", array_like=True):
    """A completion was not claimed in time; its rewards are gone."""

    mission: str
    completion_id: str


class AchievementReached(Struct, frozen=True, gc=False, tag="achievement_reached", tag_field="kind", array_like=True):
    """A stage of an achievement, counted from 1."""

    achievement: str
    stage: int
    at: int  # the stage's threshold


class LevelChanged(Struct, frozen=True, gc=False, tag="level_changed", tag_field="kind", array_like=True):
    """The player entered a level of a level system; ``down``: fell to it."""

    system: str
    level: str
    previous: str = ""
    down: bool = False


class Answered(Struct, frozen=True, gc=False, tag="answered", tag_field="kind", array_like=True):
    """The outcome of a command. ``code`` is ok, or why it was refused (a stable code, shown as the problem's code)."""

    code: str
    detail: str = ""
    data: dict[str, Any] = {}


class MessageRequested(Struct, frozen=True, gc=False, tag="message_requested", tag_field="kind", array_like=True):
    """A message went to the tower for judgement."""

    request_id: str
    template: str
    purpose: str


class FactTold(Struct, frozen=True, gc=False, tag="fact", tag_field="kind", array_like=True):
    """The tower was told something of the player."""

    name: str
    value: Any = None


class DuplicateLate(Struct, frozen=True, gc=False, tag="duplicate_late", tag_field="kind", array_like=True):
    """The same event came again after its dedupe window; a unique reward had been granted, nothing was applied."""

    key: str


class SetAside(Struct, frozen=True, gc=False, tag="set_aside", tag_field="kind", array_like=True):
    """The turn failed alone; the entry is in the dead letters with its error."""

    error: str


class SegmentEntered(Struct, frozen=True, gc=False, tag="segment_entered", tag_field="kind", array_like=True):
    """The player entered a segment. ``by`` is why now: event, time, published (newly or changed), merged."""

    segment: str
    by: str = "event"


class SegmentLeft(Struct, frozen=True, gc=False, tag="segment_left", tag_field="kind", array_like=True):
    """The player left a segment; ``by`` as above, or removed: the segment is no longer in the programme."""

    segment: str
    by: str = "event"


class JourneyEntered(Struct, frozen=True, gc=False, tag="journey_entered", tag_field="kind", array_like=True):
    """The player began a journey (or campaign, ``campaigns/<id>``)."""

    journey: str
    number: int  # this player's entries, from 1
    version: int = 0  # programme version whose graph is walked
    by: str = "event"  # event, pattern, segment, schedule, api, journey
    dropped: tuple[str, ...] = ()  # properties too large to be kept


class JourneyStepped(Struct, frozen=True, gc=False, tag="journey_step", tag_field="kind", array_like=True):
    """One step of a journey. ``outcome`` is what the node did or how it was left, ``reason`` why.

    Both are stable codes, listed with their words in ``crm.journeys.reasons``.
    """

    journey: str
    number: int
    node: str
    outcome: str
    reason: str = ""
    next: str = ""  # node the player goes to; "" when it stays or the journey ends
    detail: str = ""  # which: step, path, interrupt, template, amount


class JourneyEnded(Struct, frozen=True, gc=False, tag="journey_ended", tag_field="kind", array_like=True):
    """A journey is over: goal (reached), exit (condition), completed (walked to an end), expired, removed."""

    journey: str
    number: int
    outcome: str
    node: str = ""  # where the player was
    reason: str = ""


class TraitsChanged(Struct, frozen=True, gc=False, tag="traits_changed", tag_field="kind", array_like=True):
    """A journey changed the profile; null removed a trait."""

    traits: dict[str, Any]
    rule: str = ""  # journeys/<id>/<node>


class IdentityLinked(Struct, frozen=True, gc=False, tag="identity_linked", tag_field="kind", array_like=True):
    """Another id was seen to be this person; its profile has been asked to join."""

    other: str
    refused: str = ""  # why it was not asked: too_many_links


class ProfileMerged(Struct, frozen=True, gc=False, tag="profile_merged", tag_field="kind", array_like=True):
    """A profile was joined. On the id that lives on ``source`` is set, on the one that ends ``into``."""

    source: str = ""
    into: str = ""


class Forwarded(Struct, frozen=True, gc=False, tag="forwarded", tag_field="kind", array_like=True):
    """The entry was sent on to the id that this one lives on under; what it caused is told there."""

    to: str


class DuplicateProposed(Struct, frozen=True, gc=False, tag="duplicate_proposed", tag_field="kind", array_like=True):
    """Two players may be one person; a person decides."""

    player: str
    other: str
    score: float  # 0..1
    reasons: tuple[str, ...] = ()


class ConsentChanged(Struct, frozen=True, gc=False, tag="consent", tag_field="kind", array_like=True):
    """The player (or somebody for them) gave or withdrew a consent; the history of these is the proof.

    ``key`` is a channel, a purpose, or ``<product>/<channel>``.
    """

    key: str
    granted: bool
    at: int  # ms
    source: str = ""  # event, preference_centre, one_click, reply, complaint, import
    proof: str = ""  # what shows it: wording version, form, message id
    pending: bool = False  # it waits for a confirmation (double opt-in)


class MessageWithdrawn(Struct, frozen=True, gc=False, tag="message_withdrawn", tag_field="kind", array_like=True):
    """Messages that were asked for are not wanted any more; the tower was told."""

    reason: str
    requests: tuple[str, ...] = ()
    source: str = ""


class MessageReceipt(Struct, frozen=True, gc=False, tag="message_receipt", tag_field="kind", array_like=True):
    """Something became of a message outside: sent, delivered, opened, clicked, bounced ..."""

    request_id: str
    channel: str
    outcome: str
    detail: str = ""


class Scored(Struct, frozen=True, gc=False, tag="scored", tag_field="kind", array_like=True):
    """A model's opinion of the player moved. Recorded with the turn that used it (ADR 0010)."""

    model: str  # churn
    value: float  # 0..1, rounded to 4 places like all of ``scores``
    version: int  # of the model; 0: the one that ships with the package
    before: float | None = None  # None: never scored
    confidence: float = 0.0  # 0..1
    drivers: tuple[tuple[str, float], ...] = ()  # feature, and what it adds to the log-odds
    scores: dict[str, float] = {}  # every head of the net, ``model`` among them: what ``player.scores.*`` now answers


class PatternChanged(Struct, frozen=True, gc=False, tag="pattern_changed", tag_field="kind", array_like=True):
    """The player does what is unlike them: much longer sessions, higher stakes (``ml.patterns``)."""

    pattern: str  # what of: session_length, stake, ...
    by: str  # which detector saw it
    evidence: dict[str, float] = {}  # what was seen beside what is usual, by name

    @property
    def name(self) -> str:
        """Return both as configuration names them: ``session_length.lasting``."""
        return f"{self.pattern}.{self.by}"


class Chose(Struct, frozen=True, gc=False, tag="chose", tag_field="kind", array_like=True):
    """An arm of a choice was drawn for the player. Recorded with the turn that used it (ADR 0011).

    ``propensity`` and ``context`` are whole numbers, millionths.
    """

    choice: str
    arm: str
    key: str  # names the occasion, as in ``domain.choices.OpenChoice``
    by: str = "policy"  # policy; floor: by the share of draws that is uniform; holdout; only: no other was eligible
    propensity: int = 1_000_000  # probability with which this arm was drawn
    eligible: tuple[str, ...] = ()
    beliefs: int = 0  # number of the beliefs that it was drawn with
    context: tuple[int, ...] = ()
    generation: str = ""
    asks: str = ""  # node, template, channel, time, placement


class ChoiceEnded(Struct, frozen=True, gc=False, tag="choice_ended", tag_field="kind", array_like=True):
    """A choice's outcome is known, or never will be. What was rewarded is counted later (``ChoiceCounted``)."""

    choice: str
    arm: str
    key: str
    outcome: str  # rewarded (it came in time), missed (its time is over), void (it says nothing)
    reward: int = 0  # millionths, 0 to 1,000,000
    by: str = "policy"
    propensity: int = 1_000_000
    context: tuple[int, ...] = ()
    generation: str = ""
    reason: str = ""  # of a void: a code of ``crm.choices.reasons``


class ChoiceCounted(Struct, frozen=True, gc=False, tag="choice_counted", tag_field="kind", array_like=True):
    """The time of a rewarded choice is over: now it counts, when it would have been missed.

    What is learnt is counted from these, and from what ended missed or void (ADR 0011).
    """

    choice: str
    arm: str
    key: str
    outcome: str  # rewarded; void: it was pushed out, or the choice means something else by now
    reward: int = 0  # millionths, 0 to 1,000,000
    by: str = "policy"
    propensity: int = 1_000_000
    context: tuple[int, ...] = ()
    generation: str = ""
    reason: str = ""  # of a void: a code of ``crm.choices.reasons``


Effect = (
    Posting
    | MissionProgressed
    | MissionStatus
    | MissionCompleted
    | CompletionClaimed
    | CompletionExpired
    | AchievementReached
    | LevelChanged
    | Answered
    | MessageRequested
    | FactTold
    | DuplicateLate
    | SetAside
    | SegmentEntered
    | SegmentLeft
    | JourneyEntered
    | JourneyStepped
    | JourneyEnded
    | TraitsChanged
    | IdentityLinked
    | ProfileMerged
    | Forwarded
    | DuplicateProposed
    | ConsentChanged
    | MessageWithdrawn
    | MessageReceipt
    | Scored
    | PatternChanged
    | Chose
    | ChoiceEnded
    | ChoiceCounted
    | GameEffect
)


class HistoryRecord(Struct, frozen=True, gc=False, array_like=True):
    """What one entry did to one player. Its stream id is the entry's offset, which is how a trace finds it."""

    id: str  # event or command id; timer:<kind>:<ref> for timers
    name: str
    at: int
    effects: tuple[Effect, ...]


class Reply(Struct, frozen=True, gc=False, array_like=True):
    """What a gateway that waits for a turn is told when it has committed."""

    player: str
    offset: str
    record: HistoryRecord


_encoder = msgspec.msgpack.Encoder()
_reply_decoder = msgspec.msgpack.Decoder(Reply)
_record_decoder = msgspec.msgpack.Decoder(HistoryRecord)


def encode_record(record: HistoryRecord) -> bytes:
    """Return the stored form of a history record."""
    return _encoder.encode(record)


def decode_record(data: bytes) -> HistoryRecord:
    """Read a stored history record."""
    return _record_decoder.decode(data)


def encode_reply(reply: Reply) -> bytes:
    """Return the form of a reply on its pub/sub channel."""
    return _encoder.encode(reply)


def decode_reply(data: bytes) -> Reply:
    """Read a reply."""
    return _reply_decoder.decode(data)


def shown(effect: Effect) -> dict[str, Any]:
    """Return an effect as JSON values, by name; fields at their default are left out."""
    values: dict[str, Any] = {"kind": effect.__struct_config__.tag}
    required = len(effect.__struct_fields__) - len(effect.__struct_defaults__)
    for place, name in enumerate(effect.__struct_fields__):
        value = getattr(effect, name)
        if place < required or value != _default(effect.__struct_defaults__[place - required]):
            values[name] = value
    return values


def _default(default: Any) -> Any:
    """Return a field's default; msgspec keeps a mutable one as a factory."""
    return default.factory() if hasattr(default, "factory") else default
