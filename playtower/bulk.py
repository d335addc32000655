"""``playtower segments evaluate``: members of segments from the archive alone, and beside who is in them live."""

import asyncio
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from rich.console import Console
from rich.progress import Progress

from actors.programme import Programme, compile_programme
from domain.calendar import as_datetime, as_ms
from domain.errors import BadRequest, NotFound
from playtower.archiving import identity_of
from playtower.programme_files import read_programme
from playtower.stores import opened_store
from store.archive.query import QueryError
from store.archive.source import Reached, Source
from store.bulk_segments import Documents, Members, Question, members_at, question
from store.identity import Identity
from store.keys import PLAYERS, group
from store.programmes import Programmes

LISTED_MAX = 20  # differences of one segment
MEMBERS_MAX = 1_000  # of one segment in the JSON
_PAGE = 5_000


class _Compared:
    """One segment: here, live, and how they differ."""

    def __init__(self) -> None:
        self.members: list[str] = []
        self.live = 0
        self.only_archive: list[str] = []
        self.only_live: list[str] = []


async def evaluate_segments(
    data_dir: Path,
    redis_url: str,
    root: Path,
    console: Console,
    *,
    segment: str | None = None,
    at: str | None = None,
    compare: bool = False,
    programme: Path | None = None,
) -> dict[str, Any]:
    """Evaluate segments over the archive; the report as JSON values.

    Args:
        at: ISO 8601; none: now, which in a store with ``clock: log`` is each partition's own last moment.
        programme: A folder to evaluate instead of what is live; its metrics count every event there ever was.

    Raises:
        BadRequest: what was asked for makes no sense, or the archive cannot answer.
        NotFound: there is no such segment.
    """
    if compare and programme:
        raise BadRequest("--compare goes with the live programme: nobody is in segments that never ran")
    if compare and at:
        raise BadRequest("--compare goes without --at: who is in a segment live is known for now only")
    moment = None if at is None else _moment(at)
    began = time.monotonic()
    async with opened_store(data_dir, redis_url) as redis:
        identity = await identity_of(redis)
        asked, versions, version = await _asked(redis, programme, segment)
        reached = {r.partition: r for r in await Source(redis, identity.partitions).reached() if r.lane is PLAYERS}
        now = await Source(redis, identity.partitions).now_ms()
        found = {name: _Compared() for name in asked.conditions}
        players = unknown = latest = 0
        with Progress(console=console, transient=True) as progress:
            task = progress.add_task("evaluating", total=identity.partitions)
            for p in range(identity.partitions):
                when = moment if moment is not None else _now(identity, reached[p], now)
                latest = max(latest, when)
                try:
                    here = await asyncio.to_thread(members_at, root, p, asked, when, versions=versions)
                except QueryError as error:
                    raise BadRequest(str(error)) from error
                players, unknown = players + here.players, unknown + len(here.unknown)
                for name in asked.conditions:
                    live = await _live(redis, p, name) if compare else set()
                    _add(found[name], here, live, name)
                progress.advance(task)
    late = sum(r.waiting for r in reached.values())
    shown = [_shown(name, found[name], compare) for name in asked.conditions if segment in (None, name)]
    shown += [{"id": name, "refused": why} for name, why in asked.refused.items() if segment in (None, name)]
    return {
        "ok": not any(s.get("only_archive_count") or s.get("only_live_count") or "refused" in s for s in shown),
        "at": as_datetime(latest).astimezone(UTC).isoformat(),
        "programme": version,
        "players": players,
        "seconds": time.monotonic() - began,
        "segments": shown,
        "notes": _notes(late, unknown),
    }


async def _asked(
    redis: Redis, folder: Path | None, segment: str | None
) -> tuple[Question, dict[int, Documents] | None, int]:
    """Return what to evaluate, the documents of every version when that matters, and the version."""
    programmes = Programmes(redis)
    version, documents = await programmes.current()
    versions: dict[int, Documents] | None = None
    if folder is not None:
        version, documents = 0, read_programme(folder)
    else:
        versions = {v: await programmes.content(v) or {} for v in range(1, version + 1)}
    compiled: Programme = compile_programme(version, documents)
    rules = compiled.crm.segments
    if segment is not None and segment not in rules.conditions:
        known = ", ".join(sorted(rules.conditions)) or "none"
        raise NotFound(f"there is no segment {segment!r}; there are: {known}")
    return question(rules, compiled.rules.metrics, documents, [segment] if segment else ()), versions, version


async def _live(redis: Any, partition: int, segment: str) -> set[str]:
    """Read the live index of a segment's members."""
    found: set[str] = set()
    start = 0
    while page := await redis.zrange(group(partition, f"segments/{segment}"), start, start + _PAGE - 1):
        found.update(player.decode() for player in page)
        start += len(page)
    return found


def _add(found: _Compared, here: Members, live: set[str], name: str) -> None:
    members = here.members[name]
    found.members += sorted(members)
    found.live += len(live)
    found.only_archive += sorted(members - live)
    found.only_live += sorted(live - members - here.unknown)


def _shown(name: str, found: _Compared, compare: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": name,
        "members_count": len(found.members),
        "members": found.members[:MEMBERS_MAX],
    }
    if compare:
        shown |= {
            "live": found.live,
            "only_archive_count": len(found.only_archive),
            "only_archive": found.only_archive[:LISTED_MAX],
            "only_live_count": len(found.only_live),
            "only_live": found.only_live[:LISTED_MAX],
        }
    return shown


def _notes(late: int, unknown: int) -> list[str]:
    notes = []
    if late:
        notes.append(f"the archive lacks {late:,} committed entries; `playtower archive now` adds them")
    if unknown:
        notes.append(
            f"{unknown:,} players are left out: other profiles joined theirs or they moved, and the archive's events "
            "do not say how the profiles were joined"
        )
    return notes


def _now(identity: Identity, reached: Reached, now: int) -> int:
    return reached.at if identity.clock == "log" else now


def _moment(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadRequest(f"--at: expected a time such as 2026-11-22T09:00:00Z, got {text!r}") from error
    return as_ms(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
