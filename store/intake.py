"""Appends accepted entries to the partition logs. An answer means durable: the server has synced its log file.

All partitions' calls of a flush go in one pipeline, so they share one fsync.
"""

from typing import Any

import msgpack
from redis.asyncio import Redis
from redis.exceptions import RedisError

from domain.ids import partition_of
from store.client import is_transient
from store.gates import plain
from store.keys import PLAYERS, Lane
from store.ports import Appended, Incoming, Unavailable, Verdict
from store.redis_lane import verdict_of

DEDUPE_BUCKET_MS = 12 * 3_600_000
COMMAND_BUCKETS = 6  # before the present one: three days, as docs/idempotency.md promises
_pack = msgpack.Packer(use_bin_type=False).pack


class Intake:
    """The way into the logs.

    Args:
        bound: Most client entries that may wait in a partition; beyond it a call appends nothing.
        keep_ms: How long a dedupe bucket outlives its end; 0 keeps it for ever.
        clock: ``store``, or ``log`` for a store that replays recorded events.
    """

    def __init__(self, redis: Redis, partitions: int, *, bound: int, keep_ms: int, clock: str = "store") -> None:
        self._redis = redis
        self.partitions = partitions
        self._bound = bound
        self._keep_ms = 0 if clock == "log" else keep_ms
        self._clock = clock

    async def append(self, entries: list[Incoming]) -> list[Appended | Verdict]:
        """Append client entries, in order, each once; BACKLOG for those whose partition is full.

        Raises:
            Unavailable: the store did not answer. Some may have been appended; a retry is safe, it deduplicates.
        """
        by_partition: dict[int, list[int]] = {}
        for i, entry in enumerate(entries):
            by_partition.setdefault(partition_of(entry.player, self.partitions), []).append(i)
        pipe = self._redis.pipeline(transaction=False)
        for p, places in by_partition.items():
            blob = _pack([_row(entries[i]) for i in places])
            pipe.fcall("pt_ingest", 2, PLAYERS.meta(p), PLAYERS.log(p), self._bound, self._clock, self._keep_ms, blob)
        replies = await self._execute(pipe)
        answers: list[Appended | Verdict] = [Verdict.BACKLOG] * len(entries)
        for places, reply in zip(by_partition.values(), replies, strict=True):
            if isinstance(reply, Exception):
                verdict_of(reply)
                continue
            for i, word in zip(places, reply, strict=True):
                answers[i] = _appended(word)
        return answers

    async def append_internal(
        self, partition: int, key: str, body: bytes, lane: Lane = PLAYERS, *, at: int | None = None
    ) -> Appended:
        """Append an entry of the engine's own under a key that makes it unique; exempt from the bound.

        Args:
            at: When it came to be, in ms: the key is kept as long as an event's of then. None: for ever.
        """
        bucket, keep_ms = internal_bucket(lane, at), 0 if at is None else self._keep_ms
        row = [["", key, "", bucket, "", 0, body]]
        pipe = self._redis.pipeline(transaction=False)
        pipe.fcall("pt_ingest", 2, lane.meta(partition), lane.log(partition), 0, self._clock, keep_ms, _pack(row))
        (reply,) = await self._execute(pipe)
        if isinstance(reply, Exception):
            verdict_of(reply)
        return _appended(reply[0])

    async def exclude(self, player: str, reason: str, body: bytes, until: int | None = None) -> int:
        """Set a reason of the player's stop and append its entry in one step; how many sends are still in flight.

        Args:
            reason: Beside those it has; the same one again keeps the later end. "" lifts all.
            until: When it ends by itself, in ms; None: only a readmission ends it.
        """
        if not reason:
            return await self.readmit(player, "", body)
        ends = "" if until is None else str(until)
        return await self._gate("pt_exclude", player, plain(reason), ends, "+", body)

    async def readmit(self, player: str, reason: str, body: bytes) -> int:
        """Lift a reason of the player's stop ("": all of them) and append its entry in one step; sends in flight."""
        return await self._gate("pt_exclude", player, plain(reason), "", "-", body)

    async def mute(self, player: str, mark: str, is_set: bool, body: bytes) -> int:
        """Set or clear a mark that stops dispatches (``store.keys.mute``) and append its entry; sends in flight."""
        if not mark or "\n" in mark:
            raise ValueError(f"expected a mark of one line, got {mark!r}")
        return await self._gate("pt_mute", player, mark, "+" if is_set else "-", body)

    async def _gate(self, function: str, player: str, *args: Any) -> int:
        p = partition_of(player, self.partitions)
        pipe = self._redis.pipeline(transaction=False)
        pipe.fcall(function, 2, PLAYERS.meta(p), PLAYERS.log(p), player, *args, self._clock)
        (reply,) = await self._execute(pipe)
        if isinstance(reply, Exception):
            verdict_of(reply)
        return int(reply)

    async def _execute(self, pipe: Any) -> list[Any]:
        try:
            return list(await pipe.execute(raise_on_error=False))
        except (RedisError, OSError) as error:
            raise (Unavailable(str(error)) if is_transient(error) else error) from error


def internal_bucket(lane: Lane, at: int | None) -> str:
    """Return the dedupe bucket of the engine's own entries."""
    return f"internal:{lane.name}" if at is None else str(at // DEDUPE_BUCKET_MS)


def buckets(sent_at: int | None, now: int) -> tuple[str, str]:
    """Return the dedupe bucket(s) of an entry.

    The bucket is that of the sender's own timestamp, so a retry always meets it; without one it is that of the
    arrival, and the one before is looked at too.
    """
    if sent_at is not None:
        return str(sent_at // DEDUPE_BUCKET_MS), ""
    bucket = now // DEDUPE_BUCKET_MS
    return str(bucket), str(bucket - 1)


def command_buckets(now: int) -> tuple[str, str]:
    """Return the dedupe buckets of a command: that of its arrival, and those that a first one may be in.

    A command has no time of its own and is asked again for days, so all of the promise is looked through.
    """
    bucket = now // DEDUPE_BUCKET_MS
    return str(bucket), " ".join(str(bucket - back) for back in range(1, COMMAND_BUCKETS + 1))


def _row(entry: Incoming) -> list[object]:
    return [
        entry.player,
        entry.message_id,
        entry.fingerprint,
        entry.bucket,
        entry.other_bucket,
        entry.occurred_at,
        entry.body,
    ]


def _appended(word: bytes) -> Appended:
    return Appended(word[1:].decode(), duplicate=word[:1] == b"=", mismatch=word[:1] == b"!")
