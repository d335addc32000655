"""``kill -9`` and SIGSTOP of every part while 500 events a second flow: nothing acknowledged is lost or applied twice.

The bounds of the recovery times here are generous (a busy machine must not fail the suite); ``playtower bench
recovery`` measures them.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from domain.ids import partition_of
from tests.e2e.engine import Engine
from tests.e2e.programme import PROGRAMME
from tests.faults.traffic import PLAYERS, Traffic, next_commit_s

pytestmark = [pytest.mark.ray, pytest.mark.slow]
PARTITIONS = 8
WARM_S = 1.5
PAUSED_S = 20.0
RECOVERS_WITHIN_S = 20.0


@pytest.fixture(scope="module", params=["shared", "dedicated"])
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """One engine takes all the faults, one after another, as a machine does in its life."""
    options = ("--partitions", str(PARTITIONS), "--hosts", "2", "--placement", request.param, "--dedicated-max", "4")
    running = Engine(tmp_path_factory.mktemp(request.param) / "data", options).start()
    running.publish(PROGRAMME)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def book(engine: Engine) -> list[Traffic]:
    """All traffic that this engine has seen."""
    assert engine.process is not None
    return []


@asynccontextmanager
async def flowing(engine: Engine, book: list[Traffic]) -> AsyncIterator[Traffic]:
    """Traffic around a fault; afterwards every acknowledged event must have been applied, once."""
    traffic, stop = Traffic(engine, f"run{len(book)}"), asyncio.Event()
    book.append(traffic)
    running = asyncio.create_task(traffic.run(stop))
    await asyncio.sleep(WARM_S)
    yield traffic
    await asyncio.sleep(WARM_S)
    stop.set()
    await running
    await asyncio.to_thread(engine.drained)
    assert len(traffic.acknowledged) == traffic.sent
    check(engine, sum(len(each.acknowledged) for each in book))


def check(engine: Engine, acknowledged: int) -> None:
    report = engine.audit()
    assert report["ok"], report["violations"]
    earned = 0
    with engine.http() as http:
        for n in range(PLAYERS):
            answer = http.get(f"/v1/players/player-{n}")
            if answer.status_code == 200:
                body = answer.json()
                rewards = 100 * sum(mission["completed_count"] for mission in body["missions"])
                earned += body["balances"].get("points", {"balance": 0})["balance"] - rewards
    assert earned == acknowledged, f"{acknowledged} acknowledged, {earned} applied"


def owned_by(engine: Engine, host: str) -> list[str]:
    """Return a player of each partition that a host owns."""
    (beat,) = [h for h in engine.status()["hosts"] if h["name"] == host]
    players = {partition_of(f"player-{n}", PARTITIONS): f"player-{n}" for n in range(PLAYERS)}
    return [players[p] for p in beat["partitions"] if p in players]


def pid_of(engine: Engine, host: str) -> int:
    (beat,) = [h for h in engine.status()["hosts"] if h["name"] == host]
    return int(beat["pid"])


async def test_a_killed_host_loses_nothing(engine: Engine, book: list[Traffic]) -> None:
    async with flowing(engine, book):
        players = owned_by(engine, "host-0")
        os.kill(pid_of(engine, "host-0"), signal.SIGKILL)
        assert await next_commit_s(engine, players) < RECOVERS_WITHIN_S


async def test_a_paused_host_is_relieved_and_fenced_when_it_wakes(engine: Engine, book: list[Traffic]) -> None:
    async with flowing(engine, book):
        players, pid = owned_by(engine, "host-0"), pid_of(engine, "host-0")
        os.kill(pid, signal.SIGSTOP)
        try:
            took = await next_commit_s(engine, players)
            assert took < RECOVERS_WITHIN_S
            await asyncio.sleep(max(0.0, PAUSED_S - took))
        finally:
            os.kill(pid, signal.SIGCONT)
        assert await next_commit_s(engine, players) < RECOVERS_WITHIN_S


async def test_a_killed_gateway_is_started_again_and_what_it_acknowledged_stays(
    engine: Engine, book: list[Traffic]
) -> None:
    async with flowing(engine, book) as traffic:
        (pid,) = engine.pids("api.gateway")
        os.kill(pid, signal.SIGKILL)
        assert await next_commit_s(engine, ["player-1"]) < RECOVERS_WITHIN_S
    assert traffic.retries > 0


async def test_a_killed_store_comes_back_with_everything_acknowledged(engine: Engine, book: list[Traffic]) -> None:
    async with flowing(engine, book):
        (pid,) = engine.pids("valkey-server")
        os.kill(pid, signal.SIGKILL)
        assert await next_commit_s(engine, ["player-1"]) < RECOVERS_WITHIN_S


async def test_a_killed_tower_judges_on_where_it_was(engine: Engine, book: list[Traffic]) -> None:
    async with flowing(engine, book):
        os.kill(pid_of(engine, "coordinator"), signal.SIGKILL)
