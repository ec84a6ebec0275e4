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
from tests.chaos.callbacks import final_state, oracle
from tests.chaos.callbacks.events import (
    BEFORE,
    Callback,
    CallbackGenerator,
    foreign_count,
    shuffle_and_repeat,
)
from tests.chaos.callbacks.killer import Killer, kill_points
from tests.chaos.callbacks.scenario import Scenario, create_scenario, register_late
from tests.chaos.callbacks.sender import CallbackSender, send
from tests.chaos.callbacks.slow_postgres import delayed
from tests.chaos.callbacks.testbed import Testbed

EARLY_ACK = "tests.chaos.callbacks.early_ack_webhooks"
# Callbacks per eSIM, and per pending order.
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
TEMPLATE = "template_database"
# Seconds without progress after which a missing effect counts as lost. Longer than the delivery's pauses
# after failures, the refresh rounds, and half the maximum age of an event that waits for its eSIM.
STALLED = 240.0
# Seconds that a commit may be late.
MAX_COMMIT_DELAY = 5.0
# Seconds between two polls of the tables.
POLL_INTERVAL = 0.25
# Maximum faults of a kind that are listed individually.
MAX_DETAILS = 8
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
    sender: CallbackSender | None = None
    seconds: float = 0
    drained: float = 0
    states: dict[str, int] = field(default_factory=dict)
    rows: Counter[str] = field(default_factory=Counter)


async def open_testbed(seed: int, *, durable: bool) -> Testbed:
    """Open a testbed whose provider has enough balance, and no rate limit."""
    provider = SandboxSettings(
        port=0, seed=seed, balance=Decimal(10**9), switches=Switches(tokens_per_second=0)
    )
    return await Testbed.open(provider, durable=durable)


