"""Throughput of the gateway beside other GraphQL servers over the same services.

`make bench-gateway` uses one machine and real processes. Every server runs on the same core, and the load
and the services on the others. The servers alternate in each round.
"""

import asyncio
import os
import platform
import shutil
import sys
import tempfile
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from bench import gateway_counts, gateway_cpu, gateway_report, gateway_servers, gateway_shop
from bench.catalogue_prices import set_prices_of
from bench.gateway_load import Request, Run, put_load
from bench.gateway_servers import ADDRESSES, Server, Starter
from cli.config.environment import surroundings
from cli.local.supervisor import Program, Supervisor
from tests.chaos.purchase.machine import Machine, running
from tests.fixtures.free_ports import free_ports
from tests.fixtures.programs import http_cache

# A day, so that no run includes a refresh from the provider.
SETTINGS = {
    "LOG_LEVEL": "warning",
    "ESIMS_FRESH_SECONDS": "86400",
    # The highest possible: the load comes from one user at one address, and counting stays part of it.
    "GATEWAY_USER_RATE": "1000000",
    "GATEWAY_ADDRESS_RATE": "1000000",
    "GATEWAY_USER_WORK": "1000000000",
    "GATEWAY_ADDRESS_WORK": "1000000000",
} | {
    # The default ports may be in use.
    f"{name}_METRICS_PORT": "0"
    for name in ("CATALOGUE", "ESIMS", "ORDERS", "WEBHOOKS", "GATEWAY")
}
REPLAYED, REAL = "replayed", "real"
# Seconds of load before the first round, in which servers compile and fill caches.
WARM_UP = 2
# Connections of the warm-up.
WARM_UP_CONNECTIONS = 16


@dataclass(frozen=True, slots=True)
class Options:
    """Options of the command; `seconds` are for each run, `services` is REPLAYED or REAL."""

    rounds: int
    seconds: int
    connections: Sequence[int]
    only: Sequence[str]
    queries: Sequence[str]
    services: str
    before: Path | None
    priced: bool


@asynccontextmanager
async def comparing(
    only: Sequence[str],
    queries: Sequence[str],
    services: str,
    core: int | None,
    before: Path | None = None,
    *,
    priced: bool = False,
) -> AsyncIterator[tuple[Machine, list[Server], list[Request]]]:
    """Yield the servers over one platform, after all of them answered each request with equal data."""
    async with running(SETTINGS) as machine:
        if priced:
            key = machine.killable["orders"].program.environment["SUPABASE_SERVICE_ROLE_KEY"]
            await set_prices_of(machine.addresses["catalogue"], key)
        requests = [r for r in await gateway_shop.stock(machine) if r.name in queries]
        gateway = machine.killable["gateway"]
        environment = gateway.program.environment
        addresses = {name: environment[name] for name in ADDRESSES}
        with tempfile.TemporaryDirectory() as folder:
            answers = await _answers(machine, requests, Path(folder))
            await gateway.stop()
            async with _services(services, addresses, machine) as behind:
                starter = Starter(
                    environment, behind, core, machine.http, machine.log.write, before
                )
                async with starter.running(only, Path(folder)) as servers:
                    for request in requests:
                        await gateway_servers.check_equal(
                            machine.http,
                            [s for s in servers if gateway_servers.measured(s.name, request)],
                            request,
                            answers[request.name],
                        )
                    yield machine, servers, requests


async def _answers(machine: Machine, requests: Sequence[Request], folder: Path) -> dict[str, bytes]:
    """Return our answers, and write them to files for the bare server."""
    gateway = Server(gateway_servers.OURS, 0, machine.gateway_url.removesuffix("/graphql"))
    found = {}
    for request in requests:
        answer = await gateway_servers.answer_of(machine.http, gateway, request)
        found[request.name] = answer
        (folder / request.name).write_bytes(answer)
    return found


@asynccontextmanager
async def _services(
    how: str, addresses: dict[str, str], machine: Machine
) -> AsyncIterator[dict[str, str]]:
    """Yield the addresses that the servers call: of the services, or of a process that replays them."""
    if how == REAL:
        yield addresses
        return
    supervisor = Supervisor(machine.log.write)
    port = free_ports(1)[0]
    replay = (sys.executable, "-m", "bench.gateway_replay", str(port), *addresses.values())
    program = Program("replay", replay, surroundings(os.environ), ready=_always_ready)
    await supervisor.start(program).ready.wait()
    try:
        yield dict.fromkeys(addresses, f"127.0.0.1:{port}")
    finally:
        await supervisor.stop()


async def _always_ready() -> bool:
    return True  # calls wait for the connection of their channel


