"""How a command runs: with the machine's settings, and with a clear end when something is wrong."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import NoReturn, TypeVar

import click

from cli.local_secrets import SecretsError
from cli.settings import LocalSettings, load
from kit.env import SettingsError

T = TypeVar("T")


def run_command(work: Callable[[LocalSettings], Awaitable[T]]) -> T:
    """Runs a command with the machine's settings; exit status 2 when they are wrong."""

    async def main(settings: LocalSettings) -> T:
        return await work(settings)

    try:
        return asyncio.run(main(load()))
    except (SettingsError, SecretsError) as error:
        refuse(error, 2)
    except KeyboardInterrupt:
        sys.exit(130)  # as a shell reports a command that Ctrl-C ended


def refuse(error: Exception, status: int = 1) -> NoReturn:
    click.echo(f"esimgo: {error}", err=True)
    sys.exit(status)
