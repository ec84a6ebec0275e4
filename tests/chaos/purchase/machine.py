"""The whole platform on this machine as real processes that can be killed."""

import asyncio
import json
import os
import re
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg

from cli.auth import sessions
from cli.config import local_secrets
from cli.config.environment import complete, for_migrations, surroundings
from cli.config.processes import PROCESSES
from cli.config.settings import LocalSettings
from cli.local import postgres, programs
from cli.local.supervisor import Program, Say, Supervisor, pass_on, run_once, spawn
from kit.values.env import Env
from tests.fixtures.free_ports import free_ports

PORTS = (
    "GATEWAY_PORT",
    "WEBHOOKS_PORT",
    "WEBHOOKS_ADMIN_PORT",
    "CATALOGUE_PORT",
    "ORDERS_PORT",
    "ESIMS_PORT",
    "SANDBOX_PORT",
    "SANDBOX_AUTH_PORT",
    "SANDBOX_PAYMENTS_PORT",
)
# Processes that may be killed, unless the caller names others; the rest are external, or not involved in a
# purchase.
KILLABLE = ("esims", "orders", "gateway")
# Seconds until a process must be ready after its start, on a busy machine.
START_TIMEOUT = 90
# Seconds between two health checks.
POLL_INTERVAL = 0.1
# Log lines of unexpected errors. Known errors follow a colon.
ERROR_LINE = re.compile(
    r" failed, fault |exception was never retrieved| CRITICAL | failed,? and is re(tried|peated) later(?!:)"
)
# Processes that are not part of the platform.
EXTERNAL = ("sandbox", "payments", "auth", "postgres")


@dataclass(slots=True)
class ProcessLog:
    """The output of the processes, stored in a file; `errors` are its lines about unexpected errors."""

    path: Path
    errors: list[str] = field(default_factory=list)

    def write(self, name: str, text: str) -> None:
        if name not in EXTERNAL and ERROR_LINE.search(text):
            self.errors.append(f"{name}: {text}")
        with self.path.open("a") as file:
            file.write(f"{name:<9} | {text}\n")


class KillableProcess:
    """A process that a test kills and starts again."""

    def __init__(self, program: Program, say: Say) -> None:
        self.program = program
        self.unexpected_exits = 0  # exits that no kill caused
        self._say = say
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._process = await spawn(self.program)
        self._reading = asyncio.create_task(
            pass_on(self._process.stdout, self.program.name, self._say)
        )

    async def ready(self) -> None:
        """Wait until it is ready; raises TimeoutError after START_TIMEOUT."""
        async with asyncio.timeout(START_TIMEOUT):
            while not await self.program.ready():
                if self._process is not None and self._process.returncode is not None:
                    self.unexpected_exits += 1
                    self._say("machine", f"{self.program.name} exited unexpectedly")
                    await self.start()
                await asyncio.sleep(POLL_INTERVAL)

    async def kill(self) -> None:
        """Kill it with SIGKILL."""
        if self._process is None or self._reading is None:
            raise RuntimeError(f"{self.program.name} was never started")
        if self._process.returncode is not None:
            self.unexpected_exits += 1
        with suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        await self._reading
        self._say("machine", f"{self.program.name} killed")

    async def stop(self) -> None:
        """Stop it as a deployment does, and kill it when it takes too long."""
        if self._process is None or self._process.returncode is not None:
            return
        self._process.terminate()
        try:
            async with asyncio.timeout(5):  # seconds; a process that takes longer is killed
                await self._process.wait()
        except TimeoutError:
            await self.kill()


@dataclass(frozen=True, slots=True)
class Machine:
    """The running platform; `database_url` is the superuser's, `addresses` are those of the processes."""

    http: aiohttp.ClientSession
    gateway_url: str
    sandbox_url: str
    api_key: str = field(repr=False)
    auth_url: str
    anon_key: str
    database_url: str
    killable: Mapping[str, KillableProcess]
    log: ProcessLog
    addresses: Mapping[str, str] = field(default_factory=dict)
    payments_url: str = ""
    service_key: str = field(default="", repr=False)

    async def token(self, email: str, role: str | None = None) -> str:
        """Return a session token of a customer or of staff, who is created if missing."""
        return await sessions.mint(self.http, self.auth_url, email, role=role)

    async def control(self, method: str, path: str, body: Any = None) -> Any:
        """Call the sandbox's admin API; fractions are parsed as Decimal."""
        return await self._control(self.sandbox_url, method, path, body)

    async def payments(self, method: str, path: str, body: Any = None) -> Any:
        """Call the admin API of the payment sandbox."""
        return await self._control(self.payments_url, method, path, body)

    async def _control(self, base: str, method: str, path: str, body: Any) -> Any:
        url = f"{base}/_control{path}"
        async with self.http.request(method, url, json=body) as response:
            text = await response.text()
            if response.status >= 400:
                raise RuntimeError(f"{method} {path}: {text}")
            return json.loads(text or "null", parse_float=Decimal)

    @asynccontextmanager
    async def database(self) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
        """Open a superuser's connection."""
        connection = await asyncpg.connect(self.database_url)
        try:
            yield connection
        finally:
            await connection.close()

    async def cut_database(self) -> int:
        """Terminate every connection of the platform's processes; returns how many there were."""
        async with self.database() as connection:
            cut: int = await connection.fetchval(
                """select count(pg_terminate_backend(pid)) from pg_stat_activity
                   where application_name like 'esimgo-%'"""
            )
        self.log.write("machine", f"{cut} database connections cut")
        return cut


