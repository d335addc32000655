"""What a partition's log holds. The log is the only input of a player and of the tower.

Entries are stored as MessagePack arrays: a field is only ever added at the end, with a default, so old
bytes keep decoding (``tests/domain/test_stored_formats.py`` reads bytes kept from each version).
Times are integer milliseconds since the epoch, UTC.
"""

from typing import Any

import msgspec
from msgspec import Struct


class Event(Struct, frozen=True, gc=False, array_like=True, tag="event", tag_field="entry"):
    """What happened to a player, as accepted by intake."""

    player: str  # routing id
    id: str  # the sender's messageId, unique per player
    name: str  # snake_case, past tense: bet_placed
    occurred_at: int  # sender's claim, corrected for clock skew and bounded by intake
    properties: dict[str, Any] = {}
    traits: dict[str, Any] = {}  # what identify brought
    context: dict[str, Any] = {}
    type: str = "track"
    reply_to: str = ""  # pub/sub channel of the gateway that waits for the turn, or ""
    source: str = ""  # id of the key that sent it
    changes: tuple[tuple[str, str], ...] = ()  # what intake changed: (path, what was done), for the receipt
    forwarded: str = ""  # the id it was first routed to, when a merge sent it on
    anonymous: str = ""  # routing id of the anonymousId that came beside the userId; tells who was who


class Command(Struct, frozen=True, gc=False, array_like=True, tag="command", tag_field="entry"):
    """What a caller asks of a player; answered by the effects of its turn.

    ``name`` is one of ``adjust opt_in claim message exclude readmit enter_journey exit_journey
    review_message``; ``id`` is ``cmd:<idempotency key>``.
    """

    player: str
    id: str
    name: str
    args: dict[str, Any] = {}
    reply_to: str = ""
    source: str = ""
    forwarded: str = ""  # the id it was first routed to, when a merge sent it on


class TimerFired(Struct, frozen=True, gc=False, array_like=True, tag="timer", tag_field="entry"):
    """A reminder that came due. Its encoding is the member of the timers set, so clearing needs the same values."""

    player: str
    kind: str  # mission_expires, claim_expires, held (tower), ...
    ref: str  # what it is about: mission id, completion id, request id
    due: int  # ms
    generation: int = 0  # the handler ignores a timer whose generation is not current


class ProgrammePublished(Struct, frozen=True, gc=False, array_like=True, tag="programme", tag_field="entry"):
    """From here on the partition runs this programme version; lower versions are ignored."""

    version: int
    player: str = ""  # none: it concerns the partition


class ModelPublished(Struct, frozen=True, gc=False, array_like=True, tag="model", tag_field="entry"):
    """From here on the partition scores with this model; lower publications are ignored.

    Unlike a programme, a model may be published again: ``version`` may be lower than the one in force (a roll-back),
    ``number`` counts publications and only rises.
    """

    version: int  # 0: the one that ships with the package
    number: int  # of the publication, from 1
    player: str = ""  # none: it concerns the partition


class BeliefsPublished(Struct, frozen=True, gc=False, array_like=True, tag="beliefs", tag_field="entry"):
    """From here on the partition's choices are drawn with these beliefs; lower numbers are ignored."""

    number: int
    player: str = ""  # none: it concerns the partition


class MessageRequest(Struct, frozen=True, gc=False, array_like=True, tag="request", tag_field="entry"):
    """A wish to send one message to one player, judged by the tower."""

    player: str
    id: str  # req_<partition hex>_<hash of its cause>
    template: str
    purpose: str  # transactional, service, reward, retention, promo, legal
    channels: tuple[str, ...]  # in order of preference; ("best",) leaves it to the tower
    requested_at: int
    expires_at: int
    content: dict[str, Any] = {}  # rendered: {"title", "body", "action": {"label", "url"} | absent}
    priority: int | None = None  # None: the policy's priority of the purpose
    conflict_group: str = ""
    cause: str = ""  # id of the event or command that asked
    contents: dict[str, dict[str, Any]] = {}  # by channel, where they differ from ``content`` (``crm.content``)
    product: str = ""  # betting, bingo, casino, other: consent is asked for it too; "": about none of them
    source: str = (
        ""  # what asked: journeys/<id>#<number>, campaigns/<id>#<number>, missions/<id>, api; fairness is by it
    )
    goal: dict[str, Any] = {}  # {"event", "where"}: when it happens the message is not wanted any more
    ask_person: bool = False  # a person must approve it, whatever the policy says
    tells: bool = False  # the player's own turn is to hear whether it went out (``Landed``): a choice hangs on it


class Fact(Struct, frozen=True, gc=False, array_like=True, tag="fact", tag_field="entry"):
    """Something the tower must know of a player: consent, exclusion, open case, zone. Told only when it changes."""

    player: str
    name: str  # excluded, consent, support_case, timezone, round_in_play
    value: Any
    at: int
    cause: str = ""


