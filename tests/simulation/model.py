"""The store's semantics in plain Python: what ``store/functions.lua`` does, without a server.

The simulation runs on it; ``tests/contract/test_store_conformance.py`` sends the same calls to it and to a real
server, so the simulation tests the right thing. Checks stand in the order of the library. Like a function of the
server, a call is atomic, a failing write is not rolled back, and ids never go back while the clock may.
"""

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field

from msgspec import structs

from domain.entries import LogEntry, decode_entry
from domain.ids import partition_of
from store.intake import DEDUPE_BUCKET_MS
from store.keys import PLAYERS, Lane
from store.ports import (
    Appended,
    Commit,
    Grant,
    Incoming,
    Outgoing,
    Refused,
    Token,
    Verdict,
    Visit,
    Walk,
    decode_walk,
    encode_walk,
)

FEED_MAX = 1_000
INBOX_MAX = 200
DUPLICATES_MAX = 10_000
WALKS_KEPT = 500
FIRE_LEAST = 32

StreamId = tuple[int, int]


class WrongOrder(Exception):
    """An explicit stream id that is not after the last one."""


class Stream:
    """An append-only list under ids ``<ms>-<n>`` that only rise."""

    def __init__(self) -> None:
        self.ids: list[StreamId] = []
        self.items: list[dict[str, bytes]] = []
        self.last: StreamId = (0, 0)

    def add(self, wanted: str, fields: dict[str, bytes], now: int, keep: int = 0) -> str:
        """Append under an explicit id or ``*``; return the id. Trims to ``keep`` from the old end."""
        if wanted == "*":
            place = (now, 0) if now > self.last[0] else (self.last[0], self.last[1] + 1)
        else:
            place = parsed(wanted)
            if place <= self.last:
                raise WrongOrder(wanted)
        self.ids.append(place)
        self.items.append(fields)
        self.last = place
        if keep and len(self.ids) > keep:
            del self.ids[:-keep], self.items[:-keep]
        return f"{place[0]}-{place[1]}"

    def after(self, offset: str, limit: int) -> list[tuple[str, dict[str, bytes]]]:
        start = bisect_right(self.ids, parsed(offset))
        found = zip(self.ids[start : start + limit], self.items[start : start + limit], strict=True)
        return [(f"{ms}-{n}", fields) for (ms, n), fields in found]

    def all(self) -> list[tuple[str, dict[str, bytes]]]:
        return self.after("0-0", len(self.ids))


def parsed(offset: str) -> StreamId:
    ms, _, n = offset.partition("-")
    return int(ms), int(n or 0)


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


@dataclass
class PartitionState:
    """What both lanes of a partition share."""

    lanes: dict[str, LaneState] = field(default_factory=lambda: {"players": LaneState(), "tower": LaneState()})
    dedupe: dict[str, dict[str, list[tuple[str, str, str]]]] = field(default_factory=dict)  # (offset, print, player)
    expires: dict[str, int] = field(default_factory=dict)  # dedupe bucket -> ms
    buckets: set[str] = field(default_factory=set)
    feeds: dict[str, Stream] = field(default_factory=dict)
    inboxes: dict[str, Stream] = field(default_factory=dict)
    sockets: set[str] = field(default_factory=set)
    stops: dict[str, str] = field(default_factory=dict)
    in_flight: dict[str, int] = field(default_factory=dict)
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


