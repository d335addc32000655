"""What a bench may be asked for, and the facts of the machine that every result carries."""

import os
import platform
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from typing import Any

from msgspec import Struct
from rich.console import Console
from rich.table import Table

from store.embedded import find_server

PLAIN, SEASON = "plain", "season"  # the sample programme without its season, and as it is


class Options(Struct, frozen=True):
    """Options of all benches; each reads what concerns it."""

    seconds: float = 8.0  # about the length of each measured run
    rounds: int = 3  # interleaved runs of each side; the median is reported
    durability: str = "strict"
    players: int = 5_000  # active ones
    profile: bool = False
    quiet: bool = False  # no table
    models: str = "both"  # of ``engine``: on, off, or both in turn
    programme: str = PLAIN  # or SEASON; of ``engine`` also both, side by side

    @classmethod
    def of(cls, given: "Options | Mapping[str, Any] | None") -> "Options":
        """Read options; unknown names are ignored, None takes the default."""
        if isinstance(given, Options):
            return given
        known = cls.__struct_fields__
        return cls(**{name: value for name, value in (given or {}).items() if name in known and value is not None})


def machine(options: Options) -> dict[str, Any]:
    """Return what a figure depends on beside the code."""
    said = subprocess.run([find_server(), "--version"], capture_output=True, text=True, check=False).stdout
    version = re.search(r"v=(\S+)", said)
    return {
        "cores": os.cpu_count(),
        "cpu": _cpu(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "python": platform.python_version(),
        "store": f"{'valkey' if 'valkey' in said.lower() else 'redis'} {version.group(1) if version else '?'}",
        "durability": options.durability,
        "data_on": _file_system(tempfile.gettempdir()),
        "load_1m": round(os.getloadavg()[0], 2),
        "wrk": shutil.which("wrk") is not None,
    }


def show(title: str, rows: list[tuple[str, str]], facts: Mapping[str, Any], options: Options) -> None:
    """Print a table of two columns and the machine below it."""
    if options.quiet:
        return
    table = Table(title=title, title_justify="left", show_header=False)
    for name, value in rows:
        table.add_row(name, value)
    console = Console(highlight=False, soft_wrap=True)
    console.print(table)
    console.print("  ".join(f"{name} {value}" for name, value in facts.items()), style="dim")


def _cpu() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "?")
    except OSError:
        return "?"


def _file_system(path: str) -> str:
    """Return the type of file system of a path: an fsync to memory costs nothing and is no durability."""
    best, kind = "", "?"
    try:
        with open("/proc/mounts", encoding="utf-8") as lines:
            for line in lines:
                _, at, fs, *_ = line.split()
                if (path == at or path.startswith(at.rstrip("/") + "/")) and len(at) > len(best):
                    best, kind = at, fs
    except OSError:
        return "?"
    return kind
