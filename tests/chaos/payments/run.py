"""One run: shoppers, faults, lost events and kills; then the remaining work, and the audit."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal

import grpc

from protos.orders.v1 import books_pb2, books_pb2_grpc
from tests.chaos.fleet.sales import recounted
from tests.chaos.payments import books, wishes
from tests.chaos.payments.audit import audit
from tests.chaos.payments.shoppers import Seen, Shoppers
from tests.chaos.payments.weather import TIMEOUT, PaymentWeather
from tests.chaos.payments.weather import plan as plan_faults
from tests.chaos.purchase import books as purchase_books
from tests.chaos.purchase import faults, killer
from tests.chaos.purchase import machine as machines
from tests.chaos.purchase.audit import Finding
from tests.chaos.purchase.machine import Machine
from tests.chaos.purchase.report import Report
from tests.chaos.purchase.wishes import Plan

Say = Callable[[str], None]

PLANS, CUSTOMERS, AT_ONCE = 6, 8, 12
MORTALS = ("orders", "webhooks", "gateway")
# What every second customer has in the wallet at first. The others top up a little now and then.
RICH = Decimal("200.00")
# Seconds until all purchases must be answered: a base, and an amount for each.
BOUND, BOUND_OF_ORDER, BOUND_OF_KILL = 120, 3, 10
# Seconds until nothing is in progress any more: unpaid orders expire, and leases of killed processes end.
TAIL = 180
LOOK_EVERY = 0.25
# Seconds for which the faults last after all purchases were answered.
LATER = 6.0
BALANCE = 10_000_000
TOKENS_PER_SECOND = 500
SETTINGS = {
    "LOG_LEVEL": "info",
    "PAYMENTS": "required",
    "STRIPE_TIMEOUT": str(TIMEOUT),
    # Eight customers stand for many.
    "ORDERS_MAX_UNFINISHED": "100000",
    "ESIM_GO_TIMEOUT": str(faults.TIMEOUT),
    "ORDERS_SETTLING_SECONDS": "5",
    "ORDERS_CLOCK_TOLERANCE_SECONDS": "1",
    "ORDERS_TAKEOVER_SECONDS": "2",
    "ORDERS_RECOVERY_SECONDS": "0.25",
    "ORDERS_PURCHASE_WAIT": "3",
}
SERVICE = "tests.chaos.payments.orders_service"


@dataclass(slots=True)
class Shop:
    """A running platform with customers, for several runs in succession."""

    machine: Machine
    shoppers: Shoppers
    plans: list[Plan]
    say: Say
    service_key: str = field(repr=False)
    began: float = field(default_factory=time.monotonic)
    kills_wanted: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    buying: "list[asyncio.Task[None]]" = field(default_factory=list)

    async def run(
        self,
        orders: int,
        kills: int,
        seed: int,
        mix: wishes.Mix = wishes.EVERYTHING,
        *,
        later: float = LATER,
    ) -> None:
        """Buy under faults until each buyer has an order or the time is up.

        The faults last up to `later` seconds more, so that they also meet cancellations and refunds.
        """
        chance = random.Random(seed)
        wanted = wishes.make(orders, self.plans, CUSTOMERS, chance, f"seed-{seed}", mix)
        weather, of_payments = faults.Weather(self.machine), PaymentWeather(self.machine)
        await weather.begin(faults.plan(orders, chance))
        await of_payments.begin(plan_faults(orders, chance))
        planned = killer.plan(kills, orders, chance, MORTALS)
        self.kills_wanted += kills
        answered = self.shoppers.tally.answered
        self.say(f"seed {seed}: buying {orders} orders, with {kills} kills")
        shopping = [asyncio.create_task(self.shoppers.shop(wish)) for wish in wanted]
        self.buying += shopping
        telling = asyncio.create_task(self._tell(answered, orders))
        try:
            async with (
                of_payments.of_events(random.Random(seed)),
                asyncio.timeout(BOUND + BOUND_OF_ORDER * orders + BOUND_OF_KILL * kills),
            ):
                self.kills += await killer.kill_all(planned, self.machine, self.shoppers, answered)
                async with self.shoppers.progress:
                    await self.shoppers.progress.wait_for(
                        lambda: self.shoppers.tally.answered - answered >= orders
                    )
                await asyncio.wait(shopping, timeout=later)
        except TimeoutError:
            self.say("not all were answered in time: the table shows which")
        finally:
            telling.cancel()
        self.faults += await weather.end()
        self.faults += await of_payments.end()

    async def close_books(self, patience: float = TAIL) -> Report:
        """Wait for the remaining work, and audit everything that this shop ever did.

        `patience` is how many seconds it waits until nothing is in progress any more.
        """
        asked = time.monotonic()
        self.say(f"all asked for after {asked - self.began:.0f} s; waiting for the tail")
        await self._tail(patience)
        ended = time.monotonic()
        recorded = await books.read(self.machine)
        calls = self.shoppers.tally.calls + self.shoppers.deeds
        return Report(
            seconds=ended - self.began,
            tail_seconds=ended - asked,
            faults=self.faults,
            kills=self.kills,
            calls=Counter(calls),
            outcomes=Counter(order.outcome for order in recorded.orders),
            findings=await self._compared(recorded),
        )

    async def _tail(self, patience: float) -> None:
        """Wait, within bounds, until the buyers have ended and nothing is in progress."""
        ends = time.monotonic() + patience
        _, late = await asyncio.wait(self.buying, timeout=patience)
        while await books.unfinished(self.machine) and time.monotonic() < ends:
            await asyncio.sleep(LOOK_EVERY)
        for task in late:
            task.cancel()
        for outcome in await asyncio.gather(*self.buying, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome

    async def _compared(self, recorded: books.Books) -> list[Finding]:
        charges = await purchase_books.charges(self.machine)
        seen: dict[str, Seen] = {}
        for customer in range(CUSTOMERS):
            seen |= await self.shoppers.orders(customer)
        killed = self.kills.total()
        own_ends = [m.program.name for m in self.machine.mortals.values() if m.own_ends]
        checked, differences = await self._check_books()
        return [
            *audit(recorded, charges, self.shoppers.paid, seen),
            Finding("CheckBooks finds no difference", checked, differences),
            await self._recounted(),
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

    async def _recounted(self) -> Finding:
        async with grpc.aio.insecure_channel(self.machine.addresses["orders"]) as channel:
            return await recounted(channel, (("authorization", f"Bearer {self.service_key}"),))

    async def _check_books(self) -> tuple[int, list[str]]:
        """Return how much the platform's own comparison covers, and the differences that it finds."""
        found, checked = [], 0
        async with grpc.aio.insecure_channel(self.machine.addresses["orders"]) as channel:
            stub = books_pb2_grpc.BooksServiceStub(channel)
            metadata = (("authorization", f"Bearer {self.service_key}"),)
            async for answer in stub.CheckBooks(books_pb2.CheckBooksRequest(), metadata=metadata):
                if answer.HasField("difference"):
                    one = answer.difference
                    found.append(f"{one.books} {one.code} {one.subject}: {one.message}")
                else:
                    checked = answer.summary.orders
                    self.say(
                        f"CheckBooks left out: {', '.join(answer.summary.skipped) or 'nothing'}"
                    )
        return checked, found

    async def _tell(self, answered: int, orders: int) -> None:
        while True:
            await asyncio.sleep(20)  # seconds between two progress messages
            self.say(f"{self.shoppers.tally.answered - answered} of {orders} answered")