class Asked(Struct, frozen=True, gc=False, array_like=True, tag="asked", tag_field="entry"):
    """Several requests of one turn: the tower judges them together, not one after another."""

    player: str
    requests: tuple[MessageRequest, ...]


class Withdrawn(Struct, frozen=True, gc=False, array_like=True, tag="withdrawn", tag_field="entry"):
    """Messages of this player that nobody wants any more, by their ids or by what asked for them."""

    player: str
    reason: str  # goal_met, journey_ended: a code of ``crm.tower.why``
    requests: tuple[str, ...] = ()
    source: str = ""  # as of ``MessageRequest``; "": only those named
    cause: str = ""


class Receipt(Struct, frozen=True, gc=False, array_like=True, tag="receipt", tag_field="entry"):
    """What became of a message outside. Of one message there may be several, in any order."""

    player: str
    request: str
    channel: str
    outcome: str  # ``domain.dispatch.Landing``, or delivered opened clicked bounced complained replied unsubscribed
    at: int  # ms, when it happened
    detail: str = ""  # code of the reason, or the provider's words
    connector: str = ""
    cause: str = ""


class Landed(Struct, frozen=True, gc=False, array_like=True, tag="landed", tag_field="entry"):
    """The tower's last word about a message whose player is to hear of it, where no courier tells.

    An in-app message is ``sent`` as soon as it is cleared; one that does not go by itself is ``refused`` or ``merged``.
    """

    player: str
    request: str
    outcome: str  # sent, refused, merged
    channel: str = ""
    at: int = 0  # ms, the tower's turn


class Reviewed(Struct, frozen=True, gc=False, array_like=True, tag="reviewed", tag_field="entry"):
    """A person decided about a message that was escalated."""

    player: str
    request: str
    approved: bool
    by: str
    note: str = ""
    cause: str = ""


class ChannelChanged(Struct, frozen=True, gc=False, array_like=True, tag="channel", tag_field="entry"):
    """A channel can send no more (all its providers are down, its budget is spent), or can again."""

    channel: str
    open: bool
    reason: str = ""  # provider_down, budget_spent: codes of ``crm.tower.why``
    until: int = 0  # ms, when it is expected to be open again; 0: not known
    at: int = 0  # ms, of whoever saw it; an older one is ignored
    player: str = ""  # none: it concerns the partition


class Visited(Struct, frozen=True, gc=False, array_like=True, tag="visited", tag_field="entry"):
    """A walk came by this player (``store.ports.Walk``)."""

    player: str
    walk: str  # id of the walk; the cause of what the visit does
    kind: str  # review: judge all segments; journey: enter ``ref``
    ref: str = ""
    args: dict[str, Any] = {}


class WalkAsked(Struct, frozen=True, gc=False, array_like=True, tag="walk", tag_field="entry"):
    """The partition is to visit its players, or the members of a group, one after another."""

    id: str
    kind: str  # as of ``Visited``
    ref: str = ""
    group: str = ""  # segments/<id>; "": every player of the partition
    per_minute: int = 0  # most visits a minute, over all partitions; 0: as fast as the live traffic leaves room
    args: dict[str, Any] = {}
    stop: bool = False  # end the walk of this id instead
    player: str = ""  # none: it concerns the partition


class MergeAsked(Struct, frozen=True, gc=False, array_like=True, tag="merge_asked", tag_field="entry"):
    """``player`` was seen to be ``into``: hand over the profile, and forward from now on."""

    player: str
    into: str
    cause: str
    named: str = ""  # the id that was seen, where ``player`` is asked because that one lives on under it


class Merged(Struct, frozen=True, gc=False, array_like=True, tag="merged", tag_field="entry"):
    """The profile of ``source``, as it was when it ended, joins ``player``."""

    player: str
    source: str
    parts: dict[str, bytes]  # stored form of the snapshot's parts
    cause: str


class MergeRefused(Struct, frozen=True, gc=False, array_like=True, tag="merge_refused", tag_field="entry"):
    """``source`` does not join ``player``: it belongs to ``owner`` already."""

    player: str
    source: str
    owner: str
    cause: str


class KeyClaimed(Struct, frozen=True, gc=False, array_like=True, tag="key_claimed", tag_field="entry"):
    """``claimant`` has, or has no more, the e-mail or phone that this key actor (``key:<kind>:<hash>``) stands for."""

    player: str  # the key actor's id
    claimant: str
    evidence: dict[str, Any] = {}  # what else is known, to score a probable duplicate; {} withdraws
    cause: str = ""


