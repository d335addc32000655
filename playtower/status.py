"""Prints what ``GET /v1/status`` answers, for a person at a terminal."""

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

GROUPS_SHOWN = 8


def print_status(status: dict[str, Any], out: Console) -> None:
    """Print hosts, partitions, the model and alarms, channels, and how many players are in segments and journeys."""
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
    _print_model(status, out)
    _print_channels(status, out)
    for what in ("segments", "journeys"):
        if counts := status.get(what):
            out.print(f"{what}: {_largest(counts)}")
    if walks := status.get("walks"):
        out.print(f"{walks} of the partitions are visiting their players for a new segment, journey or campaign")


def _print_model(status: dict[str, Any], out: Console) -> None:
    """Print which model scores, and what is unlike any week."""
    if (model := status.get("model")) is not None:
        name = f"version {model['version']}" if model["version"] else "the one that ships with the package"
        note = "" if model["usable"] else ", [red]which this release cannot use[/red]: train and publish again"
        out.print(f"model: {name} in {model['passed']} of {model['of']} partitions{note}")
    if (watch := status.get("watch")) is None:
        return
    if not watch["watching"]:
        out.print("[yellow]nobody watches the volumes of events[/yellow]")
    for line in watch["alarms"]:
        out.print(f"[red]unlike any week[/red]: {escape(line)}")
    if watch["drifted"]:
        out.print(f"[yellow]drift[/yellow]: {', '.join(watch['drifted'])}: players unlike those the model knows")
    if watch["scores_off"]:
        out.print(f"[yellow]off on average[/yellow]: {', '.join(watch['scores_off'])}")


def _print_channels(status: dict[str, Any], out: Console) -> None:
    """Print the channels outside: what waits, what became of messages, and each provider's circuit breaker."""
    channels = [channel for channel in status.get("channels", []) if channel["channel"] != "in_app"]
    if not channels:
        return
    if not any(host["lane"] == "channels" for host in status.get("hosts", [])):
        out.print("[yellow]no couriers[/yellow]: messages for channels outside wait")
    table = Table(
        "channel", "state", "waiting", "in flight", "landed", "providers", title="Channels", title_justify="left"
    )
    for channel in channels:
        reason = f" ({channel['reason']})" if channel.get("reason") else ""
        waiting = channel.get("waiting", {})
        landed = channel.get("landings", {})
        table.add_row(
            channel["channel"],
            f"{channel['state']}{reason}",
            f"{waiting.get('urgent', 0):,} urgent, {waiting.get('bulk', 0):,} bulk",
            f"{channel.get('in_flight', 0):,}",
            ", ".join(f"{word} {count:,}" for word, count in sorted(landed.items())) or "nothing yet",
            ", ".join(_provider(connector) for connector in channel.get("connectors", ())) or "none",
        )
    out.print(table)


def _provider(connector: dict[str, Any]) -> str:
    """Return a connector and how it does: a closed breaker is the good one."""
    if connector.get("error"):
        return f"{connector['id']} [red]unusable: {escape(connector['error'])}[/red]"
    words = {"closed": "works", "open": "[red]left alone[/red]", "half_open": "[yellow]being tried[/yellow]"}
    return f"{connector['id']} {words.get(connector['state'], connector['state'])}"


def _largest(counts: dict[str, int]) -> str:
    """Return the largest of the groups with how many players are in each, and how many others there are."""
    order = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    shown = ", ".join(f"{name} {players:,}" for name, players in order[:GROUPS_SHOWN])
    more = len(order) - GROUPS_SHOWN
    return f"{shown} and {more} more" if more > 0 else shown
