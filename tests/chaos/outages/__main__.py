"""`make outages`: each dependency fails for a while; prints figures, exit status 0 if all rules held."""

import asyncio
import shutil
import sys
import tempfile
from pathlib import Path

import click

from tests.chaos.fleet import balancer, fleet
from tests.chaos.outages.run import SETTINGS, run


@click.command()
@click.option("--seconds", envvar="SECONDS", default=60.0, help="How long each is away.")
@click.option("--seed", envvar="SEED", default=1, help="Decides what is asked for.")
def main(seconds: float, seed: int) -> None:
    """Take Redis, PostgreSQL, the provider and the collector away under load."""
    if not balancer.found():
        raise click.ClickException(balancer.MISSING)
    sys.exit(asyncio.run(_run(seconds, seed)))


async def _run(seconds: float, seed: int) -> int:
    async with fleet.running(SETTINGS, traced=True, say=click.echo) as opened:
        try:
            report = await run(opened, seconds, seed, click.echo)
        finally:
            kept = Path(tempfile.gettempdir()) / "outages.log"
            shutil.copyfile(opened.machine.lines.path, kept)
        click.echo(f"\n{report}")
        if not report.holds:
            click.echo(f"what the processes said: {kept}")
    return 0 if report.holds else 1


if __name__ == "__main__":
    main(prog_name="outages")
