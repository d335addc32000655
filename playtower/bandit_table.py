"""The tables of ``playtower evaluate`` on choices: what draws are worth, and how soon they learn."""

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ml.evaluation.bandit_worlds import WorldReport
from ml.evaluation.bandits import BanditReport
from ml.evaluation.bootstrap import Interval
from playtower.terminal import out


def print_choices(report: BanditReport, width_min: int) -> None:
    """Print one log: all ways to choose beside the best single arm for everybody, then what learning cost."""
    console = Console(width=max(width_min, out.width), highlight=False)
    out.print(f"[italic]choices, {escape(report.name)}: {escape(report.about)}; {report.reward_is}[/italic]")
    table = Table()
    for name in ("learnt from one half, judged on the other", "estimate", "95 %", "over the best single arm"):
        table.add_column(name, no_wrap=True)
    for line in report.lines:
        table.add_row(line.name, _thousand(line.value), _around(line.around), _around(line.over) if line.over else "")
    for other in (report.check, report.checked):
        if other:
            table.add_row(f"[dim]{other.name}[/dim]", _thousand(other.value), _around(other.around), "")
    console.print(table)
    table = Table(title="learning with nothing known at the start, by replay", title_justify="left")
    for name in (
        "",
        "runs",
        "outcomes",
        "mean",
        "95 %",
        "last quarter",
        "all alike",
        "best in hindsight",
        "regret",
        "alike",
    ):
        table.add_column(name, no_wrap=True)
    for one in report.learning:
        known = one.last, one.alike, one.hindsight, one.hindsight - one.value, one.hindsight - one.alike
        table.add_row(
            one.name,
            f"{one.runs}",
            f"{one.outcomes:,}",
            _thousand(one.value),
            _around(one.around),
            *map(_thousand, known),
        )
    console.print(table)
    out.print(
        f"{report.rows:,} rows, {report.rewarded:,} rewarded. Best single arm, by either half: "
        f"{escape(', '.join(report.best_arms))}. Regret: what the best arm, in hindsight, would have got more; "
        "hindsight flatters it. Beside it that of drawing all alike."
    )
    out.print(f"[dim]{escape(report.source)}; {escape(report.licence)}[/dim]\n")


def print_worlds(worlds: Sequence[WorldReport], width_min: int) -> None:
    """Print the simulated worlds."""
    title = "choices, SIMULATED: nothing known at the start, outcomes count three days later; the best single arm is 1"
    table = Table(title=title, title_justify="left", pad_edge=False)
    columns = "alike", "at first", "in all", "95 %", "at last", "each's best"
    held = "arms", "over best", "over holdout", "proven better"
    for name in ("", *columns, *held):
        table.add_column(name, no_wrap=True, min_width=len(name))
    for one in worlds:
        figures = one.uniform, one.first, one.drawn
        between = escape(f"[{one.around.low:.2f} {one.around.high:.2f}]")
        table.add_row(
            one.name,
            *(f"{figure:.2f}" for figure in figures),
            between,
            f"{one.last:.2f}",
            f"{one.each:.2f}",
            *(f"{hits}/{of}" for hits, of in (one.arms_held, one.over_best_held, one.over_holdout_held)),
            f"{one.proven}/{one.worlds}",
        )
    Console(width=max(width_min, out.width), highlight=False).print(table)
    for one in worlds:
        out.print(f"[dim]{one.name}: {escape(one.about)}[/dim]")
    out.print(
        f"{worlds[0].worlds} worlds of a kind, {worlds[0].choices:,} choices in each; alike: all arms drawn alike; at "
        "first and at last: a tenth of the time. Then how many of the report's 95 % intervals held the truth: of arms, "
        "of draws over the best single arm, over the holdout; and in how many worlds choosing was proven better.\n"
    )


def _thousand(share: float) -> str:
    return f"{1000 * share:.1f}"


def _around(interval: Interval) -> str:
    return escape(f"[{1000 * interval.low:.1f} {1000 * interval.high:.1f}]")
