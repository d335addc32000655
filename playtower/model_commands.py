"""``playtower models ...``: which model scores the players of a running engine."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from playtower.client import DEFAULT_URL, Client, ClientError, admin_key
from playtower.terminal import DataDir, Json, Url, fail, out, print_json

models_app = typer.Typer(help="The models that score players: keep, publish, go back.", no_args_is_help=True)
Note = Annotated[str, typer.Option(help="Why, kept with it.")]


@models_app.command("list")
def list_command(url: Url = DEFAULT_URL, data_dir: DataDir = None, as_json: Json = False) -> None:
    """List the versions, newest first; version 0 ships with the package."""
    with _client(url, data_dir) as client:
        answer = _asked(client, "GET", "/v1/models")
    table = Table("version", "kept", "players", "from", "note", "")
    for item in answer["items"]:
        origin = item["model"].get("origin", {})
        players = f"{origin.get('players', 0):,}"
        mark = "[green]scores[/green]" if item["live"] else ""
        table.add_row(str(item["version"]), item["at"] or "", players, origin.get("source", ""), item["note"], mark)
    out.print(table)
    print_json(as_json, answer)


@models_app.command("publish")
def publish_command(
    model: Annotated[str, typer.Argument(help="A file that `playtower train` wrote, or the number of a version.")],
    note: Note = "",
    url: Url = DEFAULT_URL,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Have a model score from here on. Events go on meanwhile; no turn waits, none is lost."""
    with _client(url, data_dir) as client:
        if model.isascii() and model.isdigit():
            version = int(model)
        else:
            version = _kept(client, Path(model), note)
            out.print(f"kept as version {version}")
        answer = _asked(client, "POST", f"/v1/models/{version}/publish", json={"note": note})
    _tell(answer)
    print_json(as_json, answer)


@models_app.command("rollback")
def rollback_command(note: Note = "", url: Url = DEFAULT_URL, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Have the model score again that did before."""
    with _client(url, data_dir) as client:
        answer = _asked(client, "POST", "/v1/models/rollback", json={"note": note})
    _tell(answer)
    print_json(as_json, answer)


def _kept(client: Client, path: Path, note: str) -> int:
    if not path.is_file():
        raise fail(f"expected a file, or the number of a version, got {path}", 2)
    headers = {"Content-Type": "application/json"}
    answer = _asked(client, "POST", "/v1/models", content=path.read_bytes(), params={"note": note}, headers=headers)
    return int(answer["version"])


def _client(url: str, data_dir: Path | None) -> Client:
    try:
        return Client(admin_key(data_dir), url)
    except ClientError as error:
        raise fail(str(error)) from error


def _asked(client: Client, method: str, path: str, **options: Any) -> Any:
    try:
        return client.request(method, path, **options).json()
    except ClientError as error:
        raise fail("\n  ".join(error.lines())) from error


def _tell(answer: dict[str, Any]) -> None:
    out.print(f"version {answer['version']} scores in {answer['passed']} of {answer['of']} partitions")
