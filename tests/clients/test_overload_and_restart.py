"""Both Segment clients, unmodified, send 10,000 events through overload answers and a killed gateway.

The engine runs with a tiny backlog bound, so bursts meet real 429 answers; the trace must know every event, none twice.
"""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from segment.analytics import Client

from domain.entries import Event, decode_entry
from store.client import connect
from store.embedded import running_store
from store.keys import PLAYERS
from tests.e2e.engine import ADMIN, Engine
from tests.e2e.programme import PROGRAMME

pytestmark = [pytest.mark.ray, pytest.mark.slow]
COUNT = 10_000
PARTITIONS = 4
NODE = Path(__file__).parent / "node"
TRACED = 40  # looked up one by one over HTTP; all others are counted in the log


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    data = tmp_path_factory.mktemp("clients") / "data"
    running = Engine(data, ("--partitions", str(PARTITIONS)), variables={"PLAYTOWER_BACKLOG_BOUND": "150"}).start()
    running.publish(PROGRAMME)
    yield running
    assert running.stop() == 0


def test_the_python_client_loses_and_doubles_nothing(engine: Engine) -> None:
    failed: list[object] = []
    client = Client(
        ADMIN, host=engine.url, max_queue_size=2 * COUNT, gzip=True, thread=4,
        on_error=lambda error, batch: failed.append((error, len(batch))),
    )  # fmt: skip
    killer = threading.Thread(target=kill_gateway_after, args=(engine, COUNT // 4))
    killer.start()
    for n in range(COUNT):
        client.track(f"python-{n % 50}", "Bet Placed", {"amount": n}, message_id=f"python-{n}")
    client.flush()
    client.join()
    killer.join()
    assert failed == []
    check(engine, "python")


@pytest.mark.skipif(
    not shutil.which("node") or not (NODE / "node_modules").is_dir(),
    reason="needs Node, and `npm ci --ignore-scripts` in tests/clients/node (make test does it)",
)
def test_the_node_client_loses_and_doubles_nothing(engine: Engine) -> None:
    killer = threading.Thread(target=kill_gateway_after, args=(engine, COUNT + COUNT // 4))
    killer.start()
    sent = subprocess.run(
        ["node", "send.mjs"], cwd=NODE, capture_output=True, text=True, timeout=280, check=False,
        env=os.environ | {"COUNT": str(COUNT), "WRITE_KEY": ADMIN, "HOST": engine.url},
    )  # fmt: skip
    killer.join()
    assert sent.returncode == 0, sent.stderr
    report = json.loads(sent.stdout.splitlines()[-1])
    assert report["failed"] == 0, report
    check(engine, "node")


def kill_gateway_after(engine: Engine, entries: int) -> None:
    """Kill the gateway once the log holds that many entries."""
    engine.wait_for(lambda: engine.status()["entries"] >= entries, f"{entries} entries", 240)
    (pid,) = engine.pids("api.gateway")
    os.kill(pid, signal.SIGKILL)


def check(engine: Engine, who: str) -> None:
    engine.drained()
    seen = asyncio.run(logged(engine, who))
    assert len(seen) == COUNT
    assert set(seen.values()) == {1}
    with engine.http() as http:
        for n in range(0, COUNT, COUNT // TRACED):
            items = http.get(f"/v1/events/{who}-{n}").raise_for_status().json()["items"]
            assert [item["status"] for item in items] == ["applied"]
    report = engine.audit()
    assert report["ok"], report["violations"]


async def logged(engine: Engine, who: str) -> Counter[str]:
    """Count every message id of a client in the partition logs."""
    url = running_store(engine.data_dir)
    assert url is not None
    redis, seen = connect(url), Counter[str]()
    for partition in range(PARTITIONS):
        for _, fields in await redis.xrange(PLAYERS.log(partition)):
            entry = decode_entry(fields[b"e"])
            if isinstance(entry, Event) and entry.id.startswith(f"{who}-"):
                seen[entry.id] += 1
    await redis.aclose()
    return seen
