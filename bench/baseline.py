"""Starts a baseline application (``bare_app``, ``rival_lua``) with a store of its own: same binary, same durability."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Self

import redis

from bench import processes
from bench.engine_process import NotUp, free_port
from bench.options import Options
from store.embedded import EmbeddedStore

READY_WITHIN_S = 20.0


class Baseline:
    """One uvicorn worker and one store."""

    def __init__(self, module: str, options: Options) -> None:
        self._module = module
        self.port = free_port()
        self._dir = Path(tempfile.mkdtemp(prefix="ptb-"))
        self._store = EmbeddedStore(self._dir, durability=options.durability, maxmemory_mb=2_000)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            self._store.start()
            self.redis = redis.Redis(unix_socket_path=self._store.url.removeprefix("unix://"), socket_timeout=10)
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "uvicorn", f"bench.{self._module}:app", "--port", str(self.port)),
                    *("--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"),
                ],
                env=os.environ | {"BENCH_REDIS_URL": self._store.url},
                cwd=Path(__file__).parent.parent,
                stdout=subprocess.DEVNULL,
            )
            self._wait_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End the worker and the store, remove the data."""
        if self._process is not None:
            processes.end([self._process.pid])
            self._process.wait()
            self._process = None
        self._store.stop()
        shutil.rmtree(self._dir, ignore_errors=True)

    def cpu(self) -> float:
        """Return CPU seconds of worker and store so far."""
        assert self._process is not None
        return processes.cpu_s([self._process.pid, self._store.pid])

    def _wait_ready(self) -> None:
        assert self._process is not None
        until = time.monotonic() + READY_WITHIN_S
        while time.monotonic() < until and self._process.poll() is None:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=1).close()
            except (urllib.error.URLError, OSError):
                time.sleep(0.05)
            else:
                return
        raise NotUp(f"{self._module} did not come up")
