"""``PlayerRef``: the only way code addresses a player. It finds the actor wherever it lives, through the log."""

import asyncio
from functools import partial
from hashlib import blake2b

import msgspec
from msgspec import structs
from redis.asyncio import Redis

from actors.appender import Appender
from actors.clock import Clock
from actors.player import ASKED
from actors.replies import Replies
from domain.effects import Answered, AskedKeeper, HistoryRecord, decode_record
from domain.entries import Command, Event, encode_entry
from domain.errors import Busy, Conflict, StoreDown
from domain.ids import partition_of
from domain.player import Snapshot, snapshot_from_parts
from store.intake import buckets, command_buckets
from store.keys import PLAYERS, archived
from store.ports import Appended, Incoming, Unavailable, Verdict

_canonical = msgspec.msgpack.Encoder(order="deterministic")

_ANSWER = "keeper_answered"  # what the history calls the turn that takes a keeper's answer
HOPS_MAX = 16  # of a chain of merges that is followed
RECORDS_MAX = 1_000  # of a player after a command, that are looked through for what a keeper answered


class Players:
    """Hands out references; holds what they need."""

    def __init__(self, redis: Redis, appender: Appender, replies: Replies, clock: Clock, *, partitions: int) -> None:
        self.redis = redis
        self.appender = appender
        self.replies = replies
        self.clock = clock
        self.partitions = partitions

    def ref(self, player: str) -> "PlayerRef":
        """Return the reference of a player, known or not."""
        return PlayerRef(self, player)


