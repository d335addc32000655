"""What must hold at the end of a run, whatever happened on the way. Each law returns what breaks it."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from msgspec import structs

from actors.partition import PartState, decode_part
from actors.processor import Folded, Known
from actors.reducers import TowerReducer
from domain.decisions import Decision, decode_decision, decode_delivery
from domain.effects import HistoryRecord, MissionCompleted, Posting, SetAside, decode_record
from domain.entries import (
    Asked,
    ChannelChanged,
    Command,
    Contributed,
    Entry,
    Event,
    Landed,
    LogEntry,
    MessageRequest,
    ProgrammePublished,
    TimerFired,
    Visited,
    decode_entry,
    encode_entry,
)
from domain.game_effects import PrizeWon
from domain.ids import is_nobody, partition_of
from store.ports import BOARD, decode_walk
from tests.simulation import choosers, racing, visitors
from tests.simulation.model import LaneState, parsed
from tests.simulation.process import player_reducer
from tests.simulation.stage import HITS_MIN

if TYPE_CHECKING:
    from tests.simulation.world import World

LATE_MS = 2_000  # a timer overdue by more, in the calm, was forgotten


def backlog(world: "World") -> list[str]:
    """Return the lanes that have not reached the end of their log, outboxes and walks that have something left."""
    waiting = [
        f"{lane} {p} is at {m.off} of {m.log.all()[-1][0]}"
        for p, lane, m in _lanes(world)
        if m.log.ids and (not m.off or parsed(m.off) != m.log.ids[-1])
    ]
    for p, shared in world.store.partitions.items():
        waiting += [f"the outbox of {p} has {len(shared.out.ids)} entries"] * bool(shared.out.ids)
        waiting += [f"the walk {walk} of {p} is at {cursor!r}" for walk, cursor in shared.walk_at.items()]
    return waiting


async def broken(world: "World") -> list[str]:
    """Return all broken laws."""
    problems = [f"not live: {lane}" for lane in backlog(world)]
    for process in world.processes:
        if process.processor is not None:
            problems += [f"{process.name} stopped {p}: {why}" for p, why in process.processor.stopped.items()]
    for p, lane, m in _lanes(world):
        found = [*_counters(m), *_timers(world, m)]
        if lane == "players":
            found += [*_acknowledged(world, p, m), *_ledger(world, m), *_once(m), *_order(world, m)]
            found += [*_relays(world, p), *_walks(world, p, m)]
        else:
            found += _decisions(world, p, m)
        if not problems:
            found += [problem async for problem in _refold(world, p, lane, m)]
        problems += [f"{lane} {p}: {problem}" for problem in found]
    return problems + [problem for laws in (visitors, choosers, racing) for problem in laws.broken(world)]


def _lanes(world: "World") -> Iterator[tuple[int, str, LaneState]]:
    for p, shared in sorted(world.store.partitions.items()):
        for lane in ("players", "tower"):
            yield p, lane, shared.lanes[lane]


def _entries(m: LaneState) -> list[LogEntry]:
    return [LogEntry(offset, int(f["a"]), decode_entry(f["e"])) for offset, f in m.log.all()]


def _records(m: LaneState, player: str) -> list[tuple[str, HistoryRecord]]:
    return [(offset, decode_record(f["d"])) for offset, f in m.history[player].all()]


def _counters(m: LaneState) -> Iterator[str]:
    if m.entered != len(m.log.ids):
        yield f"{m.entered} entries counted in, {len(m.log.ids)} in the log"
    if m.done != len(m.log.ids):
        yield f"{m.done} entries counted done of {len(m.log.ids)}"


def _acknowledged(world: "World", p: int, m: LaneState) -> Iterator[str]:
    """Every acknowledged entry is in the log once, at the offset that was told, and shows in the history."""
    places: dict[tuple[str, str], list[LogEntry]] = {}
    for entry in _entries(m):
        what = entry.entry
        if isinstance(what, Event | Command) and not what.forwarded and not _may_be_repeated(what):
            places.setdefault((what.player, what.id), []).append(entry)
    yield from (f"{who} is in the log {len(found)} times" for who, found in places.items() if len(found) > 1)
    in_force = _first_published(m)  # a bet has an effect then, whatever the player's state
    recorded = {(player, offset) for player in m.history for offset, _ in m.history[player].all()}
    for (player, message_id), offset in world.seen.acked.items():
        found = places.get((player, message_id), [])
        if not found:
            if partition_of(player, len(world.store.partitions)) == p:
                yield f"{message_id} was acknowledged and is not in the log"
        elif found[0].offset != offset:
            yield f"{message_id} was acknowledged at {offset}, it is at {found[0].offset}"
        elif found[0].entry.name == "bet_placed" and parsed(offset) > in_force and (player, offset) not in recorded:
            yield f"{message_id} was acknowledged and had no effect"


def _may_be_repeated(entry: Event | Command) -> bool:
    """Tell whether the entry may be there twice.

    One that came with a gate that was closed or opened is there again when it was asked again.
    """
    return entry.name in ("exclude", "readmit") or entry.id.startswith("gate:")


def _first_published(m: LaneState) -> tuple[int, int]:
    """Return the offset from which a programme is in force."""
    published = (e.offset for e in _entries(m) if isinstance(e.entry, ProgrammePublished))
    return next(map(parsed, published), (1 << 62, 0))


def _ledger(world: "World", m: LaneState) -> Iterator[str]:
    """Postings add up to the balance, step by step; the other side of the ledger adds up to the opposite."""
    total: Counter[str] = Counter()
    reducer = _player_reducer(world)
    for player in m.history:
        balances: Counter[str] = Counter()
        for offset, record in _records(m, player):
            for effect in record.effects:
                if isinstance(effect, Posting):
                    balances[effect.currency] += effect.amount
                    if (sum_ := balances[effect.currency]) != effect.balance_after:
                        yield f"{player} at {offset}: {sum_} by the ledger, {effect.balance_after} told"
        fields = {name: value for name, value in m.states.get(player, {}).items() if name != "v"}
        wallet = reducer.decode(player, 0, fields).wallet
        if +balances != Counter({c: b.balance for c, b in wallet.items() if b.balance}):
            yield f"{player}: the ledger says {dict(balances)}, the wallet {wallet}"
        total.update(balances)
    for account, amount in decode_part(m.part).accounts.items():
        total[account.rpartition(":")[2]] += amount
    yield from (f"the ledger is out of balance by {amount} {currency}" for currency, amount in total.items() if amount)


def _once(m: LaneState) -> Iterator[str]:
    """A completion happens once, and so does a prize; its effect key is taken."""
    completions = Counter(
        (player, effect.completion_id, effect.mission)
        if isinstance(effect, MissionCompleted)
        else (effect.tournament, effect.run, f"{player} {effect.rank} {effect.score}")
        for player in m.history
        for _, record in _records(m, player)
        for effect in record.effects
        if isinstance(effect, MissionCompleted | PrizeWon)
    )
    yield from (f"{what} happened {times} times" for what, times in completions.items() if times > 1)
    keys = sum(len(keys) for keys in m.effects.values())
    if keys != len(completions):
        yield f"{len(completions)} completions and prizes, {keys} effect keys"


def _order(world: "World", m: LaneState) -> Iterator[str]:
    """A player's history is in the order of the log, under the log's own offsets; nothing is set aside for nothing."""
    offsets = {e.offset: e for e in _entries(m)}
    for player in m.history:
        for offset, record in _records(m, player):
            entry = offsets.get(offset)
            if entry is None or entry.entry.player != player or entry.at != record.at:
                yield f"{player} has a history record at {offset} that is not of that entry"
            elif any(isinstance(e, SetAside) for e in record.effects) and (
                not isinstance(entry.entry, Event | Command) or world.seen.hits < HITS_MIN
            ):
                yield f"set aside at {offset} after only {world.seen.hits} hits: {entry.entry}"


def _timers(world: "World", m: LaneState) -> Iterator[str]:
    """Each timer fired once and not before it was due, and none that is due was forgotten."""
    fired = [e for e in _entries(m) if isinstance(e.entry, TimerFired)]
    times = Counter(encode_entry(e.entry) for e in fired)
    yield from (f"{decode_entry(member)} fired {n} times" for member, n in times.items() if n > 1)
    yield from (f"{e.entry} fired at {e.at}" for e in fired if isinstance(e.entry, TimerFired) and e.at < e.entry.due)
    now = world.store_ms()
    yield from (f"{decode_entry(member)} was forgotten" for member, due in m.timers.items() if due < now - LATE_MS)


def _relays(world: "World", source: int) -> Iterator[str]:
    """What a partition left for others is in their logs, each once, in the order in which it was left."""
    left: dict[int, list[bytes]] = {}
    for to, body in world.seen.relays.get(source, ()):
        if to < 0:  # for a board
            continue
        left.setdefault(to, []).append(body)
    for to, bodies in left.items():
        ours = set(bodies)
        arrived = [f["e"] for _, f in world.store.of(to).lanes["players"].log.all() if f["e"] in ours]
        if arrived != bodies:
            twice = [decode_entry(body) for body, n in Counter(arrived).items() if n > 1]
            yield f"{len(bodies)} entries left for {to}, {len(arrived)} arrived, these twice: {twice}"


def _walks(world: "World", p: int, m: LaneState) -> Iterator[str]:
    """A walk visits whoever is there throughout, nobody twice, in order, and says so; it stops only when asked to."""
    visits: dict[str, list[str]] = {}
    for entry in _entries(m):
        if isinstance(entry.entry, Visited):
            visits.setdefault(entry.entry.walk, []).append(entry.entry.player)
    records = world.store.of(p).walks
    yield from (f"{walk} was asked for and is not known" for walk in world.seen.walks_asked - records.keys())
    for name, record in records.items():
        walk, visited = decode_walk(record), visits.pop(name, [])
        if visited != sorted(set(visited)):
            yield f"{name} visited {visited}"
        if (walk.visited, walk.cursor) != (len(visited), visited[-1] if visited else ""):
            yield f"{walk} visited {visited}"
        if walk.outcome == "completed" and (missed := world.seen.walks[p, name] - set(visited)):
            yield f"{name} passed by {missed}"
        if walk.outcome == "stopped" and name not in world.seen.walks_stopped:
            yield f"{name} was stopped, and nobody asked"
    yield from (f"{name} is no walk, and visited {who}" for name, who in visits.items())


def _decisions(world: "World", p: int, m: LaneState) -> Iterator[str]:
    """Each request ends exactly once, or waits; a cleared one is delivered exactly once."""
    shared = world.store.of(p)
    requests = Counter(request.id for e in _entries(m) for request in requests_of(e.entry))
    yield from (f"the request {r} reached the tower {n} times" for r, n in requests.items() if n > 1)
    decisions = [decode_decision(f["d"]) for rows in m.history.values() for _, f in rows.all()]
    ends = Counter(d.request_id for d in decisions if d.outcome != "held" and not _is_flight(d))
    flights = {d.request_id for d in decisions if _is_flight(d)}  # what became of them: ``deliveries``
    reducer = _tower_reducer(world)
    waiting = {
        request
        for player, fields in m.states.items()
        for request in reducer.decode(player, 0, {k: v for k, v in fields.items() if k != "v"}).waiting
    }
    for request in requests:
        if ends[request] + (request in waiting) != 1 and not (request in flights and not ends[request]):
            yield f"the request {request} ended {ends[request]} times, waiting: {request in waiting}"
    delivered = Counter(decode_delivery(f["n"]).message_id for rows in shared.inboxes.values() for _, f in rows.all())
    cleared = Counter(d.request_id for d in decisions if _is_delivered(d))
    if delivered != cleared:
        yield f"delivered {delivered - cleared} more and {cleared - delivered} less than was cleared"
    if len(shared.requests) != len(requests):
        yield f"{len(requests)} requests, {len(shared.requests)} in the index"


def requests_of(entry: Entry) -> tuple[MessageRequest, ...]:
    """Return the requests that an entry of the tower's log brings."""
    if isinstance(entry, Asked):
        return entry.requests
    return (entry,) if isinstance(entry, MessageRequest) else ()


