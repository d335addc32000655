"""What the shell asks of a store. Two implementations: Redis (``store.redis_lane``) and the simulator's model
(``tests/simulation/model.py``), held together by one conformance suite.
"""

from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

import msgspec
from msgspec import Struct, field

from domain.dispatch import Dispatch
from domain.entries import BoardFrozen, LogEntry
from domain.step import BoardScore, Freeze


class Verdict(StrEnum):
    """The answers of a commit, each with one stated reaction (see ``actors/processor.py``)."""

    OK = "OK"
    ALREADY = "ALREADY"  # this very commit was written before, its reply was lost: go on
    FENCED = "FENCED"  # another owner has the partition: drop everything, let it be
    STALE = "STALE"  # the offset is elsewhere: drop everything, acquire again
    CONFLICT = "CONFLICT"  # a snapshot has another version: drop everything, acquire again
    DUPEFFECT = "DUPEFFECT"  # a unique reward exists: the same cause is folded as duplicate_late, another stops
    STOPPED = "STOPPED"  # a player was excluded meanwhile: fold again, knowing it
    BROKEN = "BROKEN"  # a half commit was found: stop the partition, a person must look
    HELD = "HELD"  # (acquire) another's lease still runs
    BACKLOG = "BACKLOG"  # (ingest) too many entries wait: nothing was appended


class Refused(Exception):
    """The store said no. Nothing was written."""

    def __init__(self, verdict: Verdict, detail: str = "") -> None:
        super().__init__(f"{verdict} {detail}".strip())
        self.verdict = verdict
        self.detail = detail


class Unavailable(Exception):
    """The store did not answer; what was asked may or may not have been done."""


class Token(Struct, frozen=True):
    """Proof of ownership of one lane of one partition. Epoch *and* nonce are compared in every write."""

    partition: int
    epoch: str
    nonce: str


class Grant(Struct, frozen=True):
    """What acquiring gives: the token and where to go on."""

    token: Token
    offset: str
    tries: int  # acquisitions at this offset; more than 2: batches of one, more than 4: the head is set aside
    part: bytes  # encoded partition state, b"" at first


class Incoming(Struct, frozen=True):
    """An entry for the log. ``bucket`` names its dedupe bucket, from the sender's own timestamp where it has one."""

    player: str
    message_id: str
    fingerprint: str
    bucket: str
    body: bytes
    other_bucket: str = ""  # where it is looked for besides, nearest first: names with a space between
    occurred_at: int = 0  # read only by a store with ``clock: log``


class Appended(Struct, frozen=True):
    """What became of an incoming entry."""

    offset: str
    duplicate: bool = False
    mismatch: bool = False  # the message id was used before, with other content; that one is at ``offset``


class Write(Struct, frozen=True):
    """One snapshot's changed fields, guarded by the version it was folded from."""

    player: str
    base: int
    version: int
    fields: dict[str, bytes]


_encode = msgspec.msgpack.Encoder().encode
BOARD, FREEZE = -1, -2  # where a relay goes that is for no partition: to a board, to be frozen
_scores = msgspec.msgpack.Decoder(list[BoardScore])
_freeze = msgspec.msgpack.Decoder(Freeze)


def encode_scores(scores: list[BoardScore]) -> bytes:
    """Return the stored form of scores of one board."""
    return _encode(scores)


def decode_scores(data: bytes) -> list[BoardScore]:
    """Read stored scores."""
    return _scores.decode(data)


def encode_freeze(freeze: Freeze) -> bytes:
    """Return the stored form."""
    return _encode(freeze)


def decode_freeze(data: bytes) -> Freeze:
    """Read what was stored."""
    return _freeze.decode(data)


