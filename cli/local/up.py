"""`esimgo up`: everything on this machine, from the database to the gateway, until it is told to stop."""

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
from cli.local import home, ports, postgres, programs, welcome
from cli.local.console import OWN_NAME, Console
from cli.local.supervisor import Keeper, Supervisor, UnfitError, run_once
from kit.values.env import SettingsError

# Seconds after which one says what is still awaited; a usual start takes less.
PATIENCE = 15.0
# Seconds within which two signals are one request: systemd and timeout(1) send one to us and one to
# make, which passes its own on. Nobody loses patience that soon.
ONE_REQUEST = 0.5


class UpError(Exception):
    """What keeps everything from starting; `status` is the exit status."""

    def __init__(self, text: str, status: int = 1) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True, slots=True)
class Up:
    """One run of `esimgo up`."""

    settings: LocalSettings
    console: Console

    async def run(self) -> None:
        """Starts all, shows how to use it, waits for SIGTERM or Ctrl-C, and stops all.

        Raises UpError when something needs the user first.
        """
        try:
            with home.locked(self.settings.home):
                self._check_ports()
                await self._supervise()
        except home.HomeError as error:
            raise UpError(str(error), 2) from error

    def _check_ports(self) -> None:
        busy = ports.taken(self.settings.own_ports())
        if busy:
            raise UpError("\n".join(ports.explain(*entry) for entry in busy.items()), 2)

    async def _supervise(self) -> None:
        supervisor = Supervisor(self.console.say)
        stop = asyncio.Event()

        loop = asyncio.get_running_loop()
        asked = 0.0

        def ask_to_stop(name: str) -> None:
            nonlocal asked
            if not stop.is_set():
                asked = loop.time()
                self.console.say(
                    OWN_NAME, f"{name} received: stopping (repeat to stop immediately)"
                )
                stop.set()
            elif loop.time() - asked > ONE_REQUEST:
                supervisor.hurry()

        # SIGHUP: the terminal is gone, and with it whoever would stop us.
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
            raise UpError(str(outcome), 2) from outcome
        if isinstance(outcome, Exception) and not stop.is_set():
            raise outcome

    async def _start(self, supervisor: Supervisor, http: aiohttp.ClientSession) -> None:
        """Starts all in order; once they run, it only ends by UnfitError or by being cancelled."""
        began = time.monotonic()
        secrets = self._secrets()
        database = None
        if self.settings.database_url is None:
            if not (self.settings.home / postgres.FOLDER).exists():
                self.console.say(
                    OWN_NAME, "creating the database files; this takes a few seconds, once"
                )
            database = await asyncio.to_thread(self._prepare)
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
        await welcome.show(self.settings, values, http, self.console, began)
        await supervisor.ended()

    def _secrets(self) -> local_secrets.LocalSecrets:
        try:
            return local_secrets.load(self.settings.home)
        except (OSError, local_secrets.SecretsError) as error:
            raise UpError(str(error), 2) from error

    def _prepare(self) -> postgres.LocalPostgres:
        try:
            return postgres.prepare(self.settings.home)
        except RuntimeError as error:
            raise UpError(str(error)) from error

    def _check_settings(self, values: dict[str, str]) -> None:
        """Finds in all processes' settings what is wrong, before any of them is started."""
        problems: dict[str, None] = {}
        for process in PROCESSES:
            env, _ = process.read(values)
            problems |= dict.fromkeys(env.problems)
        if problems:
            raise UpError(str(SettingsError("; ".join(problems))), 2)

    async def _migrate(self, values: dict[str, str]) -> None:
        program = programs.migration(self.settings, values)
        if await run_once(program, self.console.say) != 0:
            raise UpError("the database could not be migrated: see above")

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
                    {ended, *waiting}, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED
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