class PlayerRef:
    """One player, wherever its actor lives."""

    def __init__(self, players: Players, player: str) -> None:
        self._players = players
        self.id = player
        self.partition = partition_of(player, players.partitions)

    async def tell(self, entry: Event | Command) -> Appended:
        """Append the entry; durable when this returns, applied a little later.

        Raises:
            Busy: the partition's backlog is full; nothing was appended.
            Conflict: the id was used before with other content.
            StoreDown: no answer; a retry with the same id is safe.
        """
        sent_at, now = entry.occurred_at if isinstance(entry, Event) else None, self._players.clock.now_ms()
        bucket, other = command_buckets(now) if sent_at is None else buckets(sent_at, now)
        incoming = Incoming(self.id, entry.id, fingerprint(entry), bucket, encode_entry(entry), other, sent_at or 0)
        try:
            (answer,) = await self._players.appender.append([incoming])
        except Unavailable as error:
            raise StoreDown("the store does not answer; try again with the same id", retry_after_s=1) from error
        if isinstance(answer, Verdict):
            raise Busy(f"too many events of this player's partition wait ({self.partition})", retry_after_s=1)
        if answer.mismatch:
            raise Conflict(f"the id {entry.id!r} was used before with another content", code="idempotency_mismatch")
        return answer

    async def ask(self, command: Command, *, timeout_s: float = 5.0) -> HistoryRecord | None:
        """Append a command and wait for its turn; None when the time ran out (ask again with the same id).

        Where the turn asked a keeper and left the answer to what that says, the wait goes on to the turn that answers,
        and the record has the effects of both. The same command again waits for, or finds, the first answer.
        """
        record, _ = await self.ask_again(command, timeout_s=timeout_s)
        return record

    async def ask_again(self, command: Command, *, timeout_s: float = 5.0) -> tuple[HistoryRecord | None, bool]:
        """Ask as ``ask`` does; tell besides whether the command had been asked before.

        Raises:
            Conflict: it had been, and the store has let go of what it answered (``answer_gone``).
        """
        deadline = asyncio.get_running_loop().time() + timeout_s
        told = await self.tell(command)
        record = await self.applied(told.offset, timeout_s, again=told.duplicate)
        if record is not None and not record.id and told.duplicate and await self._is_let_go(told.offset):
            raise Conflict(
                "it was done, and what it answered is no longer in the store; GET /v1/players/{id}/history, or the "
                "player's state, tells what came of it",
                code="answer_gone",
            )
        return record and await self._answered(record, told.offset, deadline, again=told.duplicate), told.duplicate

    async def _answered(
        self, record: HistoryRecord, offset: str, deadline: float, *, again: bool
    ) -> HistoryRecord | None:
        """Return the record with all that followed until something answered; None when the time ran out.

        What a keeper said may lead to another ask, so the asks are followed in the order they were made.
        """
        loop = asyncio.get_running_loop()
        asks = _asks_of(record)
        while asks and not any(isinstance(effect, Answered) for effect in record.effects):
            ask = asks.pop(0)
            left = max(0.0, deadline - loop.time())
            found = await self._players.replies.wait(
                self.id, f"{ASKED}{ask}", left, partial(self._answer_of, ask, record.id, offset), first_look=again
            )
            if found is None:
                return None
            asks += _asks_of(found)
            record = structs.replace(record, effects=(*record.effects, *found.effects))
        return record

    async def _answer_of(self, ask: str, cause: str, after: str) -> HistoryRecord | None:
        """Return what the turn did that took a keeper's answer, None while there is none.

        The player remembers where it took the last ones; what older ones did is looked for in the history.

        Args:
            cause: Id of the command that asked: the answers' records bear it.
            after: Offset of the turn that asked.
        """
        ref = self
        for _ in range(HOPS_MAX):
            snapshot = await ref.state()
            if offset := snapshot.asks.done.get(ask):
                return await ref.trace(offset)
            if ask in snapshot.asks.open:
                return None
            start = after if ref is self else after.partition("-")[0]  # other partitions compare by time only
            if taken := await ref._answers_since(start, cause):
                return HistoryRecord(cause, taken[0].name, taken[0].at, tuple(e for r in taken for e in r.effects))
            if not snapshot.identity.merged_into:
                return None
            ref = self._players.ref(snapshot.identity.merged_into)  # whoever it lives on under takes the answer
        return None

    async def _answers_since(self, start: str, cause: str) -> list[HistoryRecord]:
        """Return the records of all answers that a command led to, in order."""
        history = PLAYERS.history(self.partition, self.id)
        entries = await self._players.redis.xrange(history, start, "+", count=RECORDS_MAX)
        records = (decode_record(fields[b"d"]) for _, fields in entries)
        return [record for record in records if record.id == cause and record.name == _ANSWER]

    async def applied(self, offset: str, timeout_s: float, *, again: bool = False) -> HistoryRecord | None:
        """Wait until the entry at ``offset`` has committed; what it did, or None when the time ran out.

        Args:
            again: It was appended before, so it may have committed long ago.
        """
        return await self._players.replies.wait(
            self.id, offset, timeout_s, lambda: self.trace(offset), first_look=again
        )

    async def trace(self, offset: str) -> HistoryRecord | None:
        """Return what the entry at ``offset`` did, or None while its turn has not committed."""
        pipe = self._players.redis.pipeline(transaction=False)
        pipe.xrange(PLAYERS.history(self.partition, self.id), offset, offset)
        pipe.hget(PLAYERS.meta(self.partition), "off")
        found, reached = await pipe.execute()
        if found:
            return decode_record(found[0][1][b"d"])
        if reached and not is_after(offset, reached.decode()):
            return HistoryRecord("", "", 0, ())  # applied, without any effect
        return None

    async def _is_let_go(self, offset: str) -> bool:
        """Tell whether records of that time are the archive's, and no longer in the store."""
        reached = await self._players.redis.hget(archived(self.partition), f"{PLAYERS.name}:trimming")
        return reached is not None and not is_after(offset, reached.decode())

    async def state(self) -> Snapshot:
        """Return the snapshot of the last commit (version 0: never seen)."""
        fields = await self._players.redis.hgetall(PLAYERS.state(self.partition, self.id))
        parts = {name.decode(): value for name, value in fields.items()}
        return snapshot_from_parts(self.id, int(parts.pop("v", b"0")), parts)


def _asks_of(record: HistoryRecord) -> list[str]:
    return [effect.id for effect in record.effects if isinstance(effect, AskedKeeper)]


def is_after(offset: str, other: str) -> bool:
    """Tell whether a stream id comes after another."""
    return _parsed(offset) > _parsed(other)


def fingerprint(entry: Event | Command) -> str:
    """Return a hash of what the entry says, without who waits for it: the guard against an id's reuse."""
    said = (
        [entry.player, entry.name, entry.args]
        if isinstance(entry, Command)
        else [entry.player, entry.type, entry.name, entry.occurred_at, entry.properties, entry.traits]
    )
    return blake2b(_canonical.encode(said), digest_size=8).hexdigest()


def _parsed(offset: str) -> tuple[int, int]:
    ms, _, n = offset.partition("-")
    return int(ms), int(n or 0)