def _is_flight(decision: Decision) -> bool:
    return decision.outcome in ("cleared", "rerouted") and decision.channel != "in_app"


def _is_delivered(decision: Decision) -> bool:
    return decision.outcome in ("cleared", "rerouted") and decision.channel == "in_app"


class _Versions:
    def __init__(self, compiled: Mapping[int, Any]) -> None:
        self._compiled = compiled

    def get(self, version: int) -> Any:
        return self._compiled[version]

    async def ensure(self, version: int) -> Any:
        return self._compiled[version]


def _player_reducer(world: "World") -> Any:
    beliefs = _Versions(world.beliefs) if world.chooses else None
    return player_reducer(_Versions(world.versions), _Versions(world.models) if world.models else None, beliefs)


def _tower_reducer(world: "World") -> TowerReducer:
    return TowerReducer(_Versions(world.versions))


def _each(relays: Iterable[tuple[int, bytes]]) -> Iterator[tuple[int, object]]:
    """Return relays in parts that do not depend on which turns were committed together."""
    for to, body in relays:
        if to == BOARD:
            continue  # of a batch only the last score of a player goes
        if to >= 0 and isinstance(entry := decode_entry(body), Contributed):
            yield from ((to, (entry.player, row)) for row in entry.rows)
        else:
            yield to, body


