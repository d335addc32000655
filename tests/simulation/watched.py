"""The modelled store, watched: what the laws need beside its own state is noted as it happens."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from actors.processor import Known
from domain.entries import Command, decode_entry
from store.gates import read_line
from store.ports import Appended, Commit, Incoming, Outgoing, Token, Verdict, Visit, decode_walk
from tests.simulation.model import ModelStore
from tests.simulation.model_gates import reasons
from tests.simulation.model_state import PartitionState
from tests.simulation.streams import parsed
from tests.simulation.visitors import is_a_step

if TYPE_CHECKING:
    from tests.simulation.world import World


@dataclass
class Observed:
    """What the checks need beside the store's own state."""

    acked: dict[tuple[str, str], str] = field(default_factory=dict)  # player, id -> offset
    known: dict[tuple[str, int], list[tuple[str, Known]]] = field(default_factory=dict)  # lane, p -> (end, known)
    excluded: dict[str, dict[str, int | None]] = field(default_factory=dict)  # player -> reason -> until: by callers
    stopped: dict[str, dict[str, int | None]] = field(default_factory=dict)  # likewise: by commits
    broken_laws: list[str] = field(default_factory=list)
    faults: int = 0
    hits: int = 0  # faults that leave an acquisition without its owner: deaths, pauses, lost answers to one
    verdicts: dict[str, int] = field(default_factory=dict)
    relays: dict[int, list[tuple[int, bytes]]] = field(default_factory=dict)  # source -> (to, entry), as committed
    walks: dict[tuple[int, str], set[str]] = field(default_factory=dict)  # p, walk -> who it must visit
    ambushes: dict[str, int] = field(default_factory=dict)  # deaths at a step of a merge
    walks_asked: set[str] = field(default_factory=set)
    walks_stopped: set[str] = field(default_factory=set)

    def is_excluded(self, player: str, now: int) -> bool:
        """Tell whether the player is excluded.

        What a caller was answered stands until a caller lifts it, whatever older entries' turns commit meanwhile.
        """
        reasons = (*self.excluded.get(player, {}).values(), *self.stopped.get(player, {}).values())
        return any(until is None or until > now for until in reasons)


class WatchedStore(ModelStore):
    """The model, telling the world of every call as it is carried out."""

    def __init__(self, world: "World", guards_off: frozenset[str] = frozenset()) -> None:
        super().__init__(world.store_ms, guards_off)
        self._world = world

    def commit(self, lane: str, token: Token, c: Commit) -> tuple[Verdict, str]:
        world = self._world
        verdict, detail = super().commit(lane, token, c)
        world.note("commit", lane, token.partition, token.epoch, c.start, c.end, c.done, verdict, detail)
        counts = world.seen.verdicts
        counts[verdict.value] = counts.get(verdict.value, 0) + 1
        if verdict is Verdict.OK:
            _, known = world.folded.get(id(c), (c, Known()))
            world.seen.known.setdefault((lane, token.partition), []).append((c.end, known))
            now = self.time_of(self.of(token.partition).lanes[lane], "store")
            for player, _, legal in c.inbox:
                if not legal and world.seen.is_excluded(player, now):
                    world.seen.broken_laws.append(f"{player} was sent a message after the exclusion was confirmed")
            self._watch_ways(token.partition, c)
            if world.ambush and any(to >= 0 and is_a_step(body) for to, body in c.relays):
                world.lie_in_wait(world.life_of(self.of(token.partition).lanes[lane].owner), "after the commit")
        return verdict, detail

    def _watch_ways(self, partition: int, c: Commit) -> None:
        """Remember what was left for other partitions, and whom the walks under way must visit."""
        seen, shared = self._world.seen, self.of(partition)
        for player, reason in c.lifts:
            if player in self._readmitted_elsewhere(shared, c) and reason not in reasons(shared, player):
                seen.excluded.get(player, {}).pop(reason, None)
        for player in {player: None for player, _ in (*c.stops, *c.lifts)}:
            lines = [read_line(line) for line in shared.stops.get(player, ())]
            seen.stopped[player] = {reason: int(until) if until else None for reason, until in lines}
        seen.relays.setdefault(partition, []).extend(c.relays)
        for walk, record in c.walks:
            if record and (partition, walk) not in seen.walks:
                group = decode_walk(record).group
                seen.walks[partition, walk] = set(shared.groups.get(group, ()) if group else shared.players)
        for walk in shared.walk_at:
            left = {who for add, name, who in c.groups if not add and name == decode_walk(shared.walks[walk]).group}
            seen.walks[partition, walk] -= left

    def _readmitted_elsewhere(self, shared: PartitionState, c: Commit) -> set[str]:
        """Return whom a caller has readmitted by an id that lives on under theirs, as this commit's entries say."""
        entries = [
            decode_entry(fields["e"])
            for offset, fields in shared.lanes["players"].log.all()
            if (not c.start or parsed(c.start) < parsed(offset)) and parsed(offset) <= parsed(c.end)
        ]
        return {e.player for e in entries if isinstance(e, Command) and e.name == "readmit" and e.forwarded}

    def relay(self, source: int, to: int, rows: list[Outgoing], clock: str = "store") -> int:
        count = super().relay(source, to, rows, clock)
        self._world.note("relay", source, to, [row.id for row in rows], count)
        if self._world.ambush and count and any(is_a_step(row.body) for row in rows):
            self._world.lie_in_wait(self._world.life_of(self.of(source).lanes["players"].owner), "after the relay")
        return count

    def visit(self, visit: Visit, bound: int, clock: str = "store") -> Verdict:
        verdict = super().visit(visit, bound, clock)
        walk = visit.walk
        self._world.note("visit", visit.token.partition, walk.id, visit.came_from, walk.cursor, walk.outcome, verdict)
        return verdict

    def acquire(self, lane: str, partition: int, owner: str, nonce: str, ttl_ms: int) -> Any:
        grant = super().acquire(lane, partition, owner, nonce, ttl_ms)
        self._world.note("acquire", lane, partition, owner, grant.token.epoch, grant.offset, grant.tries)
        return grant

    def ingest(self, lane: str, partition: int, rows: list[Incoming], **settings: Any) -> list[Appended] | Verdict:
        answers = super().ingest(lane, partition, rows, **settings)
        self._world.note("ingest", partition, [r.message_id for r in rows], answers)
        return answers

    def fire(self, lane: str, token: Token, limit: int, clock: str = "store") -> int:
        count = super().fire(lane, token, limit, clock)
        if count:
            self._world.note("fire", lane, token.partition, token.epoch, count)
        return count

    def exclude(
        self, partition: int, player: str, reason: str, body: bytes, clock: str = "store", until: int | None = None
    ) -> int:
        sends = super().exclude(partition, player, reason, body, clock, until)
        if reason:
            self._world.seen.excluded.setdefault(player, {})[reason] = until
            self._world.note("exclude", player, reason, until, sends)
        return sends

    def readmit(self, partition: int, player: str, reason: str, body: bytes, clock: str = "store") -> int:
        sends = super().readmit(partition, player, reason, body, clock)
        for known in (self._world.seen.excluded, self._world.seen.stopped):
            reasons = known.pop(player, {})
            if left := {name: until for name, until in reasons.items() if reason and name != reason}:
                known[player] = left
        self._world.note("readmit", player, reason, sends)
        return sends