class ModelStore:
    """All partitions, both lanes. Every method is one atomic call of the function library.

    Args:
        now_ms: The store's clock.
        guards_off: Guards to leave out: ``fence offset already version effect stop dedupe arrived cursor``.
    """

    def __init__(self, now_ms: Callable[[], int], guards_off: frozenset[str] = frozenset()) -> None:
        self.now_ms = now_ms
        self._off = guards_off
        self.partitions: dict[int, PartitionState] = {}
        self.published: list[tuple[str, bytes]] = []

    def lane(self, lane: str, clock: str = "store") -> "ModelLane":
        return ModelLane(self, lane, clock)

    def ways(self, clock: str = "store") -> "ModelWays":
        return ModelWays(self, clock)

    def of(self, partition: int) -> PartitionState:
        if partition not in self.partitions:
            self.partitions[partition] = PartitionState()
        return self.partitions[partition]

    def acquire(self, lane: str, partition: int, owner: str, nonce: str, ttl_ms: int) -> Grant:
        m = self.of(partition).lanes[lane]
        if m.broken:
            raise Refused(Verdict.BROKEN)
        now = self.now_ms()
        if m.owner and m.owner != owner and m.until > now:
            raise Refused(Verdict.HELD, f"by {m.owner}")
        m.epoch += 1
        m.tries += 1
        m.nonce, m.owner, m.until = nonce, owner, now + ttl_ms
        m.off = m.off or "0-0"
        return Grant(Token(partition, str(m.epoch), nonce), m.off, m.tries, m.part)

    def renew(self, lane: str, token: Token, ttl_ms: int) -> Verdict:
        m = self.of(token.partition).lanes[lane]
        if refused := _fenced(m, token):
            return refused
        m.until = self.now_ms() + ttl_ms
        return Verdict.OK

    def release(self, lane: str, token: Token) -> None:
        m = self.of(token.partition).lanes[lane]
        if not _fenced(m, token):
            m.until, m.tries = 0, 0

    def read(self, lane: str, partition: int, after: str, limit: int) -> list[LogEntry]:
        found = self.of(partition).lanes[lane].log.after(after, limit)
        return [LogEntry(offset, int(f["a"]), decode_entry(f["e"])) for offset, f in found]

    def load(self, lane: str, partition: int, player: str) -> dict[str, bytes]:
        return dict(self.of(partition).lanes[lane].states.get(player, {}))

    def stopped(self, partition: int, player: str) -> bool:
        return player in self.of(partition).stops

    def ingest(
        self, lane: str, partition: int, rows: list[Incoming], *, bound: int, keep_ms: int, clock: str
    ) -> list[Appended] | Verdict:
        """Append all rows that are new, or none at all (BACKLOG). ``bound`` 0: exempt."""
        shared = self.of(partition)
        m = shared.lanes[lane]
        if bound and m.waiting + len(rows) > bound:
            return Verdict.BACKLOG
        at = m.at if clock == "log" else max(self.now_ms(), m.at)
        answers: list[Appended] = []
        fresh: list[str] = []
        for row in rows:
            if "dedupe" not in self._off and (met := self._met(shared, row)):
                offset, fingerprint = met
                same = fingerprint == row.fingerprint
                answers.append(Appended(offset, duplicate=same, mismatch=not same))
                continue
            if clock == "log":
                at = max(at, row.occurred_at)
            offset = m.log.add("*", {"a": b"%d" % at, "e": row.body}, self.now_ms())
            used = self._bucket(shared, row.bucket)
            used.setdefault(row.message_id, []).append((offset, row.fingerprint, row.player))
            answers.append(Appended(offset))
            fresh.append(row.bucket)
        if fresh:
            m.entered += len(fresh)
            m.at = at
            for bucket in fresh:
                shared.buckets.add(bucket)
                if keep_ms:
                    shared.expires[bucket] = max(at, (int(bucket) + 1) * DEDUPE_BUCKET_MS) + keep_ms
        return answers

    def commit(self, lane: str, token: Token, c: Commit) -> tuple[Verdict, str]:
        shared = self.of(token.partition)
        m = shared.lanes[lane]
        if (refused := _fenced(m, token)) and (refused is Verdict.BROKEN or "fence" not in self._off):
            return refused, ""
        if c.start == c.end:
            raise ValueError("EMPTY a commit moves the offset")
        if m.off == c.end and "already" not in self._off:
            return Verdict.ALREADY, str(m.seq)
        if m.off != c.start and "offset" not in self._off:
            return Verdict.STALE, f"offset is {m.off}"
        for w in c.writes:
            version = m.states.get(w.player, {}).get("v", b"0").decode()
            if version != str(w.base) and "version" not in self._off:
                return Verdict.CONFLICT, f"version of {w.player} is {version}"
        for bucket, previous, key, cause in c.keys:
            for kept in (bucket, previous):
                if key in (taken := m.effects.get(kept, {})) and "effect" not in self._off:
                    return Verdict.DUPEFFECT, f"{taken[key]}\n{key}\n{cause}"
        for player, _, legal in c.inbox:
            if not legal and player in shared.stops and "stop" not in self._off:
                return Verdict.STOPPED, player
        try:
            self._write(shared, m, c, is_players=lane == "players")
        except WrongOrder:
            m.broken = True  # half a commit stays written: nothing may build upon it
            return Verdict.BROKEN, f"half commit at {c.end}"
        return Verdict.OK, str(m.seq)

    def fire(self, lane: str, token: Token, limit: int, clock: str = "store") -> int:
        m = self.of(token.partition).lanes[lane]
        if _fenced(m, token):
            return 0
        at = m.at if clock == "log" else max(self.now_ms(), m.at)
        limit = min(limit, max(FIRE_LEAST, limit - m.waiting))
        due = sorted((due, member) for member, due in m.timers.items() if due <= at)[:limit]
        for _, member in due:
            del m.timers[member]
            m.log.add("*", {"a": b"%d" % at, "e": member}, self.now_ms())
        if due:
            m.entered += len(due)
            m.at = at
        return len(due)

    def exclude(self, partition: int, player: str, reason: str, body: bytes, clock: str = "store") -> int:
        shared = self.of(partition)
        if reason:
            shared.stops[player] = reason
        else:
            shared.stops.pop(player, None)
        m = shared.lanes["players"]
        m.at = m.at if clock == "log" else max(self.now_ms(), m.at)
        m.log.add("*", {"a": b"%d" % m.at, "e": body}, self.now_ms())
        m.entered += 1
        return shared.in_flight.get(player, 0)

    def outbox(self, partition: int, limit: int) -> list[Outgoing]:
        rows = self.of(partition).out.after("0-0", limit)
        return [Outgoing(i, int(f["d"]), f["e"]) for i, f in rows]

    def relay(self, source: int, to: int, rows: list[Outgoing], clock: str = "store") -> int:
        m = self.of(to).lanes["players"]
        at = m.at if clock == "log" else max(self.now_ms(), m.at)
        count = 0
        for row in rows:
            if parsed(row.id) > parsed(m.arrived.get(source, "0-0")) or "arrived" in self._off:
                m.log.add("*", {"a": b"%d" % at, "e": row.body}, self.now_ms())
                m.arrived[source] = row.id
                count += 1
        if count:
            m.entered += count
            m.at = at
        return count

    def relayed(self, source: int, until: str) -> None:
        out = self.of(source).out
        gone = bisect_right(out.ids, parsed(until))
        del out.ids[:gone], out.items[:gone]

    def walks(self, partition: int) -> list[Walk]:
        shared = self.of(partition)
        return [
            structs.replace(decode_walk(shared.walks[i]), is_stopping=i in shared.walk_stops) for i in shared.walk_at
        ]

    def members(self, partition: int, group: str, after: str, limit: int) -> list[str]:
        shared = self.of(partition)
        everyone = shared.groups.get(group, set()) if group else shared.players
        return sorted((player for player in everyone if player > after), key=str.encode)[:limit]

    def visit(self, visit: Visit, bound: int, clock: str = "store") -> Verdict:
        token, walk, shared = visit.token, visit.walk, self.of(visit.token.partition)
        m = shared.lanes["players"]
        if refused := _fenced(m, token):
            return refused
        if walk.id not in shared.walk_at or (shared.walk_at[walk.id] != visit.came_from and "cursor" not in self._off):
            return Verdict.STALE
        if visit.bodies and max(m.waiting, shared.lanes["tower"].waiting) >= bound:
            return Verdict.BACKLOG
        at = m.at if clock == "log" else max(self.now_ms(), m.at)
        for body in visit.bodies:
            m.log.add("*", {"a": b"%d" % at, "e": body}, self.now_ms())
        if visit.bodies:
            m.entered += len(visit.bodies)
            m.at = at
        shared.walks[walk.id] = encode_walk(walk)
        if not walk.ended_at:
            shared.walk_at[walk.id] = walk.cursor
            return Verdict.OK
        del shared.walk_at[walk.id]
        shared.walk_stops.discard(walk.id)
        shared.walked.insert(0, walk.id)
        for forgotten in shared.walked[WALKS_KEPT:]:
            del shared.walks[forgotten]
        del shared.walked[WALKS_KEPT:]
        return Verdict.OK

    def _write(self, shared: PartitionState, m: LaneState, c: Commit, *, is_players: bool) -> None:
        now = self.now_ms()
        for w in c.writes:
            m.states.setdefault(w.player, {}).update({"v": str(w.version).encode(), **w.fields})
            if is_players and w.base == 0 and not w.player.startswith("key:"):
                shared.players.add(w.player)
        for player, offset, record in c.history:
            m.history.setdefault(player, Stream()).add(offset, {"d": record}, now)
        for player, _, record in c.history if is_players else ():
            if player in shared.sockets:
                shared.feeds.setdefault(player, Stream()).add("*", {"d": record}, now, FEED_MAX)
        for player, delivery, _ in c.inbox:
            shared.feeds.setdefault(player, Stream()).add("*", {"n": delivery}, now, FEED_MAX)
            shared.inboxes.setdefault(player, Stream()).add("*", {"n": delivery}, now, INBOX_MAX)
        if c.outputs:
            tower = shared.lanes["tower"]
            tower.at = max(int(c.at) if c.at else now, tower.at)
            for body in c.outputs:
                tower.log.add("*", {"a": b"%d" % tower.at, "e": body}, now)
            tower.entered += len(c.outputs)
        for bucket, _, key, cause in c.keys:
            m.effects.setdefault(bucket, {})[key] = cause
        for is_set, due, member in c.timers:
            if is_set:
                m.timers[member] = due
            else:
                m.timers.pop(member, None)
        for letter in c.dead:
            shared.dead.add("*", {"d": letter}, now)
        shared.requests.update(c.index)
        self._write_beside(shared, c, now)
        m.part = c.part or m.part
        m.off, m.seq, m.tries, m.done = c.end, m.seq + 1, 0, m.done + c.done
        self.published += c.publishes

    def _write_beside(self, shared: PartitionState, c: Commit, now: int) -> None:
        for add, group, player in c.groups:
            members = shared.groups.setdefault(group, set())
            members.add(player) if add else members.discard(player)
        for to, body in c.relays:
            shared.out.add("*", {"d": str(to).encode(), "e": body}, now)
        for walk, record in c.walks:
            if record and walk not in shared.walks:
                shared.walks[walk], shared.walk_at[walk] = record, ""
            elif not record and walk in shared.walk_at:
                shared.walk_stops.add(walk)
        shared.stops.update(c.stops)
        for proposal in c.duplicates:
            shared.duplicates.add("*", {"d": proposal}, now, DUPLICATES_MAX)

    def _met(self, shared: PartitionState, row: Incoming) -> tuple[str, str] | None:
        """Return (offset, fingerprint) of the player's earlier use of the message id."""
        for bucket in filter(None, (row.bucket, row.other_bucket)):
            for offset, fingerprint, player in self._bucket(shared, bucket).get(row.message_id, ()):
                if player == row.player:
                    return offset, fingerprint
        return None

    def _bucket(self, shared: PartitionState, bucket: str) -> dict[str, list[tuple[str, str, str]]]:
        if shared.expires.get(bucket, self.now_ms() + 1) <= self.now_ms():
            del shared.expires[bucket], shared.dedupe[bucket]
        return shared.dedupe.setdefault(bucket, {})


