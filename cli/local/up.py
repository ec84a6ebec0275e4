"""Operation of `esimgo up`: runs everything on this machine, from the database to the gateway."""

import asyncio
import signal
import time
from dataclasses import dataclass
from typing import Any

import aiohttp

from cli.config import local_secrets
from cli.config.environment import complete, for_migrations, surroundings
from cli.config.processes import PROCESSES
from cli.config.settings import LocalSettings
from cli.errors import CommandError
from cli.local import home, ports, postgres, programs, welcome
from cli.local.console import OWN_NAME, Console
from cli.local.supervisor import Keeper, Supervisor, UnfitError, run_once
from kit.values.env import SettingsError

# Seconds after which a slow start is reported.
REPORT_AFTER = 15.0
# Seconds within which two signals count as one request: systemd and timeout(1) signal both this process
# and make, which forwards its signal.
SAME_REQUEST = 0.5


@dataclass(frozen=True, slots=True)
class Up:
    """One run of `esimgo up`."""

    settings: LocalSettings
    console: Console

    async def run(self) -> None:
        """Start everything, print how to use it, wait for SIGTERM or Ctrl-C, and stop everything.

        Raises CommandError if the user has to correct something first.
        """
        try:
            with home.locked(self.settings.home):
                self._check_ports()
                await self._supervise()
        except home.HomeError as error:
            raise CommandError(str(error), 2) from error

    def _check_ports(self) -> None:
        busy = ports.in_use(self.settings.own_ports())
        if busy:
            raise CommandError("\n".join(ports.explain(*entry) for entry in busy.items()), 2)

    async def _supervise(self) -> None:
        supervisor = Supervisor(self.console.say)
        stop = asyncio.Event()

        loop = asyncio.get_running_loop()
        requested_at = 0.0

        def ask_to_stop(name: str) -> None:
            nonlocal requested_at
            if not stop.is_set():
                requested_at = loop.time()
                self.console.say(
                    OWN_NAME, f"{name} received: stopping (repeat to stop immediately)"
                )
                stop.set()
            elif loop.time() - requested_at > SAME_REQUEST:
                supervisor.hurry()

        # SIGHUP: the terminal was closed.
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, ask_to_stop, number.name)
        async with aiohttp.ClientSession() as http:
            starting = asyncio.create_task(self._start(supervisor, http))
            stopping = asyncio.create_task(stop.wait())
            await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            starting.cancel()
            stopping.cancel()
            (outcome,) = await asyncio.gather(starting, return_exceptions=True)
            await supervisor.stop()
        self.console.say(OWN_NAME, "stopped")
        if isinstance(outcome, UnfitError):
            raise CommandError(str(outcome), 2) from outcome
        if isinstance(outcome, Exception) and not stop.is_set():
            raise outcome

    async def _start(self, supervisor: Supervisor, http: aiohttp.ClientSession) -> None:
        """Start everything in order, then run until cancelled or until UnfitError."""
        started = time.monotonic()
        secrets = self._secrets()
        database = None
        if self.settings.database_url is None:
            if not (self.settings.home / postgres.FOLDER).exists():
                self.console.say(
                    OWN_NAME, "creating the database files; this takes a few seconds, once"
                )
            database = await asyncio.to_thread(postgres.prepare, self.settings.home)
        socket_folder = str(database.socket_folder) if database else None
        values = complete(self.settings, secrets, socket_folder)
        self._check_settings(values)
        first = []
        if database is not None:
            first.append(supervisor.start(database.program(surroundings(self.settings.values))))
        stand_ins = [supervisor.start(p) for p in programs.sandboxes(self.settings, values, http)]
        await self._all_ready(supervisor, first)
        await self._migrate(for_migrations(self.settings, secrets, socket_folder))
        own = [supervisor.start(p) for p in programs.platform(self.settings, values, http)]
        await self._all_ready(supervisor, [*stand_ins, *own])
        await welcome.show(self.settings, values, http, self.console, started)
        await supervisor.ended()

    def _secrets(self) -> local_secrets.LocalSecrets:
        try:
            return local_secrets.load(self.settings.home)
        except local_secrets.SecretsError as error:
            raise CommandError(str(error), 2) from error

    def _check_settings(self, values: dict[str, str]) -> None:
        """Report the problems in the settings of all processes before any of them starts."""
        problems: dict[str, None] = {}
        for process in PROCESSES:
            env, _ = process.read(values)
            problems |= dict.fromkeys(env.problems)
        if problems:
            raise CommandError(str(SettingsError("; ".join(problems))), 2)

    async def _migrate(self, values: dict[str, str]) -> None:
        program = programs.migration(self.settings, values)
        if await run_once(program, self.console.say) != 0:
            raise CommandError("the database could not be migrated: see above")

    async def _all_ready(self, supervisor: Supervisor, keepers: list[Keeper]) -> None:
        if not keepers:
            return
        ended = asyncio.create_task(supervisor.ended())
        waiting: dict[asyncio.Task[Any], str] = {
            asyncio.create_task(k.ready.wait()): k.program.name for k in keepers
        }
        try:
            while waiting:
                done, _ = await asyncio.wait(
                    {ended, *waiting}, timeout=REPORT_AFTER, return_when=asyncio.FIRST_COMPLETED
                )
                if ended in done:
                    ended.result()
                for task in done:
                    del waiting[task]
                if not done:
                    names = ", ".join(waiting.values())
                    self.console.say(OWN_NAME, f"still waiting for {names}")
        finally:
            for task in (ended, *waiting):
                task.cancel()
