"""Kills processes and database connections at random moments of a run."""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import asyncpg

from tests.chaos.callbacks.testbed import Testbed

VICTIMS = ("webhooks", "esims", "orders")
# Minimum seconds between two kills: a process must be at work when it is killed.
MIN_PAUSE = 0.4
END_CONNECTIONS = """
select count(pg_terminate_backend(pid)) from pg_stat_activity
where usename = $1 and pid <> pg_backend_pid()
"""


@dataclass(slots=True)
class Killer:
    """Kills something at each of `kill_points`, in callbacks sent; `kills` counts by victim."""

    testbed: Testbed
    database: str
    kill_points: Sequence[int]
    rng: random.Random
    kills: Counter[str] = field(default_factory=Counter)
    _sent: int = 0
    _more: asyncio.Event = field(default_factory=asyncio.Event)

    def progress(self, sent: int) -> None:
        """Report how many callbacks were sent."""
        self._sent = sent
        self._more.set()

    async def run(self) -> None:
        """Kill every victim in turn, in random order, and return after the last."""
        admin = await asyncpg.connect(self.testbed.url("postgres"))
        try:
            queue: list[str] = []
            for kill_point in self.kill_points:
                while self._sent < kill_point:
                    self._more.clear()
                    await self._more.wait()
                if not queue:
                    kinds = [*VICTIMS, *(f"connections of {name}" for name in VICTIMS)]
                    # Twice, as the webhook process is where an acknowledged callback can be lost.
                    queue = [*self.rng.sample(kinds, len(kinds)), "webhooks"]
                await self._kill(admin, queue.pop())
                await asyncio.sleep(MIN_PAUSE)
        finally:
            await admin.close()

    async def _kill(self, admin: "asyncpg.Connection[asyncpg.Record]", victim: str) -> None:
        while True:
            name = victim.removeprefix("connections of ")
            if name == victim:
                done = self.testbed.processes[name].ready.is_set()
                done = done and self.testbed.processes[name].kill()
            else:
                done = bool(await admin.fetchval(END_CONNECTIONS, f"{name}_service"))
            if done:
                self.kills[victim] += 1
                return
            await asyncio.sleep(0.05)  # it is restarting after the previous kill


def kill_points(events: int, kills: int, rng: random.Random) -> list[int]:
    """Choose when to kill, in callbacks sent: one random moment in each equal part of the run."""
    share = events / (kills + 1)
    return [max(1, int(share * (n + rng.random()))) for n in range(kills)]
