"""`make rolling-restart`: everything replaced under load; prints figures, exit status 0 if all rules held."""

import asyncio
import shutil
import sys
import tempfile
from pathlib import Path

import click

from tests.chaos.fleet import balancer, fleet
from tests.chaos.rolling.run import SETTINGS, Plan, run


@click.command()
@click.option("--seed", envvar="SEED", default=1, help="Decides what is asked for.")
def main(seed: int) -> None:
    """Replace, add, kill and freeze replicas under the load of customers and callbacks."""
    if not balancer.found():
        raise click.ClickException(balancer.MISSING)
    sys.exit(asyncio.run(_run(Plan(seed=seed))))


async def _run(plan: Plan) -> int:
    async with fleet.running(SETTINGS, say=click.echo) as opened:
        try:
            report = await run(opened, plan, click.echo)
        finally:
            kept = Path(tempfile.gettempdir()) / "rolling-restart.log"
            shutil.copyfile(opened.machine.lines.path, kept)
        click.echo(f"\n{report}")
        if not report.holds:
            click.echo(f"what the processes said: {kept}")
    return 0 if report.holds else 1


if __name__ == "__main__":
    main(prog_name="rolling-restart")
