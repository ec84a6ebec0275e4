"""Attacks on the gateway, the webhooks process and a gRPC service, each beside a polite client.

`make bench-abuse`: one machine, real processes, default settings, the sandbox as the provider. SECONDS is how
long each attack lasts, ONLY names some of them, separated by commas. OFF=1 runs each with its bound switched
off, and expects that harm is done then: a bound that isn't missed when it is gone bounds nothing.
"""

import asyncio
import os
import sys

import click

from bench.abuse.attacks import ATTACKS, Attack
from bench.abuse.stage import Seen, run_attack
from bench.abuse.verdict import Bounds, harm
from tests.chaos.purchase.machine import running

# Not of the platform's own defaults, but what a benchmark on one machine needs.
SETTINGS = {"LOG_LEVEL": "warning"}
# The harness's own machine switches these off for its many buyers on one address; here they are as shipped.
AS_SHIPPED = {
    "GATEWAY_ADDRESS_RATE": "100",
    "GATEWAY_USER_RATE": "20",
    "GATEWAY_ADDRESS_WORK": "20000",
    "GATEWAY_USER_WORK": "20000",
}
HEAD = (
    f"{'attack':<44}{'p50 ms':>20}{'p99 ms':>22}{'CPU':>6}{'memory MB':>20}  answers\n"
    f"{'':<44}{'before/during/after':>20}{'before/during/after':>22}{'':>6}{'idle/peak/settled':>20}"
)


def chosen(only: str) -> list[Attack]:
    """The attacks of those names, all when none is named; raises click.UsageError for others."""
    names = [name for name in only.split(",") if name]
    known = {attack.name: attack for attack in ATTACKS}
    if unknown := set(names) - set(known):
        raise click.UsageError(f"ONLY knows {', '.join(known)}, not {', '.join(sorted(unknown))}")
    return [known[name] for name in names] or list(ATTACKS)


def line(attack: Attack, seen: Seen) -> str:
    """One row of the report."""
    answers = ", ".join(f"{count} {what}" for what, count in seen.answers.most_common(4))
    return (
        f"{attack.name:<44}{seen.times(0.5):>20}{seen.times(0.99):>22}{seen.cpu:>6.0%}"
        f"{seen.memory():>20}  {answers}"
    )


async def main(attacks: list[Attack], seconds: float, *, off: bool) -> int:
    """Runs them, prints what was seen, and returns the exit code."""
    click.echo(HEAD)
    failed = []
    if off:
        for attack in attacks:
            async with running({**SETTINGS, **AS_SHIPPED, **attack.off}) as machine:
                failed += await report(attack, await run_attack(machine, attack, seconds), off=True)
    else:
        async with running({**SETTINGS, **AS_SHIPPED}) as machine:
            for attack in attacks:
                failed += await report(
                    attack, await run_attack(machine, attack, seconds), off=False
                )
            failed += [f"the log says: {alarm}" for alarm in machine.lines.alarms]
    for words in failed:
        click.echo(words)
    click.echo("FAILED" if failed else "every attack was held" if not off else "no bound is idle")
    return 1 if failed else 0


async def report(attack: Attack, seen: Seen, *, off: bool) -> list[str]:
    """Prints one row; what is wrong about it."""
    click.echo(line(attack, seen))
    done = harm(seen, Bounds())
    if off:
        without = ", ".join(attack.off)
        return [] if done else [f"{attack.name}: no harm is done without its bound ({without})"]
    return [f"{attack.name}: {words}" for words in done]


if __name__ == "__main__":
    sys.exit(
        asyncio.run(
            main(
                chosen(os.environ.get("ONLY", "")),
                float(os.environ.get("SECONDS", "6")),
                off=os.environ.get("OFF", "") == "1",
            )
        )
    )
