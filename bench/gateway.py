"""How fast the gateway answers, beside other GraphQL servers over the same services.

`make bench-gateway`: one machine, real processes, every server on the same core, the load and the
services on the others; the servers take turns in every round.
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
from bench.gateway_load import Question, Run, put_load
from bench.gateway_servers import ADDRESSES, Server, Starter
from cli.config.environment import surroundings
from cli.local.supervisor import Program, Supervisor
from tests.chaos.purchase.machine import Machine, running
from tests.fixtures.free_ports import free_ports

# A day: what was bought and used stays as it is, and no run meets a reading of the provider.
SETTINGS = {
    "LOG_LEVEL": "warning",
    "ESIMS_FRESH_SECONDS": "86400",
    # As high as they go: the load comes from one user at one address, and counting stays part of it.
    "GATEWAY_USER_RATE": "1000000",
    "GATEWAY_ADDRESS_RATE": "1000000",
    "GATEWAY_USER_WORK": "1000000000",
    "GATEWAY_ADDRESS_WORK": "1000000000",
} | {
    # Others on this machine may have taken the usual ports.
    f"{name}_METRICS_PORT": "0"
    for name in ("CATALOGUE", "ESIMS", "ORDERS", "WEBHOOKS", "GATEWAY")
}
KEPT, REAL = "kept", "real"
# Seconds of load before the first round: what compiles or caches has done so by then.
WARM_UP = 2
# Connections of the warm-up.
SOME = 16


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is measured: `seconds` are of each run, `services` KEPT or REAL, `before` another checkout."""

    rounds: int
    seconds: int
    connections: Sequence[int]
    only: Sequence[str]
    queries: Sequence[str]
    services: str
    before: Path | None


@asynccontextmanager
async def comparing(
    only: Sequence[str],
    queries: Sequence[str],
    services: str,
    core: int | None,
    before: Path | None = None,
) -> AsyncIterator[tuple[Machine, list[Server], list[Question]]]:
    """Those servers over one platform, when all of them have answered each question alike."""
    async with running(SETTINGS) as machine:
        asked = [q for q in await gateway_shop.stock(machine) if q.name in queries]
        gateway = machine.mortals["gateway"]
        environment = gateway.program.environment
        addresses = {name: environment[name] for name in ADDRESSES}
        with tempfile.TemporaryDirectory() as folder:
            answers = await _answers(machine, asked, Path(folder))
            await gateway.stop()
            async with _services(services, addresses, machine) as behind:
                starter = Starter(
                    environment, behind, core, machine.http, machine.lines.say, before
                )
                async with starter.running(only, Path(folder)) as servers:
                    for question in asked:
                        await gateway_servers.check_equal(
                            machine.http,
                            [s for s in servers if gateway_servers.measured(s.name, question)],
                            question,
                            answers[question.name],
                        )
                    yield machine, servers, asked


async def _answers(
    machine: Machine, questions: Sequence[Question], folder: Path
) -> dict[str, bytes]:
    """Our answers, which are also put into files for the bare server."""
    gateway = Server(gateway_servers.OURS, 0, machine.gateway_url.removesuffix("/graphql"))
    found = {}
    for question in questions:
        answer = await gateway_servers.answer_of(machine.http, gateway, question)
        found[question.name] = answer
        (folder / question.name).write_bytes(answer)
    return found


@asynccontextmanager
async def _services(
    how: str, addresses: dict[str, str], machine: Machine
) -> AsyncIterator[dict[str, str]]:
    """The addresses that the servers call: those of the services, or of what keeps their answers."""
    if how == REAL:
        yield addresses
        return
    supervisor = Supervisor(machine.lines.say)
    port = free_ports(1)[0]
    keeping = (sys.executable, "-m", "bench.gateway_kept", str(port), *addresses.values())
    program = Program("kept", keeping, surroundings(os.environ), ready=_at_once)
    await supervisor.start(program).ready.wait()
    try:
        yield dict.fromkeys(addresses, f"127.0.0.1:{port}")
    finally:
        await supervisor.stop()


