"""Load on one server by wrk, and the processor time that each process of the run took meanwhile."""

import asyncio
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench import gateway_cpu

SCRIPT = Path(__file__).with_suffix(".lua")


@dataclass(frozen=True, slots=True)
class Question:
    """A query as it is sent; without a token anybody asks."""

    name: str
    body: str
    token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Run:
    """What one run of wrk saw: times in milliseconds, processor seconds by process.

    `core` is how many seconds the servers' core worked, also for strangers; 0 where it isn't theirs.
    """

    requests: int
    seconds: float
    p50: float
    p99: float
    errors: int
    cpu: Mapping[str, float]
    core: float


async def put_load(
    url: str,
    question: Question,
    connections: int,
    seconds: int,
    names: Mapping[int, str],
    core: int | None,
) -> Run:
    """Asks over so many connections, each at once again when it is answered.

    `names` names the processes whose time is told; `core` is the one kept for servers. Raises
    RuntimeError when wrk fails.
    """
    told = {"BENCH_BODY": question.body} | (
        {"BENCH_TOKEN": question.token} if question.token else {}
    )
    before, worked = gateway_cpu.seconds_by_name(names), _worked(core)
    wrk = await asyncio.create_subprocess_exec(
        *("wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s"),
        *("-s", str(SCRIPT), url),
        env=dict(os.environ) | told,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await wrk.communicate()
    after, worked = gateway_cpu.seconds_by_name(names), _worked(core) - worked
    lines = [line for line in said.decode().splitlines() if line.startswith("{")]
    if wrk.returncode != 0 or not lines:
        raise RuntimeError(f"wrk failed at {url}:\n{said.decode()}")
    cpu = {name: after[name] - before[name] for name in after}
    return Run(**json.loads(lines[0]), cpu=cpu, core=worked)


def _worked(core: int | None) -> float:
    return 0.0 if core is None else gateway_cpu.busy_seconds(core)
