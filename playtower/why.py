"""``playtower why PLAYER [TEMPLATE]``: prints what ``GET /v1/players/{id}/why`` answers, for a person at a terminal."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.markup import escape

SHOWN_MAX = 8  # decisions and waiting messages
_TONES = {
    "cleared": "green",
    "rerouted": "green",
    "merged": "green",
    "held": "yellow",
    "escalated": "yellow",
    "refused": "red",
}


def print_why(why: Mapping[str, Any], out: Console) -> None:
    """Print what was asked, decided, waits, and what stands in the way now; times are the player's."""
    zone = ZoneInfo(why["timezone"])
    about = f" and {why['template']}" if why["template"] else ""
    out.print(f"[bold]{escape(why['player_id'])}[/bold]{escape(about)}: it is {why['local_time'][11:16]} in {zone.key}")
    for gate in why["gates"]["excluded"]:
        ends = f" until {_time(gate['until'], zone)}" if gate["until"] else " until readmitted"
        out.print(f"  [red]excluded[/red]: {escape(gate['reason'])}{ends}")
    if muted := why["gates"]["muted"]:
        out.print(f"  [red]withdrawn or suppressed[/red]: {escape(', '.join(muted))}")
    for gate in why["gates"]["channels_closed"]:
        out.print(f"  [yellow]{gate['channel']} is closed[/yellow]: {escape(gate['reason'])}")
    _print_asked(why, out)
    _print_decided(why, zone, out)
    _print_waiting(why, zone, out)
    if now := why["now"]:
        out.print(f"Now: {_outcome(now)}{_until(now, zone)}")
        for line in why["in_words"]:
            out.print(f"  {escape(line)}")


def _print_asked(why: Mapping[str, Any], out: Console) -> None:
    asked = why["asked"]
    if not asked:
        out.print("Asked: never, as far as the tower remembers.")
        return
    out.print(f"Asked: {len(asked)} of late")
    for one in asked[:SHOWN_MAX]:
        by = f" by {one['by']}" if one["by"] else ""
        out.print(f"  {escape(one['template'])}{escape(by)}, {one['purpose']}: {_outcome({'outcome': one['latest']})}")


def _print_decided(why: Mapping[str, Any], zone: ZoneInfo, out: Console) -> None:
    if why["decided"]:
        out.print("Decided, the latest first:")
    for one in why["decided"][:SHOWN_MAX]:
        by = f" by {one['channel']}" if one["channel"] else ""
        policy = f" (programme {one['policy_version']})" if one["policy_version"] else ""
        out.print(
            f"  {_time(one['at'], zone)}  {escape(one['template'])} {_outcome(one)}{by}{_until(one, zone)}{policy}"
        )
        for line in one["why"]:
            out.print(f"      {escape(line)}")
        for other in one["alternatives"]:
            reasons = " ".join(other["why"]) or "less suitable"
            out.print(f"      not by {other['channel']}: {escape(reasons)}")


def _print_waiting(why: Mapping[str, Any], zone: ZoneInfo, out: Console) -> None:
    for one in why["waiting"][:SHOWN_MAX]:
        what = "for a person" if one["waits_for_person"] else f"until {_time(one['until'], zone)} at the latest"
        ends = _time(one["expires_at"], zone)
        out.print(f"Waits {what}: {escape(one['template'])}, {', '.join(one['reasons'])}; expires {ends}")
    for one in why["on_its_way"][:SHOWN_MAX]:
        out.print(f"On its way by {one['channel']} since {_time(one['cleared_at'], zone)}: {escape(one['template'])}")


def _outcome(of: Mapping[str, Any]) -> str:
    tone = _TONES.get(of["outcome"], "bold")
    return f"[{tone}]{of['outcome']}[/{tone}]"


def _until(of: Mapping[str, Any], zone: ZoneInfo) -> str:
    return f" until {_time(of['until'], zone)}" if of.get("until") else ""


def _time(at: str | None, zone: ZoneInfo) -> str:
    """Return a time of the API on the player's wall clock."""
    if not at:
        return "?"
    return datetime.fromisoformat(at).astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")
