"""Kills processes and database connections at random moments of a run."""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import asyncpg

from tests.chaos.callbacks.stage import Stage

VICTIMS = ("webhooks", "esims", "orders")
# Minimum seconds between two kills: a process must be at work when it is killed.
APART = 0.4
END_CONNECTIONS = """
select count(pg_terminate_backend(pid)) from pg_stat_activity
where usename = $1 and pid <> pg_backend_pid()
"""


@dataclass(slots=True)
class Killer:
    """Kills at chosen numbers of sent callbacks; `kills` counts by victim."""

    stage: Stage
    database: str
    moments: Sequence[int]
    chance: random.Random
    kills: Counter[str] = field(default_factory=Counter)
    _sent: int = 0
    _more: asyncio.Event = field(default_factory=asyncio.Event)

    def progress(self, sent: int) -> None:
        """Report how many callbacks were sent."""
        self._sent = sent
        self._more.set()

    async def run(self) -> None:
        """Kill every victim in turn, in random order, and return after the last."""
        admin = await asyncpg.connect(self.stage.url("postgres"))
        try:
            turns: list[str] = []
            for moment in self.moments:
                while self._sent < moment:
                    self._more.clear()
                    await self._more.wait()
                if not turns:
                    kinds = [*VICTIMS, *(f"connections of {name}" for name in VICTIMS)]
                    # The webhook process is where an acknowledged callback can be lost: it comes twice.
                    turns = [*self.chance.sample(kinds, len(kinds)), "webhooks"]
                await self._strike(admin, turns.pop())
                await asyncio.sleep(APART)
        finally:
            await admin.close()

    async def _strike(self, admin: "asyncpg.Connection[asyncpg.Record]", victim: str) -> None:
        while True:
            name = victim.removeprefix("connections of ")
            if name == victim:
                done = self.stage.processes[name].ready.is_set()
                done = done and self.stage.processes[name].kill()
            else:
                done = bool(await admin.fetchval(END_CONNECTIONS, f"{name}_service"))
            if done:
                self.kills[victim] += 1
                return
            await asyncio.sleep(0.05)  # it is restarting after the previous kill


def moments(events: int, kills: int, chance: random.Random) -> list[int]:
    """Choose when to kill, in callbacks sent: one random moment in each equal part of the run."""
    share = events / (kills + 1)
    return [max(1, int(share * (n + chance.random()))) for n in range(kills)]
