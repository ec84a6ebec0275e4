"""The environment of a run: PostgreSQL, the sandboxes, and the platform's processes on any database."""

import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg

import sandbox.auth.app
import sandbox.server
from cli.config.environment import surroundings
from cli.config.processes import PROCESSES, Process
from cli.local import postgres, probes
from cli.local.supervisor import Program
from migrations import runner
from migrations.logins import LOGINS
from sandbox.auth.settings import AuthSettings
from sandbox.settings import Settings as SandboxSettings
from tests.chaos.callbacks.supervised import SupervisedProcess
from tests.fixtures.free_ports import free_ports

SERVICE_ROLE_KEY = "chaos-service-role-key"
ANON_KEY = "chaos-anon-key"


class Testbed:
    """PostgreSQL, the sandboxes and the platform, with their own folder and ports.

    The sandboxes run in the test process, as they are never killed; the platform runs as separate processes.
    """

    def __init__(self, local: postgres.LocalPostgres, stack: AsyncExitStack) -> None:
        self.sandbox: sandbox.server.Running
        self.auth: sandbox.auth.app.Running
        self.http: aiohttp.ClientSession
        self.processes: dict[str, SupervisedProcess] = {}
        self.ports = _free_ports()
        self._local = local
        self._stack = stack

    @classmethod
    async def open(cls, provider: SandboxSettings, *, durable: bool) -> "Testbed":
        """Start PostgreSQL and the sandboxes.

        Without `durable` the server doesn't sync to disk, which only a power failure would reveal.
        """
        async with AsyncExitStack() as stack:
            # Short, because it is part of a socket's path.
            folder = Path(tempfile.mkdtemp(prefix="esimgo-c-"))
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            local = await asyncio.to_thread(postgres.prepare, folder / "state")
            program = local.program(surroundings(os.environ))
            if not durable:
                program = replace(program, command=(*program.command, "-c", "fsync=off"))
            server = SupervisedProcess(program)
            stack.push_async_callback(server.stop)
            await server.until_ready()
            testbed = cls(local, stack.pop_all())
        try:
            connector = aiohttp.TCPConnector(limit=0)  # a dead peer must not block the others
            testbed.http = await testbed._stack.enter_async_context(
                aiohttp.ClientSession(connector=connector)
            )
            testbed.auth = await sandbox.auth.app.start(
                AuthSettings(anon_key=ANON_KEY, service_role_key=SERVICE_ROLE_KEY)
            )
            testbed._stack.push_async_callback(testbed.auth.stop)
            testbed.sandbox = await sandbox.server.start(provider)
            testbed._stack.push_async_callback(testbed.sandbox.stop)
        except BaseException:
            await testbed.close()
            raise
        return testbed

    async def close(self) -> None:
        await self.stop()
        await self._stack.aclose()

    def url(self, database: str, login: str = "postgres", folder: Path | None = None) -> str:
        """Return a database's address; `folder` is that of another socket than the server's own."""
        return f"postgresql://{login}@/{database}?host={folder or self.socket_folder}"

    @property
    def socket_folder(self) -> Path:
        return self._local.socket_folder

    async def make_database(self, name: str, template: str | None = None) -> None:
        """Create a migrated database, or copy one that has no connections."""
        connection = await asyncpg.connect(self.url("postgres"))
        try:
            suffix = f" template {template}" if template else ""
            await connection.execute(f"create database {name}{suffix}")
        finally:
            await connection.close()
        if template is None:
            await runner.migrate(self.url(name))

    async def start(
        self,
        names: Sequence[str],
        database: str,
        *,
        settings: Mapping[str, str],
        socket_folder: Path | None = None,
        modules: Mapping[str, str] | None = None,
    ) -> None:
        """Start these processes on that database and return when all are ready.

        `settings` are additional variables; `modules` maps a process to another module to run.
        """
        values = self._values(database, socket_folder) | dict(settings)
        for definition in PROCESSES:
            if definition.name in names:
                module = (modules or {}).get(definition.name, definition.module)
                program = self._program(definition, module, values)
                self.processes[definition.name] = SupervisedProcess(program)
        for process in self.processes.values():
            await process.until_ready()

    async def stop(self) -> None:
        await asyncio.gather(*(process.stop() for process in self.processes.values()))
        self.processes.clear()

    def address(self, name: str) -> str:
        return f"127.0.0.1:{self.ports[name]}"

    async def control(self, path: str, body: Any) -> Any:
        """Call the sandbox's admin API; raises RuntimeError when it refuses."""
        async with self.http.post(f"{self.sandbox.control_url}{path}", json=body) as response:
            if response.status >= 400:
                raise RuntimeError(f"{path}: {await response.text()}")
            return await response.json()

    def _values(self, database: str, socket_folder: Path | None) -> dict[str, str]:
        values = {
            "SUPABASE_URL": self.auth.url,
            "SUPABASE_ANON_KEY": ANON_KEY,
            "SUPABASE_SERVICE_ROLE_KEY": SERVICE_ROLE_KEY,
            "ESIM_GO_API_KEY": self.sandbox.world.settings.api_key,
            "ESIM_GO_BASE_URL": self.sandbox.url,
            "DRAIN_SECONDS": "0",
            "LOG_LEVEL": "warning",
            "WEBHOOKS_ADMIN_PORT": "0",  # no operator connects
        }
        for process in PROCESSES:
            values[process.port] = str(self.ports[process.name])
            values[f"{process.name.upper()}_ADDRESS"] = self.address(process.name)
        for login in LOGINS:
            owner = login.removesuffix("_service").upper()
            values[f"{owner}_DATABASE_URL"] = self.url(database, login, socket_folder)
        return values

    def _program(self, process: Process, module: str, values: Mapping[str, str]) -> Program:
        address = self.address(process.name)

        async def ready() -> bool:
            if process.speaks == "grpc":
                return await probes.rpc(address)
            return await probes.http(self.http, f"http://{address}/healthz")

        return Program(
            name=process.name,
            command=(sys.executable, "-m", module),
            environment=surroundings(os.environ) | process.environment(values),
            ready=ready,
        )


def _free_ports() -> dict[str, int]:
    ports = free_ports(len(PROCESSES))
    return {process.name: port for process, port in zip(PROCESSES, ports, strict=True)}
