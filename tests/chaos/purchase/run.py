"""One run: concurrent buyers, faults and kills, then the remaining work, then the audit."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.chaos.purchase import books, faults, killer, workload
from tests.chaos.purchase.audit import Finding, audit
from tests.chaos.purchase.buyers import Buyers
from tests.chaos.purchase.machine import Machine, running
from tests.chaos.purchase.price_changes import PriceChanges
from tests.chaos.purchase.report import Report

Say = Callable[[str], None]

# Few plans and few customers, so that many orders are equal: those can be mixed up.
PLANS = 6
CUSTOMERS = 8
AT_ONCE = 16
# Seconds until all purchases must be answered: a base, and an amount for each.
TIMEOUT, TIMEOUT_PER_ORDER, TIMEOUT_PER_KILL = 120, 2, 10
# Seconds until the last order must have ended: its outcome may be unclear twice, and is settled each time.
FINISH_TIMEOUT = 120
# Seconds between two checks meanwhile.
POLL_INTERVAL = 0.25
# Seconds until buyers must see the end of an order that has ended in the tables.
BUYERS_TIMEOUT = 60
SETTINGS = {
    "LOG_LEVEL": "info",
    # A few customers simulate many.
    "ORDERS_MAX_UNFINISHED": "100000",
    "ESIM_GO_TIMEOUT": str(faults.TIMEOUT),
    # The sandbox lists an order at once; late effects come half a second after the platform gave up. The rest
    # is for a busy machine.
    "ORDERS_SETTLING_SECONDS": "5",
    # One machine has one clock.
    "ORDERS_CLOCK_TOLERANCE_SECONDS": "1",
    "ORDERS_TAKEOVER_SECONDS": "2",
    "ORDERS_RECOVERY_SECONDS": "0.25",
    "ORDERS_PURCHASE_WAIT": "3",
}
BROKEN = {"orders": "tests.chaos.purchase.broken_orders"}
# Enough balance for any run, and no rate limit, which is not under test here.
BALANCE = 10_000_000
TOKENS_PER_SECOND = 500


@dataclass(slots=True)
class Shop:
    """A running platform with customers, for several runs in succession."""

    machine: Machine
    buyers: Buyers
    plans: list[workload.Plan]
    owned: list[workload.Owned]
    say: Say
    price_changes: PriceChanges
    began: float = field(default_factory=time.monotonic)
    kills_planned: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    buying: "list[asyncio.Task[None]]" = field(default_factory=list)

    async def run(self, orders: int, kills: int, seed: int) -> None:
        """Buy under faults until each buyer has an order or the time is up.

        PROCESSING orders then continue without faults.
        """
        rng = random.Random(seed)
        purchases = workload.make(orders, self.plans, self.owned, rng, f"seed-{seed}")
        injected = faults.InjectedFaults(self.machine)
        await injected.inject(faults.plan(orders, rng))
        planned = killer.plan(kills, orders, rng)
        self.kills_planned += kills
        before = self.buyers.tally.answered
        self.say(f"seed {seed}: buying {orders} orders, with {kills} kills")
        self.buying += [asyncio.create_task(self.buyers.buy(purchase)) for purchase in purchases]
        reporting = asyncio.create_task(self._report_progress(before, orders))
        try:
            async with (
                self.price_changes.running(self.plans, random.Random(seed)),
                asyncio.timeout(TIMEOUT + TIMEOUT_PER_ORDER * orders + TIMEOUT_PER_KILL * kills),
            ):
                self.kills += await killer.kill_all(planned, self.machine, self.buyers, before)
                async with self.buyers.progress:
                    await self.buyers.progress.wait_for(
                        lambda: self.buyers.tally.answered - before >= orders
                    )
        except TimeoutError:
            self.say("not all purchases were answered in time: the table shows which")
        finally:
            reporting.cancel()
        self.faults += await injected.remove()

    async def close_books(self) -> Report:
        """Wait for the remaining work, and audit everything that this shop ever did."""
        answered_at = time.monotonic()
        self.say(
            f"all answered after {answered_at - self.began:.0f} s; waiting for unfinished orders"
        )
        await self._wait_for_unfinished()
        ended = time.monotonic()
        return Report(
            seconds=ended - self.began,
            tail_seconds=ended - answered_at,
            faults=self.faults,
            kills=self.kills,
            calls=self.buyers.tally.calls.copy(),
            outcomes=Counter(order.outcome for order in await books.recorded(self.machine)),
            findings=await self._findings(),
        )

    async def _wait_for_unfinished(self) -> None:
        """Wait, within bounds, until no order is in progress, then end the buyers."""
        ends = time.monotonic() + FINISH_TIMEOUT
        while await books.processing(self.machine) and time.monotonic() < ends:
            await asyncio.sleep(POLL_INTERVAL)
        _, late = await asyncio.wait(self.buying, timeout=BUYERS_TIMEOUT)
        for task in late:
            task.cancel()
        for outcome in await asyncio.gather(*self.buying, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome

    async def _findings(self) -> list[Finding]:
        charges, orders = await books.charges(self.machine), await books.recorded(self.machine)
        seen: dict[str, tuple[str, frozenset[str]]] = {}
        for customer in range(CUSTOMERS):
            seen |= await self.buyers.seen(customer)
        killed = self.kills.total()
        unexpected_exits = [
            m.program.name for m in self.machine.killable.values() if m.unexpected_exits
        ]
        return [
            *audit(charges, orders, self.buyers.results, seen, self.price_changes.lowest),
            Finding(
                "all requested kills were made",
                self.kills_planned,
                [] if killed >= self.kills_planned else [f"{killed} were made"],
            ),
            Finding(
                "no process exited or logged an unexpected error",
                len(self.machine.killable),
                unexpected_exits + self.machine.log.errors,
            ),
        ]

    async def _report_progress(self, before: int, orders: int) -> None:
        while True:
            await asyncio.sleep(20)  # seconds between two progress messages
            self.say(f"{self.buyers.tally.answered - before} of {orders} answered")


@asynccontextmanager
async def open_shop(*, broken: bool = False, say: Say = lambda text: None) -> AsyncIterator[Shop]:
    """A platform with plans and customers; `broken` runs the orders service with a built-in fault."""
    async with running(SETTINGS, modules=BROKEN if broken else None, say=say) as machine:
        await machine.control("POST", "/switches", {"tokens_per_second": TOKENS_PER_SECOND})
        await machine.control("POST", "/balance", {"set": BALANCE})
        tokens = [await machine.token(f"buyer-{n}@example.com") for n in range(CUSTOMERS)]
        buyers = Buyers(machine, tokens, AT_ONCE)
        plans = await buyers.plans(PLANS)
        first = workload.first(plans, CUSTOMERS)
        await asyncio.gather(*(buyers.buy(purchase) for purchase in first))
        owned = [workload.Owned(await buyers.first_esim(p.customer), p.plan) for p in first]
        yield Shop(machine, buyers, plans, owned, say, PriceChanges(machine))
