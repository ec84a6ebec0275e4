"""Kills processes and database connections while orders are in progress."""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from tests.chaos.purchase.buyers import Buyers
from tests.chaos.purchase.machine import KILLABLE, Machine

DATABASE = "database connections"
# Maximum seconds until a killed process restarts, as by a supervisor.
MAX_DOWNTIME = 1.0


@dataclass(frozen=True, slots=True)
class Kill:
    """A kill after that many purchases were answered."""

    after: int
    victim: str
    downtime: float


def plan(
    count: int, orders: int, rng: random.Random, killable: Sequence[str] = KILLABLE
) -> list[Kill]:
    """Return that many kills over a run, each victim equally often."""
    victims: list[str] = []
    while len(victims) < count:
        victims += rng.sample((*killable, DATABASE), k=len(killable) + 1)
    # No kill in the last tenth, so that orders are in progress at each.
    positions = sorted(rng.randrange(max(1, orders * 9 // 10)) for _ in range(count))
    return [
        Kill(after, victim, rng.uniform(0, MAX_DOWNTIME))
        for after, victim in zip(positions, victims, strict=False)
    ]


async def kill_all(
    planned: list[Kill], machine: Machine, buyers: Buyers, answered_before: int
) -> Counter[str]:
    """Execute the plan in order, and leave everything running; returns the kills by victim.

    `answered_before` is how many purchases were answered before this run.
    """
    kills: Counter[str] = Counter()
    for item in planned:
        async with buyers.progress:
            await buyers.progress.wait_for(
                lambda item=item: buyers.tally.answered - answered_before >= item.after  # type: ignore[misc] # bound on purpose
            )
        if item.victim == DATABASE:
            if await machine.cut_database():
                kills[DATABASE] += 1
            continue
        victim = machine.killable[item.victim]
        await victim.ready()
        await victim.kill()
        kills[item.victim] += 1
        await asyncio.sleep(item.downtime)
        await victim.start()
    for victim in machine.killable.values():
        await victim.ready()
    return kills
