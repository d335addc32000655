"""Prints what ``GET /v1/status`` answers, for a person at a terminal."""

from typing import Any

from rich.console import Console
from rich.table import Table


def print_status(status: dict[str, Any], out: Console) -> None:
    """Print hosts, partitions and dedicated players."""
    table = Table("host", "role", "pid", "partitions", "players", "events", title="Hosts", title_justify="left")
    for host in status.get("hosts", []):
        table.add_row(
            host["name"], host["lane"], str(host["pid"]), str(len(host["partitions"])), str(host["players"]),
            f"{host['entries']:,}",
        )  # fmt: skip
    out.print(table)
    dedicated = {player: pid for host in status.get("hosts", []) for player, pid in host.get("dedicated", {}).items()}
    for player, pid in sorted(dedicated.items()):
        out.print(f"player {player} lives in a process of its own, pid {pid}")
    partitions = status.get("partitions", [])
    backlog = sum(partition.get("backlog", 0) for partition in partitions)
    stopped = [partition for partition in partitions if partition.get("stopped")]
    out.print(f"{len(partitions)} partitions, {backlog} entries waiting, {status.get('durability', '?')} durability")
    for partition in stopped:
        out.print(f"[red]partition {partition['partition']} is stopped[/red]: {partition['stopped']}")
