"""`esimgo`: runs the platform on one machine and looks after it."""

import asyncio
import os
import sys

import click

from cli.console import Console
from cli.settings import load
from cli.up import Up, UpError
from kit.env import SettingsError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def esimgo() -> None:
    """Run the eSIM platform on this machine and look after it."""


@esimgo.command()
def up() -> None:
    """Start everything, say when it is ready, and stop it on Ctrl-C.

    What has no credentials in the environment or in .env is played locally: the provider, Supabase
    Auth, PostgreSQL.
    """
    try:
        asyncio.run(Up(load(), Console(sys.stdout, os.environ)).run())
    except SettingsError as error:
        click.echo(f"cannot start: {error}", err=True)
        sys.exit(2)
    except UpError as error:
        click.echo(f"cannot start: {error}", err=True)
        sys.exit(error.status)


if __name__ == "__main__":
    esimgo(prog_name="esimgo")
