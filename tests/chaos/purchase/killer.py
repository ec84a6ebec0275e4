"""Kills processes and database connections while orders are in progress."""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from tests.chaos.purchase.buyers import Buyers
from tests.chaos.purchase.machine import MORTALS, Machine

DATABASE = "database connections"
# Maximum seconds until a killed process restarts, as by a supervisor.
LONGEST_ABSENCE = 1.0


@dataclass(frozen=True, slots=True)
class Kill:
    """A kill after that many purchases were answered."""

    after: int
    victim: str
    absence: float


def plan(
    kills: int, orders: int, chance: random.Random, mortals: Sequence[str] = MORTALS
) -> list[Kill]:
    """Return that many kills over a run, each victim equally often."""
    victims: list[str] = []
    while len(victims) < kills:
        victims += chance.sample((*mortals, DATABASE), k=len(mortals) + 1)
    # None in the last tenth, so that each finds orders in progress.
    places = sorted(chance.randrange(max(1, orders * 9 // 10)) for _ in range(kills))
    return [
        Kill(after, victim, chance.uniform(0, LONGEST_ABSENCE))
        for after, victim in zip(places, victims, strict=False)
    ]


async def kill_all(
    planned: list[Kill], machine: Machine, buyers: Buyers, begun: int
) -> Counter[str]:
    """Execute the plan in order, and leave everything running; returns the kills by victim.

    `begun` is how many purchases were answered before this run.
    """
    done: Counter[str] = Counter()
    for item in planned:
        async with buyers.progress:
            await buyers.progress.wait_for(
                lambda item=item: buyers.tally.answered - begun >= item.after  # type: ignore[misc] # bound on purpose
            )
        if item.victim == DATABASE:
            if await machine.cut_database():
                done[DATABASE] += 1
            continue
        victim = machine.mortals[item.victim]
        await victim.ready()
        await victim.kill()
        done[item.victim] += 1
        await asyncio.sleep(item.absence)
        await victim.start()
    for victim in machine.mortals.values():
        await victim.ready()
    return done
