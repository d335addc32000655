"""Paced background load: wrk, a C load generator, with ``wrk_paced.lua``; a Python generator where wrk is missing."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.engine_process import Engine
from bench.load import Load
from bench.traffic import Traffic, now_iso

SCRIPT = Path(__file__).parent / "wrk_paced.lua"
CONNECTIONS = 16


class Background:
    """``rate`` single POSTs a second for ``seconds``, from its own process."""

    def __init__(self, engine: Engine, rate: int, seconds: float, run: str) -> None:
        self._engine, self._rate, self._seconds, self._run = engine, rate, seconds, run
        self.generator = "wrk" if shutil.which("wrk") else "python (wrk is not on PATH: its latency counts in)"
        self._wrk: subprocess.Popen[str] | None = None
        self._load: Load | None = None
        self.rate_held = 0.0  # events/s that were really sent
        self.refused = 0  # answers that were not 2xx

    def __enter__(self) -> Self:
        whole = max(1, round(self._seconds))
        if shutil.which("wrk"):
            self._wrk = subprocess.Popen(
                [
                    *("wrk", "-t1", f"-c{CONNECTIONS}", f"-d{whole}s", "-s", str(SCRIPT)),
                    f"http://127.0.0.1:{self._engine.port}/v1/track",
                ],
                env=os.environ
                | {
                    "BENCH_RATE": str(self._rate),
                    "BENCH_AUTH": self._engine.authorization,
                    "BENCH_RUN": self._run,
                    "BENCH_AT": now_iso(),
                },
                stdout=subprocess.PIPE,
                text=True,
            )
        else:
            traffic = Traffic(self._run, self._rate * whole, 5_000, 1, CONNECTIONS, "segment_single", people="bg")
            self._load = Load(self._engine.plan(traffic, rate=self._rate, seconds_max=whole))
            self._load.go()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._wrk is not None:
            said, _ = self._wrk.communicate(timeout=self._seconds + 30)
            self.rate_held, self.refused = parse_wrk(said)
        elif self._load is not None:
            sent = self._load.wait()
            self.rate_held, self.refused = round(sent.accepted / sent.seconds, 1), sent.refused + sent.failed


def parse_wrk(said: str) -> tuple[float, int]:
    """Return requests a second, and how many were not answered with 2xx, of wrk's report."""
    rate = re.search(r"Requests/sec:\s*([\d.]+)", said)
    bad = re.search(r"Non-2xx or 3xx responses:\s*(\d+)", said)
    errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", said)
    broken = sum(map(int, errors.groups())) if errors else 0
    return float(rate.group(1)) if rate else 0.0, int(bad.group(1) if bad else 0) + broken
