"""The Redis implementation of ``LaneStore``: one function call a batch, all partitions of a step in one pipeline."""

from typing import Any

import msgpack
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from domain.dispatch import Dispatch, encode_dispatch
from domain.entries import LogEntry, read_entry
from store.client import is_transient
from store.gates import read_line
from store.keys import Lane
from store.ports import Commit, Grant, Refused, Token, Unavailable, Verdict

_pack = msgpack.Packer(use_bin_type=False).pack  # the server's cmsgpack reads no bin type


def encode_commit(commit: Commit) -> bytes:
    """Return the blob that ``pt_commit`` unpacks; its layout is described there."""
    blob: list[Any] = [
        commit.done,
        [
            [w.player, str(w.base), str(w.version), [x for pair in w.fields.items() for x in pair]]
            for w in commit.writes
        ],
        commit.history,
        [[player, data, "1" if legal else "0", "200"] for player, data, legal in commit.inbox],
        commit.outputs,
        commit.keys,
        [["+" if is_set else "-", str(due), member] for is_set, due, member in commit.timers],
        commit.publishes,
        commit.part,
        commit.dead,
        commit.index,
    ]
    if beside := _beside(commit):
        blob.append(beside)
    packed: bytes = _pack(blob)
    return packed


def _beside(c: Commit) -> list[Any]:
    """Return what most commits have nothing of; [] then."""
    has_tower = c.dispatches or c.voids or c.reviews or c.tallies
    is_plain = not (c.groups or c.relays or c.walks or c.stops or c.duplicates or c.lifts or c.mutes)
    if is_plain and not (has_tower or c.sums or c.cases):
        return []
    rows: list[Any] = [
        [["+" if add else "-", group, player] for add, group, player in c.groups],
        [[str(partition), body] for partition, body in c.relays],
        c.walks,
        [[player, *read_line(line)] for player, line in c.stops],
        c.duplicates,
        c.lifts,
        [["+" if is_set else "-", player, mark] for is_set, player, mark in c.mutes],
    ]
    if has_tower:
        dispatches = [[d.id, d.player, d.channel, d.lane, packed_dispatch(d)] for d in c.dispatches]
        rows.append([dispatches, c.voids, c.reviews, [[day, name, str(count)] for day, name, count in c.tallies]])
    elif c.sums or c.cases:
        rows.append([])
    if c.sums or c.cases:
        rows.append([[name, str(more)] for name, more in c.sums])
    if c.cases:
        rows.append(c.cases)
    return rows


def packed_dispatch(d: Dispatch) -> bytes:
    """Return what the queue keeps: the gates that a claim asks, which the library reads, and the dispatch itself."""
    gates = [d.player, d.channel, d.lane, str(d.send_until), "1" if d.is_legal else "0", list(d.marks)]
    packed: bytes = _pack([*gates, encode_dispatch(d)])
    return packed


def verdict_of(error: BaseException) -> tuple[Verdict, str]:
    """Return the verdict that an error reply names.

    Raises:
        Unavailable: the store could not answer; whether it wrote is not known.
        BaseException: the error itself, when it is none of ours.
    """
    word, _, detail = str(error).partition(" ")
    if isinstance(error, ResponseError) and word in Verdict.__members__:
        return Verdict(word), detail
    if is_transient(error):
        raise Unavailable(str(error)) from error
    raise error