def _fenced(m: LaneState, token: Token) -> Verdict | None:
    if m.broken:
        return Verdict.BROKEN
    return None if (str(m.epoch), m.nonce) == (token.epoch, token.nonce) else Verdict.FENCED


class ModelLane:
    """``LaneStore`` over the model."""

    def __init__(self, store: ModelStore, lane: str, clock: str = "store") -> None:
        self._store = store
        self._lane = lane
        self._clock = clock

    async def acquire(self, partition: int, owner: str, nonce: str, ttl_ms: int) -> Grant:
        return self._store.acquire(self._lane, partition, owner, nonce, ttl_ms)

    async def renew(self, tokens: list[Token], ttl_ms: int) -> list[Verdict]:
        return [self._store.renew(self._lane, t, ttl_ms) for t in tokens]

    async def release(self, token: Token) -> None:
        self._store.release(self._lane, token)

    async def read(self, after: dict[int, str], limit: int, block_ms: int) -> dict[int, list[LogEntry]]:  # noqa: ARG002
        found = {p: self._store.read(self._lane, p, offset, limit) for p, offset in after.items()}
        return {p: entries for p, entries in found.items() if entries}

    async def load(self, wanted: list[tuple[int, str]]) -> list[dict[str, bytes]]:
        return [self._store.load(self._lane, p, player) for p, player in wanted]

    async def stopped(self, wanted: list[tuple[int, str]]) -> list[bool]:
        return [self._store.stopped(p, player) for p, player in wanted]

    async def commit(self, batches: list[tuple[Token, Commit]]) -> list[tuple[Verdict, str]]:
        return [self._store.commit(self._lane, token, c) for token, c in batches]

    async def fire(self, tokens: list[Token], limit: int) -> list[int]:
        return [self._store.fire(self._lane, t, limit, self._clock) for t in tokens]


