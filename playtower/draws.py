"""``playtower verify-draw ID``: reads a draw's record and does its maths again (``playtower.verify``)."""

from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from playtower.client import DEFAULT_URL, Client, ClientError, admin_key
from playtower.terminal import DataDir, Json, Url, fail, out, print_json
from playtower.verify import Record, verify


def read(client: Client, draw: str) -> tuple[Record, list[Record] | None]:
    """Return a draw's record and, of a raffle, the frozen parts of its list."""
    record = client.get(f"/v1/draws/{quote(draw, safe='')}")
    if record["of"] != "raffles":
        return record, None
    names = [name for _, _, name in record["facts"]["parts"] if name]
    return record, [client.get(f"/v1/draws/{quote(name, safe='')}") for name in names]


def verify_draw(
    draw: Annotated[str, typer.Argument(help="The draw's id, as plays, wins and pots tell it.")],
    url: Url = DEFAULT_URL,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Do a draw again from its revealed seed; exit 1 when it does not come out as recorded."""
    record, lists = _read(data_dir, url, draw)
    wrong = verify(record, lists)
    out.print(f"[bold]{record['of']}/{record['ref']}[/bold]: {record['result']}", markup=True)
    for name in ("commitment", "seed", "client_seed", "nonce"):
        out.print(f"  {name:11} {record[name]}", markup=False)
    for line in wrong:
        out.print(f"  [red]{line}[/red]")
    out.print("[green]the draw is what was committed to[/green]" if not wrong else "[red]it does not match[/red]")
    print_json(as_json, {"ok": not wrong, "draw": draw, "problems": wrong, "record": record})
    if wrong:
        raise typer.Exit(1)


def _read(data_dir: Path | None, url: str, draw: str) -> tuple[Any, Any]:
    try:
        with Client(admin_key(data_dir), url) as client:
            return read(client, draw)
    except ClientError as error:
        raise fail("\n  ".join(error.lines())) from error
