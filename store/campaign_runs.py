"""What is remembered of the runs that callers began: a hash a campaign, run id -> record, the oldest dropped.

A run is a walk of each partition (``store.walks``); this is only its name, so that the same key finds the same run and
a list of runs outlives the partitions' memory of their walks. It is written before the walk is asked for: a call that
was cut short is resumed by calling again, and a run that nobody resumes shows as not begun.
"""

from hashlib import blake2b
from typing import Any

import msgspec
from msgspec import Struct, structs
from redis.asyncio import Redis
from redis.exceptions import RedisError

from store.client import is_transient
from store.keys import campaign_runs
from store.ports import Unavailable

RUNS_MAX = 200  # of one campaign
_encode = msgspec.json.Encoder().encode


class Run(Struct, frozen=True):
    """One sending of a campaign that a caller asked for. Times are ms of the gateway's clock."""

    id: str
    walk: str
    asked_at: int
    by: str = ""  # id of the key
    version: int = 0  # programme version that was live
    request: str = ""  # what was asked for, as JSON: the same key with something else is a conflict
    stopped_at: int = 0
    stopped_by: str = ""


_decoder = msgspec.json.Decoder(Run)


def run_id(campaign: str, key: str) -> str:
    """Return the id of the run that an idempotency key begins: the same key, the same run."""
    return f"run_{blake2b(f'{campaign}|{key}'.encode(), digest_size=8).hexdigest()}"


async def begin_run(redis: Redis, campaign: str, run: Run) -> Run:
    """Remember a run, or return what is remembered under its id already.

    Raises:
        Unavailable: the store did not answer; call again.
    """
    key = campaign_runs(campaign)
    if not await _ask(redis.hsetnx(key, run.id, _encode(run))):
        return await read_run(redis, campaign, run.id) or run
    if await _ask(redis.hlen(key)) > RUNS_MAX:
        oldest = (await read_runs(redis, campaign))[RUNS_MAX:]
        await _ask(redis.hdel(key, *(old.id for old in oldest if old.id != run.id)))
    return run


async def stop_run(redis: Redis, campaign: str, run: Run, at: int, by: str) -> Run:
    """Remember that a run was stopped; the first who stopped it stays named."""
    if run.stopped_at:
        return run
    stopped = structs.replace(run, stopped_at=at, stopped_by=by)
    await _ask(redis.hset(campaign_runs(campaign), run.id, _encode(stopped)))
    return stopped


async def read_run(redis: Redis, campaign: str, run: str) -> Run | None:
    """Return a run; None when it is not known, or forgotten."""
    value = await _ask(redis.hget(campaign_runs(campaign), run))
    return _decoder.decode(value) if value else None


async def read_runs(redis: Redis, campaign: str) -> list[Run]:
    """Return the runs of a campaign, newest first."""
    values = await _ask(redis.hvals(campaign_runs(campaign)))
    return sorted((_decoder.decode(value) for value in values), key=lambda run: (-run.asked_at, run.id))


async def _ask(asked: Any) -> Any:
    try:
        return await asked
    except (RedisError, OSError) as error:
        raise (Unavailable(str(error)) if is_transient(error) else error) from error
