"""One chaos run: the same callbacks for two equal platforms, one undisturbed and one with kills."""

import asyncio
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import asyncpg

from sandbox.settings import Settings as SandboxSettings
from sandbox.switches import Switches
from tests.chaos.callbacks import found, oracle
from tests.chaos.callbacks.events import BEFORE, Callback, Story, disturbed, foreign_count
from tests.chaos.callbacks.killer import Killer, moments
from tests.chaos.callbacks.sender import Post, send
from tests.chaos.callbacks.slow_postgres import delayed
from tests.chaos.callbacks.stage import Stage
from tests.chaos.callbacks.subjects import Cast, gather_cast, register_late

HASTY = "tests.chaos.callbacks.hasty_webhooks"
# Callbacks per eSIM, and per awaited order.
EVENTS_PER_ESIM, EVENTS_PER_ORDER = 30, 500
# The share of callbacks that is repeated.
REPEATS = 0.2
SETTINGS = {
    # A run may exceed the default window, and repeats within it must be counted.
    "WEBHOOKS_DEDUPE_SECONDS": "43200",
    "WEBHOOKS_FOREIGN_SECONDS": "2",
    "ESIMS_READ_WAIT": "30",
    "ORDERS_PURCHASE_WAIT": "0",
    # One customer has all of the orders that wait for a callback.
    "ORDERS_MAX_UNFINISHED": "10000",
}
UNTOUCHED = "untouched"
# Seconds without progress after which a missing effect counts as lost. Longer than the delivery's pauses
# after failures, the refresh rounds, and half the maximum age of an event that waits for its eSIM.
STALLED = 240.0
# Seconds that a commit may be late.
LATE = 5.0
# Seconds between two reads of the tables.
LOOK_EVERY = 0.25
# Faults of a kind that are listed individually.
MOST_SHOWN = 8
PENDING = "select count(*) from webhooks.deliveries where state = 'PENDING'"


@dataclass(frozen=True, slots=True)
class Plan:
    """The parameters of a run; `delay` in milliseconds, `rate` in callbacks a second."""

    events: int
    kills: int
    seed: int
    delay: float = 0
    rate: float = 100


@dataclass(slots=True)
class Outcome:
    """The results; `faults` must be empty, and `details` describe some of them.

    `seconds` until the last callback was acknowledged, and `drained` more until all took effect.
    """

    faults: list[str] = field(default_factory=list)
    details: list[str] = field(default_factory=list)
    kills: Counter[str] = field(default_factory=Counter)
    post: Post | None = None
    seconds: float = 0
    drained: float = 0
    states: dict[str, int] = field(default_factory=dict)
    rows: Counter[str] = field(default_factory=Counter)


async def open_stage(seed: int, *, durable: bool) -> Stage:
    """Open a stage whose provider has enough balance, and no rate limit."""
    rich = SandboxSettings(
        port=0, seed=seed, balance=Decimal(10**9), switches=Switches(tokens_per_second=0)
    )
    return await Stage.open(rich, durable=durable)