class ModelWays:
    """``Ways`` over the model."""

    def __init__(self, store: ModelStore, clock: str = "store") -> None:
        self._store = store
        self._clock = clock

    async def outbox(self, partitions: list[int], limit: int) -> dict[int, list[Outgoing]]:
        return {p: rows for p in partitions if (rows := self._store.outbox(p, limit))}

    async def relay(self, rows: dict[int, list[Outgoing]]) -> dict[int, int]:
        for source, theirs in rows.items():
            for to, some in by_destination(theirs).items():
                self._store.relay(source, to, some, self._clock)
        return {source: len(theirs) for source, theirs in rows.items()}

    async def relayed(self, until: dict[int, str]) -> None:
        for partition, last in until.items():
            self._store.relayed(partition, last)

    async def walks(self, partitions: list[int]) -> dict[int, list[Walk]]:
        return {p: walks for p in partitions if (walks := self._store.walks(p))}

    async def members(self, wanted: list[tuple[int, str, str]], limits: list[int]) -> list[list[str]]:
        return [self._store.members(*what, limit) for what, limit in zip(wanted, limits, strict=True)]

    async def visit(self, visits: list[Visit], bound: int) -> list[Verdict]:
        return [self._store.visit(visit, bound, self._clock) for visit in visits]


def by_destination(rows: list[Outgoing]) -> dict[int, list[Outgoing]]:
    """Return the rows of an outbox by the partition they go to."""
    found: dict[int, list[Outgoing]] = {}
    for row in rows:
        found.setdefault(row.to, []).append(row)
    return found


