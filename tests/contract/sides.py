"""Two stores behind one face: the function library on a real server, and the model. Both under a clock we set.

The library runs with its clock read from a key instead of ``TIME``; nothing else in it is changed.
"""

from typing import Any, Protocol

import msgpack
from redis.asyncio import Redis

from store.functions import source
from store.intake import Intake
from store.keys import CHANNELS, PLAYERS, TOWER, Lane, sockets, stop
from store.ports import LaneStore, Queue, Ways
from store.queue import RedisQueue
from store.redis_lane import RedisLane, packed_dispatch
from store.ways import RedisWays
from tests.simulation.model import ModelStore
from tests.simulation.model_faces import ModelIntake, ModelLane, ModelQueue, ModelWays
from tests.simulation.model_state import QueueState

LANES: dict[str, Lane] = {"players": PLAYERS, "tower": TOWER, "channels": CHANNELS}
START = 4_102_444_800_000  # 2100-01-01, so that no dedupe bucket expires by the server's own clock
_CLOCK = "{clock}"

State = dict[str, Any]


class Side(Protocol):
    """One implementation of the store, and what a test needs beside its protocol."""

    def lane(self, name: str, clock: str = "store") -> LaneStore: ...
    def ways(self, clock: str = "store") -> Ways: ...
    def queue(self, clock: str = "store") -> Queue: ...
    def intake(self, *, bound: int, keep_ms: int, clock: str, partitions: int = 2) -> Intake | ModelIntake: ...
    async def set_clock(self, now_ms: int) -> None: ...
    async def says_hello(self, partition: int, player: str) -> None: ...
    async def in_flight(self, partition: int, player: str, sends: int) -> None: ...
    async def stopped_by_old_version(self, partition: int, player: str, reason: str) -> None: ...
    async def dump(self, partition: int) -> State: ...


def mutated(*changes: tuple[str, str]) -> str:
    """Return the library's source with some text replaced; the text must be there, once or more."""
    text = source()
    for old, new in changes:
        assert old in text, f"the library has no {old!r} any more: adapt this test"
        text = text.replace(old, new)
    return text


def with_test_clock(*changes: tuple[str, str]) -> str:
    return mutated(("redis.call('TIME')", f"redis.call('HMGET', '{_CLOCK}', 's', 'us')"), *changes)


