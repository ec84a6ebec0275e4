"""`make chaos-purchase`: one long run with its table; exit status 0 only if every rule held."""

import asyncio
import shutil
import sys
import tempfile
from pathlib import Path

import click

from tests.chaos.purchase.run import shop


@click.command()
@click.option("--orders", envvar="ORDERS", default=1000, help="How many are bought.")
@click.option("--kills", envvar="KILLS", default=20, help="How often something is killed.")
@click.option("--seed", envvar="SEED", default=1, help="Decides wishes, faults and kills.")
@click.option(
    "--broken", envvar="BROKEN", is_flag=True, help="The orders service buys again when in doubt."
)
def main(orders: int, kills: int, seed: int, broken: bool) -> None:
    """Buy while everything fails, and compare the provider's ledger with our tables."""
    sys.exit(asyncio.run(_run(orders, kills, seed, broken)))


async def _run(orders: int, kills: int, seed: int, broken: bool) -> int:
    async with shop(broken=broken, say=click.echo) as opened:
        await opened.run(orders, kills, seed)
        report = await opened.close_books()
        click.echo(f"\n{report}")
        if not report.holds:
            kept = Path(tempfile.gettempdir()) / f"chaos-purchase-{seed}.log"
            shutil.copyfile(opened.machine.lines.path, kept)
            click.echo(f"what the processes said: {kept}")
    return 0 if report.holds else 1


if __name__ == "__main__":
    main(prog_name="chaos-purchase")
