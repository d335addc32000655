"""What became of an event id: where it is in the logs, what its turn did, what the tower decided about its messages."""

from typing import Any

from msgspec import Struct
from redis.asyncio import Redis
from redis.exceptions import RedisError

from domain.decisions import Decision, decode_decision
from domain.effects import HistoryRecord, MessageRequested, decode_record
from domain.entries import decode_entry
from store.client import is_transient
from store.keys import PLAYERS, TOWER, buckets, dedupe
from store.ports import Unavailable

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
        await _decisions(redis, found)
    except (RedisError, OSError) as error:
        raise (Unavailable(str(error)) if is_transient(error) else error) from error
    return found


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
