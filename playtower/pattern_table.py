"""The table of ``playtower evaluate`` on habits: how soon a change is seen, how often none is called one."""

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ml.evaluation.patterns import BY_DAYS, PatternReport
from playtower.terminal import out


def print_patterns(report: PatternReport, width_min: int) -> None:
    """Print all detectors; the first row of each is the control, with nothing planted."""
    table = Table(title="patterns: changed habits, planted in real sessions", title_justify="left", pad_edge=False)
    for name in ("", "false alarms", "planted", *(f"day {days}" for days in BY_DAYS), "median"):
        table.add_column(name, no_wrap=True)
    for line in report.lines:
        rate, around = line.false_per_1000, line.false_interval
        for place, seen in enumerate(line.seen):
            about = [escape(line.detector), f"{rate:.1f} [dim]\\[{around.low:.0f} {around.high:.0f}][/dim]"]
            delay = "never" if seen.delay_days is None else f"{seen.delay_days:.0f} d"
            shares = (f"{seen.by[days]:.0%}" for days in BY_DAYS)
            table.add_row(*(about if not place else ["", ""]), seen.planted, *shares, delay)
    Console(width=max(width_min, out.width), highlight=False).print(table)
    low, middle, high = report.spread
    out.print(
        "False alarms are those in 1,000 days on which somebody played, in the log as it is. Then the share of players "
        "told of by a day they played on, that of the change being day 1, and the median delay."
    )
    out.print(
        f"{report.players:,} players, {report.sessions:,} sessions, {report.days:,} days. Deviation of a player's "
        f"log session length: quartiles {low:.2f} {middle:.2f} {high:.2f}; of {report.erratic:.0%} one tells nothing."
    )
    out.print(f"[dim]{escape(report.source)}; {escape(report.licence)}[/dim]\n")
