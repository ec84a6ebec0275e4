"""Price changes at the provider during purchases, and a record of them."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from tests.chaos.purchase.machine import Machine
from tests.chaos.purchase.workload import Plan

# Multipliers of a price; half of the time it is the one in the catalogue.
FACTORS = tuple(map(Decimal, ("1", "1", "1", "0.9", "1.5", "3")))
# Maximum seconds between two price changes.
MAX_PAUSE = 0.5


@dataclass(frozen=True, slots=True)
class PriceChange:
    """A price, which was set at some moment between `after` and `before`."""

    price: Decimal
    after: datetime
    before: datetime


@dataclass(slots=True)
class PriceChanges:
    """Changes the prices of plans at the sandbox, and records every change."""

    machine: Machine
    changes: dict[str, list[PriceChange]] = field(default_factory=dict)

    @asynccontextmanager
    async def running(self, plans: Sequence[Plan], rng: random.Random) -> AsyncIterator[None]:
        """Change prices during the block, and reset them at its end."""
        for plan in plans:
            await self._set(plan, plan.price)
        task = asyncio.create_task(self._change(plans, rng))
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            for plan in plans:
                await self._set(plan, plan.price)

    async def _change(self, plans: Sequence[Plan], rng: random.Random) -> None:
        while True:
            plan = rng.choice(plans)
            await self._set(plan, plan.price * rng.choice(FACTORS))
            await asyncio.sleep(rng.uniform(0, MAX_PAUSE))

    async def _set(self, plan: Plan, price: Decimal) -> None:
        after = datetime.now(UTC)
        body = {"name": plan.name, "price": float(price)}
        await self.machine.control("POST", "/catalogue/price", body)
        self.changes.setdefault(plan.name, []).append(PriceChange(price, after, datetime.now(UTC)))

    def lowest(self, name: str, since: datetime, until: datetime) -> Decimal | None:
        """Return the lowest price that may have applied at some moment of the interval; None if unknown."""
        return lowest(self.changes.get(name, ()), since, until)


def lowest(changes: Sequence[PriceChange], since: datetime, until: datetime) -> Decimal | None:
    """Return the lowest price that may have applied between the two moments; None if unknown."""
    if not changes:
        return None
    # The first change only records the price that already applied.
    starts = [since, *(change.after for change in changes[1:])]
    ends = [*(change.before for change in changes[1:]), until + timedelta(days=1)]
    prices = [
        change.price
        for change, start, end in zip(changes, starts, ends, strict=True)
        if start <= until and end >= since
    ]
    return min(prices)
