"""`python -m tests.chaos.callbacks`: one chaos run, with a table of results and an exit status."""

import asyncio
import sys
from collections.abc import Iterable

import click

from tests.chaos.callbacks.run import Outcome, Plan, Run, open_testbed


@click.command()
@click.option("--events", envvar="EVENTS", default=10_000, help="Different callbacks.")
@click.option("--kills", envvar="KILLS", default=20, help="Kills and cut connections.")
@click.option("--seed", envvar="SEED", default=1, help="Decides contents, order and kills.")
@click.option(
    "--delay-ms", envvar="DELAY_MS", default=0.0, help="Added to each database round trip."
)
@click.option("--rate", envvar="RATE", default=100.0, help="Maximum callbacks a second.")
@click.option("--broken", envvar="BROKEN", is_flag=True, help="Acknowledge before the commit.")
def main(events: int, kills: int, seed: int, delay_ms: float, rate: float, broken: bool) -> None:
    """Send callbacks while processes are killed, and check that none is lost."""
    plan = Plan(events=events, kills=kills, seed=seed, delay=delay_ms, rate=rate)
    sys.exit(asyncio.run(_run(plan, early_ack=broken)))


async def _run(plan: Plan, *, early_ack: bool) -> int:
    testbed = await open_testbed(plan.seed, durable=True)
    try:
        run = await Run.prepare(testbed, plan)
        esims, orders = len(run.scenario.esims), len(run.scenario.orders)
        click.echo(f"{esims} eSIMs, {orders} orders; the undisturbed run:")
        undisturbed = await run.undisturbed()
        _print(undisturbed)
        click.echo("the run with kills, repeats and shuffling:")
        disturbed = await run.disturbed(undisturbed, plan.seed, early_ack=early_ack)
        _print(disturbed)
    finally:
        await testbed.close()
    faults = undisturbed.faults + disturbed.faults
    click.echo("nothing was lost" if not faults else f"NOT EXACT: {'; '.join(faults)}")
    return 1 if faults else 0


def _print(outcome: Outcome) -> None:
    assert outcome.sender is not None
    sent = outcome.sender.sent.values()
    waits = sorted(outcome.sender.latencies)
    rows = [
        ("different callbacks", len(sent)),
        ("posts", sum(s.attempts for s in sent)),
        ("answered 2xx", sum(s.acknowledged for s in sent)),
        ("other or no responses", _counts(outcome.sender.statuses.items())),
        ("kills", _counts(sorted(outcome.kills.items()))),
        ("p50 and p99 until 2xx, ms", f"{_ms(waits, 0.5)}, {_ms(waits, 0.99)}"),
        ("seconds of sending", f"{outcome.seconds:.1f}"),
        ("seconds until the last effect", f"{outcome.drained:.1f}"),
        ("deliveries", _counts(sorted(outcome.states.items()))),
        ("faults", "; ".join(outcome.faults) or "none"),
    ]
    for name, value in rows:
        click.echo(f"  {name:<32}{value}")
    for line in outcome.details:
        click.echo(f"    {line}")


def _counts(counts: Iterable[tuple[str, int]]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts) or "none"


def _ms(waits: list[float], share: float) -> str:
    return f"{waits[int(share * (len(waits) - 1))] * 1000:.1f}" if waits else "-"


if __name__ == "__main__":
    main()
