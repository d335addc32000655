"""The audit of a data directory's store, with progress: of the running one, or one started for the time."""

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from playtower.audit import as_json, audit
from playtower.stores import opened_store


async def run_audit(data_dir: Path, redis_url: str, console: Console, archive: Path | None = None) -> dict[str, Any]:
    """Audit a store and its archive; the report as JSON values.

    Raises:
        StoreMismatch: there is no store there.
    """
    async with opened_store(data_dir, redis_url) as redis:
        total = 0
        with Progress(console=console, transient=True) as progress:
            task = progress.add_task("folding the logs again", total=None)

            def moved(partition: int, entries: int) -> None:
                nonlocal total
                total += entries
                progress.update(task, completed=total, description=f"partition {partition}: {total:,} entries")

            return as_json(await audit(redis, moved, archive=archive or data_dir / "archive"))
