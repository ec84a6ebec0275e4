"""One run: concurrent buyers, faults and kills, then the remaining work, then the audit."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.chaos.purchase import books, faults, killer, wishes
from tests.chaos.purchase import machine as machines
from tests.chaos.purchase.audit import Finding, audit
from tests.chaos.purchase.buyers import Buyers
from tests.chaos.purchase.machine import Machine
from tests.chaos.purchase.market import Market
from tests.chaos.purchase.report import Report

Say = Callable[[str], None]

# Few plans and few customers, so that equal orders meet: those are the ones that can be mixed up.
PLANS = 6
CUSTOMERS = 8
AT_ONCE = 16
# Seconds until all purchases must be answered: a base, and an amount for each.
BOUND, BOUND_OF_ORDER, BOUND_OF_KILL = 120, 2, 10
# Seconds until the last order must have ended: twice unclear, each time taken over and settled.
TAIL = 120
# Seconds between two checks meanwhile.
LOOK_EVERY = 0.25
# Seconds until buyers must see the end of an order that has ended in the tables.
LAST_LOOK = 60
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
    plans: list[wishes.Plan]
    owned: list[wishes.Owned]
    say: Say
    market: Market
    began: float = field(default_factory=time.monotonic)
    kills_wanted: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    buying: "list[asyncio.Task[None]]" = field(default_factory=list)

    async def run(self, orders: int, kills: int, seed: int) -> None:
        """Buy under faults until each buyer has an order or the time is up.

        PROCESSING orders then continue without faults.
        """
        chance = random.Random(seed)
        wanted = wishes.make(orders, self.plans, self.owned, chance, f"seed-{seed}")
        weather = faults.Weather(self.machine)
        await weather.begin(faults.plan(orders, chance))
        planned = killer.plan(kills, orders, chance)
        self.kills_wanted += kills
        answered = self.buyers.tally.answered
        self.say(f"seed {seed}: buying {orders} orders, with {kills} kills")
        self.buying += [asyncio.create_task(self.buyers.buy(wish)) for wish in wanted]
        telling = asyncio.create_task(self._tell(answered, orders))
        try:
            async with (
                self.market.moving(self.plans, random.Random(seed)),
                asyncio.timeout(BOUND + BOUND_OF_ORDER * orders + BOUND_OF_KILL * kills),
            ):
                self.kills += await killer.kill_all(planned, self.machine, self.buyers, answered)
                async with self.buyers.progress:
                    await self.buyers.progress.wait_for(
                        lambda: self.buyers.tally.answered - answered >= orders
                    )
        except TimeoutError:
            self.say("not all were answered in time: the table shows which")
        finally:
            telling.cancel()
        self.faults += await weather.end()

    async def close_books(self) -> Report:
        """Wait for the remaining work, and audit everything that this shop ever did."""
        asked = time.monotonic()
        self.say(f"all asked for after {asked - self.began:.0f} s; waiting for the tail")
        await self._tail()
        ended = time.monotonic()
        return Report(
            seconds=ended - self.began,
            tail_seconds=ended - asked,
            faults=self.faults,
            kills=self.kills,
            calls=self.buyers.tally.calls.copy(),
            outcomes=Counter(order.outcome for order in await books.recorded(self.machine)),
            findings=await self._compared(),
        )

    async def _tail(self) -> None:
        """Wait, within bounds, until no order is in progress, then end the buyers."""
        ends = time.monotonic() + TAIL
        while await books.processing(self.machine) and time.monotonic() < ends:
            await asyncio.sleep(LOOK_EVERY)
        _, late = await asyncio.wait(self.buying, timeout=LAST_LOOK)
        for task in late:
            task.cancel()
        for outcome in await asyncio.gather(*self.buying, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome

    async def _compared(self) -> list[Finding]:
        charges, orders = await books.charges(self.machine), await books.recorded(self.machine)
        seen: dict[str, tuple[str, frozenset[str]]] = {}
        for customer in range(CUSTOMERS):
            seen |= await self.buyers.seen(customer)
        killed = self.kills.total()
        own_ends = [m.program.name for m in self.machine.mortals.values() if m.own_ends]
        return [
            *audit(charges, orders, self.buyers.results, seen, self.market.lowest),
            Finding(
                "as many kills as asked for",
                self.kills_wanted,
                [] if killed >= self.kills_wanted else [f"{killed} were possible"],
            ),
            Finding(
                "no process ended by itself, or met what it did not foresee",
                len(self.machine.mortals),
                own_ends + self.machine.lines.alarms,
            ),
        ]

    async def _tell(self, answered: int, orders: int) -> None:
        while True:
            await asyncio.sleep(20)  # seconds between two progress messages
            self.say(f"{self.buyers.tally.answered - answered} of {orders} answered")


@asynccontextmanager
async def shop(*, broken: bool = False, say: Say = lambda text: None) -> AsyncIterator[Shop]:
    """A platform with plans and customers; `broken` runs the orders service with a built-in fault."""
    async with machines.running(SETTINGS, modules=BROKEN if broken else None, say=say) as machine:
        await machine.control("POST", "/switches", {"tokens_per_second": TOKENS_PER_SECOND})
        await machine.control("POST", "/balance", {"set": BALANCE})
        tokens = [await machine.token(f"buyer-{n}@example.com") for n in range(CUSTOMERS)]
        buyers = Buyers(machine, tokens, AT_ONCE)
        plans = await buyers.plans(PLANS)
        first = wishes.first(plans, CUSTOMERS)
        await asyncio.gather(*(buyers.buy(wish) for wish in first))
        owned = [wishes.Owned(await buyers.first_esim(wish.customer), wish.plan) for wish in first]
        yield Shop(machine, buyers, plans, owned, say, Market(machine))