class RealSide:
    """A server."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis

    @classmethod
    async def of(cls, redis: Redis, *changes: tuple[str, str]) -> "RealSide":
        """Load the library, with some text of it changed if asked for."""
        await redis.function_load(with_test_clock(*changes), replace=True)
        side = cls(redis)
        await side.set_clock(START)
        return side

    def lane(self, name: str, clock: str = "store") -> RedisLane:
        return RedisLane(self.redis, LANES[name], clock)

    def ways(self, clock: str = "store") -> RedisWays:
        return RedisWays(self.redis, clock)

    def queue(self, clock: str = "store") -> RedisQueue:
        return RedisQueue(self.redis, clock)

    def intake(self, *, bound: int, keep_ms: int, clock: str, partitions: int = 2) -> Intake:
        return Intake(self.redis, partitions, bound=bound, keep_ms=keep_ms, clock=clock)

    async def set_clock(self, now_ms: int) -> None:
        await self.redis.hset(_CLOCK, mapping={"s": now_ms // 1_000, "us": now_ms % 1_000 * 1_000})

    async def says_hello(self, partition: int, player: str) -> None:
        await self.redis.hset(sockets(partition), player, "1")

    async def in_flight(self, partition: int, player: str, sends: int) -> None:
        await self.redis.hset(f"{{{partition}}}:infl:{player}", mapping={str(i): "token" for i in range(sends)})

    async def stopped_by_old_version(self, partition: int, player: str, reason: str) -> None:
        await self.redis.hset(stop(partition), player, reason)

    async def dump(self, partition: int) -> State:
        """Return all that the partition holds, offsets as ordinals of their stream."""
        r, tag = self.redis, f"{{{partition}}}:"
        state: State = {}
        names = sorted([name.decode() async for name in r.scan_iter(match=f"{tag}*", count=1_000)])
        for name in names:
            kind, key = await r.type(name), name.removeprefix(tag)
            if kind == b"stream":
                state[key] = [(i.decode(), _text(f)) for i, f in await r.xrange(name)]
            elif kind == b"hash":
                state[key] = _text(await r.hgetall(name))
                if key.startswith("d:"):
                    state[f"expires {key}"] = await r.pexpiretime(name)
            elif kind == b"zset":
                state[key] = sorted(
                    (int(score), member) for member, score in await r.zrange(name, 0, -1, withscores=True)
                )
            elif kind == b"list":
                state[key] = [x.decode() for x in await r.lrange(name, 0, -1)]
            else:
                state[key] = sorted(x.decode() for x in await r.smembers(name))
        return _normal(state)


class ModelSide:
    """The simulator's model."""

    def __init__(self, guards_off: frozenset[str] = frozenset()) -> None:
        self.now = START
        self.store = ModelStore(lambda: self.now, guards_off)

    def lane(self, name: str, clock: str = "store") -> LaneStore:
        return ModelLane(self.store, name, clock)

    def ways(self, clock: str = "store") -> Ways:
        return ModelWays(self.store, clock)

    def queue(self, clock: str = "store") -> Queue:
        return ModelQueue(self.store, clock)

    def intake(self, *, bound: int, keep_ms: int, clock: str, partitions: int = 2) -> ModelIntake:
        return ModelIntake(self.store, partitions, bound=bound, keep_ms=keep_ms, clock=clock)

    async def set_clock(self, now_ms: int) -> None:
        self.now = now_ms

    async def says_hello(self, partition: int, player: str) -> None:
        self.store.of(partition).sockets.add(player)

    async def in_flight(self, partition: int, player: str, sends: int) -> None:
        self.store.of(partition).in_flight[player] = {str(i): "token" for i in range(sends)}

    async def stopped_by_old_version(self, partition: int, player: str, reason: str) -> None:
        self.store.of(partition).stops[player] = [reason]

    async def dump(self, partition: int) -> State:
        shared = self.store.of(partition)
        state: State = {}
        for lane, prefix in (("players", ""), ("tower", "t:"), ("channels", "c:")):
            m = shared.lanes[lane]
            scalars = {
                "epoch": m.epoch, "nonce": m.nonce, "owner": m.owner, "until": m.until, "off": m.off, "seq": m.seq,
                "tries": m.tries, "in": m.entered, "done": m.done, "at": m.at, "part": m.part,
            }  # fmt: skip
            scalars |= {f"r:{source}": last for source, last in m.arrived.items()}
            if m.broken:
                scalars["broken"] = "yes"
            state[f"{prefix}meta"] = {
                k: v if isinstance(v, bytes) else str(v).encode() for k, v in scalars.items() if v
            }
            state[f"{prefix}log"] = m.log.all()
            state |= {f"{prefix}s:{player}": fields for player, fields in m.states.items()}
            state |= {f"{prefix}h:{player}": rows.all() for player, rows in m.history.items()}
            state |= {f"{prefix}fx:{b}": {k: c.encode() for k, c in keys.items()} for b, keys in m.effects.items()}
            state[f"{prefix}timers"] = sorted((due, member) for member, due in m.timers.items())
        for bucket, used in shared.dedupe.items():
            state[f"d:{bucket}"] = {i: "\n".join("|".join(row) for row in rows).encode() for i, rows in used.items()}
            if used:
                state[f"expires d:{bucket}"] = shared.expires.get(bucket, -1)
        state |= {f"feed:{player}": rows.all() for player, rows in shared.feeds.items()}
        state |= {f"inbox:{player}": rows.all() for player, rows in shared.inboxes.items()}
        state["dead"] = shared.dead.all()
        state["requests"] = {k: v.encode() for k, v in shared.requests.items()}
        state["stop"] = {k: "\n".join(lines).encode() for k, lines in shared.stops.items()}
        state["mute"] = {k: "\n".join(marks).encode() for k, marks in shared.mutes.items()}
        state["gated"] = {f"{kind}|{who}\n{name}": i.encode() for (kind, who, name), i in shared.gated.items()}
        state["reviews"] = dict(shared.reviews)
        state["choices"] = {name: b"%d" % total for name, total in shared.sums.items()}
        state |= {f"tally:{d}": {k: b"%d" % n for k, n in counts.items()} for d, counts in shared.tallies.items()}
        state |= {f"infl:{who}": {i: t.encode() for i, t in sends.items()} for who, sends in shared.in_flight.items()}
        state |= _queue(shared.queue)
        state["sockets"] = dict.fromkeys(shared.sockets, b"1")
        state["buckets"] = sorted(shared.buckets)
        state["players"] = sorted((0, player.encode()) for player in shared.players)
        state |= {f"g:{name}": sorted((0, p.encode()) for p in who) for name, who in shared.groups.items()}
        state["out"] = shared.out.all()
        state["walks"] = dict(shared.walks)
        state["walk-at"] = {walk: cursor.encode() for walk, cursor in shared.walk_at.items()}
        state["walk-stop"] = dict.fromkeys(shared.walk_stops, b"1")
        state["walked"] = list(shared.walked)
        state["cases"] = dict(shared.cases)
        state["duplicates"] = shared.duplicates.all()
        return _normal(state)


