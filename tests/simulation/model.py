"""The store's semantics in plain Python: what ``store/lua/*.lua`` does, without a server.

The simulation runs on it; the suites of ``tests/contract`` send the same calls to it and to a real server, so the
simulation tests the right thing. Checks stand in the order of the library. Like a function of the server, a call is
atomic, a failing write is not rolled back, and ids never go back while the clock may. Gates and queue are in
``model_gates`` and ``model_queue``; the protocols over it in ``model_faces``.
"""

from bisect import bisect_right
from collections.abc import Callable

from msgspec import structs

from domain.entries import LogEntry, decode_entry
from domain.ids import is_nobody
from domain.step import BoardScore
from store.intake import DEDUPE_BUCKET_MS
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
    queued_max,
)
from tests.simulation.model_boards import BoardModel
from tests.simulation.model_gates import is_stopped
from tests.simulation.model_queue import QueueModel
from tests.simulation.model_state import LaneState, PartitionState, fenced
from tests.simulation.streams import Stream, WrongOrder, parsed

FEED_MAX = 1_000
INBOX_MAX = 200
DUPLICATES_MAX = 10_000
WALKS_KEPT = 500
FIRE_LEAST = 32


class ModelStore(QueueModel):
    """All partitions, all lanes. Every method is one atomic call of the function library.

    Args:
        now_ms: The store's clock.
        guards_off: Guards to leave out: ``fence offset already version effect stop dedupe arrived cursor``,
            and those of ``model_queue.QUEUE_GUARDS`` and ``model_boards.BOARD_GUARDS``.
    """

    def __init__(self, now_ms: Callable[[], int], guards_off: frozenset[str] = frozenset()) -> None:
        super().__init__()
        self.now_ms = now_ms
        self._off = guards_off
        self.boards = BoardModel(guards_off)
        self.partitions: dict[int, PartitionState] = {}
        self.published: list[tuple[str, bytes]] = []

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
        if refused := fenced(m, token):
            return refused
        m.until = self.now_ms() + ttl_ms
        return Verdict.OK

    def release(self, lane: str, token: Token) -> None:
        m = self.of(token.partition).lanes[lane]
        if not fenced(m, token):
            m.until, m.tries = 0, 0

    def read(self, lane: str, partition: int, after: str, limit: int) -> list[LogEntry]:
        found = self.of(partition).lanes[lane].log.after(after, limit)
        return [LogEntry(offset, int(f["a"]), decode_entry(f["e"])) for offset, f in found]

    def load(self, lane: str, partition: int, player: str) -> dict[str, bytes]:
        return dict(self.of(partition).lanes[lane].states.get(player, {}))

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
        if (refused := fenced(m, token)) and (refused is Verdict.BROKEN or "fence" not in self._off):
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
        at = m.at if c.at else max(self.now_ms(), m.at)
        for player, _, legal in c.inbox:
            if not legal and is_stopped(shared, player, at) and "stop" not in self._off:
                return Verdict.STOPPED, player
        try:
            self._write(shared, m, c, at, is_players=lane == "players")
        except WrongOrder:
            m.broken = True  # half a commit stays written: nothing may build upon it
            return Verdict.BROKEN, f"half commit at {c.end}"
        return Verdict.OK, str(m.seq)

    def fire(self, lane: str, token: Token, limit: int, clock: str = "store") -> int:
        m = self.of(token.partition).lanes[lane]
        if fenced(m, token):
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
        if refused := fenced(m, token):
            return refused
        if walk.id not in shared.walk_at or (shared.walk_at[walk.id] != visit.came_from and "cursor" not in self._off):
            return Verdict.STALE
        if visit.bodies and max(m.waiting, shared.lanes["tower"].waiting) >= bound:
            return Verdict.BACKLOG
        if visit.bodies and 0 < queued_max(walk) <= len(shared.queue.dispatches):
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

    def _write(self, shared: PartitionState, m: LaneState, c: Commit, at: int, *, is_players: bool) -> None:
        now = self.now_ms()
        for w in c.writes:
            m.states.setdefault(w.player, {}).update({"v": str(w.version).encode(), **w.fields})
            if is_players and w.base == 0 and not is_nobody(w.player):
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
            other = shared.lanes["tower" if is_players else "players"]
            other.at = max(int(c.at) if c.at else max(now, m.at), other.at)
            for body in c.outputs:
                other.log.add("*", {"a": b"%d" % other.at, "e": body}, now)
            other.entered += len(c.outputs)
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
        self._write_beside(shared, c, now, at, is_players=is_players)
        m.part = c.part or m.part
        m.off, m.seq, m.tries, m.done = c.end, m.seq + 1, 0, m.done + c.done
        self.published += c.publishes

    def _write_beside(self, shared: PartitionState, c: Commit, now: int, at: int, *, is_players: bool) -> None:
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
        self.write_gates(shared, c, c.end if is_players else "0-0")
        for proposal in c.duplicates:
            shared.duplicates.add("*", {"d": proposal}, now, DUPLICATES_MAX)
        self.write_aloft(shared, c, at)
        for name, record in c.cases:
            if record:
                shared.cases[name] = record
            else:
                shared.cases.pop(name, None)
        for name, more in c.sums:
            if abs(total := shared.sums.get(name, 0) + more) < 2**63:
                shared.sums[name] = total

    def _met(self, shared: PartitionState, row: Incoming) -> tuple[str, str] | None:
        """Return (offset, fingerprint) of the player's earlier use of the message id."""
        for bucket in (row.bucket, *row.other_bucket.split()):
            for offset, fingerprint, player in self._bucket(shared, bucket).get(row.message_id, ()):
                if player == row.player:
                    return offset, fingerprint
        return None

    def _bucket(self, shared: PartitionState, bucket: str) -> dict[str, list[tuple[str, str, str]]]:
        if shared.expires.get(bucket, self.now_ms() + 1) <= self.now_ms():
            del shared.expires[bucket], shared.dedupe[bucket]
        return shared.dedupe.setdefault(bucket, {})


def by_destination(rows: list[Outgoing]) -> dict[int, list[Outgoing]]:
    """Return the rows of an outbox by the partition they go to; those for boards go to none."""
    found: dict[int, list[Outgoing]] = {}
    for row in rows:
        if row.to >= 0:
            found.setdefault(row.to, []).append(row)
    return found


def by_board(scores: list[BoardScore]) -> dict[str, list[BoardScore]]:
    """Return scores by the board they belong to."""
    found: dict[str, list[BoardScore]] = {}
    for score in scores:
        found.setdefault(score.board, []).append(score)
    return found
