"""``playtower train``: a model out of the archive or a public set, judged against the one in force.

Nothing is published here. What may be published is ``churn.json`` in the folder of the answer, and it is only there
when the challenger won; one that lost is ``refused.json``, beside the same card and report.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from playtower.terminal import DataDir, Json, err, fail, need_extra_train, out, print_json

if TYPE_CHECKING:
    from ml.net import Model
    from ml.training.run import Trained
    from ml.training.runners import Runner

PUBLISHABLE, REFUSED, CARD, REPORT = "churn.json", "refused.json", "card.md", "report.json"


def train(
    data: Annotated[str, typer.Option(help="An archive's folder, dodge:FOLDER, cdnow, cdnow:FOLDER or uci.")],
    to: Annotated[Path, typer.Option("--out", help="Folder for the model, its card and the report.", file_okay=False)],
    champion: Annotated[
        str | None, typer.Option(help="File of the model to beat; none: a simple rule (default: the shipped one).")
    ] = None,
    programme: Annotated[
        Path | None, typer.Option(help="Folder whose models/churn says what events mean.", file_okay=False)
    ] = None,
    fits: Annotated[int, typer.Option(help="Fits from different seeds; the best check is kept.", min=1, max=32)] = 3,
    seed: Annotated[int, typer.Option(help="Of the first fit.")] = 0,
    draws: Annotated[int, typer.Option(help="Resamplings of the players, for the intervals.", min=20, max=5_000)] = 300,
    refit: Annotated[bool, typer.Option(help="Fit a model that won once more, to all rows.")] = True,
    ray: Annotated[bool, typer.Option("--ray", help="Fit as Ray tasks, on a Ray started for it.")] = False,
    ray_address: Annotated[
        str, typer.Option(help="Fit on this Ray cluster.", envvar="RAY_ADDRESS", show_envvar=False)
    ] = "",
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Train the churn model and judge it against the one in force. Exit 1 when it is not better."""
    need_extra_train()
    from domain.errors import EngineError
    from ml.training import run
    from ml.training.split import NotEnough
    from playtower import train_data

    try:
        plan, opponent = train_data.plan_of(programme), champion_of(champion)
        with bars() as bar, _runner(ray, ray_address, data_dir) as runner:
            source = train_data.read(data, plan, lambda share: bar("reading", share))
            trained = run.train(
                source.log, champion=opponent, gap_ms=plan.session_gap_ms, trust=source.trust, fits=fits, seed=seed,
                draws=draws, refit=refit, runner=runner, told=bar,
            )  # fmt: skip
    except (train_data.BadData, NotEnough, EngineError) as error:
        raise fail(str(error)) from error
    path = write(trained, to)
    print_trained(trained, path)
    print_json(as_json, report_of(trained, path))
    raise typer.Exit(0 if trained.contest.won else 1)


def write(trained: "Trained", to: Path) -> Path:
    """Write model, card and report; the model's path. What an earlier run left there is gone."""
    from ml.net import dump

    to.mkdir(parents=True, exist_ok=True)
    for name in (PUBLISHABLE, REFUSED):
        (to / name).unlink(missing_ok=True)
    (to / CARD).write_text(trained.card, encoding="utf-8")
    path = to / (PUBLISHABLE if trained.contest.won else REFUSED)
    (to / REPORT).write_bytes(msgspec.json.format(msgspec.json.encode(report_of(trained, path))) + b"\n")
    path.write_bytes(dump(trained.artefact))  # last: who finds it finds the rest
    return path


def report_of(trained: "Trained", path: Path) -> dict[str, Any]:
    """Return the object of ``--json``, and of ``report.json``."""
    return {
        "model": str(path),
        "won": trained.contest.won,
        "refusals": list(trained.contest.refusals),
        "checksum": trained.artefact.checksum,
        "contest": known(msgspec.to_builtins(trained.contest)),
        "split": {"check_at": trained.split.check_at, "test_at": trained.split.test_at},
        "rows": trained.rows,
        "left_out": trained.lacking,
        "losses": [list(epoch) for epoch in trained.losses],
        "warnings": list(trained.warnings),
        "value": known(msgspec.to_builtins(trained.value)),
    }