def _queue(q: QueueState) -> State:
    state: State = {
        "c:d": {i: packed_dispatch(d) for i, d in q.dispatches.items()},
        "c:claims": {i: msgpack.packb([str(part) for part in claim]) for i, claim in q.claims.items()},
        "c:tries": {i: b"%d" % n for i, n in q.tries.items()},
        "c:next": {i: packed_dispatch(d) for i, d in q.recleared.items()},
        "c:void": {i: reason.encode() for i, reason in q.voids.items()},
    }
    state |= {f"c:line:{':'.join(line)}": list(ids) for line, ids in q.lines.items()}
    return state | {
        f"c:due:{':'.join(room)}": sorted((ms, who.encode()) for who, ms in due.items()) for room, due in q.due.items()
    }


def _text(fields: dict[bytes, bytes]) -> dict[str, bytes]:
    return {name.decode(): value for name, value in fields.items()}


def _normal(state: State) -> State:
    """Rename log offsets to ordinals, and drop what is empty or unset."""
    places = {
        prefix: {i: f"#{n}" for n, (i, _) in enumerate(state.get(f"{prefix}log", ()))} for prefix in ("", "t:", "c:")
    }
    normal: State = {}
    for key, value in sorted(state.items()):
        prefix = "t:" if key.startswith("t:") or key == "d:internal:tower" else "c:" if key == "c:meta" else ""
        named = _named(key.removeprefix(prefix), value, places[prefix])
        if key.startswith("t:h:"):  # under ids of their own, which the stores make differently
            named = [fields for _, fields in named]
        if key == "c:claims":  # packed by the library otherwise, and never compared as bytes
            named = {i: [part.decode() for part in msgpack.unpackb(claim, raw=True)] for i, claim in named.items()}
        if named not in ({}, []) and key != "c:rooms":
            normal[key] = named
    return normal


def _named(key: str, value: Any, places: dict[str, str]) -> Any:
    match key.partition(":")[0]:
        case "meta":
            fields = {name: text for name, text in value.items() if text not in (b"", b"0", b"0-0")}
            if "off" in fields:
                fields["off"] = places.get(fields["off"].decode(), "?")
            fields |= {name: b"yes" for name in fields if name.startswith("r:")}  # ids of another's outbox
            return fields | {"broken": b"yes"} if "broken" in fields else fields
        case "gated":
            return {name: places.get(i.decode(), "?") for name, i in value.items()}
        case "d":
            return {i: sorted(_line(line, places) for line in rows.decode().split("\n")) for i, rows in value.items()}
        case "h":
            return [(places.get(i, ""), fields) for i, fields in value]
        case "log" | "dead" | "out" | "duplicates":
            return [fields for _, fields in value]
        case "feed" | "inbox":
            return [fields for _, fields in value[-200:]]  # a server trims by whole nodes, so it keeps some more
    return value


def _line(line: str, places: dict[str, str]) -> str:
    offset, _, rest = line.partition("|")
    return f"{places[offset]}|{rest}"
