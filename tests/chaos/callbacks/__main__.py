"""`python -m tests.chaos.callbacks`: one chaos run, with a table of results and an exit status."""

import asyncio
import sys
from collections.abc import Iterable

import click

from tests.chaos.callbacks.run import Outcome, Plan, Run, open_stage


@click.command()
@click.option("--events", envvar="EVENTS", default=10_000, help="Different callbacks.")
@click.option("--kills", envvar="KILLS", default=20, help="Kills and cut connections.")
@click.option("--seed", envvar="SEED", default=1, help="Decides contents, order and kills.")
@click.option("--delay-ms", envvar="DELAY_MS", default=0.0, help="Added to each database trip.")
@click.option("--rate", envvar="RATE", default=100.0, help="Callbacks a second, if it can.")
@click.option("--broken", envvar="BROKEN", is_flag=True, help="Acknowledge before the commit.")
def main(events: int, kills: int, seed: int, delay_ms: float, rate: float, broken: bool) -> None:
    """Send callbacks while processes are killed, and check that none is lost."""
    plan = Plan(events=events, kills=kills, seed=seed, delay=delay_ms, rate=rate)
    sys.exit(asyncio.run(_run(plan, hasty=broken)))


async def _run(plan: Plan, *, hasty: bool) -> int:
    stage = await open_stage(plan.seed, durable=True)
    try:
        run = await Run.prepare(stage, plan)
        click.echo(f"{len(run.cast.esims)} eSIMs, {len(run.cast.orders)} orders; the run in peace:")
        calm = await run.calm()
        _tell(calm)
        click.echo("the run with kills, repeats and shuffling:")
        broken = await run.broken(calm, plan.seed, hasty=hasty)
        _tell(broken)
    finally:
        await stage.close()
    faults = calm.faults + broken.faults
    click.echo("nothing was lost" if not faults else f"NOT EXACT: {'; '.join(faults)}")
    return 1 if faults else 0


def _tell(outcome: Outcome) -> None:
    assert outcome.post is not None
    sent = outcome.post.account.values()
    waits = sorted(outcome.post.latencies)
    rows = [
        ("different callbacks", len(sent)),
        ("posts", sum(s.attempts for s in sent)),
        ("answered 2xx", sum(s.acknowledged for s in sent)),
        ("answered otherwise or not", _counts(outcome.post.statuses.items())),
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
