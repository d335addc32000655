"""The archive from the command line: archive now, and how it stands."""

import asyncio
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from actors.archivist import Archivist
from actors.clock import new_id
from playtower.stores import opened_store
from store.archive.files import ASIDE, KINDS, ArchiveBusy, counting, listed
from store.archive.source import Source
from store.identity import Identity, StoreMismatch, read_identity

ANSWER_WITHIN_S = 900.0
LOOK_EVERY_S = 0.5


async def archive_now(data_dir: Path, redis_url: str, root: Path, console: Console, retention_s: int) -> dict[str, Any]:
    """Archive everything that is committed: by the running engine's archivist if there is one, else here.

    Raises:
        StoreMismatch: there is no store there.
        TimeoutError: the running archivist did not finish in time.
    """
    async with opened_store(data_dir, redis_url) as redis:
        identity = await identity_of(redis)
        source = Source(redis, identity.partitions)
        with Progress(console=console, transient=True) as progress:
            waiting = sum(at.waiting for at in await source.reached())
            task = progress.add_task("archiving", total=waiting)
            archivist = Archivist(
                redis, root, name=f"once/{new_id()}", partitions=identity.partitions, clock=identity.clock,
                retention_ms=retention_s * 1000,
            )  # fmt: skip
            archivist.on_pass = lambda entries: progress.advance(task, entries)
            try:
                await archivist.round(everything=True)
            except ArchiveBusy:
                await _asked(source, lambda left: progress.update(task, completed=max(0, waiting - left)))
            finally:
                archivist.close()
        return await status_of(source, root) | {"archived": waiting, "trimmed_now": archivist.tally.trimmed}


async def archive_status(data_dir: Path, redis_url: str, root: Path) -> dict[str, Any]:
    """Return how far the archive is behind the store, and what it holds."""
    async with opened_store(data_dir, redis_url) as redis:
        return await status_of(Source(redis, (await identity_of(redis)).partitions), root)


async def status_of(source: Source, root: Path) -> dict[str, Any]:
    """Return the object of ``playtower archive status --json``."""
    reached = await source.reached()
    behind = [at for at in reached if at.waiting]
    oldest = [at for at in await source.oldest(behind) if at] if behind else []
    files = counting(listed(root))
    kinds = {}
    for kind in KINDS:
        its = [file for file in files if file.kind == kind]
        kinds[kind] = {"files": len(its), "bytes": sum((root / file.path).stat().st_size for file in its)}
    days = sorted({file.day for file in files})
    return {
        "directory": str(root),
        "waiting": sum(at.waiting for at in behind),
        "oldest_waiting_s": round((await source.now_ms() - min(oldest)) / 1000) if oldest else 0,
        "archived_entries": sum(at.archived for at in reached),
        "first_day": days[0] if days else None,
        "last_day": days[-1] if days else None,
        "files": len(files),
        "bytes": sum(kind["bytes"] for kind in kinds.values()),
        "kinds": kinds,
        "set_aside": len(list((root / ASIDE).rglob("*.parquet"))) if (root / ASIDE).is_dir() else 0,
        "partitions": [
            {"partition": at.partition, "lane": at.lane.name, "cursor": at.cursor, "committed": at.committed,
             "waiting": at.waiting, "trimmed": at.trimmed}
            for at in reached
        ],
    }  # fmt: skip


async def identity_of(redis: Any) -> Identity:
    """Return the store's identity.

    Raises:
        StoreMismatch: nothing was ever stored there.
    """
    identity = await read_identity(redis)
    if identity is None:
        raise StoreMismatch("the store is empty: no engine ever ran over it")
    return identity


async def _asked(source: Source, moved: Any) -> None:
    """Have the running archivist do it, and wait."""
    who = new_id()
    await source.ask(who)
    for _ in range(int(ANSWER_WITHIN_S / LOOK_EVERY_S)):
        if await source.asked() != who:
            return
        moved(sum(at.waiting for at in await source.reached()))
        await asyncio.sleep(LOOK_EVERY_S)
    raise TimeoutError(f"the running archivist did not finish within {ANSWER_WITHIN_S:.0f} s")
