"""`make outages`: each dependency fails for a while; exit status 0 only if every rule held."""

import asyncio
import shutil
import sys
import tempfile
from pathlib import Path

import click

from tests.chaos.fleet import balancer
from tests.chaos.fleet.fleet import running
from tests.chaos.outages.run import SETTINGS, run


@click.command()
@click.option("--seconds", envvar="SECONDS", default=60.0, help="Duration of each outage.")
@click.option("--seed", envvar="SEED", default=1, help="Decides the requests.")
def main(seconds: float, seed: int) -> None:
    """Make Redis, PostgreSQL, the provider and the collector unavailable under load."""
    if not balancer.is_installed():
        raise click.ClickException(balancer.MISSING)
    sys.exit(asyncio.run(_run(seconds, seed)))


async def _run(seconds: float, seed: int) -> int:
    async with running(SETTINGS, traced=True, say=click.echo) as fleet:
        try:
            report = await run(fleet, seconds, seed, click.echo)
        finally:
            log = Path(tempfile.gettempdir()) / "outages.log"
            shutil.copyfile(fleet.machine.log.path, log)
        click.echo(f"\n{report}")
        if not report.holds:
            click.echo(f"output of the processes: {log}")
    return 0 if report.holds else 1


if __name__ == "__main__":
    main(prog_name="outages")