@asynccontextmanager
async def shop(
    *, mutant: str = "", without: str = "", say: Say = lambda text: None
) -> AsyncIterator[Shop]:
    """A platform with plans and customers who pay.

    `mutant` runs the orders service with a built-in fault. `without` is a trigger of the orders tables, as
    `TABLE.TRIGGER`, that is dropped in this platform's database.
    """
    async with AsyncExitStack() as stack:
        machine = await stack.enter_async_context(
            machines.running(
                SETTINGS, modules={"orders": f"{SERVICE} {mutant}"}, mortals=MORTALS, say=say
            )
        )
        if without:
            table, _, trigger = without.partition(".")
            async with machine.database() as connection:
                await connection.execute(f"drop trigger {trigger} on orders.{table}")
        await machine.control("POST", "/switches", {"tokens_per_second": TOKENS_PER_SECOND})
        await machine.control("POST", "/balance", {"set": BALANCE})
        tokens = [await machine.token(f"buyer-{n}@example.com") for n in range(CUSTOMERS)]
        finance = await machine.token("finance@example.com", role="finance")
        shoppers = Shoppers(machine, tokens, finance, AT_ONCE)
        plans = await shoppers.plans(PLANS)
        await asyncio.gather(
            *(shoppers.top_up(n, RICH, f"first-{n}") for n in range(0, CUSTOMERS, 2))
        )
        staff = asyncio.create_task(shoppers.staff())
        stack.callback(staff.cancel)
        yield Shop(machine, shoppers, plans, say, machine.service_key)
