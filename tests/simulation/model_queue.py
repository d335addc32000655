"""The queue of the model: ``store/lua/queue.lua`` and ``rates.lua`` in plain Python."""

import math
from collections.abc import Callable, Collection
from datetime import UTC, datetime

from domain.dispatch import Dispatch
from store.ports import Claim, Commit, InFlight, Refused, Settlement, Token, Verdict, Waiting
from store.ports import Claimed as ClaimOf
from tests.simulation.model_gates import GatesModel, is_muted, is_stopped
from tests.simulation.model_state import Claimed, PartitionState, fenced

QUEUE_GUARDS = frozenset(
    {
        *("claim-stop", "claim-mute", "claim-late", "settle-token", "line-head", "enqueue-once", "enqueue-flying"),
        "gate-order",
    }
)

Room = tuple[str, str]


class QueueModel(GatesModel):
    """The part of ``ModelStore`` that couriers call."""

    now_ms: Callable[[], int]
    of: Callable[[int], PartitionState]
    _off: frozenset[str]

    def __init__(self) -> None:
        self.buckets: dict[str, tuple[float, int]] = {}  # provider -> tokens, when
        self.spent: dict[tuple[str, str], int] = {}  # channel, UTC day -> how much

    def claim(self, token: Token, claimer: str, rooms: list[tuple[str, str, int]], clock: str = "store") -> list[Claim]:
        shared = self.of(token.partition)
        if refused := fenced(shared.lanes["channels"], token):
            raise Refused(refused)
        at = self.sending_at(shared, clock)
        found = [
            (channel, lane, player)
            for channel, lane, most in rooms
            for player in self._due(shared, (channel, lane), at)[: max(0, most)]
        ]
        return [self._claimed(shared, token.partition, line, claimer, at) for line in dict.fromkeys(found)]

    def sweep(
        self, token: Token, claimer: str, rooms: list[tuple[str, str, int]], most: int, clock: str = "store"
    ) -> tuple[list[Claim], list[int]]:
        """Claim only what must not be sent, of ``most`` heads of each room from a place on."""
        shared = self.of(token.partition)
        if refused := fenced(shared.lanes["channels"], token):
            raise Refused(refused)
        at = self.sending_at(shared, clock)
        claims: list[Claim] = []
        places: list[int] = []
        for channel, lane, start in rooms:
            players = self._due(shared, (channel, lane), at)[start : start + most]
            heads = {player: shared.queue.lines[channel, lane, player][0] for player in players}
            ended = [p for p, head in heads.items() if self._refusal(shared, shared.queue.dispatches[head], at)]
            claims += [self._claimed(shared, token.partition, (channel, lane, p), claimer, at) for p in ended]
            places.append(0 if len(players) < most else start + len(players) - len(ended))
        return claims, places

    def settle(self, partition: int, settlements: list[Settlement], clock: str = "store") -> list[bool]:
        """Settle claims of one partition, all in one step. Anybody's with the token, owner or not."""
        shared = self.of(partition)
        if shared.lanes["channels"].broken:
            raise Refused(Verdict.BROKEN)
        return [self._settled(shared, s, clock) for s in settlements]

    def claimed(self, partition: int) -> list[ClaimOf]:
        return [ClaimOf(partition, i, c.token) for i, c in self.of(partition).queue.claims.items()]

    def in_flight(self, partition: int, only: Collection[str] | None = None) -> list[InFlight]:
        q = self.of(partition).queue
        found = {i: c for i, c in q.claims.items() if only is None or i in only}
        return [InFlight(q.dispatches[i], c.token, c.at, c.tries, c.refused) for i, c in found.items()]

    def waiting(self, partition: int, clock: str = "store") -> dict[Room, Waiting]:
        shared = self.of(partition)
        at = self.sending_at(shared, clock)
        return {
            room: Waiting(len(players), sum(due <= at for due in players.values()))
            for room, players in shared.queue.due.items()
            if players
        }

    def take(self, bucket: str, wanted: int, *, per_s: float, burst: int) -> tuple[int, int]:
        if per_s <= 0 or burst < 1:
            raise ValueError(f"expected per_s above 0 and burst of 1 or more, got {per_s} and {burst}")
        now = self.now_ms()
        kept, at = self.buckets.get(bucket, (burst, now))
        n = min(burst, kept + max(0, now - at) * per_s / 1000)
        granted = max(0, min(wanted, math.floor(n + 1e-6)))
        if granted:
            n = max(0.0, n - granted)
            self.buckets[bucket] = float(f"{n:.9f}"), max(now, at)
        return granted, 0 if n >= 1 else max(1, math.ceil((1 - n) * 1000 / per_s - 1e-6))

    def spend(self, channel: str, wanted: int, per_day: int) -> int:
        key = channel, self._day()
        granted = max(0, min(wanted, per_day - self.spent.get(key, 0)))
        self.spent[key] = self.spent.get(key, 0) + granted
        return granted

    def refund(self, channel: str, count: int) -> None:
        key = channel, self._day()
        self.spent[key] = max(0, self.spent.get(key, 0) - max(0, count))

    def sending_at(self, shared: PartitionState, clock: str = "store") -> int:
        """Return the time of sends: the store's, never before what the partition's logs were told."""
        last = max(shared.lanes["players"].at, shared.lanes["tower"].at)
        return last if clock == "log" else max(self.now_ms(), last)

    def write_aloft(self, shared: PartitionState, c: Commit, at: int) -> None:
        """Write what only the tower's commits bring."""
        for dispatch in c.dispatches:
            self._enqueue(shared, dispatch, at)
        for request, reason in c.voids:
            if request in shared.queue.dispatches:
                shared.queue.voids[request] = reason
        for request, record in c.reviews:
            if record:
                shared.reviews[request] = record
            else:
                shared.reviews.pop(request, None)
        for day, name, count in c.tallies:
            counts = shared.tallies.setdefault(day, {})
            counts[name] = counts.get(name, 0) + count

    def _enqueue(self, shared: PartitionState, d: Dispatch, at: int) -> None:
        q = shared.queue
        if d.id in q.claims:
            if "enqueue-flying" not in self._off:
                q.recleared[d.id] = d
                q.voids.pop(d.id, None)
            return
        if d.id in q.dispatches and "enqueue-once" not in self._off:
            self._leave(shared, q.dispatches[d.id], at)
        self._push(shared, d, at)

    def _leave(self, shared: PartitionState, d: Dispatch, at: int) -> None:
        q, room = shared.queue, (d.channel, d.lane)
        line = q.lines[*room, d.player]
        was_head = line[0] == d.id
        line.remove(d.id)
        q.tries.pop(d.id, None)
        q.voids.pop(d.id, None)
        if not line:
            del q.lines[*room, d.player]
            q.due.get(room, {}).pop(d.player, None)
        elif was_head:
            q.due.setdefault(room, {})[d.player] = at

    def _push(self, shared: PartitionState, d: Dispatch, at: int) -> None:
        q = shared.queue
        q.dispatches[d.id] = d
        line = q.lines.setdefault((d.channel, d.lane, d.player), [])
        line.append(d.id)
        if len(line) == 1 or "line-head" in self._off:
            q.due.setdefault((d.channel, d.lane), {})[d.player] = at

    def _due(self, shared: PartitionState, room: Room, at: int) -> list[str]:
        due = shared.queue.due.get(room, {})
        return sorted((p for p, ms in due.items() if ms <= at), key=lambda p: (due[p], p.encode()))

    def _claimed(
        self, shared: PartitionState, partition: int, line: tuple[str, str, str], claimer: str, at: int
    ) -> Claim:
        q, (channel, lane, player) = shared.queue, line
        waiting = [i for i in q.lines[line] if i not in q.claims]
        request = waiting[0]  # the head: while it is in flight, its player is not due
        if "line-head" not in self._off or len(waiting) == 1:
            del q.due[channel, lane][player]
        d, tries = q.dispatches[request], q.tries.get(request, 0)
        refused = self._refusal(shared, d, at)
        q.claims[request] = Claimed(claimer, at, tries, refused, player, channel, lane)
        if not refused:
            shared.in_flight.setdefault(player, {})[request] = claimer
        return Claim(partition, d, tries, refused)

    def _refusal(self, shared: PartitionState, d: Dispatch, at: int) -> str:
        if not d.is_legal and is_stopped(shared, d.player, at) and "claim-stop" not in self._off:
            return "excluded"
        if is_muted(shared, d.player, d.marks) and "claim-mute" not in self._off:
            return "muted"
        if d.id in shared.queue.voids:
            return f"withdrawn:{shared.queue.voids[d.id]}"
        return "late" if at >= d.send_until and "claim-late" not in self._off else ""

    def _settled(self, shared: PartitionState, s: Settlement, clock: str) -> bool:
        q, claim = shared.queue, shared.queue.claims.get(s.request)
        if claim is None or (claim.token != s.token and "settle-token" not in self._off):
            return False
        room, now = (claim.channel, claim.lane), self.sending_at(shared, clock)
        del q.claims[s.request]
        sends = shared.in_flight.get(claim.player, {})
        sends.pop(s.request, None)
        if not sends:
            shared.in_flight.pop(claim.player, None)
        again = q.recleared.pop(s.request, None)
        if s.due > 0 and again is None:
            if not s.untried:
                q.tries[s.request] = q.tries.get(s.request, 0) + 1
            q.due.setdefault(room, {})[claim.player] = s.due
            return True
        line = q.lines[*room, claim.player]
        line.remove(s.request)
        q.tries.pop(s.request, None)
        if again is None:
            q.voids.pop(s.request, None)
        if s.request not in line:  # it always is gone, unless a guard is off
            del q.dispatches[s.request]
        if line:
            q.due.setdefault(room, {})[claim.player] = now
        else:
            del q.lines[*room, claim.player]
        if again is not None:
            self._push(shared, again, now)
        m = shared.lanes["players"]
        if s.entries:
            m.at = self.time_of(m, clock)
            m.entered += len(s.entries)
        for body in s.entries:
            m.log.add("*", {"a": b"%d" % m.at, "e": body}, self.now_ms())
        if s.dead:
            shared.dead.add("*", {"d": s.dead}, self.now_ms())
        return True

    def _day(self) -> str:
        return datetime.fromtimestamp(self.now_ms() / 1_000, UTC).date().isoformat()
