"""`make chaos-batch`: one long run with its table; exit status 0 only if every rule held."""

import asyncio
import shutil
import sys
import tempfile
from pathlib import Path

import click

from tests.chaos.batch.run import open_shop

# Number of single purchases that are timed without the batch, and again beside it.
TIMED = 100


@click.command()
@click.option("--items", envvar="ITEMS", default=500, help="Rows of the batch.")
@click.option("--kills", envvar="KILLS", default=20, help="Number of kills.")
@click.option("--seed", envvar="SEED", default=1, help="Decides rows, faults and kills.")
@click.option("--mutant", envvar="MUTANT", help="Run the orders service with this fault.")
def main(items: int, kills: int, seed: int, mutant: str | None) -> None:
    """Buy a batch while everything fails, and compare its rows with the provider's record."""
    sys.exit(asyncio.run(_run(items, kills, seed, mutant or "")))


async def _run(items: int, kills: int, seed: int, mutant: str) -> int:
    module = f"tests.chaos.batch.orders_service {mutant}" if mutant else ""
    async with open_shop(module=module, say=click.echo) as shop:
        await shop.run(items, kills, seed, timed=TIMED)
        report = await shop.report()
        click.echo(f"\n{report}")
        if not report.holds:
            log = Path(tempfile.gettempdir()) / f"chaos-batch-{seed}.log"
            shutil.copyfile(shop.machine.log.path, log)
            click.echo(f"output of the processes: {log}")
    return 0 if report.holds else 1


if __name__ == "__main__":
    main(prog_name="chaos-batch")
