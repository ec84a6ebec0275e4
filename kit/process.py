"""A process's life: settings or a clear refusal, a stop event on SIGTERM or Ctrl-C, an exit status."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

import uvloop

from kit import log
from kit.env import Env, SettingsError

S = TypeVar("S")

LOG_LEVEL_HELP = "How much is logged: debug, info, warning or error."
APP_ENV_HELP = (
    "production or development; in development, LOG_LEVEL=debug also tells of calls that block the"
    " event loop and of coroutines that nobody awaits."
)


class Stopped(Exception):  # noqa: N818 - no error: the process was asked to stop while it started
    """Ends a start that was waiting for something."""


def run(
    read: Callable[[Env], S],
    secrets: Callable[[S], list[str]],
    main: Callable[[S, asyncio.Event], Awaitable[None]],
) -> None:
    """Reads the settings, runs `main` with them and an event that SIGTERM or Ctrl-C sets, and exits.

    `read` declares and reads every variable; `secrets` names values that no log line may hold.
    Exit status 2 says that the environment is not fit, and the line before it says why.
    """
    env = Env(os.environ)
    level, debugging = read_debugging(env)
    settings = read(env)
    try:
        env.finish()
    except SettingsError as error:
        sys.stderr.write(f"cannot start: {error}\n")
        sys.exit(2)
    log.setup(level, secrets(settings))
    with suppress(Stopped):
        uvloop.run(_until_stopped(settings, main), debug=debugging)


def read_debugging(env: Env) -> tuple[str, bool]:
    """What every process reads beside its own settings: the log level, and whether to debug.

    Debugging costs speed and shows what an operator of a shop has no use for, so it needs both
    LOG_LEVEL=debug and APP_ENV=development.
    """
    level = env.choice("LOG_LEVEL", LOG_LEVEL_HELP, "info", ("debug", "info", "warning", "error"))
    stage = env.choice("APP_ENV", APP_ENV_HELP, "production", ("production", "development"))
    return level, level == "debug" and stage == "development"


async def _until_stopped(settings: S, main: Callable[[S, asyncio.Event], Awaitable[None]]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    running = asyncio.ensure_future(main(settings, stop))

    def ask_to_stop(name: str) -> None:
        if stop.is_set():  # asked twice: somebody is in a hurry
            running.cancel()
        logging.getLogger(__name__).info("%s received: finishing what runs, then stopping", name)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ask_to_stop, number.name)
    await running
