"""`make chaos-payments`: one long run with its table; exit status 0 only if every rule held."""

import asyncio
import shutil
import sys
import tempfile
from pathlib import Path

import click

from tests.chaos.payments.mutants import DROPPED, MUTANTS
from tests.chaos.payments.run import open_shop


@click.command()
@click.option("--orders", envvar="ORDERS", default=1000, help="Number of purchases.")
@click.option("--kills", envvar="KILLS", default=20, help="Number of kills.")
@click.option("--seed", envvar="SEED", default=1, help="Decides purchases, faults and kills.")
@click.option(
    "--mutant",
    envvar="MUTANT",
    type=click.Choice(list(MUTANTS)),
    help="Run the orders service with this built-in fault, which the audit must detect.",
)
def main(orders: int, kills: int, seed: int, mutant: str | None) -> None:
    """Buy and pay while everything fails, and compare all records of the money."""
    sys.exit(asyncio.run(_run(orders, kills, seed, mutant or "")))


async def _run(orders: int, kills: int, seed: int, mutant: str) -> int:
    async with open_shop(mutant=mutant, without=DROPPED.get(mutant, ""), say=click.echo) as shop:
        await shop.run(orders, kills, seed)
        report = await shop.close_books()
        click.echo(f"\n{report}")
        if not report.holds:
            log = Path(tempfile.gettempdir()) / f"chaos-payments-{seed}.log"
            shutil.copyfile(shop.machine.log.path, log)
            click.echo(f"output of the processes: {log}")
    return 0 if report.holds else 1


if __name__ == "__main__":
    main(prog_name="chaos-payments")