async def _at_once() -> bool:
    return True  # calls wait for a channel's first connection


async def _measure(wishes: Wishes, core: int | None) -> None:
    asked = (wishes.only, wishes.queries, wishes.services)
    async with comparing(*asked, core, wishes.before) as found:
        machine, servers, questions = found
        names = gateway_cpu.children() | {server.pid: server.name for server in servers}
        for question in questions:
            taking_part = [s for s in servers if gateway_servers.measured(s.name, question)]
            for server in taking_part:
                await put_load(server.url_of(question), question, SOME, WARM_UP, names, core)
            # Again, now that caches and compilers answer.
            expected = await gateway_servers.answer_of(machine.http, taking_part[0], question)
            await gateway_servers.check_equal(machine.http, taking_part, question, expected)
            click.echo(gateway_report.heading(question.name))
            for connections in wishes.connections:
                runs: dict[str, list[Run]] = defaultdict(list)
                for _ in range(wishes.rounds):
                    for server in taking_part:
                        url = server.url_of(question)
                        run = await put_load(
                            url, question, connections, wishes.seconds, names, core
                        )
                        runs[server.name].append(run)
                click.echo(gateway_report.table(connections, runs))
        if machine.lines.alarms:
            raise RuntimeError("the platform had trouble:\n" + "\n".join(machine.lines.alarms))


def available(wanted: Sequence[str]) -> list[str]:
    """Which of them can run here; says which can't, and why."""
    known = (*gateway_servers.SERVERS, gateway_servers.BEFORE)
    found = [name for name in known if name in wanted]
    rivals = (gateway_servers.APOLLO, gateway_servers.APOLLO_CACHED, gateway_servers.MERCURIUS)
    if any(name in rivals for name in found):
        if reason := gateway_servers.node_is_missing():
            click.echo(f"without the rivals: {reason}")
            found = [name for name in found if name not in rivals]
        else:
            gateway_servers.install_rivals()
    return found


def _apart() -> int | None:
    """Keeps one core for the servers and moves us and all that we start to the others."""
    cores = os.sched_getaffinity(0)
    if len(cores) < 2:
        click.echo("this machine has one core: the servers share it with the load and the services")
        return None
    core = max(cores)
    os.sched_setaffinity(0, cores - {core})
    return core


class Names(click.ParamType[list[str]]):
    """Several of those allowed, separated by commas."""

    name = "names"

    def __init__(self, allowed: Sequence[str]) -> None:
        self._allowed = allowed

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> list[str]:
        """Refuses a name that isn't among them."""
        names = str(value).split(",")
        for name in names:
            if name not in self._allowed:
                self.fail(f"{name!r} is none of {', '.join(self._allowed)}", param, ctx)
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
    type=click.Choice((KEPT, REAL)),
    default=KEPT,
    show_default=True,
    help="Whether the services' answers are kept, so that only the servers are busy, or real.",
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
def main(
    rounds: int,
    seconds: int,
    connections: str,
    only: list[str],
    queries: list[str],
    services: str,
    quick: bool,
    before: Path | None,
) -> None:
    """Prints tables of what was measured."""
    if shutil.which("wrk") is None:
        raise click.ClickException("wrk makes the load: install it (Debian: apt-get install wrk)")
    numbers = [int(number) for number in connections.split(",")]
    if quick:
        only, numbers = [gateway_servers.OURS, gateway_servers.APOLLO], [SOME]
        queries = list(gateway_shop.PUBLIC)
    click.echo(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()},"
        f" load before the run {os.getloadavg()[0]:.1f}; services: {services};"
        f" medians of {rounds} runs of {seconds} s"
    )
    if before is not None:
        only = [*only, gateway_servers.BEFORE]
    core = _apart()
    wishes = Wishes(rounds, seconds, numbers, available(only), queries, services, before)
    asyncio.run(_measure(wishes, core))
    if not quick:
        click.echo(asyncio.run(gateway_counts.count(SETTINGS, wishes.only, queries)))


if __name__ == "__main__":
    main()
