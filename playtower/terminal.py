"""What every command shares: its consoles, its usual options, how it fails and how it prints JSON."""

import asyncio
import json
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from domain.errors import EngineError

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)

EXTRA_TRAIN = {"torch": "torch", "sklearn": "scikit-learn", "lightgbm": "lightgbm"}  # module -> package

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on the last line.")]
DataDir = Annotated[Path | None, typer.Option(help="Where everything is kept (default: ./data).")]
Url = Annotated[str, typer.Option(help="The gateway's address.", envvar="PLAYTOWER_URL")]
RedisUrl = Annotated[str | None, typer.Option(help="A Redis 7+ or Valkey of your own, instead of the embedded store.")]
ArchiveDir = Annotated[Path | None, typer.Option(help="Where the archive is (default: below the data directory).")]


def fail(message: str, status: int = 1) -> typer.Exit:
    """Print an error in a sentence; the exit to raise."""
    err.print(f"[red]error[/red] {message}")
    return typer.Exit(status)


def guarded(work: Any) -> Any:
    """Run to the end; errors a person can act on are one sentence."""
    try:
        return asyncio.run(work)
    except (EngineError, TimeoutError, RuntimeError) as error:
        raise fail(str(error)) from error
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def print_json(wanted: bool, value: Any) -> None:
    """Print the object of ``--json``, if it was asked for."""
    if wanted:
        sys.stdout.flush()
        typer.echo(json.dumps(value, default=str))


def need_extra_train() -> None:
    """Refuse a command that trains or judges models where the extra ``train`` is not installed.

    Raises:
        typer.Exit: it is not; what is missing and how to get it is printed.
    """
    if missing := [package for module, package in EXTRA_TRAIN.items() if find_spec(module) is None]:
        raise fail(
            f"this command needs {', '.join(missing)}, which the engine does without: "
            "make install-dev in a clone, or pip install 'playtower\\[train]'",
            2,
        )