class Commit(Struct):
    """All that a batch of turns writes, at once or not at all."""

    start: str  # offset the batch began after
    end: str  # offset of its last entry
    done: int = 0  # entries in it
    at: str = ""  # only in a store with ``clock: log``: the time outputs are stamped with
    writes: list[Write] = field(default_factory=list)
    history: list[tuple[str, str, bytes]] = field(default_factory=list)  # player, offset or "*", record
    inbox: list[tuple[str, bytes, bool]] = field(default_factory=list)  # player, delivery, legal
    outputs: list[bytes] = field(default_factory=list)  # entries for the tower's log; (tower) for the players'
    keys: list[tuple[str, str, str, str]] = field(default_factory=list)  # bucket, previous bucket, key, cause
    timers: list[tuple[bool, int, bytes]] = field(default_factory=list)  # set, due, member
    publishes: list[tuple[str, bytes]] = field(default_factory=list)
    part: bytes = b""
    dead: list[bytes] = field(default_factory=list)
    index: list[tuple[str, str]] = field(default_factory=list)  # request id, player
    groups: list[tuple[bool, str, str]] = field(default_factory=list)  # add, group, player
    relays: list[tuple[int, bytes]] = field(default_factory=list)  # partition, entry for its players' log; or BOARD ...
    walks: list[tuple[str, bytes]] = field(default_factory=list)  # walk id, record (b"" asks it to end)
    stops: list[tuple[str, str]] = field(
        default_factory=list
    )  # player, "reason" or "reason|until ms": excluded from now
    duplicates: list[bytes] = field(default_factory=list)  # probable duplicates, for a person
    lifts: list[tuple[str, str]] = field(default_factory=list)  # player, reason ("": every): no longer excluded for it
    mutes: list[tuple[bool, str, str]] = field(default_factory=list)  # set, player, mark (``store.keys.mute``)
    # (tower) into their players' lines; one that still waits there goes to the end, one in flight when that is settled
    dispatches: list[Dispatch] = field(default_factory=list)
    voids: list[tuple[str, str]] = field(default_factory=list)  # (tower) request id, reason: taken back if still there
    reviews: list[tuple[str, bytes]] = field(default_factory=list)  # (tower) request id, record for a person; b"": over
    tallies: list[tuple[str, str, int]] = field(default_factory=list)  # (tower) UTC day, field, how many more
    sums: list[tuple[str, int]] = field(default_factory=list)  # field of ``store.keys.choice_sums``, how much more
    cases: list[tuple[str, bytes]] = field(default_factory=list)  # case id, record for a person; b"": it is over
    is_patient: bool = False  # nobody waits for its relays: not stored


class Walk(Struct, array_like=True):
    """A durable way through a partition's players, in order of their ids; it moves with the entries it appends."""

    id: str
    kind: str  # of the visits
    ref: str = ""
    group: str = ""  # "": every player
    per_minute: int = 0  # over all partitions; 0: no limit of its own
    args: dict[str, Any] = {}
    asked_at: int = 0  # ms
    cursor: str = ""  # the last player visited
    visited: int = 0
    ended_at: int = 0  # ms; 0: under way
    outcome: str = ""  # completed, stopped
    is_stopping: bool = False  # it was asked to end; told by the store on reading, which keeps it beside the record


_walks = msgspec.msgpack.Decoder(Walk)


def encode_walk(walk: Walk) -> bytes:
    """Return the stored form."""
    return _encode(walk)


def decode_walk(data: bytes) -> Walk:
    """Read a stored walk."""
    return _walks.decode(data)


QUEUED_MAX = 64  # dispatches of a partition: a broadcast waits for the providers outside of the store's memory, and
# what fills the lines at its beginning (500 took a host's ten seconds) is what live events wait behind


def queued_max(walk: Walk) -> int:
    """Return with how many dispatches in the partition's lines a walk waits; 0: it asks for no messages."""
    return QUEUED_MAX if walk.kind == "journey" else 0


class Outgoing(Struct, frozen=True):
    """An entry that waits in the outbox of a partition."""

    id: str  # its place there
    to: int  # partition whose players' log it belongs to; or BOARD, FREEZE
    body: bytes


class Visit(Struct, frozen=True):
    """One step of a walk.

    ``walk`` is as it shall be afterwards; ``came_from`` is its cursor before. ``ended_at`` of the walk ends it.
    """

    token: Token
    walk: Walk
    came_from: str
    bodies: list[bytes]  # entries for the partition's own log


