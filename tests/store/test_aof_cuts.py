"""A power cut tears the log file anywhere. What loads again is a whole number of commits, never a part of one."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from redis import Redis as BlockingRedis
from redis.asyncio import Redis

from store.client import connect
from store.functions import load_functions
from store.intake import Intake
from store.keys import PLAYERS
from store.ports import Commit, Write
from store.redis_lane import RedisLane
from tests.conftest import SERVERS, binary_of, data_dir, launch
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
        )
        ((verdict, _),) = await lane.commit([(token, commit)])
        assert verdict == "OK"
        sizes.append(os.stat(log_file).st_size)
    return ends, sizes


def _aof(data: Path) -> Path:
    (found,) = (data / "appendonlydir").glob("*.incr.aof")
    return found


def _after_cut(binary: str, data: Path, size: int, ends: list[str]) -> Seen:
    """Start a server on a copy whose log file ends at ``size``, and count what it has."""
    with data_dir() as copy:
        shutil.copytree(data / "appendonlydir", copy / "appendonlydir")
        with _aof(copy).open("r+b") as file:
            file.truncate(size)
        server = launch(binary, copy)
        client = BlockingRedis(unix_socket_path=str(server.socket))
        try:
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
            )
        finally:
            client.close()
            server.stop()
