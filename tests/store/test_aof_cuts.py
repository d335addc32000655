"""A power cut tears the log file anywhere. What loads again is a whole number of commits, never a part of one."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from redis import Redis as BlockingRedis
from redis.asyncio import Redis

from store.client import connect
from store.functions import load_functions
from store.intake import Intake
from store.keys import CHANNELS, PLAYERS
from store.ports import Commit, Settlement, Write
from store.queue import RedisQueue
from store.redis_lane import RedisLane
from tests.conftest import SERVERS, binary_of, data_dir, launch
from tests.contract.field import ANN, SMS, body, dispatch
from tests.contract.script import incoming

COMMITS = 6
CUTS_MIN = 60


@dataclass(frozen=True)
class Seen:
    """How many commits each trace of them tells of; all must tell the same."""

    offset: int
    sequence: int
    done: int
    history: int
    version: int
    points: int
    effects: int
    told: int
    timers: int
    letters: int
    dispatches: int
    tallied: int


@pytest.mark.slow
@pytest.mark.redis
@pytest.mark.parametrize("kind", SERVERS)
async def test_a_cut_anywhere_in_the_last_two_commits_leaves_whole_commits(kind: str) -> None:
    binary = binary_of(kind)
    with data_dir() as data:
        server = launch(binary, data)
        redis = connect(server.url)
        try:
            ends, sizes = await _commits(redis, _aof(data))
        finally:
            await redis.aclose()
            server.stop()
        before_last_two, whole = sizes[-3], sizes[-1]
        step = max(1, (whole - before_last_two) // CUTS_MIN)
        cuts = range(before_last_two, whole + 1, step)
        assert len(cuts) >= CUTS_MIN
        seen = {cut: _after_cut(binary, data, cut, ends) for cut in (*cuts, whole)}
    torn = {cut: found for cut, found in seen.items() if len(set(vars(found).values())) != 1}
    assert not torn
    assert {found.sequence for found in seen.values()} == {COMMITS - 2, COMMITS - 1, COMMITS}
    assert seen[whole].sequence == COMMITS


async def _commits(redis: Redis, log_file: Path) -> tuple[list[str], list[int]]:
    """Make commits that write every kind of key; return the offsets they end at and the file's size after each."""
    await load_functions(redis)
    lane, intake = RedisLane(redis, PLAYERS), Intake(redis, 1, bound=0, keep_ms=0)
    told = await intake.append([incoming(f"e{i}") for i in range(COMMITS)])
    ends = [answer.offset for answer in told]  # type: ignore[union-attr]
    token = (await lane.acquire(0, "host-1", "n1", 60_000)).token
    sizes: list[int] = []
    for n, end in enumerate(ends):
        commit = Commit(
            "0-0" if n == 0 else ends[n - 1],
            end,
            done=1,
            writes=[Write("ann", n, n + 1, {"points": str(n + 1).encode(), "filling": b"x" * 200})],
            history=[("ann", end, b"record")],
            outputs=[b"request"],
            keys=[("2026", "2025", f"ann/mission/{n}", f"e{n}")],
            timers=[(True, n, b"timer %d" % n)],
            dead=[b"letter"],
            dispatches=[dispatch(f"r{n}")],
            tallies=[("2026-01-01", "cleared", 1)],
        )
        ((verdict, _),) = await lane.commit([(token, commit)])
        assert verdict == "OK"
        sizes.append(os.stat(log_file).st_size)
    return ends, sizes


def _aof(data: Path) -> Path:
    (found,) = (data / "appendonlydir").glob("*.incr.aof")
    return found


@contextmanager
def _reopened(binary: str, data: Path, size: int) -> Iterator[BlockingRedis]:
    """A server on a copy whose log file ends at ``size``."""
    with data_dir() as copy:
        shutil.copytree(data / "appendonlydir", copy / "appendonlydir")
        with _aof(copy).open("r+b") as file:
            file.truncate(size)
        server = launch(binary, copy)
        client = BlockingRedis(unix_socket_path=str(server.socket))
        try:
            yield client
        finally:
            client.close()
            server.stop()