class ReadingAsked(Struct, frozen=True, gc=False, array_like=True, tag="reading_asked", tag_field="entry"):
    """A text of the player that a model outside the turn is to read (``domain.reading``)."""

    player: str
    id: str  # of the event that has the text, and the player
    event: str  # id
    at: int  # ms, when it was said
    text: str  # without names, addresses and numbers (``crm.facts.redaction``)
    language: str
    connector: str  # what reads it
    cause: str = ""


class GrantAsked(Struct, frozen=True, gc=False, array_like=True, tag="grant_asked", tag_field="entry"):
    """Something that the operator's platform is to grant the player (``domain.granting``)."""

    player: str
    id: str  # of the purchase: the platform's idempotency key
    connector: str
    content: dict[str, Any]  # {item, amount, gives, rule, at}
    until: int  # ms, when it has failed unless it was confirmed
    cause: str = ""


class KeeperAsked(Struct, frozen=True, gc=False, array_like=True, tag="keeper_asked", tag_field="entry"):
    """``asker`` wants something of a shared thing; its keeper answers every ask once."""

    player: str  # the keeper's id (``domain.ids.keeper_id``)
    asker: str
    id: str  # unique among the asker's asks
    op: str  # a word of the keeper's kind: reserve, confirm, release, join ...
    args: dict[str, Any] = {}
    reply_to: str = ""  # pub/sub channel of the gateway that waits for the answer's turn, or ""
    cause: str = ""


class KeeperAnswered(Struct, frozen=True, gc=False, array_like=True, tag="keeper_answered", tag_field="entry"):
    """What a keeper answered; what it tells unasked has an ``id`` that the asker does not wait for."""

    player: str  # who asked
    keeper: str
    id: str
    op: str
    code: str = "ok"  # ok, or why not
    data: dict[str, Any] = {}
    reply_to: str = ""
    cause: str = ""


class Contributed(Struct, frozen=True, gc=False, array_like=True, tag="contributed", tag_field="entry"):
    """What the turns of one commit added to a shared thing, in their order (``domain.step.Toll``)."""

    player: str  # the keeper's id
    rows: tuple[tuple[str, int, str], ...]  # player, amount, cause
    cause: str = ""


class Barrier(Struct, frozen=True, gc=False, array_like=True, tag="barrier", tag_field="entry"):
    """A keeper wants to know when all that was in the partitions' logs before now has been folded and carried on."""

    keeper: str
    id: str
    player: str = ""  # none: it concerns the partition


class BarrierPassed(Struct, frozen=True, gc=False, array_like=True, tag="barrier_passed", tag_field="entry"):
    """One partition has; what its turns wrote to boards before this is there."""

    player: str  # the keeper's id
    id: str
    partition: int
    of: int  # how many partitions there are
    cause: str = ""


class BoardFrozen(Struct, frozen=True, gc=False, array_like=True, tag="board_frozen", tag_field="entry"):
    """A board takes no scores any more; its first rows, best first."""

    player: str  # the keeper's id
    board: str
    entrants: int
    rows: tuple[tuple[str, float, int], ...] = ()  # player, score, ms when it was reached; the place is the rank
    cause: str = ""


class Unreadable(Struct, frozen=True, gc=False, array_like=True, tag="unreadable", tag_field="entry"):
    """Bytes in a log that are no entry of any version: never written by intake, set aside when found."""

    raw: bytes
    player: str = ""


Entry = (
    Event
    | Command
    | TimerFired
    | ProgrammePublished
    | ModelPublished
    | BeliefsPublished
    | MessageRequest
    | Asked
    | Withdrawn
    | Receipt
    | Landed
    | Reviewed
    | ChannelChanged
    | Fact
    | Visited
    | WalkAsked
    | MergeAsked
    | Merged
    | MergeRefused
    | KeyClaimed
    | ReadingAsked
    | GrantAsked
    | KeeperAsked
    | KeeperAnswered
    | Contributed
    | Barrier
    | BarrierPassed
    | BoardFrozen
    | Unreadable
)


class LogEntry(Struct, frozen=True, gc=False):
    """An entry with its place in the log.

    ``at`` was stamped by the store's clock, never decreasing in a partition: it is the turn's ``now``.
    """

    offset: str  # stream id, "1732244400000-0"; an order, never a time
    at: int
    entry: Entry


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Entry)


def encode_entry(entry: Entry) -> bytes:
    """Return the stored form of an entry."""
    return entry.raw if isinstance(entry, Unreadable) else _encoder.encode(entry)


def decode_entry(data: bytes) -> Entry:
    """Read a stored entry.

    Raises:
        msgspec.DecodeError: the bytes are not an entry of any version.
    """
    entry: Entry = _decoder.decode(data)
    return entry


def read_entry(data: bytes) -> Entry:
    """Read a stored entry; what is none must not stop those behind it."""
    try:
        return decode_entry(data)
    except msgspec.DecodeError:
        return Unreadable(data)