async def _measure(options: Options, core: int | None) -> None:
    chosen = (options.only, options.queries, options.services)
    async with comparing(*chosen, core, options.before, priced=options.priced) as found:
        machine, servers, requests = found
        names = gateway_cpu.children() | {server.pid: server.name for server in servers}
        for request in requests:
            measured = [s for s in servers if gateway_servers.measured(s.name, request)]
            for server in measured:
                await put_load(
                    server.url_of(request), request, WARM_UP_CONNECTIONS, WARM_UP, names, core
                )
            # Checked again, as now caches and compiled code serve the responses.
            expected = await gateway_servers.answer_of(machine.http, measured[0], request)
            await gateway_servers.check_equal(machine.http, measured, request, expected)
            click.echo(gateway_report.heading(request.name))
            for connections in options.connections:
                runs: dict[str, list[Run]] = defaultdict(list)
                for _ in range(options.rounds):
                    for server in measured:
                        url = server.url_of(request)
                        run = await put_load(
                            url, request, connections, options.seconds, names, core
                        )
                        runs[server.name].append(run)
                click.echo(gateway_report.table(connections, runs))
        if machine.log.errors:
            raise RuntimeError(
                "the platform logged unexpected errors:\n" + "\n".join(machine.log.errors)
            )


def available(names: Sequence[str]) -> list[str]:
    """Return the servers that can run here; print which can't, and why."""
    known = (*gateway_servers.SERVERS, gateway_servers.BEFORE)
    found = [name for name in known if name in names]
    others = (gateway_servers.APOLLO, gateway_servers.APOLLO_CACHED, gateway_servers.MERCURIUS)
    if any(name in others for name in found):
        if reason := gateway_servers.node_is_missing():
            click.echo(f"without the other servers: {reason}")
            found = [name for name in found if name not in others]
        else:
            gateway_servers.install_rivals()
    if gateway_servers.HTTP_CACHE in found and http_cache.find_nginx() is None:
        click.echo("without the HTTP cache: nginx is not installed (Debian: nginx-light)")
        found.remove(gateway_servers.HTTP_CACHE)
    return found


def _reserve_core() -> int | None:
    """Reserve one core for the servers; move this process and its children to the others."""
    cores = os.sched_getaffinity(0)
    if len(cores) < 2:
        click.echo("this machine has one core: the servers share it with the load and the services")
        return None
    core = max(cores)
    os.sched_setaffinity(0, cores - {core})
    return core


class Names(click.ParamType[list[str]]):
    """A comma-separated list of allowed names."""

    name = "names"

    def __init__(self, allowed: Sequence[str]) -> None:
        self._allowed = allowed

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> list[str]:
        """Return the names; fail for one that is not allowed."""
        names = str(value).split(",")
        for name in names:
            if name not in self._allowed:
                self.fail(f"{name!r} is not one of {', '.join(self._allowed)}", param, ctx)
        return names


@click.command()
@click.option("--rounds", envvar="ROUNDS", type=click.IntRange(1), default=3, show_default=True)
@click.option("--seconds", envvar="SECONDS", type=click.IntRange(1), default=2, show_default=True)
@click.option(
    "--connections", envvar="CONNECTIONS", default="1,16,64", show_default=True, help="Numbers."
)
@click.option(
    "--only",
    envvar="ONLY",
    type=Names(gateway_servers.SERVERS),
    default=",".join(gateway_servers.SERVERS),
    show_default=True,
    help="Servers.",
)
@click.option(
    "--queries",
    envvar="QUERIES",
    type=Names(gateway_shop.QUERIES),
    default=",".join(gateway_shop.QUERIES),
    show_default=True,
)
@click.option(
    "--services",
    envvar="SERVICES",
    type=click.Choice((REPLAYED, REAL)),
    default=REPLAYED,
    show_default=True,
    help="replayed: the services' responses are cached, so that only the servers are busy; or real.",
)
@click.option(
    "--quick", envvar="QUICK", is_flag=True, help="ours and apollo, public queries, 16 connections."
)
@click.option(
    "--before",
    envvar="BEFORE",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The folder of another checkout, whose gateway takes part as `before`.",
)
@click.option(
    "--priced", envvar="PRICED", is_flag=True, help="Sell by three price lists and 200 rules."
)
def main(
    rounds: int,
    seconds: int,
    connections: str,
    only: list[str],
    queries: list[str],
    services: str,
    quick: bool,
    before: Path | None,
    priced: bool,
) -> None:
    """Measure, and print the tables."""
    if shutil.which("wrk") is None:
        raise click.ClickException("wrk makes the load: install it (Debian: apt-get install wrk)")
    numbers = [int(number) for number in connections.split(",")]
    if quick:
        only, numbers = [gateway_servers.OURS, gateway_servers.APOLLO], [WARM_UP_CONNECTIONS]
        queries = list(gateway_shop.PUBLIC)
    click.echo(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()},"
        f" load before the run {os.getloadavg()[0]:.1f}; services: {services};"
        f" medians of {rounds} runs of {seconds} s"
    )
    if before is not None:
        only = [*only, gateway_servers.BEFORE]
    core = _reserve_core()
    options = Options(rounds, seconds, numbers, available(only), queries, services, before, priced)
    asyncio.run(_measure(options, core))
    if not quick:
        click.echo(asyncio.run(gateway_counts.count(SETTINGS, options.only, queries)))


if __name__ == "__main__":
    main()