def _after_cut(binary: str, data: Path, size: int, ends: list[str]) -> Seen:
    """Count what a server has whose log file ends at ``size``."""
    with _reopened(binary, data, size) as client:
        meta, state = client.hgetall("{0}:meta"), client.hgetall("{0}:s:ann")
        assert b"broken" not in meta
        return Seen(
            offset=ends.index(meta[b"off"].decode()) + 1,
            sequence=int(meta[b"seq"]),
            done=int(meta[b"done"]),
            history=client.xlen("{0}:h:ann"),
            version=int(state[b"v"]),
            points=int(state[b"points"]),
            effects=client.hlen("{0}:fx:2026"),
            told=client.xlen("{0}:t:log"),
            timers=client.zcard("{0}:timers"),
            letters=client.xlen("{0}:dead"),
            dispatches=client.llen("{0}:c:line:sms:bulk:ann"),
            tallied=int(client.hget("{0}:tally:2026-01-01", "cleared") or 0),
        )


@dataclass(frozen=True)
class Flight:
    """What each trace of a line of three tells of it."""

    line: int
    dispatches: int
    due: int
    claims: int
    in_flight: int
    tries: int
    log: int
    entered: int


BEFORE = Flight(line=3, dispatches=3, due=1, claims=0, in_flight=0, tries=0, log=1, entered=1)
CLAIMED = Flight(line=3, dispatches=3, due=0, claims=1, in_flight=1, tries=0, log=1, entered=1)
KEPT = Flight(line=3, dispatches=3, due=1, claims=0, in_flight=0, tries=1, log=1, entered=1)
AGAIN = Flight(line=3, dispatches=3, due=0, claims=1, in_flight=1, tries=1, log=1, entered=1)
OVER = Flight(line=2, dispatches=2, due=1, claims=0, in_flight=0, tries=0, log=2, entered=2)


@pytest.mark.slow
@pytest.mark.redis
@pytest.mark.parametrize("kind", SERVERS)
async def test_a_cut_anywhere_in_claims_and_settlements_leaves_whole_ones(kind: str) -> None:
    binary = binary_of(kind)
    with data_dir() as data:
        server = launch(binary, data)
        redis = connect(server.url)
        try:
            begin, end = await _flights(redis, _aof(data))
        finally:
            await redis.aclose()
            server.stop()
        step = max(1, (end - begin) // CUTS_MIN)
        seen = [_flight(binary, data, cut) for cut in (*range(begin, end, step), end)]
    assert len(seen) >= CUTS_MIN
    assert list(dict.fromkeys(seen)) == [BEFORE, CLAIMED, KEPT, AGAIN, OVER]


async def _flights(redis: Redis, log_file: Path) -> tuple[int, int]:
    """Put three messages into a line; claim the first, keep it, claim it again and settle it. The file's sizes."""
    await load_functions(redis)
    lane, channels, queue = RedisLane(redis, PLAYERS), RedisLane(redis, CHANNELS), RedisQueue(redis)
    (told,) = await Intake(redis, 1, bound=0, keep_ms=0).append([incoming("e")])
    token = (await lane.acquire(0, "host-1", "n1", 60_000)).token
    dispatches = [dispatch(f"r{n}") for n in range(3)]
    commit = Commit("0-0", told.offset, done=1, dispatches=dispatches)  # type: ignore[union-attr]
    assert [verdict for verdict, _ in await lane.commit([(token, commit)])] == ["OK"]
    lease = (await channels.acquire(0, "courier-1", "c1", 60_000)).token
    begin = os.stat(log_file).st_size
    for last in ({"due": 1}, {"entries": (body("sent"),)}):
        (claim,) = await queue.claim(lease, "one", SMS)
        assert await queue.settle([Settlement(0, ANN, claim.dispatch.id, "one", **last)]) == [True]  # type: ignore[arg-type]
    return begin, os.stat(log_file).st_size


def _flight(binary: str, data: Path, size: int) -> Flight:
    with _reopened(binary, data, size) as client:
        assert not client.hexists("{0}:c:meta", "broken")
        return Flight(
            line=client.llen("{0}:c:line:sms:bulk:ann"),
            dispatches=client.hlen("{0}:c:d"),
            due=client.zcard("{0}:c:due:sms:bulk"),
            claims=client.hlen("{0}:c:claims"),
            in_flight=client.hlen("{0}:infl:ann"),
            tries=client.hlen("{0}:c:tries"),
            log=client.xlen("{0}:log"),
            entered=int(client.hget("{0}:meta", "in")),
        )