class RedisLane:
    """One lane of all partitions, in one Redis or Valkey."""

    def __init__(self, redis: Redis, lane: Lane, clock: str = "store") -> None:
        self._redis = redis
        self._lane = lane
        self._clock = clock

    async def acquire(self, partition: int, owner: str, nonce: str, ttl_ms: int) -> Grant:
        try:
            reply = await self._call("pt_acquire", partition, owner, nonce, ttl_ms)
        except RedisError as error:
            raise Refused(*verdict_of(error)) from error
        except OSError as error:
            raise Unavailable(str(error)) from error
        epoch, offset, _seq, tries, part, _at = reply
        return Grant(Token(partition, epoch.decode(), nonce), offset.decode(), int(tries), part)

    async def renew(self, tokens: list[Token], ttl_ms: int) -> list[Verdict]:
        replies = await self._call_all([("pt_renew", t.partition, [t.epoch, t.nonce, ttl_ms]) for t in tokens])
        return [verdict_of(r)[0] if isinstance(r, Exception) else Verdict.OK for r in replies]

    async def release(self, token: Token) -> None:
        for reply in await self._call_all([("pt_release", token.partition, [token.epoch, token.nonce])]):
            if isinstance(reply, Exception):
                verdict_of(reply)

    async def read(self, after: dict[int, str], limit: int, block_ms: int) -> dict[int, list[LogEntry]]:
        if not after:
            return {}
        partitions = {self._lane.log(p).encode(): p for p in after}
        try:
            reply = await self._redis.xread(
                {self._lane.log(p): offset for p, offset in after.items()}, count=limit, block=block_ms or None
            )  # BLOCK 0 would wait for ever
        except (RedisError, OSError) as error:
            raise _unavailable(error) from error
        return {partitions[name]: [_log_entry(i, fields) for i, fields in items] for name, items in reply or ()}

    async def waiting(self, partitions: list[int]) -> list[int]:
        pipe = self._redis.pipeline(transaction=False)
        for partition in partitions:
            pipe.hmget(self._lane.meta(partition), "in", "done")
        try:
            return [int(came or 0) - int(done or 0) for came, done in await pipe.execute()]
        except (RedisError, OSError) as error:
            raise _unavailable(error) from error

    async def load(self, wanted: list[tuple[int, str]]) -> list[dict[str, bytes]]:
        if not wanted:
            return []
        pipe = self._redis.pipeline(transaction=False)
        for partition, player in wanted:
            pipe.hgetall(self._lane.state(partition, player))
        try:
            replies = await pipe.execute()
        except (RedisError, OSError) as error:
            raise _unavailable(error) from error
        return [{name.decode(): value for name, value in reply.items()} for reply in replies]

    async def stopped(self, wanted: list[tuple[int, str]]) -> list[bool]:
        if not wanted:
            return []
        pipe = self._redis.pipeline(transaction=False)
        for partition, player in wanted:
            meta, log = self._lane.meta(partition), self._lane.log(partition)
            pipe.fcall("pt_stopped", 2, meta, log, self._clock, player)
        try:
            return [bool(told) for (told,) in await pipe.execute()]
        except (RedisError, OSError) as error:
            raise _unavailable(error) from error

    async def commit(self, batches: list[tuple[Token, Commit]]) -> list[tuple[Verdict, str]]:
        replies = await self._call_all(
            [("pt_commit", t.partition, [t.epoch, t.nonce, c.start, c.end, c.at, encode_commit(c)]) for t, c in batches]
        )
        return [verdict_of(r) if isinstance(r, Exception) else (Verdict(r[0].decode()), r[1].decode()) for r in replies]

    async def fire(self, tokens: list[Token], limit: int) -> list[int]:
        replies = await self._call_all(
            [("pt_fire", t.partition, [t.epoch, t.nonce, limit, self._clock]) for t in tokens]
        )
        return [int(r) if not isinstance(r, Exception) else _no_timers(r) for r in replies]

    async def _call(self, function: str, partition: int, *args: Any) -> Any:
        return await self._redis.fcall(function, 2, self._lane.meta(partition), self._lane.log(partition), *args)

    async def _call_all(self, calls: list[tuple[str, int, list[Any]]]) -> list[Any]:
        """Call functions of several partitions in one pipeline; error replies come back as values."""
        pipe = self._redis.pipeline(transaction=False)
        for function, p, args in calls:
            pipe.fcall(function, 2, self._lane.meta(p), self._lane.log(p), *args)
        try:
            return list(await pipe.execute(raise_on_error=False))
        except (RedisError, OSError) as error:
            raise _unavailable(error) from error


def _log_entry(offset: bytes, fields: dict[bytes, bytes]) -> LogEntry:
    return LogEntry(offset.decode(), int(fields[b"a"]), read_entry(fields[b"e"]))


def _no_timers(error: Exception) -> int:
    verdict_of(error)
    return 0


def _unavailable(error: BaseException) -> BaseException:
    return Unavailable(str(error)) if is_transient(error) else error
