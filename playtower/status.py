"""Prints what ``GET /v1/status`` answers, for a person at a terminal."""

from typing import Any

from rich.console import Console
from rich.table import Table

GROUPS_SHOWN = 8


def print_status(status: dict[str, Any], out: Console) -> None:
    """Print hosts, partitions, dedicated players, and how many players are in segments and journeys."""
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
    for what in ("segments", "journeys"):
        if counts := status.get(what):
            out.print(f"{what}: {_largest(counts)}")
    if walks := status.get("walks"):
        out.print(f"{walks} of the partitions are visiting their players for a new segment, journey or campaign")


def _largest(counts: dict[str, int]) -> str:
    """Return the largest of the groups with how many players are in each, and how many others there are."""
    order = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    shown = ", ".join(f"{name} {players:,}" for name, players in order[:GROUPS_SHOWN])
    more = len(order) - GROUPS_SHOWN
    return f"{shown} and {more} more" if more > 0 else shown
