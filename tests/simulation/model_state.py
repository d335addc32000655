"""What the model keeps of a partition: the fields of its hashes, streams and sets."""

from dataclasses import dataclass, field
from typing import NamedTuple

from domain.dispatch import Dispatch
from store.ports import Token, Verdict
from tests.simulation.streams import Stream


@dataclass
class LaneState:
    """What one lane of a partition keeps; the scalars are the fields of its meta hash."""

    epoch: int = 0
    nonce: str = ""
    owner: str = ""
    until: int = 0
    off: str = ""
    seq: int = 0
    tries: int = 0
    entered: int = 0  # "in"
    done: int = 0
    at: int = 0
    part: bytes = b""
    broken: bool = False
    log: Stream = field(default_factory=Stream)
    states: dict[str, dict[str, bytes]] = field(default_factory=dict)
    history: dict[str, Stream] = field(default_factory=dict)
    effects: dict[str, dict[str, str]] = field(default_factory=dict)  # bucket -> key -> cause
    timers: dict[bytes, int] = field(default_factory=dict)
    arrived: dict[int, str] = field(default_factory=dict)  # source partition -> last outbox id that came from it

    @property
    def waiting(self) -> int:
        return self.entered - self.done


class Claimed(NamedTuple):
    """A claim, in the order of the stored one."""

    token: str
    at: int
    tries: int
    refused: str
    player: str
    channel: str
    lane: str


@dataclass
class QueueState:
    """What waits for the providers."""

    dispatches: dict[str, Dispatch] = field(default_factory=dict)
    lines: dict[tuple[str, str, str], list[str]] = field(default_factory=dict)  # channel, lane, player -> ids
    due: dict[tuple[str, str], dict[str, int]] = field(default_factory=dict)  # channel, lane -> player -> ms
    claims: dict[str, Claimed] = field(default_factory=dict)
    tries: dict[str, int] = field(default_factory=dict)
    voids: dict[str, str] = field(default_factory=dict)
    recleared: dict[str, Dispatch] = field(default_factory=dict)  # in flight and cleared again


@dataclass
class PartitionState:
    """What the lanes of a partition share."""

    lanes: dict[str, LaneState] = field(
        default_factory=lambda: {"players": LaneState(), "tower": LaneState(), "channels": LaneState()}
    )
    dedupe: dict[str, dict[str, list[tuple[str, str, str]]]] = field(default_factory=dict)  # (offset, print, player)
    expires: dict[str, int] = field(default_factory=dict)  # dedupe bucket -> ms
    buckets: set[str] = field(default_factory=set)
    feeds: dict[str, Stream] = field(default_factory=dict)
    inboxes: dict[str, Stream] = field(default_factory=dict)
    sockets: set[str] = field(default_factory=set)
    stops: dict[str, list[str]] = field(default_factory=dict)  # player -> lines "<reason>|<until>"
    mutes: dict[str, list[str]] = field(default_factory=dict)  # player -> marks
    gated: dict[tuple[str, str, str], str] = field(default_factory=dict)  # (s or m, player, name) -> log entry
    in_flight: dict[str, dict[str, str]] = field(default_factory=dict)  # player -> request -> token
    queue: QueueState = field(default_factory=QueueState)
    reviews: dict[str, bytes] = field(default_factory=dict)
    tallies: dict[str, dict[str, int]] = field(default_factory=dict)  # UTC day -> field -> how many
    dead: Stream = field(default_factory=Stream)
    requests: dict[str, str] = field(default_factory=dict)
    players: set[str] = field(default_factory=set)
    groups: dict[str, set[str]] = field(default_factory=dict)
    out: Stream = field(default_factory=Stream)
    walks: dict[str, bytes] = field(default_factory=dict)
    walk_at: dict[str, str] = field(default_factory=dict)
    walk_stops: set[str] = field(default_factory=set)
    walked: list[str] = field(default_factory=list)  # latest first
    duplicates: Stream = field(default_factory=Stream)
    cases: dict[str, bytes] = field(default_factory=dict)  # for a person
    sums: dict[str, int] = field(default_factory=dict)  # of choices that ended


def fenced(m: LaneState, token: Token) -> Verdict | None:
    if m.broken:
        return Verdict.BROKEN
    return None if (str(m.epoch), m.nonce) == (token.epoch, token.nonce) else Verdict.FENCED