def print_trained(trained: "Trained", path: Path) -> None:
    """Print the contest in a table, and what to do with the outcome."""
    contest = trained.contest
    table = Table(
        "", "ROC-AUC", "Brier", "skill", "ECE", "accuracy (constant)", title=contest.head, title_justify="left"
    )
    for name, line in contest.lines.items():
        f = line.figures
        around = line.intervals["roc_auc"]
        table.add_row(
            name, escape(f"{f.roc_auc:.3f} [{around.low:.3f} {around.high:.3f}]"), f"{f.brier:.4f}",
            f"{f.brier_skill:+.3f}", f"{f.ece:.3f}", f"{f.accuracy.model:.3f} ({f.accuracy.majority:.3f})",
        )  # fmt: skip
    out.print(table)
    brier = contest.brier_difference
    out.print(
        f"{contest.rows:,} rows of {contest.players:,} players judged; Brier score less that of the {contest.against}: "
        + escape(f"[{brier.low:+.5f} {brier.high:+.5f}]")
    )
    if trained.value is not None:
        from ml.evaluation.lifetime import as_text

        for text in as_text(trained.value):
            out.print(text, markup=False)
    for name, reason in trained.lacking.items():
        out.print(f"[yellow]not told[/yellow] {name}: {reason}")
    for warning in trained.warnings:
        out.print(f"[yellow]note[/yellow] {warning}")
    if contest.won:
        out.print(f"[green]better[/green]: {path} may be published; the card is {path.with_name(CARD)}")
    else:
        out.print("[red]not better[/red]: " + "; ".join(contest.refusals))


def known(value: Any) -> Any:
    """Return a value with null for every number that there is none of: JSON has no NaN."""
    if isinstance(value, dict):
        return {name: known(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [known(each) for each in value]
    return None if isinstance(value, float) and value != value else value


def champion_of(named: str | None, *, option: str = "--champion") -> "Model | None":
    """Return the model of a file, or the shipped one; None for a simple rule.

    Raises:
        EngineError: the file is no model that can be used.
        BadData: there is no such file.
    """
    from importlib import resources

    from domain.errors import Invalid
    from ml.net import load
    from playtower.train_data import BadData

    if named == "none":
        return None
    if named is not None:
        path = Path(named)
        if not path.is_file():
            raise BadData(f"{option}: there is no file {named}")
        return load(path.read_bytes())
    try:
        return load(resources.files("ml").joinpath("shipped", "churn.json").read_bytes())
    except (FileNotFoundError, Invalid) as error:
        err.print(f"[yellow]note[/yellow] the shipped model cannot be used, so a simple rule is to be beaten: {error}")
        return None


@contextmanager
def bars() -> Iterator[Callable[[str, float], None]]:
    """Show one bar a stage."""
    columns = (TextColumn("{task.description:<10}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    with Progress(*columns, TimeElapsedColumn(), console=err, transient=True) as progress:
        tasks: dict[str, TaskID] = {}

        def bar(what: str, share: float) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(what, total=1.0)
            progress.update(tasks[what], completed=share)

        yield bar


@contextmanager
def _runner(local: bool, address: str, data_dir: Path | None) -> Iterator["Runner"]:
    """Yield where fits run: here, or on a Ray that is joined, or started and ended with this command."""
    from ml.training.runners import here, on_ray

    if not local and not address:
        yield here
        return
    from playtower import ray_runtime

    root = (data_dir or Path("data")) / "training"  # of its own: a running engine has its Ray below the data directory
    ray_runtime.prepare(root, address)
    ray = ray_runtime.start(root, address, "playtower-training")
    try:
        yield on_ray(ray)
    finally:
        ray.shutdown()
        if not address:
            ray_runtime.tidy(root)
