"""Runs the commands: with the settings that each needs, and with an exit status for each failure."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, NoReturn, TypeVar

import click

from cli.config import access, settings
from cli.config.access import Access
from cli.config.local_secrets import SecretsError
from cli.config.settings import LocalSettings
from cli.errors import CommandError
from kit.values.env import SettingsError

T = TypeVar("T")


def run_local(work: Callable[[LocalSettings], Awaitable[T]]) -> T:
    """Run a command that needs the settings of everything on this machine."""

    async def main() -> T:
        return await work(settings.load())

    return run(main())


def run_operator(work: Callable[[Access], Awaitable[T]]) -> T:
    """Run a command that only calls running processes, with their addresses and keys."""

    async def main() -> T:
        return await work(access.load())

    return run(main())


def print_lines(
    opened: Callable[[Access], AbstractAsyncContextManager[T]],
    work: Callable[[T], Awaitable[Sequence[str]]],
) -> None:
    """Run an operators' command, and print the lines that `work` returns for what `opened` connects to."""

    async def main(access: Access) -> None:
        async with opened(access) as operations:
            for line in await work(operations):
                click.echo(line)

    run_operator(main)


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a command; an error that its user can act on is printed and ends the program."""
    try:
        return asyncio.run(main)
    except CommandError as error:
        _exit(error, error.status)
    except (SettingsError, SecretsError) as error:
        _exit(error, 2)
    except KeyboardInterrupt:
        sys.exit(130)  # as a shell reports a command that Ctrl-C ended


def _exit(error: Exception, status: int) -> NoReturn:
    click.echo(f"esimgo: {error}", err=True)
    sys.exit(status)
