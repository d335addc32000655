"""What the kernel knows of a process tree: children, CPU seconds and memory (Linux, ``/proc``)."""

import os
import signal
import time
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")


def parse_stat(text: str) -> tuple[int, float]:
    """Return the parent and the CPU seconds (its own and its ended children's) of a ``/proc/<pid>/stat`` line."""
    fields = text[text.rindex(")") + 2 :].split()  # the name before may hold spaces and brackets
    return int(fields[1]), sum(int(n) for n in fields[11:15]) / _TICKS


def tree(root: int) -> list[int]:
    """Return the process and all its living descendants."""
    children: dict[int, list[int]] = {}
    for path in _PROC.iterdir():
        if path.name.isdigit() and (stat := _read(path / "stat")):
            children.setdefault(parse_stat(stat)[0], []).append(int(path.name))
    found, waiting = [], [root]
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting += children.get(pid, [])
    return found


def cpu_s(pids: list[int]) -> float:
    """Return the CPU seconds that processes have used; those that ended count nothing."""
    return sum(parse_stat(stat)[1] for pid in pids if (stat := _read(_PROC / str(pid) / "stat")))


def memory_kb(pid: int, what: str = "Pss") -> int:
    """Return a line of ``smaps_rollup`` in KB (Pss counts shared pages by share), 0 when it cannot be read."""
    for line in _read(_PROC / str(pid) / "smaps_rollup").splitlines():
        name, _, value = line.partition(":")
        if name == what:
            return int(value.split()[0])
    return 0


class Steal:
    """The share of the machine's time that its hypervisor gave to others since this was made (``/proc/stat``)."""

    def __init__(self) -> None:
        self._before = _machine_ticks()

    def percent(self) -> float:
        """Return it in percent of all cores' time."""
        (stolen, total), (stolen_before, before) = _machine_ticks(), self._before
        return round(100 * (stolen - stolen_before) / max(1, total - before), 1)


def _machine_ticks() -> tuple[int, int]:
    fields = [int(n) for n in _read(_PROC / "stat").partition("\n")[0].split()[1:9]]  # user .. steal
    return (fields[7], sum(fields)) if len(fields) == 8 else (0, 0)


def name_of(pid: int) -> str:
    """Return what a process calls itself, shortened."""
    words = _read(_PROC / str(pid) / "cmdline").replace("\0", " ").split()
    if not words:
        return "?"
    if words[0].startswith("ray::"):
        return words[0]
    for role in ("api.gateway", "valkey-server", "redis-server", "raylet", "gcs_server", "playtower"):
        if any(role in word for word in words[:6]):
            return role
    return Path(words[0]).name


def cpu_by_role(root: int) -> dict[str, float]:
    """Return CPU seconds of a tree by role; a role that ends in between only loses its own share."""
    found: dict[str, float] = {}
    for pid in tree(root):
        role = name_of(pid)
        found[role] = found.get(role, 0.0) + cpu_s([pid])
    return found


def end(pids: list[int], *, after_s: float = 5.0) -> None:
    """End our own processes: SIGTERM, then SIGKILL to what is left."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        alive = [pid for pid in pids if _read(_PROC / str(pid) / "stat") and not _is_zombie(pid)]
        for pid in alive:
            try:
                os.kill(pid, sign)
            except ProcessLookupError:
                continue
        until = time.monotonic() + after_s
        while alive and time.monotonic() < until:
            time.sleep(0.05)
            alive = [pid for pid in alive if _read(_PROC / str(pid) / "stat") and not _is_zombie(pid)]


def _is_zombie(pid: int) -> bool:
    stat = _read(_PROC / str(pid) / "stat")
    return bool(stat) and stat[stat.rindex(")") + 2] == "Z"


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode(errors="replace")
    except OSError:
        return ""
