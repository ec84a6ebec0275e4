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
from tests.chaos.fleet.sales import check_sales
from tests.chaos.payments import books, workload
from tests.chaos.payments.audit import audit
from tests.chaos.payments.faults import TIMEOUT as STRIPE_TIMEOUT
from tests.chaos.payments.faults import InjectedPaymentFaults
from tests.chaos.payments.faults import plan as plan_faults
from tests.chaos.payments.shoppers import CustomerView, Shoppers
from tests.chaos.purchase import books as purchase_books
from tests.chaos.purchase import faults, killer
from tests.chaos.purchase.audit import Finding
from tests.chaos.purchase.machine import Machine, running
from tests.chaos.purchase.report import Report
from tests.chaos.purchase.workload import Plan

Say = Callable[[str], None]

PLANS, CUSTOMERS, AT_ONCE = 6, 8, 12
KILLABLE = ("orders", "webhooks", "gateway")
# What every second customer has in the wallet at first. The others top up small amounts.
WALLET_AMOUNT = Decimal("200.00")
# Seconds until all purchases must be answered: a base, and an amount for each.
TIMEOUT, TIMEOUT_PER_ORDER, TIMEOUT_PER_KILL = 120, 3, 10
# Seconds until nothing is in progress any more: unpaid orders expire, and leases of killed processes end.
FINISH_TIMEOUT = 180
POLL_INTERVAL = 0.25
# Seconds for which the faults last after all purchases were answered.
FAULTS_AFTER = 6.0
BALANCE = 10_000_000
TOKENS_PER_SECOND = 500
SETTINGS = {
    "LOG_LEVEL": "info",
    "PAYMENTS": "required",
    "STRIPE_TIMEOUT": str(STRIPE_TIMEOUT),
    # Eight customers simulate many.
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
    kills_planned: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    buying: "list[asyncio.Task[None]]" = field(default_factory=list)

    async def run(
        self,
        orders: int,
        kills: int,
        seed: int,
        mix: workload.Mix = workload.EVERYTHING,
        *,
        faults_after: float = FAULTS_AFTER,
    ) -> None:
        """Buy under faults until each buyer has an order or the time is up.

        The faults last up to `faults_after` seconds more, so that they also meet cancellations and refunds.
        """
        rng = random.Random(seed)
        purchases = workload.make(orders, self.plans, CUSTOMERS, rng, f"seed-{seed}", mix)
        injected = faults.InjectedFaults(self.machine)
        injected_payments = InjectedPaymentFaults(self.machine)
        await injected.inject(faults.plan(orders, rng))
        await injected_payments.inject(plan_faults(orders, rng))
        planned = killer.plan(kills, orders, rng, KILLABLE)
        self.kills_planned += kills
        before = self.shoppers.tally.answered
        self.say(f"seed {seed}: buying {orders} orders, with {kills} kills")
        shopping = [asyncio.create_task(self.shoppers.shop(purchase)) for purchase in purchases]
        self.buying += shopping
        reporting = asyncio.create_task(self._report_progress(before, orders))
        try:
            async with (
                injected_payments.vary_deliveries(random.Random(seed)),
                asyncio.timeout(TIMEOUT + TIMEOUT_PER_ORDER * orders + TIMEOUT_PER_KILL * kills),
            ):
                self.kills += await killer.kill_all(planned, self.machine, self.shoppers, before)
                async with self.shoppers.progress:
                    await self.shoppers.progress.wait_for(
                        lambda: self.shoppers.tally.answered - before >= orders
                    )
                await asyncio.wait(shopping, timeout=faults_after)
        except TimeoutError:
            self.say("not all purchases were answered in time: the table shows which")
        finally:
            reporting.cancel()
        self.faults += await injected.remove()
        self.faults += await injected_payments.remove()

    async def close_books(self, patience: float = FINISH_TIMEOUT) -> Report:
        """Wait for the remaining work, and audit everything that this shop ever did.

        `patience` is how many seconds it waits until nothing is in progress any more.
        """
        answered_at = time.monotonic()
        self.say(
            f"all answered after {answered_at - self.began:.0f} s; waiting for unfinished work"
        )
        await self._wait_for_unfinished(patience)
        ended = time.monotonic()
        recorded = await books.read(self.machine)
        calls = self.shoppers.tally.calls + self.shoppers.actions
        return Report(
            seconds=ended - self.began,
            tail_seconds=ended - answered_at,
            faults=self.faults,
            kills=self.kills,
            calls=Counter(calls),
            outcomes=Counter(order.outcome for order in recorded.orders),
            findings=await self._findings(recorded),
        )

    async def _wait_for_unfinished(self, patience: float) -> None:
        """Wait, within bounds, until the buyers have ended and nothing is in progress."""
        ends = time.monotonic() + patience
        _, late = await asyncio.wait(self.buying, timeout=patience)
        while await books.unfinished(self.machine) and time.monotonic() < ends:
            await asyncio.sleep(POLL_INTERVAL)
        for task in late:
            task.cancel()
        for outcome in await asyncio.gather(*self.buying, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome

    async def _findings(self, recorded: books.Books) -> list[Finding]:
        charges = await purchase_books.charges(self.machine)
        seen: dict[str, CustomerView] = {}
        for customer in range(CUSTOMERS):
            seen |= await self.shoppers.orders(customer)
        killed = self.kills.total()
        unexpected_exits = [
            m.program.name for m in self.machine.killable.values() if m.unexpected_exits
        ]
        checked, differences = await self._check_books()
        return [
            *audit(recorded, charges, self.shoppers.paid, seen),
            Finding("CheckBooks finds no difference", checked, differences),
            await self._check_sales(),
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

    async def _check_sales(self) -> Finding:
        async with grpc.aio.insecure_channel(self.machine.addresses["orders"]) as channel:
            return await check_sales(channel, (("authorization", f"Bearer {self.service_key}"),))

    async def _check_books(self) -> tuple[int, list[str]]:
        """Return how much the platform's own comparison covers, and the differences that it finds."""
        differences, checked = [], 0
        async with grpc.aio.insecure_channel(self.machine.addresses["orders"]) as channel:
            stub = books_pb2_grpc.BooksServiceStub(channel)
            metadata = (("authorization", f"Bearer {self.service_key}"),)
            async for answer in stub.CheckBooks(books_pb2.CheckBooksRequest(), metadata=metadata):
                if answer.HasField("difference"):
                    one = answer.difference
                    differences.append(f"{one.books} {one.code} {one.subject}: {one.message}")
                else:
                    checked = answer.summary.orders
                    self.say(
                        f"CheckBooks skipped: {', '.join(answer.summary.skipped) or 'nothing'}"
                    )
        return checked, differences

    async def _report_progress(self, before: int, orders: int) -> None:
        while True:
            await asyncio.sleep(20)  # seconds between two progress messages
            self.say(f"{self.shoppers.tally.answered - before} of {orders} answered")


@asynccontextmanager
async def open_shop(
    *, mutant: str = "", without: str = "", say: Say = lambda text: None
) -> AsyncIterator[Shop]:
    """A platform with plans and customers who pay.

    `mutant` runs the orders service with a built-in fault. `without` is a trigger of the orders tables, as
    `TABLE.TRIGGER`, that is dropped in this platform's database.
    """
    async with AsyncExitStack() as stack:
        machine = await stack.enter_async_context(
            running(SETTINGS, modules={"orders": f"{SERVICE} {mutant}"}, killable=KILLABLE, say=say)
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
            *(shoppers.top_up(n, WALLET_AMOUNT, f"first-{n}") for n in range(0, CUSTOMERS, 2))
        )
        staff = asyncio.create_task(shoppers.staff())
        stack.callback(staff.cancel)
        yield Shop(machine, shoppers, plans, say, machine.service_key)