async def _refold(world: "World", p: int, lane: str, m: LaneState) -> Any:
    """Fold the log again, entry by entry from nothing: the same states, history, outputs, timers and deliveries."""
    reducer: Any = _player_reducer(world) if lane == "players" else _tower_reducer(world)
    part, states = PartState(), dict[str, Any]()
    history: dict[str, list[bytes]] = {}
    inboxes: dict[str, list[bytes]] = {}
    outputs: dict[str, list[bytes]] = {}
    timers: dict[bytes, int] = {}
    groups: dict[str, set[str]] = {}
    relays: Counter[tuple[int, object]] = Counter()
    players: set[str] = set()
    sums: Counter[str] = Counter()
    for entry, known in _with_known(world, p, lane, m):
        player = entry.entry.player
        if player not in states:
            states[player] = reducer.decode(player, 0, {})
        folded: Folded[Any] = await reducer.fold(p, part, {player: states[player]}, [entry], known)
        part = folded.part
        states |= folded.states
        timers.pop(encode_entry(entry.entry), None)
        for is_set, due, member in folded.commit.timers:
            if is_set:
                timers[member] = due
            else:
                timers.pop(member, None)
        for who, _, record in folded.commit.history:
            history.setdefault(who, []).append(record)
        for who, delivery, _ in folded.commit.inbox:
            inboxes.setdefault(who, []).append(delivery)
        for add, group, who in folded.commit.groups:
            members = groups.setdefault(group, set())
            members.add(who) if add else members.discard(who)
        relays.update(_each(folded.commit.relays))
        for name, more in folded.commit.sums:
            sums[name] += more
        players.update(w.player for w in folded.commit.writes if not is_nobody(w.player))
        for body in folded.commit.outputs:
            outputs.setdefault(decode_entry(body).player, []).append(body)
    if part != decode_part(m.part):
        yield f"refolded, the partition state is {part}, not {decode_part(m.part)}"
    for player, state in states.items():
        stored = {name: value for name, value in m.states.get(player, {}).items() if name != "v"}
        if player and reducer.decode(player, 0, stored) != structs.replace(state, version=0):
            yield f"refolded, {player} is {state}, not {reducer.decode(player, 0, stored)}"
    if history != {player: [f["d"] for _, f in rows.all()] for player, rows in m.history.items()}:
        yield "refolded, the history is another"
    if timers != m.timers:
        yield f"refolded, the timers are {timers}, not {m.timers}"
    shared = world.store.of(p)
    if lane == "tower":
        if inboxes != {player: [f["n"] for _, f in rows.all()] for player, rows in shared.inboxes.items()}:
            yield "refolded, the deliveries are others"
        landed = Counter(
            encode_entry(e.entry) for e in _entries(shared.lanes["players"]) if isinstance(e.entry, Landed)
        )
        relayed = [body for left in world.seen.relays.values() for to, body in left if to == p]  # by ids that ended
        landed -= Counter(body for body in relayed if isinstance(decode_entry(body), Landed))
        if landed != Counter(body for bodies in outputs.values() for body in bodies):
            yield "refolded, the players would have been told something else"
        return
    if sums != shared.sums:
        yield f"refolded, choices would have taught {sums}, not {shared.sums}"
    if groups != shared.groups:
        yield f"refolded, the groups are {groups}, not {shared.groups}"
    if relays != Counter(_each(world.seen.relays.get(p, ()))):
        yield "refolded, something else would have gone to other partitions"
    if players != shared.players:
        yield f"refolded, the players are {players}, not {shared.players}"
    arrived: dict[str, list[bytes]] = {}
    for _, f in shared.lanes["tower"].log.all():
        told = decode_entry(f["e"])
        if not isinstance(told, TimerFired | ChannelChanged):  # couriers tell of channels
            arrived.setdefault(told.player, []).append(f["e"])
    if outputs != arrived:
        yield "refolded, the tower would have been told something else"


def _with_known(world: "World", p: int, lane: str, m: LaneState) -> Iterator[tuple[LogEntry, Known]]:
    """Each entry with what its batch was folded knowing."""
    batches = iter(world.seen.known.get((lane, p), []))
    end, known = "", Known()
    for entry in _entries(m):
        while not end or parsed(end) < parsed(entry.offset):
            end, known = next(batches)
        yield entry, known
