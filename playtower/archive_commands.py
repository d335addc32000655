"""``playtower archive ...`` and ``playtower segments ...``: what is asked of the archive by hand."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from playtower.terminal import ArchiveDir, DataDir, Json, RedisUrl, err, fail, guarded, out, print_json

archive_app = typer.Typer(help="The Parquet archive: write it now, look at it, ask it in SQL.", no_args_is_help=True)
segments_app = typer.Typer(help="Segments, evaluated over the archive.", no_args_is_help=True)


def root_of(data_dir: Path | None, archive_dir: Path | None) -> Path:
    """Return where the archive is: as named, else below the data directory."""
    return archive_dir or (data_dir or Path("data")) / "archive"


@archive_app.command("now")
def now_command(
    data_dir: DataDir = None,
    redis_url: RedisUrl = None,
    archive_dir: ArchiveDir = None,
    retention: Annotated[
        str,
        typer.Option(help="Let the store go of days older than that (0: of nothing). A running engine uses its own."),
    ] = "0",
    as_json: Json = False,
) -> None:
    """Archive everything that is committed, now. Works beside a running engine and without one."""
    from domain.durations import duration_s
    from playtower.archiving import archive_now

    try:
        retention_s = 0 if retention == "0" else duration_s(int(retention) if retention.isdigit() else retention)
    except ValueError as error:
        raise fail(f"--retention: {error}", 2) from error
    root = root_of(data_dir, archive_dir)
    status = guarded(archive_now(data_dir or Path("data"), redis_url or "", root, err, retention_s))
    out.print(f"{status['archived']:,} entries archived")
    _print_status(status)
    print_json(as_json, status)


@archive_app.command("status")
def status_command(
    data_dir: DataDir = None, redis_url: RedisUrl = None, archive_dir: ArchiveDir = None, as_json: Json = False
) -> None:
    """Show how far the archive is behind, and what it holds."""
    from playtower.archiving import archive_status

    status = guarded(archive_status(data_dir or Path("data"), redis_url or "", root_of(data_dir, archive_dir)))
    _print_status(status)
    print_json(as_json, status)


@archive_app.command("query")
def query_command(
    sql: Annotated[str, typer.Argument(help="One SELECT over events, effects, decisions, journey_steps or log.")],
    data_dir: DataDir = None,
    archive_dir: ArchiveDir = None,
    limit: Annotated[int, typer.Option(help="Most rows shown.", min=1, max=100_000)] = 1_000,
    as_json: Json = False,
) -> None:
    """Ask the archive in SQL (DuckDB). Times are UTC."""
    from store.archive.query import QueryError, query

    try:
        answer = query(root_of(data_dir, archive_dir), sql, limit=limit)
    except QueryError as error:
        raise fail(str(error)) from error
    if as_json:
        rows = [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]
        print_json(True, {"columns": answer.columns, "rows": rows, "more": answer.more})
        return
    table = Table(*answer.columns)
    for row in answer.rows:
        table.add_row(*("" if value is None else str(value) for value in row))
    out.print(table)
    more = f"; there are more, --limit shows up to {limit:,}" if answer.more else ""
    err.print(f"{len(answer.rows):,} row{'' if len(answer.rows) == 1 else 's'}{more}")


@segments_app.command("evaluate")
def evaluate_command(
    segment: Annotated[str | None, typer.Argument(help="Id of one segment; none: all.")] = None,
    at: Annotated[str | None, typer.Option(help="As of this time, ISO 8601 (none: now).")] = None,
    compare: Annotated[bool, typer.Option("--compare", help="Compare with who is in it, live.")] = False,
    programme: Annotated[
        Path | None,
        typer.Option(help="Evaluate the segments of this folder instead of the live ones.", file_okay=False),
    ] = None,
    data_dir: DataDir = None,
    redis_url: RedisUrl = None,
    archive_dir: ArchiveDir = None,
    as_json: Json = False,
) -> None:
    """Evaluate segments over the archive alone: who was in them at a time. Exit 1 when ``--compare`` differs."""
    from playtower.bulk import evaluate_segments

    report: dict[str, Any] = guarded(
        evaluate_segments(
            data_dir or Path("data"), redis_url or "", root_of(data_dir, archive_dir), err,
            segment=segment, at=at, compare=compare, programme=programme,
        )
    )  # fmt: skip
    table = Table("segment", "members", *(["live", "only here", "only live"] if compare else []))
    for found in report["segments"]:
        counts = [found.get(name, "") for name in ("live", "only_archive_count", "only_live_count")] if compare else []
        members = f"{found['members_count']:,}" if "members_count" in found else f"[yellow]{found['refused']}[/yellow]"
        table.add_row(found["id"], members, *map(str, counts))
    out.print(table)
    for line in report["notes"]:
        out.print(f"[yellow]{line}[/yellow]")
    out.print(f"{report['players']:,} players as of {report['at']}, in {report['seconds']:.1f} s")
    print_json(as_json, report)
    raise typer.Exit(0 if report["ok"] else 1)


def _print_status(status: dict[str, Any]) -> None:
    table = Table("kind", "files", "MB", title=f"{status['directory']}", title_justify="left")
    for kind, held in status["kinds"].items():
        table.add_row(kind, f"{held['files']:,}", f"{held['bytes'] / 1e6:,.1f}")
    out.print(table)
    days = f"{status['first_day']} to {status['last_day']}" if status["first_day"] else "no day yet"
    late = f", the oldest for {status['oldest_waiting_s']:,} s" if status["waiting"] else ""
    out.print(f"{days}; {status['archived_entries']:,} entries archived, {status['waiting']:,} wait{late}")
    if status["set_aside"]:
        out.print(
            f"[yellow]{status['set_aside']} files are set aside: the archive was ahead of the store, which was "
            "probably restored from an older copy[/yellow]"
        )
