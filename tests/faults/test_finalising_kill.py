"""Hosts killed and paused in the middle of a tournament's end: each place of the frozen tables is paid, once.

The end of a run takes a fraction of a second. So that no fault falls beside it by luck, one host is stopped (SIGSTOP)
when the end begins: the keeper's goes as far as it can alone, is stopped too, and what the store then holds must be
half of an end. Nothing moves between that look and the kill.
"""

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis import Redis

from domain.effects import Posting, decode_record
from domain.game_effects import PrizeWon
from domain.ids import keeper_id, partition_of
from domain.player import snapshot_from_parts
from gamification.tournaments.kept import Kept, kept_from
from store.embedded import running_store
from store.keys import PLAYERS as PLAYERS_LANE
from tests.e2e.engine import Engine
from tests.faults.traffic import PLAYERS, Traffic

pytestmark = [pytest.mark.ray, pytest.mark.slow]
PARTITIONS = 8
HOSTS = ("host-0", "host-1")
RUN_S = 4.0  # of bets, until the run ends
RECOVERS_WITHIN_S = 40.0
NAMES = [f"player-{n}" for n in range(PLAYERS)]
PRIZES = {  # first place, last place -> currency -> amount of each
    (1, 1): {"points": 1_000, "gems": 50},
    (2, 10): {"points": 100, "gems": 5},
    (11, 100): {"points": 10, "gems": 1},
}
PLACES = 100
TOTAL = {"points": 1_000 + 9 * 100 + 90 * 10, "gems": 50 + 9 * 5 + 90}  # of one run
Won = dict[str, list[tuple[str, int, dict[str, int]]]]  # player -> board, rank, what was posted with it


def prize_of(rank: int) -> dict[str, int]:
    return next((dict(amounts) for (first, last), amounts in PRIZES.items() if first <= rank <= last), {})


def programme(number: int) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Two tournaments that score the same bets and end together, and the names of their runs."""
    now = datetime.now(UTC)
    until = now + timedelta(seconds=RUN_S)
    prizes = [
        {"from": first, "until": last, "rewards": [_reward(*given) for given in amounts.items()]}
        for (first, last), amounts in PRIZES.items()
    ]
    documents, runs = {}, []
    for kind, before in (("sprint", timedelta(minutes=1)), ("marathon", timedelta(hours=1))):
        documents[f"{kind}-{number}"] = {
            "schedule": {"from": (now - before).isoformat(), "until": until.isoformat()},
            "events": [{"event": "bet_placed", "score": {"count": True}}],
            "settle": 1,
            "prizes": prizes,
        }
        runs.append(f"{kind}-{number}@{(now - before).date().isoformat()}")
    return {"currencies": {"gems": {"name": {"en": "Gems"}}}, "tournaments": documents}, runs


def _reward(currency: str, amount: int) -> dict[str, Any]:
    return {"kind": "currency", "currency": currency, "amount": amount}


@dataclass
class Store:
    """What the engine's store holds, read beside the engine."""

    redis: Redis

    def kept(self, run: str) -> Kept:
        keeper = keeper_id("tournament", run)
        parts: Any = self.redis.hgetall(PLAYERS_LANE.state(partition_of(keeper, PARTITIONS), keeper))
        return kept_from(snapshot_from_parts(keeper, 0, {k.decode(): v for k, v in parts.items()}).kept)

    def won(self) -> Won:
        """Return all prizes in players' histories, with the postings of the same turn."""
        pipe = self.redis.pipeline(transaction=False)
        for player in NAMES:
            pipe.xrange(PLAYERS_LANE.history(partition_of(player, PARTITIONS), player))
        found: Won = {}
        for player, rows in zip(NAMES, pipe.execute(), strict=True):
            for _, fields in rows:
                if b"prize_won" not in fields[b"d"]:
                    continue
                effects = decode_record(fields[b"d"]).effects
                (prize,) = [effect for effect in effects if isinstance(effect, PrizeWon)]
                posted: Counter[str] = Counter()
                for effect in effects:
                    if isinstance(effect, Posting):
                        assert effect.rule == f"tournaments/{prize.tournament}"
                        posted[effect.currency] += effect.amount
                found.setdefault(player, []).append((f"{prize.tournament}@{prize.run}", prize.rank, dict(posted)))
        return found


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """One engine takes all the faults, one after another, as a machine does in its life."""
    options = ("--partitions", str(PARTITIONS), "--hosts", "2", "--placement", "shared")
    running = Engine(tmp_path_factory.mktemp("finalising") / "data", options).start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def store(engine: Engine) -> Iterator[Store]:
    url = running_store(engine.data_dir)
    assert url is not None
    with Redis.from_url(url) as redis:
        yield Store(redis)


