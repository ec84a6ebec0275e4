"""How a command runs: with the machine's settings, and with a clear end when something is wrong."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import NoReturn, TypeVar

import click

from cli.config import access
from cli.config.access import Access, AccessError
from cli.config.local_secrets import SecretsError
from cli.config.settings import LocalSettings, load
from kit.values.env import SettingsError

S = TypeVar("S")
T = TypeVar("T")


def run_command(work: Callable[[LocalSettings], Awaitable[T]]) -> T:
    """Runs a command with the machine's settings; exit status 2 when they are wrong."""

    return _run(work, load)


def run_operator(work: Callable[[Access], Awaitable[T]]) -> T:
    """Runs a command that only asks running processes; it needs no settings of a whole machine."""
    return _run(work, access.load)


def _run(work: Callable[[S], Awaitable[T]], read: Callable[[], S]) -> T:
    async def main(settings: S) -> T:
        return await work(settings)

    try:
        return asyncio.run(main(read()))
    except (SettingsError, SecretsError, AccessError) as error:
        refuse(error, 2)
    except KeyboardInterrupt:
        sys.exit(130)  # as a shell reports a command that Ctrl-C ended


def refuse(error: Exception, status: int = 1) -> NoReturn:
    click.echo(f"esimgo: {error}", err=True)
    sys.exit(status)
