"""Load of wrk on one server, and the processor time that each process used during it."""

import asyncio
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench import gateway_cpu

SCRIPT = Path(__file__).with_suffix(".lua")


@dataclass(frozen=True, slots=True)
class Request:
    """A request of a client, which is anonymous without a token."""

    name: str
    body: str
    token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Run:
    """Result of one run of wrk: times in milliseconds, processor seconds by process.

    `core` is how many seconds the servers' core was busy, with any program; 0 without such a core.
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
    request: Request,
    connections: int,
    seconds: int,
    names: Mapping[int, str],
    core: int | None,
) -> Run:
    """Send the request over that many connections, on each again as soon as it is answered.

    A URL with a query string gets GETs without a body. `names` are the processes whose time is reported,
    `core` is the one reserved for servers. Raises RuntimeError if wrk fails.
    """
    variables = {} if "?" in url else {"BENCH_BODY": request.body}
    if request.token:
        variables["BENCH_TOKEN"] = request.token
    before, busy = gateway_cpu.seconds_by_name(names), _busy_seconds(core)
    wrk = await asyncio.create_subprocess_exec(
        *("wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s"),
        *("-s", str(SCRIPT), url),
        env=dict(os.environ) | variables,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await wrk.communicate()
    after, busy = gateway_cpu.seconds_by_name(names), _busy_seconds(core) - busy
    lines = [line for line in output.decode().splitlines() if line.startswith("{")]
    if wrk.returncode != 0 or not lines:
        raise RuntimeError(f"wrk failed at {url}:\n{output.decode()}")
    cpu = {name: after[name] - before[name] for name in after}
    return Run(**json.loads(lines[0]), cpu=cpu, core=busy)


def _busy_seconds(core: int | None) -> float:
    return 0.0 if core is None else gateway_cpu.busy_seconds(core)