@dataclass
class Seen:
    """What was there when the fault fell: nothing moved meanwhile."""

    kept: dict[str, Kept]
    paid: Counter[str]  # by run


def hosts_of(engine: Engine) -> dict[str, dict[str, Any]]:
    return {host["name"]: host for host in engine.status()["hosts"] if host["name"] in HOSTS}


def both_own(engine: Engine) -> bool:
    hosts = hosts_of(engine)
    return sorted(p for host in hosts.values() for p in host["partitions"]) == list(range(PARTITIONS)) and all(
        host["partitions"] for host in hosts.values()
    )


def stopped(pid: int) -> bool:
    return all(
        (task / "stat").read_text().rpartition(") ")[2].startswith("T") for task in Path(f"/proc/{pid}/task").iterdir()
    )


def stop(engine: Engine, pids: list[int]) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    engine.wait_for(lambda: all(stopped(pid) for pid in pids), "stopped hosts", 5)


def go_on(pids: list[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):  # it was ended meanwhile: what the test found is said, not this
            os.kill(pid, signal.SIGCONT)


def look(store: Store, runs: list[str]) -> Seen:
    boards = [board for prizes in store.won().values() for board, _, _ in prizes]
    return Seen({run: store.kept(run) for run in runs}, Counter(board for board in boards if board in runs))


def is_in_the_barrier(seen: Seen, runs: list[str]) -> bool:
    """Some partitions have answered the keeper, and not all."""
    kept = seen.kept[runs[0]]
    return kept.status == "closing" and 0 < len(kept.passed) < PARTITIONS


def is_paid_in_part(seen: Seen, runs: list[str]) -> bool:
    """Some prizes of the run are in players' ledgers, and not all."""
    return 0 < seen.paid[runs[0]] < PLACES


MOMENTS = {"barrier": ("closing", is_in_the_barrier), "paying": ("freezing", is_paid_in_part)}


def caught(engine: Engine, store: Store, runs: list[str], keepers: int, others: int, moment: str) -> Seen:
    """Return in the middle of the end, with both hosts stopped.

    Args:
        keepers: Process of the host that owns the keeper; it goes on alone, as far as it can without the other.
        others: Process of the other host.
    """
    steps = ["running", "closing", "freezing", "finished"]
    begins, is_there = MOMENTS[moment]
    engine.wait_for(lambda: store.kept(runs[0]).status == "running", "a run", 30)
    deadline = time.monotonic() + 60
    while steps.index(store.kept(runs[0]).status) < steps.index(begins):
        assert time.monotonic() < deadline, f"waited for {begins}, it is {store.kept(runs[0])}"
    stop(engine, [others])
    while not is_there(look(store, runs), runs):
        assert time.monotonic() < deadline, f"never {moment}: {look(store, runs)}"
    stop(engine, [keepers])
    seen = look(store, runs)
    assert is_there(seen, runs), f"no longer {moment}: {seen}"
    return seen


def table_of(http: httpx.Client, run: str) -> list[dict[str, Any]]:
    """Return the whole table of a run, which must be frozen."""
    tournament, _, name = run.partition("@")
    rows: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        params = {"run": name, "limit": "100"} | ({"cursor": cursor} if cursor else {})
        answer = http.get(f"/v1/tournaments/{tournament}/board", params=params).raise_for_status().json()
        assert answer["frozen"], answer
        rows += answer["items"]
        cursor = answer["next"]
    return rows


def is_paid(store: Store, runs: list[str]) -> bool:
    """Everything that is told of the runs has arrived."""
    return all(store.kept(run).status == "finished" for run in runs)


@pytest.mark.parametrize(
    ("number", "victim", "moment"),
    [
        pytest.param(1, "keeper", "barrier", id="the keeper's host, in the barrier"),
        pytest.param(3, "keeper", "paying", id="the keeper's host, with some paid"),
        pytest.param(4, "other", "paying", id="the host of paid players"),
        pytest.param(5, "both", "paying", id="both hosts"),
        pytest.param(6, "paused", "paying", id="the keeper's host, paused past its lease"),
    ],
)
async def test_every_place_is_paid_once(engine: Engine, store: Store, number: int, victim: str, moment: str) -> None:
    engine.wait_for(lambda: both_own(engine), "two hosts at work", RECOVERS_WITHIN_S)
    before = {player: len(prizes) for player, prizes in store.won().items()}
    documents, runs = programme(number)
    engine.publish(documents)
    ended = asyncio.Event()
    traffic = Traffic(engine, f"end{number}", rate=250.0)
    flowing = asyncio.create_task(traffic.run(ended))
    try:
        await asyncio.to_thread(_fault, engine, store, runs, victim, moment)
    finally:
        ended.set()
        await flowing
    assert len(traffic.acknowledged) == traffic.sent
    await asyncio.to_thread(engine.wait_for, lambda: is_paid(store, runs), "finished runs", RECOVERS_WITHIN_S)
    engine.drained()
    _check(engine, store, runs, before)


def _fault(engine: Engine, store: Store, runs: list[str], victim: str, moment: str) -> None:
    """Catch the end and break it; return when every partition has an owner that lives."""
    hosts = hosts_of(engine)
    keeper = partition_of(keeper_id("tournament", runs[0]), PARTITIONS)
    (keepers,) = [name for name, host in hosts.items() if keeper in host["partitions"]]
    (others,) = [name for name in hosts if name != keepers]
    victims = {"keeper": [keepers], "paused": [keepers], "other": [others], "both": list(HOSTS)}[victim]
    pids = {name: int(host["pid"]) for name, host in hosts.items()}
    try:
        caught(engine, store, runs, pids[keepers], pids[others], moment)
    except BaseException:
        go_on(list(pids.values()))
        raise
    survivors = [pid for name, pid in pids.items() if name not in victims]
    if victim == "paused":
        go_on(survivors)
        try:
            engine.wait_for(
                lambda: sorted(hosts_of(engine)[others]["partitions"]) == list(range(PARTITIONS)), "relief", 30
            )
        finally:
            go_on([pids[keepers]])
        return
    for name in victims:
        os.kill(pids[name], signal.SIGKILL)
    go_on(survivors)
    engine.wait_for(
        lambda: both_own(engine) and all(int(hosts_of(engine)[name]["pid"]) != pids[name] for name in victims),
        "new hosts",
        RECOVERS_WITHIN_S,
    )


def _check(engine: Engine, store: Store, runs: list[str], before: dict[str, int]) -> None:
    with engine.http() as http:
        tables = [table_of(http, run) for run in runs]
    due: dict[str, list[tuple[str, int, dict[str, int]]]] = {}
    for run, table in zip(runs, tables, strict=True):
        assert [row["rank"] for row in table] == list(range(1, PLAYERS + 1))
        for row in table[:PLACES]:
            due.setdefault(row["player"], []).append((run, row["rank"], prize_of(row["rank"])))
        assert store.kept(run).paid == PLACES
    scores = [{row["player"]: row["score"] for row in table} for table in tables]
    assert scores[0] == scores[1], "both count the same bets"
    won = store.won()
    now = {player: sorted(prizes[before.get(player, 0) :]) for player, prizes in won.items()}
    got = {player: prizes for player, prizes in now.items() if prizes}
    assert got == {player: sorted(prizes) for player, prizes in due.items()}
    for run in runs:
        sums: Counter[str] = Counter()
        for prizes in got.values():
            for board, _, posted in prizes:
                if board == run:
                    sums.update(posted)
        assert dict(sums) == TOTAL
    report = engine.audit()
    assert report["ok"], report["violations"]
    assert report["boards"] >= 2
