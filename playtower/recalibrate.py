"""``playtower recalibrate``: the model in force with a calibration that fits what came true lately.

Nothing is published here. ``churn.json`` is in the folder of the answer only when the new calibration is better.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from rich.markup import escape
from rich.table import Table

from playtower.client import DEFAULT_URL, Client, ClientError, admin_key
from playtower.terminal import DataDir, Json, Url, fail, need_extra_train, out, print_json
from playtower.train import PUBLISHABLE, bars, champion_of, known

if TYPE_CHECKING:
    from ml.net import Model
    from ml.training.recalibration import HeadLine, Recalibrated

REPORT = "recalibration.json"
LIVE = "live"


def recalibrate(
    data: Annotated[str, typer.Option(help="An archive's folder; else as of `train`.")],
    to: Annotated[Path, typer.Option("--out", help="Folder for the model and the report.", file_okay=False)],
    model: Annotated[
        str | None, typer.Option(help="File of the model; live: what scores at --url (default: the shipped one).")
    ] = None,
    programme: Annotated[
        Path | None, typer.Option(help="Folder whose models/churn says what events mean.", file_okay=False)
    ] = None,
    draws: Annotated[int, typer.Option(help="Resamplings of the players, for the intervals.", min=20, max=5_000)] = 300,
    seed: Annotated[int, typer.Option(help="Of the resampling.")] = 0,
    url: Url = DEFAULT_URL,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Calibrate a model again on the labels of the last eight weeks. Exit 1 when that is not better."""
    need_extra_train()
    from domain.errors import EngineError
    from ml.training.dataset import rows_of
    from ml.training.recalibration import recalibrate as calibrate_again
    from ml.training.split import NotEnough
    from playtower import train_data

    try:
        plan, known_model = train_data.plan_of(programme), _model(model, url, data_dir)
        with bars() as bar:
            log = train_data.read(data, plan, lambda share: bar("reading", share)).log
            rows = rows_of(log, gap_ms=plan.session_gap_ms, progress=lambda share: bar("replaying", share))
            found = calibrate_again(known_model, rows, log.at[-1], source=log.name, draws=draws, seed=seed)
    except (train_data.BadData, NotEnough, EngineError) as error:
        raise fail(str(error)) from error
    answer = write(found, to)
    print_found(found, to / PUBLISHABLE)
    print_json(as_json, answer)
    raise typer.Exit(0 if found.is_better else 1)


def write(found: "Recalibrated", to: Path) -> dict[str, Any]:
    """Write the report, and the model if it is better; what an earlier run left there is gone."""
    from ml.net import dump

    to.mkdir(parents=True, exist_ok=True)
    (to / PUBLISHABLE).unlink(missing_ok=True)
    answer = {
        "model": str(to / PUBLISHABLE) if found.is_better else None,
        "better": found.is_better,
        "checksum": found.artefact.checksum,
        "rows": found.rows,
        "heads": [known(msgspec.to_builtins(line)) for line in found.lines],
    }
    (to / REPORT).write_bytes(msgspec.json.format(msgspec.json.encode(answer)) + b"\n")
    if found.is_better:
        (to / PUBLISHABLE).write_bytes(dump(found.artefact))
    return answer


def print_found(found: "Recalibrated", path: Path) -> None:
    """Print each head: what was said, what would have been, what came true, and what is done about it."""
    table = Table("", "judged", "was", "told", "told anew", "loss, new less old", "")
    for line in found.lines:
        table.add_row(line.head, f"{line.judged:,}", *_cells(line))
    out.print(table)
    if found.is_better:
        out.print(f"[green]better[/green]: {path} may be published; its net is the same")
    else:
        out.print("[yellow]no better[/yellow]: the calibration in force stays")


def _cells(line: "HeadLine") -> tuple[str, ...]:
    outcome = "[green]taken[/green]" if not line.refused else f"stays: {escape(line.refused)}"
    if line.was != line.was:
        return "-", "-", "-", "-", outcome
    span = escape(f"[{line.difference.low:+.5f} {line.difference.high:+.5f}]")
    return f"{line.was:.3f}", f"{line.told_before:.3f}", f"{line.told_after:.3f}", span, outcome


def _model(named: str | None, url: str, data_dir: Path | None) -> "Model":
    """Return the model to calibrate.

    Raises:
        BadData: there is none of that name.
        EngineError: it is no model that can be used.
    """
    from ml.net import load
    from playtower.train_data import BadData

    if named == LIVE:
        try:
            with Client(admin_key(data_dir), url) as client:
                version = client.request("GET", "/v1/models/live").json()["version"]
                return load(client.request("GET", f"/v1/models/{version}/artefact").content, version)
        except ClientError as error:
            raise BadData("; ".join(error.lines())) from error
    found = champion_of(named, option="--model") if named != "none" else None
    if found is None:
        raise BadData("--model: expected a file, or live")
    return found
