"""What a store is, fixed when it is made: how many partitions, which seed, whose clock.

Opening with other values is refused: another number of partitions would look for players where they are not.
"""

from msgspec import Struct
from redis.asyncio import Redis

from domain.errors import EngineError
from store.keys import STORE

SCHEMA = 1  # of the whole store; raised by an upgrade that rewrites it


class StoreMismatch(EngineError):
    """The store was made with other settings than asked for, or promises less than asked for."""

    status = 500
    code = "store_mismatch"


class Identity(Struct, frozen=True):
    """The fixed facts of a store."""

    partitions: int
    seed: str
    clock: str = "store"  # store, or log: a store that replays recorded events by their own time
    schema: int = SCHEMA


async def read_identity(redis: Redis) -> Identity | None:
    """Return the store's identity, or None when it was never made."""
    stored = {k.decode(): v.decode() for k, v in (await redis.hgetall(STORE)).items()}
    if not stored:
        return None
    return Identity(int(stored["partitions"]), stored["seed"], stored["clock"], int(stored["schema"]))


async def open_store(redis: Redis, *, partitions: int | None, clock: str | None, seed: str) -> Identity:
    """Make the store's identity if it has none, and check it against what is asked for.

    Args:
        partitions: None takes what is there, 32 when there is nothing.
        seed: Used only by a store that is made now.

    Raises:
        StoreMismatch: the store was made with other partitions, another clock, or by a newer version.
    """
    wanted = Identity(partitions or 32, seed, clock or "store")
    pipe = redis.pipeline(transaction=True)
    for name, value in (("partitions", wanted.partitions), ("seed", seed), ("clock", wanted.clock), ("schema", SCHEMA)):
        pipe.hsetnx(STORE, name, value)
    await pipe.execute()
    found = await read_identity(redis)
    assert found is not None
    if partitions is not None and found.partitions != partitions:
        raise StoreMismatch(f"the store was made with {found.partitions} partitions, {partitions} were asked for")
    if clock is not None and found.clock != clock:
        raise StoreMismatch(f"the store was made with --clock {found.clock}, --clock {clock} was asked for")
    if found.schema > SCHEMA:
        raise StoreMismatch(f"the store has schema {found.schema}, this version reads up to {SCHEMA}: upgrade first")
    return found


async def check_durability(redis: Redis, durability: str) -> str:
    """Compare the server's settings with what is promised; return the mode in force.

    Raises:
        StoreMismatch: the server promises less than ``durability`` asks for.
    """
    have: dict[str, str] = {}
    for name in ("appendonly", "appendfsync", "no-appendfsync-on-rewrite", "maxmemory-policy"):
        have |= {_text(k): _text(v) for k, v in (await redis.config_get(name)).items()}
    mode = "strict" if have["appendfsync"] == "always" else "relaxed" if have["appendfsync"] == "everysec" else "none"
    wrong = []
    if have["appendonly"] != "yes":
        wrong.append("appendonly is not yes")
    if mode == "none" or (durability == "strict" and mode != "strict"):
        wrong.append(
            f"appendfsync is {have['appendfsync']}, {durability} durability needs "
            f"{'always' if durability == 'strict' else 'everysec or always'}"
        )
    if have["no-appendfsync-on-rewrite"] != "no":
        wrong.append("no-appendfsync-on-rewrite is yes")
    if have["maxmemory-policy"] != "noeviction":
        wrong.append(f"maxmemory-policy is {have['maxmemory-policy']}, not noeviction")
    if wrong:
        raise StoreMismatch("the store promises less than it must: " + "; ".join(wrong))
    return mode


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
