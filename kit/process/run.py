"""The life cycle of a process: its settings, a stop event on SIGTERM or Ctrl-C, and its exit status."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import TypeVar

import uvloop

from kit.errors import StartError, Stopped
from kit.logs import log
from kit.process.process_settings import ProcessSettings
from kit.process.telemetry import Telemetry
from kit.values.env import Env, SettingsError

S = TypeVar("S")


def run(
    name: str,
    metrics_port: int,
    read: Callable[[Env], S],
    secrets: Callable[[S], list[str]],
    main: Callable[[S, asyncio.Event], Awaitable[None]],
) -> None:
    """Read the settings, and run `main` with them and an event that SIGTERM or Ctrl-C sets.

    `name` identifies the process in metrics and traces, and `metrics_port` is the default of that port.
    `read` declares and reads every variable; `secrets` returns values that no log line may contain.
    Exits with status 2 if the settings are invalid, and with 1 if the process can't start for another
    reason, such as a port in use. The last line on standard error says why.
    """
    env = Env(os.environ)
    process = ProcessSettings.read(env, name, metrics_port)
    settings = read(env)
    try:
        env.finish()
    except SettingsError as error:
        sys.stderr.write(f"cannot start: {error}\n")
        sys.exit(2)
    log.setup(process.log_level, secrets(settings), style=process.log_format, service=name)
    for notice in env.notices:
        logging.getLogger(__name__).warning("%s", notice)
    telemetry = Telemetry.start(process.telemetry)
    try:
        uvloop.run(_until_stopped(settings, main, telemetry), debug=process.debugging)
    except Stopped:
        pass
    except StartError as error:
        sys.stderr.write(f"cannot start: {error}\n")
        sys.exit(1)


async def _until_stopped(
    settings: S, main: Callable[[S, asyncio.Event], Awaitable[None]], telemetry: Telemetry
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    async def observed() -> None:
        async with telemetry.running():
            await main(settings, stop)

    running = asyncio.ensure_future(observed())

    def request_stop(name: str) -> None:
        if stop.is_set():  # the second signal ends the process immediately
            running.cancel()
        logging.getLogger(__name__).info(
            "%s received: finishing calls in flight, then stopping", name
        )
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, request_stop, number.name)
    await running
