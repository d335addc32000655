"""Finds the store of a data directory for the audit: the running one, or one started for the time."""

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from playtower.audit import as_json, audit
from store.client import connect
from store.embedded import EmbeddedStore, running_store
from store.identity import StoreMismatch


async def run_audit(data_dir: Path, redis_url: str, console: Console) -> dict[str, Any]:
    """Audit a store; the report as JSON values.

    Raises:
        StoreMismatch: there is no store there.
    """
    if redis_url:
        return await _audit(redis_url, console)
    if url := running_store(data_dir):
        return await _audit(url, console)
    if not (data_dir / "store").is_dir():
        raise StoreMismatch(f"there is no store in {data_dir}; name another --data-dir or a --redis-url")
    store = EmbeddedStore(data_dir)
    store.start()
    try:
        return await _audit(store.url, console)
    finally:
        store.stop()


async def _audit(url: str, console: Console) -> dict[str, Any]:
    redis = connect(url, timeout_s=60)
    try:
        total = 0
        with Progress(console=console, transient=True) as progress:
            task = progress.add_task("folding the logs again", total=None)

            def moved(partition: int, entries: int) -> None:
                nonlocal total
                total += entries
                progress.update(task, completed=total, description=f"partition {partition}: {total:,} entries")

            return as_json(await audit(redis, moved))
    finally:
        await redis.aclose()
