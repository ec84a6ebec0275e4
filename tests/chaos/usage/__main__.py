"""`python -m tests.chaos.usage`: one chaos run, with a table of results and an exit status."""

import asyncio
import sys

import click

from tests.chaos.usage.run import MUTANTS, Outcome, Plan, chaos


@click.command()
@click.option("--events", envvar="EVENTS", default=10_000, help="Different callbacks.")
@click.option("--kills", envvar="KILLS", default=20, help="Kills and cut connections.")
@click.option("--seed", envvar="SEED", default=1, help="Decides contents, order and kills.")
@click.option("--rate", envvar="RATE", default=100.0, help="Maximum callbacks a second.")
@click.option(
    "--mutant", envvar="MUTANT", default="", type=click.Choice(["", *MUTANTS]), help="A fault."
)
def main(events: int, kills: int, seed: int, rate: float, mutant: str) -> None:
    """Report data use while the worker that sums it is killed, and check that all is counted once."""
    outcome = asyncio.run(
        chaos(Plan(events=events, kills=kills, seed=seed, rate=rate, mutant=mutant))
    )
    _print(outcome, events)
    sys.exit(1 if outcome.faults else 0)


def _print(outcome: Outcome, events: int) -> None:
    kills = ", ".join(f"{count} {name}" for name, count in sorted(outcome.kills.items()))
    rows = [
        ("callbacks", f"{events}"),
        ("kills", kills or "none"),
        ("seconds of sending", f"{outcome.seconds:.1f}"),
        *outcome.counts,
        ("faults", f"{len(outcome.faults)}"),
    ]
    for name, value in rows:
        click.echo(f"  {name:<24}{value}")
    for fault in outcome.faults[:20]:
        click.echo(f"    {fault}")
    click.echo("every byte is counted once" if not outcome.faults else "NOT EXACT")


if __name__ == "__main__":
    main()