class Claim(Struct, frozen=True):
    """A dispatch that this courier, and nobody else, may send now and must settle."""

    partition: int
    dispatch: Dispatch
    tries: int  # before this one
    refused: str = ""  # not to be sent: excluded, muted, late, withdrawn:<reason>; settle it with what follows


class Settlement(Struct, frozen=True):
    """What became of a claim.

    ``due`` > 0 keeps it in its line for another try then. Otherwise it is over: the next of its line may go, and the
    entries go into the player's log in the same step.
    """

    partition: int
    player: str
    request: str
    token: str  # of the claimer; another's claim is left alone
    due: int = 0  # ms
    entries: tuple[bytes, ...] = ()  # for the player's log: what became of it (``domain.receipts``)
    dead: bytes = b""  # for the dead letters, to be replayed
    untried: bool = (
        False  # (with ``due``) nothing was tried, its provider could not be asked: ``tries`` stays as it was
    )


class Claimed(Struct, frozen=True):
    """Whose a claim is."""

    partition: int
    request: str
    token: str


class InFlight(Struct, frozen=True):
    """A claim as the store knows it."""

    dispatch: Dispatch
    token: str
    claimed_at: int  # ms
    tries: int
    refused: str = ""  # as in ``Claim``: it was not to be sent, so it was not


class Waiting(NamedTuple):
    """Players for whom something waits in one room of a partition."""

    all: int
    due: int  # those of them whose turn it is by now


def in_all(waiting: Mapping[int, Mapping[tuple[str, str], Waiting]]) -> dict[tuple[str, str], Waiting]:
    """Add up what waits in several partitions, by channel and lane."""
    total: dict[tuple[str, str], Waiting] = {}
    for rooms in waiting.values():
        for room, here in rooms.items():
            there = total.get(room, Waiting(0, 0))
            total[room] = Waiting(there.all + here.all, there.due + here.due)
    return total


class Queue(Protocol):
    """What waits for the providers. A line is the messages of one player by one channel and lane, in order.

    Ownership of a partition (``LaneStore.acquire`` of the lane ``channels``) is for order and pace; what makes a send
    safe is the claim, which only its claimer settles. All raise ``Unavailable``.
    """

    async def claim(self, token: Token, claimer: str, rooms: list[tuple[str, str, int]]) -> list[Claim]:
        """Claim due heads of lines, the longest due first.

        A head is refused at the last moment when its player is excluded (legal passes), a mark of it is muted, its
        ``send_until`` is over or the tower took it back; refused ones count as claimed until they are settled.

        Args:
            claimer: Incarnation of the process; its claims are in flight until it settles them or is known dead.
            rooms: Channel, lane, and how many at the most.

        Raises:
            Refused: FENCED, or BROKEN. Nothing was claimed.
            Unavailable: what was claimed all the same is found by ``in_flight``, under this claimer.
        """

    async def sweep(
        self, token: Token, claimer: str, rooms: list[tuple[str, str, int]], most: int
    ) -> tuple[list[Claim], list[int]]:
        """Claim only due heads that are refused: they end although there is no room for them.

        Args:
            rooms: Channel, lane, and the place among its due heads to begin at.
            most: Heads of each room that are looked at.

        Returns:
            The claims, and where to go on in each room: 0 after its end.

        Raises:
            Refused, Unavailable: as ``claim``.
        """

    async def settle(self, settlements: list[Settlement]) -> list[bool]:
        """Settle claims, each in one step; False where the claim is not (any more) that token's."""

    async def claimed(self, partitions: list[int]) -> list[Claimed]:
        """Return all claims that are not settled, whoever claimed them, without what they are of."""

    async def in_flight(self, partitions: list[int], only: Collection[str] | None = None) -> list[InFlight]:
        """Return claims that are not settled, whoever claimed them: of some requests, or all."""

    async def waiting(self, partitions: list[int]) -> dict[int, dict[tuple[str, str], Waiting]]:
        """Return what waits and is not in flight, by partition, channel and lane."""

    async def take(self, bucket: str, wanted: int, *, per_s: float, burst: int) -> tuple[int, int]:
        """Take from a provider's shared token bucket: how many were granted, and in how many ms there are more."""

    async def spend(self, channel: str, wanted: int, per_day: int) -> int:
        """Take from a channel's budget of the store's UTC day; how many were granted."""

    async def refund(self, channel: str, count: int) -> None:
        """Give back what was taken from today's budget and not used."""


