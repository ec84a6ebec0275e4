"""Processor time of each process with its children, read from /proc."""

import os
import resource
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class _Process:
    parent: int
    seconds: float


def children() -> dict[int, str]:
    """Return the running children of this process by pid, with a name for each."""
    own_pid = os.getpid()
    return {pid: _name(pid) for pid, process in _all().items() if process.parent == own_pid}


def seconds_by_name(names: Mapping[int, str]) -> dict[str, float]:
    """Return the processor seconds so far of each name; "load" is that of children that have ended."""
    processes = _all()
    found = dict.fromkeys(names.values(), 0.0)
    for pid, process in processes.items():
        ancestor = pid
        while ancestor not in names and ancestor in processes:
            ancestor = processes[ancestor].parent
        if ancestor in names:
            found[names[ancestor]] += process.seconds
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return found | {"load": ended.ru_utime + ended.ru_stime}


def busy_seconds(core: int) -> float:
    """Return how long the core has been busy so far."""
    lines = Path("/proc/stat").read_text().splitlines()
    user, nice, system, _idle, _wait, *rest = next(
        map(int, line.split()[1:9]) for line in lines if line.split()[0] == f"cpu{core}"
    )
    return (user + nice + system + sum(rest)) / TICKS


def _all() -> dict[int, _Process]:
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):  # it has just ended
                # The name before the bracket may contain spaces.
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                ticks = sum(map(int, fields[11:15]))  # with those of children that have ended
                found[int(entry.name)] = _Process(int(fields[1]), ticks / TICKS)
    return found


def _name(pid: int) -> str:
    """Return the module of a Python program, or the name of another program."""
    arguments = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    return arguments[arguments.index("-m") + 1] if "-m" in arguments else Path(arguments[0]).name
