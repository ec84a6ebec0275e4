"""Attacks on the gateway, the webhooks process and a gRPC service, each beside a well-behaved client.

`make bench-abuse` uses one machine, real processes, default settings and the sandbox as the provider. SECONDS
is the duration of each attack, ONLY a comma-separated list of attacks. OFF=1 runs each attack with its bounds
switched off, and fails if that does no harm, because then the bounds are useless.
"""

import asyncio
import os
import sys

import click

from bench.abuse.attacks import ATTACKS, Attack
from bench.abuse.run import Result, run_attack
from bench.abuse.verdict import Bounds, harm
from tests.chaos.purchase.machine import running

# Settings that differ from the platform's defaults.
SETTINGS = {"LOG_LEVEL": "warning"}
# The defaults, which the harness switches off for its many buyers at one address.
DEFAULTS = {
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
    """Return the attacks with those names, or all; raise click.UsageError for an unknown name."""
    names = [name for name in only.split(",") if name]
    known = {attack.name: attack for attack in ATTACKS}
    if unknown := set(names) - set(known):
        raise click.UsageError(f"ONLY knows {', '.join(known)}, not {', '.join(sorted(unknown))}")
    return [known[name] for name in names] or list(ATTACKS)


def line(attack: Attack, result: Result) -> str:
    """Return one row of the report."""
    answers = ", ".join(f"{count} {what}" for what, count in result.answers.most_common(4))
    return (
        f"{attack.name:<44}{result.times(0.5):>20}{result.times(0.99):>22}{result.cpu:>6.0%}"
        f"{result.memory():>20}  {answers}"
    )


async def main(attacks: list[Attack], seconds: float, *, off: bool) -> int:
    """Run the attacks, print the results, and return the exit status."""
    click.echo(HEAD)
    failed = []
    if off:
        for attack in attacks:
            if not attack.off:
                click.echo(f"{attack.name:<44}no setting switches off its bound")
                continue
            async with running({**SETTINGS, **DEFAULTS, **attack.off}) as machine:
                failed += await report(attack, await run_attack(machine, attack, seconds), off=True)
    else:
        async with running({**SETTINGS, **DEFAULTS}) as machine:
            for attack in attacks:
                failed += await report(
                    attack, await run_attack(machine, attack, seconds), off=False
                )
            failed += [f"the log has: {error}" for error in machine.log.errors]
    for problem in failed:
        click.echo(problem)
    click.echo(
        "FAILED" if failed else "every attack was contained" if not off else "every bound is needed"
    )
    return 1 if failed else 0


async def report(attack: Attack, result: Result, *, off: bool) -> list[str]:
    """Print one row, and return what is wrong about it."""
    click.echo(line(attack, result))
    problems = harm(result, Bounds())
    if off:
        without = ", ".join(attack.off)
        return [] if problems else [f"{attack.name}: no harm is done without its bound ({without})"]
    return [f"{attack.name}: {problem}" for problem in problems]


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