class LaneStore(Protocol):
    """One lane (players or tower) of all partitions."""

    async def acquire(self, partition: int, owner: str, nonce: str, ttl_ms: int) -> Grant:
        """Take the partition. Raises ``Refused`` HELD or BROKEN."""

    async def renew(self, tokens: list[Token], ttl_ms: int) -> list[Verdict]:
        """Prolong leases; OK or FENCED each."""

    async def release(self, token: Token) -> None:
        """End a lease at once. Being fenced is not an error here."""

    async def read(self, after: dict[int, str], limit: int, block_ms: int) -> dict[int, list[LogEntry]]:
        """Read each partition's next entries, waiting up to ``block_ms`` when there are none at all."""

    async def waiting(self, partitions: list[int]) -> list[int]:
        """Return how many entries of each log are not done."""

    async def load(self, wanted: list[tuple[int, str]]) -> list[dict[str, bytes]]:
        """Read snapshots' fields ({} for a player never seen), the version under ``v``; one round trip."""

    async def stopped(self, wanted: list[tuple[int, str]]) -> list[bool]:
        """Tell which players are excluded right now."""

    async def commit(self, batches: list[tuple[Token, Commit]]) -> list[tuple[Verdict, str]]:
        """Write batches of several partitions in one pipeline; a verdict and its detail each."""

    async def fire(self, tokens: list[Token], limit: int) -> list[int]:
        """Move due timers into the logs; how many, each (0 when fenced)."""


class Ways(Protocol):
    """What goes from partition to partition, and through a partition's players, beside the commits.

    Each method is one pipeline over all partitions that it names. All raise ``Unavailable``: what was asked may or may
    not have been done, and may be asked again.
    """

    async def outbox(self, partitions: list[int], limit: int) -> dict[int, list[Outgoing]]:
        """Read the oldest entries, up to ``limit`` a partition, that commits left for other logs."""

    async def relay(self, rows: dict[int, list[Outgoing]]) -> dict[int, int]:
        """Append entries of outboxes, in their order, to the logs they belong to, each once.

        Each log keeps the last outbox id that came from a source, so any owner, late or twice, may do it.

        Args:
            rows: By source; each from the beginning of its outbox and without gaps. Those for boards are there.

        Returns:
            How many of each source's rows, from the first on, are known to be there.
        """

    async def score(self, scores: list[BoardScore]) -> set[str]:
        """Write scores to their boards (``store.boards``), of each player's the newest; return the boards that failed.

        Of those some scores may not be there.
        """

    async def freeze(self, freezes: list[Freeze]) -> list[BoardFrozen | None]:
        """Have boards take no more scores; what each came to, the same whenever it is asked. None: no answer."""

    async def relayed(self, until: dict[int, str]) -> None:
        """Forget the outboxes, each up to and with an id; all of that has arrived."""

    async def walks(self, partitions: list[int]) -> dict[int, list[Walk]]:
        """Return the walks under way of those partitions that have any."""

    async def members(self, wanted: list[tuple[int, str, str]], limits: list[int]) -> list[list[str]]:
        """Return the next players, in the order of their ids.

        Args:
            wanted: Partition, group ("": every player) and the id to go on after.
            limits: Most of each.
        """

    async def visit(self, visits: list[Visit], bound: int) -> list[Verdict]:
        """Append visits and move their walks on, each in one step, or nothing of it.

        Args:
            bound: BACKLOG when so many entries wait in the players' or the tower's log: live traffic comes first.

        Returns:
            OK, FENCED, BROKEN, BACKLOG, or STALE when the walk's cursor is elsewhere, it ended or is not known.
        """
