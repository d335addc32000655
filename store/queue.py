"""The Redis implementation of ``Queue``: lines, claims and settlements (``store/lua/queue.lua``), and rates."""

from collections.abc import Collection, Iterable
from typing import Any

import msgpack
from redis.asyncio import Redis
from redis.exceptions import RedisError

from domain.dispatch import Dispatch, decode_dispatch
from store.client import is_transient
from store.keys import CHANNELS, PLAYERS, claims, dispatches, rate, spent
from store.ports import Claim, Claimed, InFlight, Refused, Settlement, Token, Unavailable, Waiting
from store.redis_lane import verdict_of

_pack = msgpack.Packer(use_bin_type=False).pack


class RedisQueue:
    """What waits for the providers in all partitions, in one Redis or Valkey.

    Args:
        clock: As of the store: ``log`` takes the logs' own last time for now.
    """

    def __init__(self, redis: Redis, clock: str = "store") -> None:
        self._redis: Any = redis
        self._clock = clock

    async def claim(self, token: Token, claimer: str, rooms: list[tuple[str, str, int]]) -> list[Claim]:
        rooms = [room for room in rooms if room[2] > 0]
        if not rooms:
            return []
        keys = CHANNELS.meta(token.partition), PLAYERS.log(token.partition)
        (reply,) = await self._ask(
            [("pt_claim", *keys, token.epoch, token.nonce, claimer, self._clock, _pack(rooms))], is_refusal=True
        )
        return _claims(token.partition, reply)

    async def sweep(
        self, token: Token, claimer: str, rooms: list[tuple[str, str, int]], most: int
    ) -> tuple[list[Claim], list[int]]:
        if not rooms:
            return [], []
        keys = CHANNELS.meta(token.partition), PLAYERS.log(token.partition)
        ((claims, places),) = await self._ask(
            [("pt_sweep", *keys, token.epoch, token.nonce, claimer, self._clock, most, _pack(rooms))], is_refusal=True
        )
        return _claims(token.partition, claims), [int(place) for place in places]

    async def settle(self, settlements: list[Settlement]) -> list[bool]:
        if not settlements:
            return []
        by_partition: dict[int, list[int]] = {}
        for i, s in enumerate(settlements):
            by_partition.setdefault(_checked(s).partition, []).append(i)
        calls = [
            ("pt_settle", CHANNELS.meta(p), PLAYERS.log(p), self._clock, _pack([_row(settlements[i]) for i in places]))
            for p, places in by_partition.items()
        ]
        told = [False] * len(settlements)
        for places, reply in zip(by_partition.values(), await self._ask(calls, is_refusal=True), strict=True):
            for i, word in zip(places, reply, strict=True):
                told[i] = bool(word)
        return told

    async def claimed(self, partitions: list[int]) -> list[Claimed]:
        return [
            Claimed(p, request.decode(), msgpack.unpackb(claim, raw=True)[0].decode())
            for p, found in (await self._claims(partitions)).items()
            for request, claim in found.items()
        ]

    async def in_flight(self, partitions: list[int], only: Collection[str] | None = None) -> list[InFlight]:
        wanted = None if only is None else {request.encode() for request in only}
        claimed = {
            p: some
            for p, found in (await self._claims(partitions)).items()
            if (some := {i: claim for i, claim in found.items() if wanted is None or i in wanted})
        }
        if not claimed:
            return []
        pipe = self._redis.pipeline(transaction=False)
        for p, found in claimed.items():
            pipe.hmget(dispatches(p), list(found))
        return [
            _in_flight(claim, kept)
            for found, values in zip(claimed.values(), await _answers(pipe), strict=True)
            for claim, kept in zip(found.values(), values, strict=True)
            if kept is not None  # settled meanwhile
        ]

    async def _claims(self, partitions: list[int]) -> dict[int, dict[bytes, bytes]]:
        pipe = self._redis.pipeline(transaction=False)
        for p in partitions:
            pipe.hgetall(claims(p))
        return {p: found for p, found in zip(partitions, await _answers(pipe), strict=True) if found}

    async def waiting(self, partitions: list[int]) -> dict[int, dict[tuple[str, str], Waiting]]:
        if not partitions:
            return {}
        calls = [("pt_waiting", CHANNELS.meta(p), PLAYERS.log(p), self._clock) for p in partitions]
        return {
            partition: {_room(name): Waiting(count, due) for name, count, due in rows}
            for partition, rows in zip(partitions, await self._ask(calls), strict=True)
            if rows
        }

    async def take(self, bucket: str, wanted: int, *, per_s: float, burst: int) -> tuple[int, int]:
        if per_s <= 0 or burst < 1:
            raise ValueError(f"expected per_s above 0 and burst of 1 or more, got {per_s} and {burst}")
        ((granted, wait_ms),) = await self._ask([("pt_take", rate(bucket), None, wanted, per_s, burst)])
        return granted, wait_ms

    async def spend(self, channel: str, wanted: int, per_day: int) -> int:
        (granted,) = await self._ask([("pt_spend", spent(channel, ""), None, wanted, per_day)])
        return int(granted)

    async def refund(self, channel: str, count: int) -> None:
        await self._ask([("pt_refund", spent(channel, ""), None, count)])

    async def _ask(self, calls: Iterable[tuple[Any, ...]], *, is_refusal: bool = False) -> list[Any]:
        """Call functions, one or two keys each, in one pipeline.

        Raises:
            Refused: one of them was refused (FENCED, BROKEN); the others were done.
            Unavailable: the store did not answer one of them or all.
        """
        pipe = self._redis.pipeline(transaction=False)
        for function, first, second, *args in calls:
            keys = [first] if second is None else [first, second]
            pipe.fcall(function, len(keys), *keys, *args)
        replies = await _execute(pipe)
        for reply in replies:
            if isinstance(reply, Exception):
                verdict = verdict_of(reply)
                raise (Refused(*verdict) if is_refusal else reply)
        return replies


def _room(name: bytes) -> tuple[str, str]:
    channel, _, lane = name.decode().rpartition("|")
    return channel, lane


def _claims(partition: int, reply: list[Any]) -> list[Claim]:
    return [Claim(partition, decode_dispatch(body), int(tries), refused.decode()) for _, body, tries, refused in reply]


def _checked(s: Settlement) -> Settlement:
    if s.due > 0 and (s.entries or s.dead):
        raise ValueError(f"expected no entries and no dead letter of {s.request}, which is kept for another try")
    return s


def _row(s: Settlement) -> list[object]:
    return [s.request, s.token, str(max(0, s.due)), "0" if s.untried else "1", list(s.entries), s.dead]


def _in_flight(claim: bytes, kept: bytes) -> InFlight:
    token, at, tries, refused, *_ = msgpack.unpackb(claim, raw=True)
    return InFlight(kept_dispatch(kept), token.decode(), int(at), int(tries), refused.decode())


def kept_dispatch(kept: bytes) -> Dispatch:
    """Read what the queue keeps (``store.redis_lane.packed_dispatch``)."""
    return decode_dispatch(msgpack.unpackb(kept, raw=True)[-1])


async def _answers(pipe: Any) -> list[Any]:
    replies = await _execute(pipe)
    for reply in replies:
        if isinstance(reply, Exception):
            raise (Unavailable(str(reply)) if is_transient(reply) else reply)
    return replies


async def _execute(pipe: Any) -> list[Any]:
    try:
        return list(await pipe.execute(raise_on_error=False))
    except (RedisError, OSError) as error:
        raise (Unavailable(str(error)) if is_transient(error) else error) from error
