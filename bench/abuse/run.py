"""Runs one attack beside a well-behaved client, and measures the processes."""

import asyncio
import json
import sys
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from math import inf

import psutil

from bench.abuse.attacks import Attack
from tests.chaos.purchase.machine import Machine

# Seconds of the client alone: to warm up connections and caches, which doesn't count; before the attack;
# and after it, when resources have been released.
WARM_UP, BEFORE, AFTER = 1.0, 3.0, 4.0
# Seconds after the attack's end in which its connections may still be closing.
SETTLES = 1.5
# Seconds between two samples of the processes.
SAMPLE_INTERVAL = 0.1
PHASES = ("before", "during", "after")
MODULES = {
    "gateway": "gateway",
    "webhooks": "webhooks",
    "services.catalogue": "catalogue",
    "services.orders": "orders",
    "services.esims": "esims",
}


@dataclass(slots=True)
class Result:
    """Result of an attack.

    `requests` has (seconds, problem) of each of the client's requests by phase. Memory is in bytes by
    process. `cpu` is that of the target, in cores.
    """

    target: str
    requests: dict[str, list[tuple[float, str]]] = field(
        default_factory=lambda: {phase: [] for phase in PHASES}
    )
    answers: Counter[str] = field(default_factory=Counter)
    idle: dict[str, int] = field(default_factory=dict)
    peak: dict[str, int] = field(default_factory=dict)
    settled: dict[str, int] = field(default_factory=dict)
    ended: list[str] = field(default_factory=list)
    cpu: float = 0.0

    @property
    def grown(self) -> dict[str, int]:
        """Peak growth of each process in bytes."""
        return {name: self.peak.get(name, 0) - idle for name, idle in self.idle.items()}

    def percentile(self, phase: str, share: float) -> float:
        """Return a percentile of the client's seconds; a wrong response counts as infinite."""
        times = sorted(inf if problem else seconds for seconds, problem in self.requests[phase])
        return times[min(len(times) - 1, int(len(times) * share))] if times else inf

    def problems(self, phase: str) -> list[str]:
        return [problem for _, problem in self.requests[phase] if problem]

    def times(self, share: float) -> str:
        return " / ".join(f"{self.percentile(phase, share) * 1000:.0f}" for phase in PHASES)

    def memory(self) -> str:
        samples = (self.idle, self.peak, self.settled)
        return " / ".join(f"{of.get(self.target, 0) / 2**20:.0f}" for of in samples)


def processes() -> dict[str, psutil.Process]:
    """Return the platform's processes that this one started, by name."""
    found = {}
    for child in psutil.Process().children():
        with suppress(psutil.Error, ValueError, IndexError):
            arguments = child.cmdline()
            name = MODULES.get(arguments[arguments.index("-m") + 1])
            if name:
                found[name] = child
    return found


async def run_attack(machine: Machine, attack: Attack, seconds: float) -> Result:
    """Run the attack beside the client, and sample every process during it."""
    result = Result(attack.target)
    address = machine.addresses[attack.target]
    watched = processes()
    result.idle = _resident(watched)
    stop = asyncio.Event()
    watching = asyncio.create_task(_watch(watched, result.peak, stop))
    try:
        client = await _start("client", attack.target, address, machine.api_key)
        await asyncio.sleep(WARM_UP)
        warm = time.time()
        await asyncio.sleep(BEFORE)
        started, used = time.time(), _cpu_seconds(watched[attack.target])
        answers = await _output(await _start("attacker", attack.name, address, str(seconds)))
        ended = time.time()
        result.cpu = (_cpu_seconds(watched[attack.target]) - used) / (ended - started)
        result.answers = Counter(json.loads(answers))
        await asyncio.sleep(SETTLES + AFTER)
        for at, duration, problem in json.loads(await _output(client)):
            if at < warm:
                continue
            if at < started:
                result.requests["before"].append((duration, problem))
            elif at < ended:
                result.requests["during"].append((duration, problem))
            elif at > ended + SETTLES:
                result.requests["after"].append((duration, problem))
    finally:
        stop.set()
        await watching
    result.settled = _resident(watched)
    result.ended = [name for name, process in watched.items() if not process.is_running()]
    return result


async def _start(module: str, *arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", f"bench.abuse.{module}", *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )


async def _output(process: asyncio.subprocess.Process) -> bytes:
    """End the input of a process and return its output; raise RuntimeError if it failed."""
    output, _ = await process.communicate(b"")
    if process.returncode != 0:
        raise RuntimeError("the attacker or the well-behaved client failed; see its output above")
    return output


async def _watch(
    watched: dict[str, psutil.Process], peak: dict[str, int], stop: asyncio.Event
) -> None:
    while not stop.is_set():
        for name, resident in _resident(watched).items():
            peak[name] = max(peak.get(name, 0), resident)
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), SAMPLE_INTERVAL)


def _resident(watched: dict[str, psutil.Process]) -> dict[str, int]:
    found = {}
    for name, process in watched.items():
        with suppress(psutil.Error):
            found[name] = process.memory_info().rss
    return found


def _cpu_seconds(process: psutil.Process) -> float:
    with suppress(psutil.Error):
        times = process.cpu_times()
        return float(times.user + times.system)
    return 0.0
