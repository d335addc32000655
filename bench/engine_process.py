"""A whole engine (``playtower serve``) for one bench, with the casino programme and data of its own."""

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

import msgspec
import redis

from actors.partition import decode_part
from bench import processes
from bench.figures import Counts, tally
from bench.load import Load, Plan, Sent
from bench.options import Options
from bench.programmes import programme_folder
from bench.traffic import EVENT, Bet, Traffic, now_iso
from domain.effects import decode_record
from domain.ids import partition_of
from domain.player import PART_TYPES, Balance, Metric
from playtower.client import Client, apply_directory
from store.keys import HOSTS, PLAYERS, TOWER, Lane, outbox, walk_cursors

READY_WITHIN_S = 120.0  # of a machine that does much else
SETTLED_WITHIN_S = 60.0
STAKES = "stake-24h"  # metric of the casino programme that adds up every bet's amount, exactly
_wallet = msgspec.msgpack.Decoder(PART_TYPES["wallet"])
_metrics = msgspec.msgpack.Decoder(PART_TYPES["metrics"])


class NotUp(Exception):
    """The engine did not come up, or did not settle in time."""


def free_port() -> int:
    """Return a TCP port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Engine:
    """The process tree, its store and what can be read from it.

    Args:
        variables: Further variables of its environment, for the secrets of connectors.
        settings: Further settings of ``serve``, as in ``PLAYTOWER_*``.
    """

    def __init__(self, options: Options, variables: Mapping[str, str] | None = None, **settings: Any) -> None:
        self.options = options
        self.port = free_port()
        self.key = "bench_" + secrets.token_hex(16)
        self.dir = Path(tempfile.mkdtemp(prefix="ptb-"))
        self.data = self.dir / "d"
        self._settings = settings
        self._variables = dict(variables or {})
        self._process: subprocess.Popen[bytes] | None = None
        self.ready_s = 0.0
        self.partitions = 0

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def authorization(self) -> str:
        return f"Bearer {self.key}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it, wait until it says that it is ready, publish the casino programme."""
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("PLAYTOWER_", "RAY_"))
        } | {
            "PLAYTOWER_ADMIN_KEY": self.key,
            "PLAYTOWER_INGEST_KEY": secrets.token_hex(16),
            "PLAYTOWER_DURABILITY": self.options.durability,
            "PLAYTOWER_DATA_DIR": str(self.data),
            "PLAYTOWER_PORT": str(self.port),
            **{f"PLAYTOWER_{name.upper()}": str(value) for name, value in self._settings.items()},
            **self._variables,
        }
        log = self.dir / "serve.log"
        began = time.monotonic()
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-c", "from playtower.cli import main; main()", "serve"],
                env=environment,
                cwd=Path(__file__).parent.parent,
                stdout=output,
                stderr=subprocess.STDOUT,
                process_group=0,
            )
        while b"ready after" not in log.read_bytes().replace(b"\n", b" "):
            if self._process.poll() is not None or time.monotonic() - began > READY_WITHIN_S:
                raise NotUp("the engine did not come up:\n" + log.read_text(errors="replace")[-3000:])
            time.sleep(0.05)
        self.ready_s = time.monotonic() - began
        self.redis = redis.Redis(unix_socket_path=str(self._socket()), socket_timeout=10)
        self.partitions = int(cast(bytes, self.redis.hget("{store}:identity", "partitions")))
        with Client(self.key, self.url) as client, programme_folder(self.options.programme) as folder:
            apply_directory(client, folder)

    def stop(self) -> None:
        """Stop in order; what remains after 30 s is ended by its process id."""
        if self._process is not None:
            pids = processes.tree(self._process.pid)
            if self._process.poll() is None:
                self._process.send_signal(signal.SIGTERM)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(30)
            processes.end([pid for pid in pids if pid != self._process.pid], after_s=2.0)
            if self._process.poll() is None:
                self._process.kill()
            self._process.wait()
            self._process = None
        shutil.rmtree(self.dir, ignore_errors=True)

    def _socket(self) -> Path:
        from store.embedded import EmbeddedStore

        return Path(EmbeddedStore(self.data).url.removeprefix("unix://"))

    # --- sending ------------------------------------------------------------------------------------------------------

    def plan(self, traffic: Traffic, *, rate: float = 0.0, seconds_max: float = 30.0) -> Plan:
        """Return how the traffic is sent to this engine."""
        path = "/v1/batch" if traffic.form == "segment_batch" else "/v1/track"
        stamped = msgspec.structs.replace(traffic, at=now_iso())
        return Plan(self.port, path, stamped, self.authorization, rate, seconds_max)

    def send(self, traffic: Traffic, *, rate: float = 0.0, seconds_max: float = 30.0) -> tuple[Sent, float]:
        """Send it all and wait until every turn is committed; what was sent, and the seconds from first to last."""
        load = Load(self.plan(traffic, rate=rate, seconds_max=seconds_max))
        sent = load.run()
        self.settle()
        return sent, time.monotonic() - sent.started

    # --- reading ------------------------------------------------------------------------------------------------------

    def counters(self, lane: Lane = PLAYERS) -> tuple[int, int]:
        """Return entries that came in, and entries that are done, of all partitions."""
        pipe = self.redis.pipeline(transaction=False)
        for p in range(self.partitions):
            pipe.hmget(lane.meta(p), "in", "done")
        replies = pipe.execute()
        return sum(int(r[0] or 0) for r in replies), sum(int(r[1] or 0) for r in replies)

    def settle(self, lane: Lane = PLAYERS, within_s: float = SETTLED_WITHIN_S) -> None:
        """Wait until nothing waits in the logs."""
        until = time.monotonic() + within_s
        came, done = self.counters(lane)
        while came != done and time.monotonic() < until:
            time.sleep(0.005)
            came, done = self.counters(lane)
        if came == done:
            return
        hosts = {name: (b["entries"], b["beat"], b["stopped"]) for name, b in self.heartbeats().items()}
        raise NotUp(
            f"{came - done} entries of the {lane.name} still wait after {within_s:.0f} s; "
            f"entries, beats and what stopped: {hosts}"
        )

    def settle_all(self, within_s: float = SETTLED_WITHIN_S) -> None:
        """Wait for the players, the walks that a publish begins, what turns leave for keepers and boards, the tower."""
        self.settle(within_s=within_s)
        self._settle_walks(within_s)
        self._settle_relays(within_s)
        self.settle(TOWER, within_s)

    def _settle_walks(self, within_s: float) -> None:
        until = time.monotonic() + within_s
        while going := self.redis.exists(*map(walk_cursors, range(self.partitions))):
            if time.monotonic() >= until:
                raise NotUp(f"walks of {going} partitions still go on after {within_s:.0f} s")
            time.sleep(0.005)

    def _settle_relays(self, within_s: float) -> None:
        """Wait until nothing waits in the logs and in the outboxes, at one moment: each fills the other."""
        until = time.monotonic() + within_s
        while True:
            self.settle(within_s=within_s)
            before, waiting = self.counters(), self._waiting_relays()
            if not waiting and self.counters() == before:
                return
            if time.monotonic() >= until:
                raise NotUp(f"{waiting} entries still wait in outboxes after {within_s:.0f} s")
            time.sleep(0.005)

    def _waiting_relays(self) -> int:
        pipe = self.redis.pipeline(transaction=False)
        for p in range(self.partitions):
            pipe.xlen(outbox(p))
        return sum(pipe.execute())

    def states(self, players: Iterable[str]) -> dict[str, dict[bytes, bytes]]:
        """Return the stored snapshots."""
        names = list(players)
        found: dict[str, dict[bytes, bytes]] = {}
        for start in range(0, len(names), 500):
            pipe = self.redis.pipeline(transaction=False)
            for player in names[start : start + 500]:
                pipe.hgetall(PLAYERS.state(partition_of(player, self.partitions), player))
            found |= dict(zip(names[start : start + 500], pipe.execute(), strict=True))
        return found

    def stakes(self, players: Iterable[str]) -> int:
        """Return the sum of all bets as the players' own metric says."""
        total = 0
        for state in self.states(players).values():
            metrics: dict[str, Metric] = _metrics.decode(state[b"metrics"]) if b"metrics" in state else {}
            total += int(sum(value for _, value in metrics[STAKES].buckets)) if STAKES in metrics else 0
        return total

    def ledger_difference(self) -> int:
        """Return what the double-entry ledger is off by, all currencies: players' balances and the other accounts."""
        total = 0
        for key in self.redis.scan_iter("{*}:s:*", count=5_000):
            if wallet := cast("bytes | None", self.redis.hget(key, "wallet")):
                balances: dict[str, Balance] = _wallet.decode(wallet)
                total += sum(balance.balance for balance in balances.values())
        for p in range(self.partitions):
            part = decode_part(cast("bytes | None", self.redis.hget(PLAYERS.meta(p), "part")) or b"")
            total += sum(part.accounts.values())
        return total

    def counts(self, by_player: dict[str, list[Bet]]) -> Counts:
        """Compare what was sent with every player's history: exact, event by event."""
        total, names = Counts(), list(by_player)
        for start in range(0, len(names), 200):
            pipe = self.redis.pipeline(transaction=False)
            chosen = names[start : start + 200]
            for player in chosen:
                pipe.xrange(PLAYERS.history(partition_of(player, self.partitions), player))
            for player, items in zip(chosen, pipe.execute(), strict=True):
                records = (decode_record(next(iter(fields.values()))) for _, fields in items)
                # What a keeper answers to a bet's reward is a turn of its own, under the bet's id.
                seen = [record.id for record in records if record.name == EVENT]
                total += tally([bet.id for bet in by_player[player]], seen)
        return total

    def heartbeats(self) -> dict[str, dict[str, Any]]:
        """Return what hosts, coordinator and director say of themselves."""
        stored = cast(dict[bytes, bytes], self.redis.hgetall(HOSTS))
        return {name.decode(): msgspec.json.decode(beat) for name, beat in stored.items()}

    def hosts(self) -> dict[str, int]:
        """Return the hosts' process ids."""
        return {name: int(b["pid"]) for name, b in self.heartbeats().items() if b["lane"] == PLAYERS.name}

    def cpu(self) -> dict[str, float]:
        """Return CPU seconds so far, by role."""
        return processes.cpu_by_role(self.pid)


def cpu_spent(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    """Return what each role used between two readings, the large ones first."""
    used = {role: round(seconds - before.get(role, 0.0), 2) for role, seconds in after.items()}
    return dict(sorted(((role, s) for role, s in used.items() if s > 0), key=lambda item: -item[1]))