@dataclass(frozen=True, slots=True)
class Run:
    """A testbed, and a scenario in a new database."""

    testbed: Testbed
    plan: Plan
    scenario: Scenario
    callbacks: Sequence[Callback]

    @classmethod
    async def prepare(cls, testbed: Testbed, plan: Plan) -> "Run":
        """Buy and register what the callbacks are about, and generate them."""
        await testbed.make_database(TEMPLATE)
        await testbed.start(("catalogue", "esims", "orders"), TEMPLATE, settings=SETTINGS)
        esims, orders = plan.events // EVENTS_PER_ESIM, 2 + plan.events // EVENTS_PER_ORDER
        scenario = await create_scenario(testbed, TEMPLATE, esims, orders)
        await testbed.stop()
        began = datetime.now(UTC).replace(microsecond=0) - BEFORE
        generator = CallbackGenerator(scenario, random.Random(plan.seed), began)
        return cls(testbed, plan, scenario, generator.generate(plan.events))

    async def undisturbed(self) -> Outcome:
        """Send each callback once, in order, without kills."""
        await self._start("undisturbed")
        try:
            return await self._check("undisturbed", self.callbacks, killer=None)
        finally:
            await self.testbed.stop()

    async def disturbed(
        self, undisturbed: Outcome, seed: int, *, early_ack: bool = False
    ) -> Outcome:
        """Send them shuffled and repeated while processes are killed, and compare with the undisturbed run.

        `early_ack` runs a webhook process that acknowledges before the commit.
        """
        rng, database = random.Random(seed), f"disturbed_{seed}"
        sending = shuffle_and_repeat(self.callbacks, rng, REPEATS)
        kills = kill_points(len(sending), self.plan.kills, rng)
        async with AsyncExitStack() as stack:
            socket: Path | None = None
            if self.plan.delay:
                slow = delayed(self.testbed.socket_folder, self.plan.delay)
                socket = await stack.enter_async_context(slow)
            stack.push_async_callback(self.testbed.stop)
            await self._start(
                database, socket, modules={"webhooks": EARLY_ACK} if early_ack else {}
            )
            killer = Killer(self.testbed, database, kills, rng)
            outcome = await self._check(database, sending, killer)
        outcome.kills = killer.kills
        missing, added = undisturbed.rows - outcome.rows, outcome.rows - undisturbed.rows
        if missing or added:
            rows = max(missing.total(), added.total())
            outcome.faults.append(f"{rows} rows differ from those of the undisturbed run")
            outcome.details += [f"- {row}" for row in missing][:MAX_DETAILS]
            outcome.details += [f"+ {row}" for row in added][:MAX_DETAILS]
        return outcome

    async def _start(
        self, database: str, socket: Path | None = None, modules: Mapping[str, str] | None = None
    ) -> None:
        await self.testbed.make_database(database, template=TEMPLATE)
        names = ("esims", "orders", "webhooks")
        await self.testbed.start(
            names, database, settings=SETTINGS, socket_folder=socket, modules=modules
        )

    async def _check(
        self, database: str, sending: Sequence[Callback], killer: Killer | None
    ) -> Outcome:
        clock = asyncio.get_running_loop().time
        begun = clock()
        url = f"http://{self.testbed.address('webhooks')}/webhooks/esim-go"
        sender = CallbackSender(url, self.testbed.sandbox.world.settings.api_key, self.testbed.http)
        async with asyncio.TaskGroup() as group:
            if killer is not None:
                group.create_task(killer.run())
            progress = killer.progress if killer else lambda sent: None
            await send(sender, sending, rate=self.plan.rate, seed=self.plan.seed, progress=progress)
        outcome = Outcome(sender=sender, seconds=clock() - begun)
        await register_late(self.testbed, self.scenario)
        expected = oracle.expected(self.scenario, [callback.body for callback in self.callbacks])
        admin = await asyncpg.connect(self.testbed.url(database))
        try:
            lost = await _inbox_faults(admin, sender)
            outcome.faults += [f"{count} callbacks {fault}" for fault, count in lost.items()]
            # A lost callback never takes effect, however long one waits; the others do soon.
            wrong = await _settled(admin, expected, patience=MAX_COMMIT_DELAY if lost else STALLED)
            outcome.drained = clock() - begun - outcome.seconds
            if wrong:
                outcome.faults.append(f"{len(wrong)} effects are missing or wrong")
                outcome.details += wrong[:MAX_DETAILS]
            states = await admin.fetch(final_state.DELIVERY_STATES)
            outcome.states = {row["state"]: row["count"] for row in states}
            if outcome.states.get("PENDING") or outcome.states.get("DEAD"):
                outcome.faults.append("some callbacks were not delivered")
            if not lost and outcome.states.get("FOREIGN", 0) != foreign_count(self.plan.events):
                outcome.faults.append(
                    "callbacks about purchases outside this platform are not FOREIGN"
                )
            if impossible := await admin.fetchval(final_state.IMPOSSIBLE_DATES):
                outcome.faults.append(f"{impossible} rows contain an impossible date")
            outcome.rows = await final_state.snapshot(admin)
        finally:
            await admin.close()
        return outcome


async def _inbox_faults(admin: final_state.Connection, sender: CallbackSender) -> Counter[str]:
    """Return the faults of the inbox, read twice: a commit may still run after its client disconnected."""
    for _ in range(round(MAX_COMMIT_DELAY / POLL_INTERVAL)):
        if not (faults := await final_state.inbox_faults(admin, sender.sent)):
            break
        await asyncio.sleep(POLL_INTERVAL)
    return faults


async def _settled(
    admin: final_state.Connection, expected: oracle.FinalState, *, patience: float
) -> list[str]:
    """Wait until nothing changes any more and return the faults.

    A few effects appear later, with a refresh from the provider.
    """
    clock = asyncio.get_running_loop().time
    least, since = None, clock()
    while True:
        pending = await admin.fetchval(PENDING)
        wrong = [] if pending else final_state.differences(expected, await final_state.read(admin))
        if not pending and not wrong:
            return []
        remaining = (pending, len(wrong))
        if least is None or remaining < least:
            least, since = remaining, clock()
        if clock() - since > patience:
            return wrong or final_state.differences(expected, await final_state.read(admin))
        await asyncio.sleep(POLL_INTERVAL)
