"""What became of an event id: where it is in the logs, what its turn did, what the tower decided about its messages."""

from typing import Any

from msgspec import Struct
from redis.asyncio import Redis
from redis.exceptions import RedisError

from domain.decisions import Decision, decode_decision
from domain.effects import Forwarded, HistoryRecord, MessageRequested, decode_record
from domain.entries import decode_entry
from domain.ids import partition_of
from store.client import is_transient
from store.intake import command_buckets
from store.keys import PLAYERS, TOWER, buckets, dedupe
from store.ports import Unavailable

HOPS_MAX = 16  # of a chain of merged ids that is followed
RECORDS_MAX = 1_000  # of the player an event was sent on to, that are looked through
DECISIONS_MAX = 1_000  # of a player after the event, that are looked through


class Found(Struct):
    """One place an id has in the logs: a player that used it."""

    player: str
    partition: int
    offset: str
    at: int = 0
    name: str = ""
    changes: tuple[tuple[str, str], ...] = ()  # what intake changed: (path, what was done)
    done: bool = False  # the partition's commits have passed it
    record: HistoryRecord | None = None  # None with ``done``: it was applied without an effect
    decisions: list[Decision] = []
    archived: bool = False  # the store has let go of it: what is told is the archive's


async def trace(redis: Redis, partitions: int, event_id: str) -> list[Found]:
    """Return every player's use of an id, in all partitions.

    Raises:
        Unavailable: the store did not answer.
    """
    try:
        found = await _places(redis, partitions, event_id)
        await _records(redis, found)
        await _follow(redis, partitions, found, event_id)
        await _decisions(redis, found)
    except (RedisError, OSError) as error:
        raise (Unavailable(str(error)) if is_transient(error) else error) from error
    return found


async def askers(redis: Any, partitions: int, command_id: str, now: int) -> list[tuple[str, str]]:
    """Return (player, fingerprint) of each use of a command's id, as long as it is known (``store.intake``)."""
    bucket, others = command_buckets(now)
    pipe = redis.pipeline(transaction=False)
    for p in range(partitions):
        for name in (bucket, *others.split()):
            pipe.hget(dedupe(p, name), command_id)
    lines = [line for value in await pipe.execute() if value for line in value.decode().split("\n")]
    parts = [line.split("|", 2) for line in lines]
    return [(player, fingerprint) for _, fingerprint, player in parts]


async def _places(redis: Any, partitions: int, event_id: str) -> list[Found]:
    pipe = redis.pipeline(transaction=False)
    for p in range(partitions):
        pipe.smembers(buckets(p))
    places = [(p, bucket.decode()) for p, named in enumerate(await pipe.execute()) for bucket in named]
    places = [(p, bucket) for p, bucket in places if not bucket.startswith("internal:")]
    pipe = redis.pipeline(transaction=False)
    for p, bucket in places:
        pipe.hget(dedupe(p, bucket), event_id)
    found = []
    for (p, _), value in zip(places, await pipe.execute() if places else [], strict=True):
        for line in value.decode().split("\n") if value else ():
            offset, _fingerprint, player = line.split("|", 2)
            found.append(Found(player, p, offset))
    return found


async def _records(redis: Any, found: list[Found]) -> None:
    pipe = redis.pipeline(transaction=False)
    for place in found:
        pipe.xrange(PLAYERS.log(place.partition), place.offset, place.offset)
        pipe.xrange(PLAYERS.history(place.partition, place.player), place.offset, place.offset)
        pipe.hget(PLAYERS.meta(place.partition), "off")
    replies = await pipe.execute() if found else []
    for place, i in zip(found, range(0, len(replies), 3), strict=True):
        logged, recorded, reached = replies[i : i + 3]
        if logged:
            entry = decode_entry(logged[0][1][b"e"])
            place.at, place.name = int(logged[0][1][b"a"]), getattr(entry, "name", "")
            place.changes = getattr(entry, "changes", ())
        if recorded:
            place.record = decode_record(recorded[0][1][b"d"])
            place.at, place.name = place.at or place.record.at, place.name or place.record.name
        place.done = bool(recorded) or (reached is not None and _parsed(reached) >= _parsed(place.offset.encode()))


async def _follow(redis: Any, partitions: int, found: list[Found], event_id: str) -> None:
    """Add the places that a merged id sent the event on to; what it caused is told there."""
    sent = [(place, to) for place in found if (to := _sent_to(place.record))]
    for _ in range(HOPS_MAX):
        if not sent:
            return
        pipe = redis.pipeline(transaction=False)
        for place, to in sent:  # it arrived there after it was sent, by the same server's clock
            key = PLAYERS.history(partition_of(to, partitions), to)
            pipe.xrange(key, place.offset.split("-")[0], "+", count=RECORDS_MAX)
        following: list[tuple[Found, str]] = []
        for (place, to), entries in zip(sent, await pipe.execute(), strict=True):
            records = ((offset.decode(), decode_record(fields[b"d"])) for offset, fields in entries)
            arrived = next(((o, r) for o, r in records if r.id == event_id and r.name == place.name), None)
            if arrived is None:
                continue
            offset, record = arrived
            there = Found(to, partition_of(to, partitions), offset, record.at, record.name, done=True, record=record)
            if all((other.player, other.offset) != (to, offset) for other in found):
                found.append(there)
            if onwards := _sent_to(record):
                following.append((there, onwards))
        sent = following


def _sent_to(record: HistoryRecord | None) -> str:
    return next((effect.to for effect in record.effects if isinstance(effect, Forwarded)), "") if record else ""


async def _decisions(redis: Any, found: list[Found]) -> None:
    asking = [(place, ids) for place in found if (ids := _requests(place.record))]
    pipe = redis.pipeline(transaction=False)
    for place, _ in asking:
        # the tower's record comes after the event's entry, by the same server's clock
        pipe.xrange(TOWER.history(place.partition, place.player), place.offset.split("-")[0], "+", count=DECISIONS_MAX)
    for (place, ids), entries in zip(asking, await pipe.execute() if asking else [], strict=True):
        decisions = (decode_decision(fields[b"d"]) for _, fields in entries)
        place.decisions = [decision for decision in decisions if decision.request_id in ids]


def _requests(record: HistoryRecord | None) -> set[str]:
    effects = record.effects if record else ()
    return {effect.request_id for effect in effects if isinstance(effect, MessageRequested)}


def _parsed(offset: bytes) -> tuple[int, int]:
    ms, _, n = offset.partition(b"-")
    return int(ms), int(n or 0)
