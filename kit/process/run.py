"""The life cycle of a process: its settings, a stop event on SIGTERM or Ctrl-C, and its exit status."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import uvloop

from kit.errors import StartError, Stopped
from kit.logs import log
from kit.process.telemetry import Telemetry
from kit.telemetry.settings import TelemetrySettings
from kit.values.env import Env, SettingsError

S = TypeVar("S")

LOG_LEVEL_HELP = "Log level: debug, info, warning or error."
APP_ENV_HELP = (
    "production or development. In development, the gateway serves the explorer and the schema"
    " and accepts pages of localhost; with LOG_LEVEL=debug, calls that block the event loop and"
    " coroutines that are never awaited are logged. `make up` and deploy/sandbox.env set it."
)


def is_development(env: Env) -> bool:
    """True if APP_ENV is development."""
    stages = ("production", "development")
    return env.choice("APP_ENV", APP_ENV_HELP, "production", stages) == "development"


@dataclass(frozen=True, slots=True)
class ProcessSettings:
    """The settings that every process has in addition to its own.

    `debugging` requires both LOG_LEVEL=debug and APP_ENV=development, because it costs speed and is of
    no use to operators.
    """

    log_level: str
    log_format: str
    debugging: bool
    telemetry: TelemetrySettings

    @classmethod
    def read(cls, env: Env, name: str, metrics_port: int) -> "ProcessSettings":
        """Read the settings of the process `name`. `metrics_port` is the default."""
        level = env.choice(
            "LOG_LEVEL", LOG_LEVEL_HELP, "info", ("debug", "info", "warning", "error")
        )
        return cls(
            log_level=level,
            log_format=env.choice(
                "LOG_FORMAT",
                "Log format: text for people, json for log collectors, or auto (text on a"
                " terminal, json elsewhere).",
                "auto",
                ("auto", "text", "json"),
            ),
            debugging=is_development(env) and level == "debug",
            telemetry=TelemetrySettings.read(env, name, metrics_port),
        )


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
