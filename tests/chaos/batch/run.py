"""One run: a batch is bought while processes are killed and the provider fails, and then audited.

Before the first kill, single purchases are timed, without and with the batch beside them.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal

import grpc

from kit.values import money
from protos.orders.v1 import batches_pb2 as pb
from tests.chaos.batch import books, company
from tests.chaos.batch.audit import audit
from tests.chaos.batch.company import Company, Metadata, buy_one
from tests.chaos.fleet.sales import check_sales
from tests.chaos.purchase import faults
from tests.chaos.purchase.audit import Finding
from tests.chaos.purchase.buyers import Buyers
from tests.chaos.purchase.machine import Machine, running
from tests.chaos.purchase.report import Report
from tests.chaos.purchase.run import SETTINGS
from tests.chaos.purchase.workload import Plan

Say = Callable[[str], None]
KILLABLE = ("orders", "esims")
DATABASE = "database connections"
PLANS = 5
BALANCE, TOKENS_PER_SECOND = 10_000_000, 500
# A refused order makes its rows fail, which is correct. An order that takes effect after the platform gave up
# may come within the pause before the next order.
EXCLUDED = frozenset({"refused", "took effect too late"})
# Seconds between two single purchases, and between two polls.
SINGLE_EVERY, POLL_INTERVAL = 0.4, 0.25
# Seconds until a batch must be finished: a base, and an amount for each order and each kill.
TIMEOUT, TIMEOUT_PER_ORDER, TIMEOUT_PER_KILL = 180, 3, 15
FINISHED = (
    pb.BATCH_STATUS_COMPLETED,
    pb.BATCH_STATUS_PARTIAL,
    pb.BATCH_STATUS_FAILED,
    pb.BATCH_STATUS_CANCELLED,
)


@dataclass(slots=True)
class Shop:
    """A running platform with an organization, for several batches in succession."""

    machine: Machine
    company: Company
    single: Metadata
    plans: list[Plan]
    pause: float
    say: Say
    kills: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)
    spent: Decimal = Decimal(0)
    seconds: float = 0.0

    async def run(
        self, items: int, kills: int, seed: int, *, timed: int = 0, patience: float = TIMEOUT
    ) -> None:
        """Buy a batch under kills and faults, and audit it; first `timed` single purchases are timed, twice.

        `patience` is the time limit in seconds, in addition to the pauses between orders.
        """
        rng = random.Random(seed)
        *of_batch, poison, single = self.plans
        rows = company.rows(items, of_batch, poison, rng)
        poisoned = [n for n, row in enumerate(rows, 1) if row.plan_id == poison.id]
        bundles = [plan.name for plan in (*of_batch, poison)]
        before = len(await books.provider_orders(self.machine, bundles))
        alone = await self._time(timed, single)
        began = time.monotonic()
        batch = await self.company.create(rows)
        await self.machine.control("POST", "/catalogue/withdraw", {"name": poison.name})
        orders = batch.counts.esims // 10 + 3
        self.say(f"seed {seed}: {items} rows, some {orders} orders, {kills} kills")
        beside = await self._time(timed, single)
        if timed:
            self.findings.append(self._slower(alone, beside))
        await self._disturb(batch, orders, kills, rng)
        done = await self._end(batch.id, patience + (TIMEOUT_PER_ORDER + self.pause) * orders)
        self.seconds += time.monotonic() - began
        recorded = await self._books(done, bundles, before)
        self.findings += audit(recorded, poisoned, timedelta(seconds=self.pause))

    async def _time(self, count: int, plan: Plan) -> list[float]:
        """Buy single eSIMs and return how long each purchase took, in seconds."""
        times = []
        for _ in range(count):
            began = time.monotonic()
            status = await buy_one(self.company.channel, self.single, plan)
            times.append(time.monotonic() - began)
            if status != "ORDER_STATUS_COMPLETED":
                raise RuntimeError(f"a single purchase is {status}")
            await asyncio.sleep(SINGLE_EVERY)
        return times

    def _slower(self, alone: list[float], beside: list[float]) -> Finding:
        before, after = p99(alone), p99(beside)
        self.say(
            f"single purchases: p99 {before * 1000:.0f} ms without the batch, {after * 1000:.0f} ms"
            f" beside it; median {median(alone) * 1000:.0f} and {median(beside) * 1000:.0f} ms"
        )
        slow = after > 2 * before
        text = f"{after * 1000:.0f} ms after {before * 1000:.0f} ms"
        return Finding(
            "p99 of single purchases beside the batch is at most doubled",
            len(beside),
            [text] if slow else [],
        )

    async def _disturb(self, batch: pb.Batch, orders: int, kills: int, rng: random.Random) -> None:
        """Kill processes while the batch is bought, and compare its counts right after each kill."""
        injected = faults.InjectedFaults(self.machine)
        planned = faults.plan(orders, rng) if kills else []
        await injected.inject(one for one in planned if one.kind not in EXCLUDED)
        ordered = await self._ordered(batch.id)
        positions = sorted(rng.uniform(ordered, orders * 0.9) for _ in range(kills))
        victims = [v for _ in range(kills) for v in rng.sample((*KILLABLE, DATABASE), k=3)]
        wrong, polls = [], 0
        for position, victim in zip(positions, victims, strict=False):
            while await self._ordered(batch.id) < position and not await self._finished(batch.id):
                await asyncio.sleep(POLL_INTERVAL)
            await self._kill(victim, rng)
            before = await books.counts(self.machine, batch.id)
            reported = (await self.company.get(batch.id)).counts
            after = await books.counts(self.machine, batch.id)
            polls += 1
            if not (
                before[0] <= reported.delivered <= after[0]
                and before[1] <= reported.failed <= after[1]
            ):
                wrong.append(
                    f"{reported.delivered}, {reported.failed} between {before} and {after}"
                )
        if kills:  # otherwise the caller's own faults stay set
            self.faults += await injected.remove()
        self.findings.append(Finding("the counts are right after each kill", polls, wrong))

    async def _kill(self, victim: str, rng: random.Random) -> None:
        if victim == DATABASE:
            await self.machine.cut_database()
        else:
            process = self.machine.killable[victim]
            await process.ready()
            await process.kill()
            await asyncio.sleep(
                rng.uniform(0, 1)
            )  # the downtime until a supervisor would restart it
            await process.start()
            await process.ready()
        self.kills[victim] += 1

    async def _ordered(self, batch_id: str) -> int:
        async with self.machine.database() as connection:
            count: int = await connection.fetchval(
                """select count(*)::int from orders.batch_orders
                where batch_id = $1::text::uuid and state = 'ORDERED'""",
                batch_id,
            )
        return count

    async def _finished(self, batch_id: str) -> bool:
        return (await self.company.get(batch_id)).status in FINISHED

    async def _end(self, batch_id: str, seconds: float) -> pb.Batch:
        """Wait, within the time limit, until the batch and all its orders are finished."""
        ends = time.monotonic() + seconds + TIMEOUT_PER_KILL * self.kills.total()
        while time.monotonic() < ends:
            open_orders = await books.value(self.machine, books.OPEN)
            if await self._finished(batch_id) and not open_orders:
                break
            await asyncio.sleep(POLL_INTERVAL)
        return await self.company.get(batch_id)

    async def _books(self, batch: pb.Batch, bundles: list[str], before: int) -> books.Books:
        """Read all records; those of earlier batches of this shop are subtracted."""
        budget = await self.company.budget()
        spent = Decimal(await books.value(self.machine, books.SPENT)) - self.spent
        paid = Decimal(await books.value(self.machine, books.PAID)) - self.spent
        of_budget = money.from_proto(budget.spent) - self.spent
        self.spent += spent
        return books.Books(
            provider_orders=(await books.provider_orders(self.machine, bundles))[before:],
            rows=await self.company.items(batch.id),
            batch=batch,
            names=await books.travelers(self.machine),
            reserved=int(await books.value(self.machine, books.RESERVED)),
            open=int(await books.value(self.machine, books.OPEN)),
            spent=spent,
            paid=paid,
            budget_spent=of_budget,
            budget_reserved=money.from_proto(budget.reserved),
        )

    async def report(self) -> Report:
        """Return the results of all batches of this shop."""
        checked, differences = await self.company.differences()
        unexpected_exits = [
            m.program.name for m in self.machine.killable.values() if m.unexpected_exits
        ]
        return Report(
            seconds=self.seconds,
            tail_seconds=0.0,
            faults=self.faults,
            kills=self.kills,
            calls=Counter(),
            outcomes=Counter(),
            findings=[
                *self.findings,
                Finding("CheckBooks finds no difference", checked, differences),
                await check_sales(self.company.channel, self.company.service),
                Finding(
                    "no process exited or logged an unexpected error",
                    len(self.machine.killable),
                    unexpected_exits + self.machine.log.errors,
                ),
            ],
        )


def p99(times: list[float]) -> float:
    """Return the time that 99 of 100 stay below; with fewer values, the greatest."""
    return sorted(times)[max(0, -(-len(times) * 99 // 100) - 1)]


def median(times: list[float]) -> float:
    return sorted(times)[len(times) // 2]


@asynccontextmanager
async def open_shop(
    *, pause: float = 3.0, module: str = "", say: Say = lambda text: None
) -> AsyncIterator[Shop]:
    """A platform with an organization; `module` runs another orders service, with a built-in fault."""
    settings = SETTINGS | {"PAYMENTS": "off", "BATCH_ORDER_PAUSE_SECONDS": str(pause)}
    modules = {"orders": module} if module else {}
    async with running(settings, modules=modules, killable=KILLABLE, say=say) as machine:
        await machine.control("POST", "/switches", {"tokens_per_second": TOKENS_PER_SECOND})
        await machine.control("POST", "/balance", {"set": BALANCE})
        single = await machine.token("single@example.com")
        plans = await Buyers(machine, [single], 1).plans(PLANS)
        async with grpc.aio.insecure_channel(machine.addresses["orders"]) as channel:
            yield Shop(
                machine,
                await company.create(machine, channel),
                (("authorization", f"Bearer {single}"),),
                plans,
                pause,
                say,
            )
