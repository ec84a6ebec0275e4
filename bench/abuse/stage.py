"""One attack on a running machine: a polite client before, during and after, and what the processes took."""

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

# Seconds of the polite client alone: the first don't count, as connections and caches are new; then before
# the attack; and after it, when what was held has been let go.
WARM_UP, BEFORE, AFTER = 1.0, 3.0, 4.0
# Seconds after the attack's end in which its connections may still be closing.
SETTLES = 1.5
# Seconds between two looks at the processes.
LOOK_EVERY = 0.1
PHASES = ("before", "during", "after")
MODULES = {
    "gateway": "gateway",
    "webhooks": "webhooks",
    "services.catalogue": "catalogue",
    "services.orders": "orders",
    "services.esims": "esims",
}


@dataclass(slots=True)
class Seen:
    """`polite` by phase as (seconds, problem); memory in bytes by process; `cpu` of the target, in cores."""

    target: str
    polite: dict[str, list[tuple[float, str]]] = field(
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
        """Bytes that each process took more than before, at the most."""
        return {name: self.peak.get(name, 0) - idle for name, idle in self.idle.items()}

    def percentile(self, phase: str, share: float) -> float:
        """Seconds within which that share of the polite requests was answered; a wrong answer is none."""
        times = sorted(inf if problem else seconds for seconds, problem in self.polite[phase])
        return times[min(len(times) - 1, int(len(times) * share))] if times else inf

    def problems(self, phase: str) -> list[str]:
        return [problem for _, problem in self.polite[phase] if problem]

    def times(self, share: float) -> str:
        return " / ".join(f"{self.percentile(phase, share) * 1000:.0f}" for phase in PHASES)

    def memory(self) -> str:
        taken = (self.idle, self.peak, self.settled)
        return " / ".join(f"{of.get(self.target, 0) / 2**20:.0f}" for of in taken)


def processes() -> dict[str, psutil.Process]:
    """The platform's processes that this one started, by name."""
    found = {}
    for child in psutil.Process().children():
        with suppress(psutil.Error, ValueError, IndexError):
            words = child.cmdline()
            name = MODULES.get(words[words.index("-m") + 1])
            if name:
                found[name] = child
    return found


async def run_attack(machine: Machine, attack: Attack, seconds: float) -> Seen:
    """Runs it beside the polite client, and looks at every process meanwhile."""
    seen = Seen(attack.target)
    address = machine.addresses[attack.target]
    looked_at = processes()
    seen.idle = _resident(looked_at)
    stop = asyncio.Event()
    watching = asyncio.create_task(_watch(looked_at, seen.peak, stop))
    try:
        polite = await _start("polite", attack.target, address, machine.api_key)
        await asyncio.sleep(WARM_UP)
        warm = time.time()
        await asyncio.sleep(BEFORE)
        begun, worked = time.time(), _worked(looked_at[attack.target])
        answers = await _said(await _start("attacker", attack.name, address, str(seconds)))
        ended = time.time()
        seen.cpu = (_worked(looked_at[attack.target]) - worked) / (ended - begun)
        seen.answers = Counter(json.loads(answers))
        await asyncio.sleep(SETTLES + AFTER)
        for at, took, problem in json.loads(await _said(polite)):
            if at < warm:
                continue
            if at < begun:
                seen.polite["before"].append((took, problem))
            elif at < ended:
                seen.polite["during"].append((took, problem))
            elif at > ended + SETTLES:
                seen.polite["after"].append((took, problem))
    finally:
        stop.set()
        await watching
    seen.settled = _resident(looked_at)
    seen.ended = [name for name, process in looked_at.items() if not process.is_running()]
    return seen


async def _start(module: str, *arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", f"bench.abuse.{module}", *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )


async def _said(process: asyncio.subprocess.Process) -> bytes:
    """What it printed, once its input has ended; raises RuntimeError if it failed."""
    said, _ = await process.communicate(b"")
    if process.returncode != 0:
        raise RuntimeError("the attacker or the polite client failed; see its words above")
    return said


async def _watch(
    looked_at: dict[str, psutil.Process], peak: dict[str, int], stop: asyncio.Event
) -> None:
    while not stop.is_set():
        for name, resident in _resident(looked_at).items():
            peak[name] = max(peak.get(name, 0), resident)
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), LOOK_EVERY)


def _resident(looked_at: dict[str, psutil.Process]) -> dict[str, int]:
    found = {}
    for name, process in looked_at.items():
        with suppress(psutil.Error):
            found[name] = process.memory_info().rss
    return found


def _worked(process: psutil.Process) -> float:
    with suppress(psutil.Error):
        times = process.cpu_times()
        return float(times.user + times.system)
    return 0.0
