"""The `esimgo compose` commands."""

import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.config.settings import ROOT
from cli.groups import Group
from cli.local.console import Console
from cli.run import run

if TYPE_CHECKING:
    from cli.local.compose import Compose

ENV_FILE = click.option(
    "--env-file",
    type=click.Path(path_type=Path),
    default=ROOT / "deploy" / "sandbox.env",
    help="Environment file with the settings. Default: deploy/sandbox.env, which replaces the"
    " provider and Supabase locally.",
)


@click.group(cls=Group)
def compose() -> None:
    """Run the backend in containers on this machine."""


@compose.command()
@ENV_FILE
def up(env_file: Path) -> None:
    """Build and start the containers, and show how to use them."""
    console = Console(sys.stdout, os.environ)
    _with(env_file, lambda project: project.up(console))


@compose.command()
@ENV_FILE
@click.option("--volumes", is_flag=True, help="Also delete the data permanently.")
def down(env_file: Path, volumes: bool) -> None:
    """Stop and remove the containers; the data stays."""
    options = ("--volumes",) if volumes else ()
    _with(env_file, lambda project: project.down(*options))


def _with(env_file: Path, work: Callable[["Compose"], Awaitable[None]]) -> None:
    from cli.local.compose import load

    async def main() -> None:
        await work(load(env_file))

    run(main())
