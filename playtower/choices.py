"""``playtower choices [ID]``: what was learnt about choices, for a person at a terminal."""

from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from playtower.client import DEFAULT_URL, Client, ClientError, admin_key
from playtower.terminal import DataDir, Json, Url, fail, out, print_json

WIDTH_MIN = 100


def choices(
    choice: Annotated[str | None, typer.Argument(help="Which one; none: all, with what is proven.")] = None,
    url: Url = DEFAULT_URL,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Tell what choices have learnt: what each arm was worth, beside the best single arm and the holdout."""
    path = f"/v1/choices/{quote(choice, safe='')}" if choice else "/v1/choices"
    try:
        with Client(admin_key(data_dir), url) as client:
            answer = client.get(path)
    except ClientError as error:
        raise fail("\n  ".join(error.lines())) from error
    console = Console(width=max(WIDTH_MIN, out.width), highlight=False)
    if choice:
        print_choice(answer, console)
    else:
        print_choices(answer["items"], console)
    print_json(as_json, answer)


def print_choices(items: list[dict[str, Any]], console: Console) -> None:
    """Print a line a choice, and below it what can be said of it."""
    if not items:
        console.print("The live programme has no choices (docs/choices.md).")
    for item in items:
        asked = ", ".join(item["asked_by"]) or "[yellow]nothing asks it[/yellow]"
        console.print(f"[bold]{escape(item['id'])}[/bold]: {item['outcomes']:,} outcomes; asked by {asked}")
        for line in item["in_words"]:
            console.print(f"  {escape(line)}")


def print_choice(told: Mapping[str, Any], console: Console) -> None:
    """Print the arms of one choice, what the draws were worth beside its rivals, and what can be said of that."""
    outcome = told["outcome"]
    worth = f", worth up to {outcome['most']:g}" if outcome["most"] else ""
    title = f"{told['id']}: {outcome['event']} within {_length(outcome['within_s'])}{worth}"
    table = Table(title=escape(title), title_justify="left", pad_edge=False)
    for name in ("arm", "outcomes", "share", "mean", "had everybody got it", "best", "void"):
        table.add_column(name, no_wrap=True, justify="left" if name == "arm" else "right")
    for arm in told["arms"]:
        shares = (f"{arm['share']:.0%}", _figure(arm["mean"]), _figure(arm["everybody"]), f"{arm['best']:.0%}")
        table.add_row(escape(arm["arm"]), f"{arm['outcomes']:,}", *shares, f"{arm['void']:,}")
    console.print(table)
    for name, figure in (
        ("the draws as they were", told["policy"]),
        (f"{told['best_arm']} for everybody", told["best_single"]),
        ("all arms alike", told["uniform"]),
    ):
        if figure is not None:
            console.print(f"  {escape(name):<32} {_figure(figure)}")
    if held := told["holdout"]:
        about = f"held out, {held['outcomes']:,} with an outcome"
        console.print(f"  {about:<32} {_figure(held['mean'])}")
    for line in told["in_words"]:
        console.print(escape(line))
    within = _length(outcome["within_s"])
    console.print(f"[dim]What was drawn within the last {within} does not count yet, whatever came of it.[/dim]")


def _figure(estimate: Mapping[str, float] | None) -> str:
    """Return a figure with its 95 % interval."""
    if estimate is None:
        return "-"
    return f"{estimate['value']:.3f} [dim]\\[{estimate['low']:.3f} {estimate['high']:.3f}][/dim]"


def _length(seconds: int) -> str:
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds % size == 0 and seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