@dataclass(frozen=True, slots=True)
class Run:
    """A stage and a cast in a new database."""

    stage: Stage
    plan: Plan
    cast: Cast
    callbacks: Sequence[Callback]

    @classmethod
    async def prepare(cls, stage: Stage, plan: Plan) -> "Run":
        """Buy and register what the callbacks are about, and write them."""
        await stage.make_database(UNTOUCHED)
        await stage.run(("catalogue", "esims", "orders"), UNTOUCHED, settings=SETTINGS)
        esims, orders = plan.events // EVENTS_PER_ESIM, 2 + plan.events // EVENTS_PER_ORDER
        cast = await gather_cast(stage, UNTOUCHED, esims, orders)
        await stage.halt()
        began = datetime.now(UTC).replace(microsecond=0) - BEFORE
        return cls(
            stage, plan, cast, Story(cast, random.Random(plan.seed), began).write(plan.events)
        )

    async def calm(self) -> Outcome:
        """Send each callback once, in order, without kills."""
        await self._start("calm")
        try:
            return await self._check("calm", self.callbacks, killer=None)
        finally:
            await self.stage.halt()

    async def broken(self, calm: Outcome, seed: int, *, hasty: bool = False) -> Outcome:
        """Send them shuffled and repeated while everything is killed repeatedly; compare with the calm run.

        `hasty` runs a webhook process that acknowledges before the commit.
        """
        chance, database = random.Random(seed), f"broken_{seed}"
        sending = disturbed(self.callbacks, chance, REPEATS)
        kills = moments(len(sending), self.plan.kills, chance)
        async with AsyncExitStack() as stack:
            socket: Path | None = None
            if self.plan.delay:
                slow = delayed(self.stage.socket_folder, self.plan.delay)
                socket = await stack.enter_async_context(slow)
            stack.push_async_callback(self.stage.halt)
            await self._start(database, socket, instead={"webhooks": HASTY} if hasty else {})
            killer = Killer(self.stage, database, kills, chance)
            outcome = await self._check(database, sending, killer)
        outcome.kills = killer.kills
        missing, added = calm.rows - outcome.rows, outcome.rows - calm.rows
        if missing or added:
            rows = max(missing.total(), added.total())
            outcome.faults.append(f"{rows} rows differ from those of the run in peace")
            outcome.details += [f"- {row}" for row in missing][:MOST_SHOWN]
            outcome.details += [f"+ {row}" for row in added][:MOST_SHOWN]
        return outcome

    async def _start(
        self, database: str, socket: Path | None = None, instead: Mapping[str, str] | None = None
    ) -> None:
        await self.stage.make_database(database, template=UNTOUCHED)
        names = ("esims", "orders", "webhooks")
        await self.stage.run(
            names, database, settings=SETTINGS, socket_folder=socket, instead=instead
        )

    async def _check(
        self, database: str, sending: Sequence[Callback], killer: Killer | None
    ) -> Outcome:
        clock = asyncio.get_running_loop().time
        begun = clock()
        url = f"http://{self.stage.address('webhooks')}/webhooks/esim-go"
        post = Post(url, self.stage.sandbox.world.settings.api_key, self.stage.http)
        async with asyncio.TaskGroup() as group:
            if killer is not None:
                group.create_task(killer.run())
            progress = killer.progress if killer else lambda sent: None
            await send(post, sending, rate=self.plan.rate, seed=self.plan.seed, progress=progress)
        outcome = Outcome(post=post, seconds=clock() - begun)
        await register_late(self.stage, self.cast)
        wanted = oracle.expected(self.cast, [callback.body for callback in self.callbacks])
        admin = await asyncpg.connect(self.stage.url(database))
        try:
            lost = await _inbox_faults(admin, post)
            outcome.faults += [f"{count} callbacks {fault}" for fault, count in lost.items()]
            # A lost callback never takes effect, however long one waits; the others do soon.
            wrong = await _settled(admin, wanted, patience=LATE if lost else STALLED)
            outcome.drained = clock() - begun - outcome.seconds
            if wrong:
                outcome.faults.append(f"{len(wrong)} effects are missing or wrong")
                outcome.details += wrong[:MOST_SHOWN]
            states = await admin.fetch(found.STATES)
            outcome.states = {row["state"]: row["count"] for row in states}
            if outcome.states.get("PENDING") or outcome.states.get("DEAD"):
                outcome.faults.append("some callbacks were not handed over")
            if not lost and outcome.states.get("FOREIGN", 0) != foreign_count(self.plan.events):
                outcome.faults.append("what was not sold here is not FOREIGN")
            if impossible := await admin.fetchval(found.IMPOSSIBLE):
                outcome.faults.append(f"{impossible} rows hold a date that can't be")
            outcome.rows = await found.snapshot(admin)
        finally:
            await admin.close()
        return outcome


async def _inbox_faults(admin: found.Connection, post: Post) -> Counter[str]:
    """Return the faults of the inbox, read twice: a commit may still run after its client disconnected."""
    for _ in range(round(LATE / LOOK_EVERY)):
        if not (faults := await found.inbox_faults(admin, post.account)):
            break
        await asyncio.sleep(LOOK_EVERY)
    return faults


async def _settled(admin: found.Connection, wanted: oracle.End, *, patience: float) -> list[str]:
    """Wait until nothing changes any more and return the faults.

    A few effects come later, with a refresh from the provider.
    """
    clock = asyncio.get_running_loop().time
    least, since = None, clock()
    while True:
        pending = await admin.fetchval(PENDING)
        wrong = [] if pending else found.differences(wanted, await found.read(admin))
        if not pending and not wrong:
            return []
        left = (pending, len(wrong))
        if least is None or left < least:
            least, since = left, clock()
        if clock() - since > patience:
            return wrong or found.differences(wanted, await found.read(admin))
        await asyncio.sleep(LOOK_EVERY)