@asynccontextmanager
async def running(
    settings: Mapping[str, str],
    *,
    modules: Mapping[str, str] | None = None,
    code: Path | None = None,
    postgres_options: Sequence[str] = (),
    killable: Sequence[str] = KILLABLE,
    say: Callable[[str], None] = lambda text: None,
) -> AsyncIterator[Machine]:
    """Start everything with those variables set, and stop and remove it at the end of the block.

    `modules` names another module to run for a process, with arguments if any. `code` is the folder of
    another version of the platform to run, with its own `.venv` if its packages differ; everything around
    it is this version. `killable` are the processes that may be killed. `say` receives progress.
    """
    async with AsyncExitStack() as stack:
        folder = Path(
            # Not in pytest's folder, which PostgreSQL's user may not enter.
            stack.enter_context(
                tempfile.TemporaryDirectory(prefix="esimgo-chaos-", ignore_cleanup_errors=True)
            )
        )
        log = ProcessLog(folder / "lines.log")
        http = await stack.enter_async_context(
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        )
        local = _settings(folder, settings)
        say("making the database and starting the processes")
        secrets = local_secrets.load(local.home)
        database = await asyncio.to_thread(postgres.prepare, local.home)
        socket_folder = str(database.socket_folder)
        values = complete(local, secrets, socket_folder)
        supervisor = Supervisor(log.write)
        stack.push_async_callback(supervisor.stop)

        server = database.program(surroundings(local.values))
        options = tuple(part for option in postgres_options for part in ("-c", option))
        keepers = [supervisor.start(replace(server, command=(*server.command, *options)))]
        keepers += [supervisor.start(p) for p in programs.sandboxes(local, values, http)]
        async with asyncio.timeout(START_TIMEOUT):
            await asyncio.gather(*(keeper.ready.wait() for keeper in keepers))
        migrations = for_migrations(local, secrets, socket_folder)
        if await run_once(programs.migration(local, migrations), log.write) != 0:
            raise RuntimeError(f"the migrations failed:\n{log.path.read_text()}")
        processes: dict[str, KillableProcess] = {}
        for program in programs.platform(local, values, http):
            if module := (modules or {}).get(program.name):
                program = replace(program, command=(*program.command[:-1], *module.split()))
            if code is not None:
                program = replace(program, command=command_in(code, program.command))
            if program.name in killable:
                processes[program.name] = KillableProcess(program, log.write)
                await processes[program.name].start()
                stack.push_async_callback(processes[program.name].stop)
            else:
                keepers.append(supervisor.start(program))
        async with asyncio.timeout(START_TIMEOUT):
            await asyncio.gather(
                *(keeper.ready.wait() for keeper in keepers),
                *(m.ready() for m in processes.values()),
            )
        yield Machine(
            http=http,
            addresses={process.name: local.address(process.port) for process in PROCESSES},
            gateway_url=f"http://{local.address('GATEWAY_PORT')}/graphql",
            sandbox_url=f"http://{local.address('SANDBOX_PORT')}",
            api_key=values["ESIM_GO_API_KEY"],
            auth_url=values["SUPABASE_URL"],
            anon_key=secrets.anon_key,
            database_url=migrations["DATABASE_URL"],
            killable=processes,
            service_key=values["SUPABASE_SERVICE_ROLE_KEY"],
            payments_url=f"http://{local.address('SANDBOX_PAYMENTS_PORT')}",
            log=log,
        )


def _settings(folder: Path, settings: Mapping[str, str]) -> LocalSettings:
    values = {
        # Only what any program needs, without the developer's settings.
        **surroundings(os.environ),
        # One address and a few users simulate many.
        "GATEWAY_ADDRESS_RATE": "0",
        "GATEWAY_USER_RATE": "0",
        "GATEWAY_ADDRESS_WORK": "0",
        "GATEWAY_USER_WORK": "0",
        **settings,
        **_free_ports(),
        "ESIMGO_HOME": str(folder / "state"),
    }
    env = Env(values)
    found = LocalSettings.read(env, values)
    env.finish()
    return found


def _free_ports() -> dict[str, str]:
    return dict(zip(PORTS, map(str, free_ports(len(PORTS))), strict=True))


def command_in(folder: Path, command: Sequence[str]) -> tuple[str, ...]:
    """Return the command that runs a Python command in another folder, with that folder's Python if any."""
    env = shutil.which("env")
    if env is None:
        raise RuntimeError("there is no program `env`")
    python = folder / ".venv" / "bin" / "python"
    return (env, "-C", str(folder), str(python) if python.exists() else command[0], *command[1:])
