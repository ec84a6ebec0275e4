"""`make rolling-restart`: replaces all processes under load; exit status 0 only if every rule held."""

import asyncio
import shutil
import sys
import tempfile
from pathlib import Path

import click

from tests.chaos.fleet import balancer
from tests.chaos.fleet.fleet import running
from tests.chaos.rolling.run import SETTINGS, Plan, run


@click.command()
@click.option("--seed", envvar="SEED", default=1, help="Decides the requests.")
def main(seed: int) -> None:
    """Replace, add, kill and freeze replicas under the load of customers and callbacks."""
    if not balancer.is_installed():
        raise click.ClickException(balancer.MISSING)
    sys.exit(asyncio.run(_run(Plan(seed=seed))))


async def _run(plan: Plan) -> int:
    async with running(SETTINGS, say=click.echo) as fleet:
        try:
            report = await run(fleet, plan, click.echo)
        finally:
            log = Path(tempfile.gettempdir()) / "rolling-restart.log"
            shutil.copyfile(fleet.machine.log.path, log)
        click.echo(f"\n{report}")
        if not report.holds:
            click.echo(f"output of the processes: {log}")
    return 0 if report.holds else 1


if __name__ == "__main__":
    main(prog_name="rolling-restart")
