"""Starts Ray for us: on loopback, with a token, small, and ended with us.

Ray 2.60 replaces a node address of 127.0.0.1 by the machine's outer one, and then listens on all interfaces, unless
it is told that it will never be a cluster of several machines (the variable is named for the systems where that is
the default). ``ray stop`` is never used: it ends every Ray on the machine by name.
"""

import hashlib
import logging
import os
import secrets
import shutil
import tempfile
from pathlib import Path
from typing import Any

OBJECT_STORE_BYTES = 80 * 1024 * 1024  # we pass little through it


def prepare(data_dir: Path, address: str) -> None:
    """Set what Ray reads from the environment; must run before ``ray`` is imported anywhere."""
    if not address:
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # loopback only; a test looks at every socket
    token = data_dir / "ray.token"
    if not token.exists():
        data_dir.mkdir(parents=True, exist_ok=True)
        token.touch(mode=0o600)
        token.write_text(secrets.token_hex(32), encoding="ascii")
    os.environ.setdefault("RAY_AUTH_MODE", "token")
    os.environ.setdefault("RAY_AUTH_TOKEN_PATH", str(token.absolute()))
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_worker_niceness", "0")  # 15 by default: hosts starved beside a busy gateway
    os.environ.setdefault("RAY_DEDUP_LOGS", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")


def start(data_dir: Path, address: str, namespace: str) -> Any:
    """Start a local Ray, or join the one at ``address``; the ``ray`` module."""
    import ray

    logging.getLogger("ray").setLevel(logging.ERROR)  # worker deaths are the director's to report
    if address:
        ray.init(address=address, namespace=namespace, log_to_driver=False)
        return ray
    ray.init(
        namespace=namespace,
        include_dashboard=False,
        log_to_driver=False,
        configure_logging=False,
        num_cpus=max(2, os.cpu_count() or 2),
        object_store_memory=OBJECT_STORE_BYTES,
        _node_ip_address="127.0.0.1",
        _temp_dir=str(temp_dir(data_dir)),
    )
    return ray


def temp_dir(data_dir: Path) -> Path:
    """Return a short directory of this data directory's own: Ray's sockets allow 107 bytes."""
    name = hashlib.blake2b(os.fsencode(data_dir.absolute()), digest_size=6).hexdigest()
    return Path(tempfile.gettempdir()) / f"playtower-ray-{os.getuid()}-{name}"


def tidy(data_dir: Path) -> None:
    """Remove what earlier runs over the same data directory left; sessions pile up otherwise."""
    shutil.rmtree(temp_dir(data_dir), ignore_errors=True)
