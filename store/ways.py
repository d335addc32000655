"""The Redis implementation of ``Ways``: relays between partitions, and walks through their players (docs/adr/0006)."""

from collections.abc import Iterator
from typing import Any

import msgpack
from msgspec import structs
from redis.asyncio import Redis
from redis.exceptions import RedisError

from domain.entries import BoardFrozen
from domain.step import BoardScore, Freeze
from store.boards import Boards
from store.client import is_transient
from store.keys import PLAYERS, group, outbox, players, walk_cursors, walk_stops, walks
from store.ports import Outgoing, Unavailable, Verdict, Visit, Walk, decode_walk, encode_walk, queued_max
from store.redis_lane import verdict_of

RELAY_MAX = 256  # rows of one call, which nobody else can come between; those of one source stay together
_pack = msgpack.Packer(use_bin_type=False).pack


class RedisWays:
    """Relays and walks of all partitions, in one Redis or Valkey.

    Args:
        clock: As of the store: ``log`` stamps what is appended with the log's own last time.
    """

    def __init__(self, redis: Redis, clock: str = "store") -> None:
        self._redis: Any = redis
        self._clock = clock
        self._boards = Boards(redis)

    async def outbox(self, partitions: list[int], limit: int) -> dict[int, list[Outgoing]]:
        pipe = self._redis.pipeline(transaction=False)
        for partition in partitions:
            pipe.xrange(outbox(partition), count=limit)
        replies = await _answers(pipe)
        return {
            partition: [Outgoing(i.decode(), int(fields[b"d"]), fields[b"e"]) for i, fields in rows]
            for partition, rows in zip(partitions, replies, strict=True)
            if rows
        }

    async def relay(self, rows: dict[int, list[Outgoing]]) -> dict[int, int]:
        arriving: dict[int, dict[int, list[tuple[str, bytes]]]] = {}  # by destination and source
        for source, theirs in rows.items():
            for row in theirs:
                if row.to >= 0:
                    arriving.setdefault(row.to, {}).setdefault(source, []).append((row.id, row.body))
        calls = [(to, part) for to, by_source in arriving.items() for part in _parts(by_source)]
        pipe = self._redis.pipeline(transaction=False)
        for to, part in calls:
            (first, some), *others = ((source, _pack(some)) for source, some in part.items())
            further = (argument for other in others for argument in other)
            pipe.fcall("pt_relay", 2, PLAYERS.meta(to), PLAYERS.log(to), first, self._clock, some, *further)
        replies = zip(calls, await _answers(pipe, is_partial=True), strict=True)
        failed = {(source, to) for (to, part), reply in replies if isinstance(reply, Exception) for source in part}
        return {
            source: next((i for i, row in enumerate(theirs) if (source, row.to) in failed), len(theirs))
            for source, theirs in rows.items()
        }

    async def score(self, scores: list[BoardScore]) -> set[str]:
        return await self._boards.score(scores)

    async def freeze(self, freezes: list[Freeze]) -> list[BoardFrozen | None]:
        return await self._boards.freeze(freezes)

    async def relayed(self, until: dict[int, str]) -> None:
        pipe = self._redis.pipeline(transaction=False)
        for partition, last in until.items():
            pipe.xtrim(outbox(partition), minid=_next(last), approximate=False)
        await _answers(pipe)

    async def walks(self, partitions: list[int]) -> dict[int, list[Walk]]:
        pipe = self._redis.pipeline(transaction=False)
        for partition in partitions:
            pipe.hkeys(walk_cursors(partition))
        ids = {p: names for p, names in zip(partitions, await _answers(pipe), strict=True) if names}
        if not ids:
            return {}
        pipe = self._redis.pipeline(transaction=False)
        for partition, names in ids.items():
            pipe.hmget(walks(partition), names)
            pipe.hmget(walk_stops(partition), names)
        replies = await _answers(pipe)
        return {
            partition: [
                structs.replace(decode_walk(record), is_stopping=stop is not None)
                for record, stop in zip(records, stops, strict=True)
                if record is not None
            ]
            for partition, records, stops in zip(ids, replies[::2], replies[1::2], strict=True)
        }

    async def members(self, wanted: list[tuple[int, str, str]], limits: list[int]) -> list[list[str]]:
        pipe = self._redis.pipeline(transaction=False)
        for (partition, name, after), limit in zip(wanted, limits, strict=True):
            pipe.zrangebylex(members_key(partition, name), f"({after}" if after else "-", "+", start=0, num=limit)
        return [[player.decode() for player in reply] for reply in await _answers(pipe)]

    async def visit(self, visits: list[Visit], bound: int) -> list[Verdict]:
        pipe = self._redis.pipeline(transaction=False)
        for visit in visits:
            token, walk = visit.token, visit.walk
            meta, log = PLAYERS.meta(token.partition), PLAYERS.log(token.partition)
            pipe.fcall(
                "pt_visit", 2, meta, log, token.epoch, token.nonce, self._clock, bound, walk.id, visit.came_from,
                walk.cursor, encode_walk(walk), "1" if walk.ended_at else "", _pack(visit.bodies), queued_max(walk),
            )  # fmt: skip
        replies = await _answers(pipe, is_partial=True)
        return [verdict_of(reply)[0] if isinstance(reply, Exception) else Verdict.OK for reply in replies]


def members_key(partition: int, name: str) -> str:
    """Return the key of a group's members; "" is every player of the partition."""
    return group(partition, name) if name else players(partition)


async def _answers(pipe: Any, *, is_partial: bool = False) -> list[Any]:
    """Execute a pipeline.

    Args:
        is_partial: Refusals come back as values, and so does one partition's store not answering.

    Raises:
        Unavailable: the store did not answer.
    """
    try:
        replies = list(await pipe.execute(raise_on_error=False))
    except (RedisError, OSError) as error:
        raise (Unavailable(str(error)) if is_transient(error) else error) from error
    for reply in replies:
        if not isinstance(reply, Exception) or (is_partial and _is_refusal(reply)):
            continue
        raise (Unavailable(str(reply)) if is_transient(reply) else reply)
    return replies


def _is_refusal(error: Exception) -> bool:
    return is_transient(error) or str(error).partition(" ")[0] in Verdict.__members__


def _next(offset: str) -> str:
    """Return the smallest stream id after ``offset``."""
    ms, _, n = offset.partition("-")
    return f"{ms}-{int(n) + 1}"


def _parts(by_source: dict[int, list[tuple[str, bytes]]]) -> Iterator[dict[int, list[tuple[str, bytes]]]]:
    """Yield what goes to one destination in parts of ``RELAY_MAX`` rows, or of one source that has as many."""
    part: dict[int, list[tuple[str, bytes]]] = {}
    count = 0
    for source, rows in by_source.items():
        if part and count + len(rows) > RELAY_MAX:
            yield part
            part, count = {}, 0
        part[source] = rows
        count += len(rows)
    yield part
