"""Number of RPCs and SQL statements of one request, on a separate platform that logs each of them."""

import asyncio
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from bench import gateway_servers, gateway_shop
from bench.gateway_load import Request
from bench.gateway_servers import ADDRESSES, Server, Starter
from bench.purchase import COUNTING, LOGGING, counted, log_statements
from tests.chaos.purchase.machine import Machine, running

# Requests that are counted, and requests before them, which open connections and prepare statements.
COUNTED, BEFORE = 50, 10
# Seconds without requests, to count background work.
IDLE_SECONDS = 10
# The first words of the names that `counted` returns.
KINDS = ("RPC", "SQL", "transaction")


async def count(settings: Mapping[str, str], only: Sequence[str], queries: Sequence[str]) -> str:
    """Return the table."""
    lines = [f"{'a request makes':<32}{'RPCs':>10}{'SQL':>10}{'begin and commit':>24}"]
    async with running(settings, modules=COUNTING, postgres_options=LOGGING) as machine:
        requests = [r for r in await gateway_shop.stock(machine) if r.name in queries]
        await log_statements(machine)
        gateway = machine.killable["gateway"].program
        addresses = {name: gateway.environment[name] for name in ADDRESSES}
        starter = Starter(gateway.environment, addresses, None, machine.http, machine.log.write)
        names = [n for n in only if n not in (gateway_servers.BARE, gateway_servers.HTTP_CACHE)]
        with tempfile.TemporaryDirectory() as folder:
            async with starter.running(names, Path(folder)) as servers:
                idle = await _kinds(machine, lambda: asyncio.sleep(IDLE_SECONDS))
                for request in requests:
                    for server in servers:
                        if gateway_servers.measured(server.name, request):
                            lines.append(await _line(machine, server, request, idle))
    return "\n" + "\n".join(lines)


async def _line(machine: Machine, server: Server, request: Request, idle: Counter[str]) -> str:
    async def repeat(times: int) -> None:
        for _ in range(times):
            await gateway_servers.answer_of(machine.http, server, request)

    await repeat(BEFORE)
    clock = asyncio.get_running_loop().time
    began = clock()
    found = await _kinds(machine, lambda: repeat(COUNTED))
    share = (clock() - began) / IDLE_SECONDS
    each = [max(0.0, found[kind] - idle[kind] * share) / COUNTED for kind in KINDS]
    return (
        f"{request.name + ', ' + server.name:<32}{each[0]:>10.1f}{each[1]:>10.1f}{each[2]:>24.1f}"
    )


async def _kinds(machine: Machine, work: Callable[[], Awaitable[object]]) -> Counter[str]:
    """Return the counts by the first word of their names."""
    found: Counter[str] = Counter()
    for name, number in (await counted(machine, work)).items():
        found[name.split()[0]] += number
    return found
