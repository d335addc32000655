"""A whole engine for tests: ``playtower serve`` as its users start it, on a free port, over its own data directory."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

ADMIN = "admin-key-of-the-tests-0123456789abcdef"
READY_WITHIN_S = 90.0


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Engine:
    """A running process tree."""

    data_dir: Path
    options: tuple[str, ...] = ()
    port: int = field(default_factory=free_port)
    variables: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return self.data_dir.parent / f"{self.data_dir.name}.log"

    def start(self) -> "Engine":
        command = [sys.executable, "-m", "playtower.cli", "serve", "--data-dir", str(self.data_dir)]
        environment = os.environ | {"PLAYTOWER_ADMIN_KEY": ADMIN} | self.variables
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [*command, "--port", str(self.port), *self.options], env=environment, stdout=output, stderr=output
            )
        try:
            self.wait_for(self._is_ready, "ready", READY_WITHIN_S)
        except AssertionError:
            self.stop()
            raise
        return self

    def stop(self) -> int:
        """Interrupt it as ctrl-C does; its exit status."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    def http(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {ADMIN}"}, timeout=15)

    def publish(self, documents: dict[str, dict[str, Any]]) -> None:
        with self.http() as http:
            for kind, named in documents.items():
                for name, document in named.items():
                    http.put(f"/v1/config/{kind}/{name}", json=document).raise_for_status()
            http.post("/v1/programme/publish", json={}).raise_for_status()

    def status(self) -> dict[str, Any]:
        with self.http() as http:
            answer: dict[str, Any] = http.get("/v1/status").raise_for_status().json()
            return answer

    def audit(self) -> dict[str, Any]:
        done = subprocess.run(
            [sys.executable, "-m", "playtower.cli", "audit", "--data-dir", str(self.data_dir), "--json"],
            capture_output=True, text=True, check=False, timeout=280,
        )  # fmt: skip
        assert done.stdout, done.stderr
        report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return report

    def drained(self) -> None:
        """Wait until every entry was applied, by the players and by the tower."""
        self.wait_for(lambda: sum(p["backlog"] for p in self.status()["partitions"]) == 0, "an empty backlog", 60)

    def wait_for(self, condition: Any, what: str, timeout_s: float = 30.0) -> None:
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if self.process is not None and self.process.poll() is not None:
                raise AssertionError(f"the engine ended with {self.process.returncode}:\n{self._tail()}")
            try:
                if condition():
                    return
            except (httpx.TransportError, httpx.HTTPStatusError, KeyError):
                pass  # not yet
            time.sleep(0.05)
        raise AssertionError(f"waited {timeout_s:.0f} s for {what}; its log ends:\n{self._tail()}")

    def pids(self, word: str) -> list[int]:
        """Return the processes of this tree whose command line holds the word."""
        assert self.process is not None
        return [pid for pid in descendants(self.process.pid) if word in command_of(pid)]

    def _is_ready(self) -> bool:
        return b"ready" in self.log.read_bytes() and httpx.get(f"{self.url}/readyz").status_code == 200

    def _tail(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-25:])


def descendants(pid: int) -> list[int]:
    """Return all processes below a process."""
    below = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = [int(child) for child in task.read_text().split()]
        except OSError:
            continue
        for child in children:
            below += [child, *descendants(child)]
    return below


def command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def listening(pid: int) -> set[str]:
    """Return the local addresses ("hex:port" of the kernel's tables) that a process listens on."""
    inodes = set()
    for link in Path(f"/proc/{pid}/fd").glob("*"):
        try:
            target = os.readlink(link)
        except OSError:
            continue
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    found = set()
    for table in ("tcp", "tcp6"):
        for row in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            columns = row.split()
            if columns[3] == "0A" and columns[9] in inodes:
                found.add(columns[1])
    return found