class ModelIntake:
    """``store.intake.Intake`` over the model."""

    def __init__(self, store: ModelStore, partitions: int, *, bound: int, keep_ms: int, clock: str = "store") -> None:
        self._store = store
        self.partitions = partitions
        self._bound = bound
        self._keep_ms = 0 if clock == "log" else keep_ms
        self._clock = clock

    async def append(self, entries: list[Incoming]) -> list[Appended | Verdict]:
        by_partition: dict[int, list[int]] = {}
        for i, entry in enumerate(entries):
            by_partition.setdefault(partition_of(entry.player, self.partitions), []).append(i)
        answers: list[Appended | Verdict] = [Verdict.BACKLOG] * len(entries)
        for p, places in by_partition.items():
            told = self._store.ingest(
                "players",
                p,
                [entries[i] for i in places],
                bound=self._bound,
                keep_ms=self._keep_ms,
                clock=self._clock,
            )
            if not isinstance(told, Verdict):
                for i, answer in zip(places, told, strict=True):
                    answers[i] = answer
        return answers

    async def append_internal(self, partition: int, key: str, body: bytes, lane: Lane = PLAYERS) -> Appended:
        row = Incoming("", key, "", f"internal:{lane.name}", body)
        told = self._store.ingest(lane.name, partition, [row], bound=0, keep_ms=0, clock=self._clock)
        assert not isinstance(told, Verdict), "internal entries are exempt from the bound"
        return told[0]

    async def exclude(self, player: str, reason: str, body: bytes) -> int:
        return self._store.exclude(partition_of(player, self.partitions), player, reason, body, self._clock)
