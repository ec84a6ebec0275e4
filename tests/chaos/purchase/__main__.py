"""`make chaos-purchase`: one long run with its table; exit status 0 only if every rule held."""

import asyncio
import shutil
import sys
import tempfile
from pathlib import Path

import click

from tests.chaos.purchase.run import open_shop


@click.command()
@click.option("--orders", envvar="ORDERS", default=1000, help="Number of purchases.")
@click.option("--kills", envvar="KILLS", default=20, help="Number of kills.")
@click.option("--seed", envvar="SEED", default=1, help="Decides purchases, faults and kills.")
@click.option(
    "--broken", envvar="BROKEN", is_flag=True, help="Run a service that repeats unclear purchases."
)
def main(orders: int, kills: int, seed: int, broken: bool) -> None:
    """Buy while everything fails, and compare the provider's ledger with our tables."""
    sys.exit(asyncio.run(_run(orders, kills, seed, broken)))


async def _run(orders: int, kills: int, seed: int, broken: bool) -> int:
    async with open_shop(broken=broken, say=click.echo) as shop:
        await shop.run(orders, kills, seed)
        report = await shop.close_books()
        click.echo(f"\n{report}")
        if not report.holds:
            log = Path(tempfile.gettempdir()) / f"chaos-purchase-{seed}.log"
            shutil.copyfile(shop.machine.log.path, log)
            click.echo(f"output of the processes: {log}")
    return 0 if report.holds else 1


if __name__ == "__main__":
    main(prog_name="chaos-purchase")
