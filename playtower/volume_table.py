"""The table of ``playtower evaluate`` on volumes: how soon a stop is told, how often nothing had stopped."""

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ml.evaluation.volumes import BY_HOURS, VolumeReport
from playtower.terminal import out


def print_volumes(reports: Sequence[VolumeReport], width_min: int) -> None:
    """Print all stretches; the first row of each is the control, with nothing planted."""
    table = Table(title="volumes: stops and surges, planted in real plays", title_justify="left", pad_edge=False)
    for name in ("events an hour", "false a month", "planted", *(f"{by} h" for by in BY_HOURS), "median", "missing"):
        table.add_column(name, no_wrap=True)
    for report in reports:
        around = report.false_interval
        false = f"{report.false_a_month:.2f} [dim]\\[{around.low:.2f} {around.high:.2f}][/dim]"
        for place, seen in enumerate(report.seen):
            about = [f"{report.an_hour:,.0f}", false] if not place else ["", ""]
            shares = (f"{seen.by[by]:.0%}" for by in BY_HOURS)
            median = "never" if seen.median_hours is None else f"{seen.median_hours:.1f} h"
            missing = "" if seen.events_due is None else f"{seen.events_due:,.0f}"
            table.add_row(*about, seen.planted, *shares, median, missing)
    Console(width=max(width_min, out.width), highlight=False).print(table)
    out.print(
        "False alarms are those in 30 days of one event's log as it is, for 95 % of resampled weeks. Then the share of "
        "planted faults told of within so many hours, the median, and the events that had not come by then."
    )
    weeks = ", ".join(f"{report.weeks:.0f}" for report in reports)
    out.print(f"Weeks judged: {weeks}; the busier ones are stretches of the log laid over each other.")
    out.print(f"[dim]{escape(reports[0].source)}; {escape(reports[0].licence)}[/dim]\n")
