"""``playtower evaluate``: the net beside everything simpler, on the same rows, in the same run."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from msgspec import to_builtins
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from playtower.terminal import Json, err, fail, need_extra_train, out, print_json

if TYPE_CHECKING:
    from ml.evaluation.bootstrap import Interval
    from ml.evaluation.report import Line, TaskReport

WIDTH_MIN = 144  # of a table, also where there is no terminal to be as wide as
_FIGURES = {
    "roc_auc": "ROC-AUC",
    "pr_auc_gone": "PR-AUC gone",
    "pr_auc_stays": "PR-AUC stays",
    "brier": "Brier",
    "brier_skill": "Brier skill",
    "ece": "ECE",
    "lift": "lift 10 %",
}


def evaluate(
    data: Annotated[
        Path | None,
        typer.Option(
            help="A folder with sets that do not ship: CDNOW_master.txt, plays.csv.gz, hillstrom.csv.gz.",
            file_okay=False,
        ),
    ] = None,
    draws: Annotated[int, typer.Option(help="Resamplings of the players, for the intervals.", min=20, max=5_000)] = 300,
    as_json: Json = False,
) -> None:
    """Judge the models on real logs, each beside a constant, simple rules, logistic regression and boosted trees."""
    need_extra_train()
    if data is not None and not data.is_dir():
        raise fail(f"--data: expected a folder, got {data}", 2)
    from ml.evaluation import report, tasks
    from ml.evaluation.contenders import contenders

    makers = list(tasks.shipped())
    absent: list[str] = []
    if data is not None:
        more, absent = tasks.at_hand(data)
        makers += more
    with err.status("replaying and fitting"):
        reports = report.run(makers, contenders, print_report, draws)
    out.print("Below each figure: 95 % of resampled players. Below accuracy: what it adds to the constant beside it.\n")
    habits = _patterns(data, draws, absent)
    alarms = _volumes(data, draws, absent)
    values = _values(data, draws, absent)
    tones = _tone(data, absent)
    embedded = _tone_embedded(data)
    choices = _choices(data, draws, absent)
    for sentence in absent:
        err.print(f"[yellow]left out[/yellow] {escape(sentence)}")
    answer: dict[str, Any] = {
        "tasks": [report.as_json(one) for one in reports],
        "patterns": habits,
        "volumes": alarms,
        "values": values,
        "tone": tones,
        "tone_embedded": embedded,
        "choices": choices,
        "left_out": absent,
        "draws": draws,
        "seed": report.SEED,
        "aims_met": all(aim.met for one in reports for aim in one.aims),
    }
    print_json(as_json, answer)


def _patterns(data: Path | None, draws: int, absent: list[str]) -> dict[str, Any] | None:
    """Judge the detectors of changed habits where there are plays to judge them on; else say why not in ``absent``."""
    from ml.evaluation import patterns
    from playtower.pattern_table import print_patterns

    habits = patterns.judge_folder(data, draws)
    if isinstance(habits, str):
        if data is not None:
            absent.append(habits)
        return None
    print_patterns(habits, WIDTH_MIN)
    told: dict[str, Any] = to_builtins(habits, str_keys=True)
    return told


def _volumes(data: Path | None, draws: int, absent: list[str]) -> list[dict[str, Any]] | None:
    """Judge the alarms about volumes where there are plays to judge them on; else say why not in ``absent``."""
    from ml.evaluation import volumes
    from playtower.volume_table import print_volumes

    found = volumes.judge_folder(data, draws)
    if isinstance(found, str):
        if data is not None:
            absent.append(found)
        return None
    print_volumes(found, WIDTH_MIN)
    told: list[dict[str, Any]] = to_builtins(found, str_keys=True)
    return told


def _values(data: Path | None, draws: int, absent: list[str]) -> list[dict[str, Any]]:
    """Judge what the next 90 days bring, and when the next payment comes; why a set cannot be judged is ``absent``."""
    from ml.evaluation import lifetime, report
    from ml.lifetime import LTV_DAYS

    out.print(f"what the next {LTV_DAYS} days bring, and when the next payment comes")
    found = []
    for make in lifetime.tasks(data, draws):
        judged = make()
        if isinstance(judged, str):
            absent.append(judged)
            continue
        for line in lifetime.as_text(judged):
            out.print(line, markup=False)
        found.append(report.as_json(judged))
    out.print()
    return found


def _tone(data: Path | None, absent: list[str]) -> list[dict[str, Any]]:
    """Judge the tone of texts: on the support lines that ship, and on the public sets that the folder holds."""
    from ml.data import HERE
    from ml.evaluation import tone
    from ml.training.tone_sets import SOURCES, path_of

    folder = HERE if data is None else data  # the package's own folder has none of the public sets
    rows = tone.judge_folder(folder)
    out.print("tone of texts: angry or pleased")
    for line in tone.as_text(rows):
        out.print(line, markup=False)
    if data is not None:
        absent += [
            f"tone: expected {one.file} in {data} ({one.terms})" for one in SOURCES if not path_of(one, data).exists()
        ]
    return tone.as_json(rows)


def _tone_embedded(data: Path | None) -> dict[str, list[dict[str, Any]]] | None:
    """Judge the reading by sentence embeddings beside that of the turn, on the same texts; None without the extra."""
    from ml.data import HERE
    from ml.evaluation import tone

    if (read := tone.embedded_reader()) is None:
        return None
    folder = HERE if data is None else data
    found = {
        "in_turn": tone.judge_folder(folder, most=tone.EMBEDDED_MOST),
        "embedded": tone.judge_folder(folder, read=read, most=tone.EMBEDDED_MOST),
    }
    for name, rows in found.items():
        out.print(f"tone of at most {tone.EMBEDDED_MOST} texts of a set, {name.replace('_', ' ')}")
        for line in tone.as_text(rows):
            out.print(line, markup=False)
    return {name: tone.as_json(rows) for name, rows in found.items()}


def _choices(data: Path | None, draws: int, absent: list[str]) -> dict[str, Any]:
    """Judge the draws of choices: on the log that ships, on one that the folder may hold, and in simulated worlds."""
    from ml.evaluation import bandit_worlds, bandits
    from playtower.bandit_table import print_choices, print_worlds

    with err.status("replaying choices"):
        logs, left_out = bandits.judge_folder(data, draws, lambda one: print_choices(one, WIDTH_MIN))
        worlds = bandit_worlds.judge(draws)
    print_worlds(worlds, WIDTH_MIN)
    absent += filter(None, [left_out])
    return {"logs": to_builtins(logs), "simulated": to_builtins(worlds)}


def print_report(report: "TaskReport") -> None:
    """Print one task: every model, 95 % intervals below its figures, and whether the net reached its aims."""
    table = Table(title=f"{report.name}: {report.about}", title_justify="left")
    for name in ("", *_FIGURES.values(), "accuracy (constant)"):
        table.add_column(name, no_wrap=True)
    for line in report.lines:
        table.add_row(*_cells(line))
    Console(width=max(WIDTH_MIN, out.width), highlight=False).print(table)
    out.print(
        f"{report.test_rows:,} rows of {report.test_players:,} players judged, {report.gone:.1%} gone; trained on "
        f"{report.train_rows:,} rows whose outcome was known before"
    )
    out.print(f"ROC-AUC of the net less that of {report.best_baseline}: {_between(report.ahead, sign=True)}")
    for aim in report.aims:
        out.print(f"  {'[green]reached[/green]' if aim.met else '[yellow]missed[/yellow] '} {aim.text}")
    out.print(f"[dim]{report.source}; {report.licence}[/dim]\n")


def _cells(line: "Line") -> list[str]:
    around = {name: "" if name == "brier" else _between(line.intervals[name]) for name in _FIGURES}  # its skill has one
    cells = [f"{getattr(line.figures, name):.3f}\n[dim]{around[name]}[/dim]" for name in _FIGURES]
    accuracy = line.figures.accuracy  # what it adds stands below: alone the number says nothing
    gain = f"[dim]{_between(line.intervals['accuracy_gain'], sign=True)}[/dim]"
    return [line.model, *cells, f"{accuracy.model:.3f} ({accuracy.majority:.3f})\n{gain}"]


def _between(interval: "Interval", *, sign: bool = False) -> str:
    low, high = (f"{value:{'+' if sign else ''}.3f}".replace("0.", ".", 1) for value in (interval.low, interval.high))
    return escape(f"[{low} {high}]")
